//! Endpoint that gives a client credit without a payment.

use actix_web::{post, web};
use domain::billing::account::{Change, CreditRequest};
use domain::ids::{ClientId, TransactionId};
use domain::ports::ids::Ids as _;
use projections::billing::{CreditTransactions, TransactionView};
use projections::view::{View as _, replay};
use serde::Deserialize;
use utoipa::ToSchema;

use super::super::auth::clients::above;
use super::super::commands::context;
use super::super::history::events_until;
use super::money::MoneyBody;
use super::refused;
use crate::auth::Caller;
use crate::auth::permissions::BillingWrite;
use crate::backend::Backend;
use crate::problem::{ApiError, Fields, Problem};
use crate::{Answer, EdgeId, Enveloped, JsonBody, NewIds, RequestContext};

/// Credit that is to be given.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewGrant {
    /// Id of the client that gets it: `cli_…`.
    #[schema(value_type = String)]
    client_id: EdgeId<ClientId>,
    /// Amount to give, above zero.
    amount: MoneyBody,
    /// Why it is given: 1 to 500 characters, which the client sees.
    #[schema(example = "welcome", min_length = 1, max_length = 500)]
    reason: String,
}

/// Give a client credit.
///
/// Only for the platform's administrator.
#[utoipa::path(post, path = "/api/v1/billing/grants", tag = "billing", operation_id = "createGrant",
    request_body = NewGrant,
    responses((status = 201, description = "The transaction", body = Enveloped<TransactionView>), Problem))]
#[post("/billing/grants")]
pub(crate) async fn create_grant(
    caller: Caller<BillingWrite>,
    body: JsonBody<NewGrant>,
    request: RequestContext,
    ids: NewIds,
    backend: web::Data<Backend>,
) -> Result<Answer, ApiError> {
    let NewGrant { client_id, amount, reason } = body.value;
    let of = above(&caller, client_id.0)?;
    if !backend.identity().has_client(of.client) {
        return Err(ApiError::not_found("client"));
    }
    let mut fields = Fields::default();
    let amount = amount.positive(&mut fields);
    fields.finish()?;
    let Some((amount, currency)) = amount else { return Err(ApiError::malformed_request("no amount")) };
    super::balance::only_in_its_currency(&backend, of.client, currency).await?;
    let (id, now, terms) =
        (TransactionId(ids.next()), backend.runtime.clock.now(), backend.gate.billing(of.client));
    let change = Change::Grant { amount, reason };
    let grant = CreditRequest { id, currency: Some(currency), terms, change, now };
    let context = context(&of, &request, id.0);
    let receipt = backend.billing.ledger.post(of.client, grant, Some(context)).await.map_err(refused)?;
    if let Some(position) = receipt.position {
        backend.caught_up(position).await;
    }
    let view = transaction(&backend, of.client, id).await?;
    Ok(Answer::data(&view).created().written_at(receipt.position))
}

async fn transaction(
    backend: &Backend,
    client: ClientId,
    id: TransactionId,
) -> Result<TransactionView, ApiError> {
    let found = backend.views.transactions_of(client, id.0).await.map_err(ApiError::unavailable)?;
    if let Some(view) = found.into_iter().find(|view| view.id == id) {
        return Ok(view);
    }
    // the views trail: the ledger itself knows it
    let stream = domain::ids::CreditAccountId::of(client).stream();
    let events = events_until(backend, client, &stream, "credit account", None).await?;
    for event in events.iter().rev() {
        let read = CreditTransactions::read(event).map_err(ApiError::internal)?;
        if read.is_some_and(|(key, _)| key == id.0) {
            let row = replay::<CreditTransactions>([event]).map_err(ApiError::internal)?;
            return row.map(|row| row.view).ok_or_else(|| ApiError::not_found("transaction"));
        }
    }
    Err(ApiError::not_found("transaction"))
}
