//! Endpoints of purchases of credit: opening a page to pay on, and what became of it.

use std::time::Duration;

use actix_web::{get, post, web};
use actors::Session;
use domain::billing::checkout::{Checkout, CheckoutCommand, CheckoutRefusal};
use domain::ids::CheckoutId;
use domain::ports::ids::Ids as _;
use domain::ports::payments::{NewPaymentPage, PaymentError};
use serde::Deserialize;
use utoipa::ToSchema;

use super::super::commands::{AsProblem as _, context, problem};
use super::super::folded::{fold, only_moment};
use super::super::history::{self, HistoryEvent};
use super::super::paging::HistoryParams;
use super::checkout_view::CheckoutView;
use super::money::MoneyBody;
use crate::auth::Caller;
use crate::auth::permissions::{BillingRead, BillingWrite};
use crate::backend::Backend;
use crate::problem::{ApiError, Code, Fields, Problem};
use crate::{Answer, Enveloped, JsonBody, Listed, NewIds, PathId, Query, RequestContext};

/// Pause before the provider is asked once more.
const PAUSE: Duration = Duration::from_millis(500);
/// Longest address to go to after a payment, in bytes.
const MAX_URL: usize = 2_000;

/// Credit that is to be bought.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewCheckout {
    /// Amount to pay: whole smallest units of the currency, such as cents.
    amount: MoneyBody,
    /// Where the payer goes after the payment: `https://…`, at most 2000 characters.
    #[schema(max_length = 2_000)]
    success_url: String,
    /// Where the payer goes to turn back: `https://…`, at most 2000 characters.
    #[schema(max_length = 2_000)]
    cancel_url: String,
}

fn address(field: &str, text: &str, fields: &mut Fields) {
    let web = text.starts_with("https://") || text.starts_with("http://");
    if !web || text.len() > MAX_URL || text.bytes().any(|byte| byte.is_ascii_control() || byte == b' ') {
        fields.fault(
            field,
            "invalid",
            "give a URL that begins with https:// (or http://), of at most 2000 characters",
        );
    }
}

/// Buy credit by a payment.
///
/// Opens a page of the payment provider where the amount is paid. The credit is there once the provider says that it is
/// paid; until then the checkout is `open`.
#[utoipa::path(post, path = "/api/v1/billing/checkouts", tag = "billing", operation_id = "createCheckout",
    request_body = NewCheckout,
    responses((status = 201, description = "The checkout, with the page to pay on",
        body = Enveloped<CheckoutView>), Problem))]
#[post("/billing/checkouts")]
pub(crate) async fn create_checkout(
    caller: Caller<BillingWrite>,
    body: JsonBody<NewCheckout>,
    request: RequestContext,
    ids: NewIds,
    backend: web::Data<Backend>,
) -> Result<Answer, ApiError> {
    let NewCheckout { amount, success_url, cancel_url } = body.value;
    let mut fields = Fields::default();
    address("success_url", &success_url, &mut fields);
    address("cancel_url", &cancel_url, &mut fields);
    let amount = amount.positive(&mut fields);
    fields.finish()?;
    let Some((amount, currency)) = amount else { return Err(ApiError::malformed_request("no amount")) };
    super::balance::only_in_its_currency(&backend, caller.client, currency).await?;
    let advice = "set VOXLEDGER_STRIPE_API_KEY and VOXLEDGER_STRIPE_WEBHOOK_SECRET to sell credit";
    let payments = backend.payments.as_ref();
    let payments = payments.ok_or_else(|| ApiError::new(Code::PaymentsNotConfigured, advice))?;
    let id = CheckoutId(ids.next());
    let now = || backend.runtime.clock.now();
    // a repeated request has the id of the first, whose answer may have been lost
    let mut session = Session::<Checkout>::new(backend.runtime.clone(), id.stream());
    let context = context(&caller, &request, id.0);
    let ask = CheckoutCommand::Request { amount, currency, now: now() };
    session.execute(&ask, &context, None).await.map_err(problem)?;
    let minor_units = currency.minor_units_of(amount).unwrap_or_default();
    let (checkout, client) = (id, caller.client);
    let page = NewPaymentPage { checkout, client, minor_units, currency, success_url, cancel_url };
    // the same checkout again leads to the same page, so a lost answer may be asked for once more
    let mut opened = payments.provider.open(&page).await;
    if matches!(opened, Err(PaymentError::Unavailable(_))) {
        backend.runtime.clock.sleep(PAUSE).await;
        opened = payments.provider.open(&page).await;
    }
    let outcome = match &opened {
        Ok(page) => {
            let (session, url) = (page.session.clone(), page.url.clone());
            CheckoutCommand::Open { session, url, now: now() }
        }
        Err(error) => CheckoutCommand::Fail { code: error.code().to_owned(), now: now() },
    };
    let receipt = session.execute(&outcome, &context, None).await.map_err(problem)?;
    if let Err(error) = opened {
        return Err(ApiError::new(Code::CheckoutFailed, error.to_string()));
    }
    let view = CheckoutView::of(id, session.state()).ok_or_else(|| ApiError::not_found("checkout"))?;
    let answer = Answer::data(&view).created().etag(receipt.version).written_at(receipt.position);
    Ok(answer.location(&format!("/api/v1/billing/checkouts/{id}")))
}

/// Get a checkout by its id.
///
/// Read from the log itself, so it is never behind. With `at` or `version`, answers with the checkout as it was then.
#[utoipa::path(get, path = "/api/v1/billing/checkouts/{id}", tag = "billing", operation_id = "getCheckout",
    params(("id" = String, Path, description = "Id of the checkout: `chk_…`"),
        ("at" = Option<String>, Query, description = "Show the state at this time (RFC 3339); default: now"),
        ("version" = Option<u64>, Query, description = "Show the state at this version; default: current")),
    responses((status = 200, description = "The checkout", body = Enveloped<CheckoutView>), Problem))]
#[get("/billing/checkouts/{id}")]
pub(crate) async fn get_checkout(
    caller: Caller<BillingRead>,
    PathId(id): PathId<CheckoutId>,
    query: Query,
    backend: web::Data<Backend>,
) -> Result<Answer, ApiError> {
    let (moment, kind) = (only_moment(query)?, CheckoutRefusal::KIND);
    let folded = fold::<Checkout>(&backend, caller.client, &id.stream(), kind, moment).await?;
    let view = CheckoutView::of(id, &folded.state).ok_or_else(|| ApiError::not_found(kind))?;
    Ok(Answer::data(&view).etag(folded.version))
}

/// List the events of a checkout.
///
/// The checkout's own event history, oldest first.
#[utoipa::path(get, path = "/api/v1/billing/checkouts/{id}/events", tag = "billing",
    operation_id = "listCheckoutEvents",
    params(("id" = String, Path, description = "Id of the checkout: `chk_…`"),
        HistoryParams),
    responses((status = 200, description = "A page of events", body = Listed<HistoryEvent>), Problem))]
#[get("/billing/checkouts/{id}/events")]
pub(crate) async fn list_checkout_events(
    caller: Caller<BillingRead>,
    PathId(id): PathId<CheckoutId>,
    query: Query,
    backend: web::Data<Backend>,
) -> Result<Answer, ApiError> {
    history::page(&backend, caller.client, &id.stream(), CheckoutRefusal::KIND, query).await
}
