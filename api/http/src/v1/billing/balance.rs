//! Endpoint that shows a client's credit.

use actix_web::{get, web};
use domain::billing::Currency;
use domain::ids::{ClientId, CreditAccountId};
use projections::billing::{CreditAccountView, CreditAccounts};
use serde::Serialize;
use utoipa::ToSchema;

use super::super::commands::problem;
use crate::auth::Caller;
use crate::auth::permissions::BillingRead;
use crate::backend::Backend;
use crate::problem::{ApiError, Problem};
use crate::{Answer, Enveloped, Query};

/// Your credit, in millionths of the currency.
#[derive(Serialize, ToSchema)]
#[schema(as = Balance)]
pub(crate) struct BalanceView {
    /// Credit that may be spent; below zero when more was spent.
    available: i64,
    /// Credit kept for calls under way.
    held: i64,
    /// Currency as an ISO 4217 code; `null` before the first transaction.
    #[schema(required, example = "USD")]
    currency: Option<String>,
    /// You are told once the credit falls to this; `null`: you are not told.
    #[schema(required)]
    low_at: Option<i64>,
    /// Whether calls need cover by credit before they are placed or taken.
    prepaid: bool,
    /// How far below zero the credit may go.
    credit_line: i64,
}

/// The client's account; `None` before its first transaction.
pub(super) async fn account(
    backend: &Backend,
    client: ClientId,
) -> Result<Option<CreditAccountView>, ApiError> {
    let id = CreditAccountId::of(client);
    let stored = backend.views.one::<CreditAccounts>(client, id).await.map_err(ApiError::unavailable)?;
    let account = stored.map(|stored| serde_json::from_str(&stored.json)).transpose();
    account.map_err(ApiError::internal)
}

/// Fails with 422 when the client's credit, or the prices of its calls, are in another currency than this one.
pub(super) async fn only_in_its_currency(
    backend: &Backend,
    client: ClientId,
    currency: Currency,
) -> Result<(), ApiError> {
    let refuse = |other: Currency, what: &str| {
        Err(ApiError::invalid(
            "amount.currency",
            "other_currency",
            format!("{what} in {other}: use that currency"),
        ))
    };
    if let Some(account) = account(backend, client).await?
        && account.currency != currency
    {
        return refuse(account.currency, "the credit is");
    }
    let book = backend.billing.prices.newest().await.map_err(problem)?;
    match book.in_force(client, backend.runtime.clock.now()) {
        Some(list) if list.currency != currency => refuse(list.currency, "calls are charged"),
        _ => Ok(()),
    }
}

/// Get the credit you have.
///
/// What may be spent and what is kept for calls under way, as the transactions add up to, and the terms of the credit.
#[utoipa::path(get, path = "/api/v1/billing/balance", tag = "billing", operation_id = "getBalance",
    responses((status = 200, description = "The credit", body = Enveloped<BalanceView>), Problem))]
#[get("/billing/balance")]
pub(crate) async fn get_balance(
    caller: Caller<BillingRead>,
    query: Query,
    backend: web::Data<Backend>,
) -> Result<Answer, ApiError> {
    query.finish()?;
    let account = account(&backend, caller.client).await?;
    let terms = backend.gate.billing(caller.client);
    Ok(Answer::data(&BalanceView {
        available: account.as_ref().map_or(0, |account| account.available),
        held: account.as_ref().map_or(0, |account| account.held),
        currency: account.map(|account| account.currency.to_string()),
        low_at: terms.low_at,
        prepaid: terms.prepaid,
        credit_line: terms.credit_line,
    }))
}
