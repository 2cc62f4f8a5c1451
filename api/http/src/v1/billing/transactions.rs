//! Endpoint that lists a client's transactions.

use actix_web::{get, web};
use domain::billing::account::TransactionKind;
use domain::ids::{CallId, CheckoutId};
use projections::billing::{TransactionFilter, TransactionView};
use projections::page::PageRequest;

use super::super::paging::{self, CreatedParams, PageParams};
use super::word;
use crate::auth::Caller;
use crate::auth::permissions::BillingRead;
use crate::backend::Backend;
use crate::problem::{ApiError, Problem};
use crate::{Answer, EdgeId, Listed, Query};

/// List the transactions of your ledger.
///
/// Newest first unless `order` says otherwise; a transaction must match all filters. Their amounts add up to the credit.
#[utoipa::path(get, path = "/api/v1/billing/transactions", tag = "billing", operation_id = "listTransactions",
    params(
        ("kind" = Option<String>, Query, description = "Only this kind, such as `usage`"),
        ("call_id" = Option<String>, Query, description = "Only transactions because of this call: `call_…`"),
        ("checkout_id" = Option<String>, Query,
            description = "Only transactions because of this checkout: `chk_…`"),
        CreatedParams,
        PageParams),
    responses((status = 200, description = "A page of transactions", body = Listed<TransactionView>), Problem))]
#[get("/billing/transactions")]
pub(crate) async fn list_transactions(
    caller: Caller<BillingRead>,
    mut query: Query,
    backend: web::Data<Backend>,
) -> Result<Answer, ApiError> {
    let kind = query.text("kind").and_then(|text| {
        let kind = word(TransactionKind::ALL, TransactionKind::as_str, &text);
        kind.map_err(|advice| query.fault("kind", &advice)).ok()
    });
    let call = query.take::<EdgeId<CallId>>("call_id").map(|id| id.0.0);
    let checkout = query.take::<EdgeId<CheckoutId>>("checkout_id").map(|id| id.0.0);
    if call.is_some() && checkout.is_some() {
        query.fault("checkout_id", "give a call or a checkout, not both");
    }
    let filter = TransactionFilter { kind, source: call.or(checkout) };
    let (created_after, created_before) = (query.time("created_after"), query.time("created_before"));
    paging::list(query, async |request| {
        let page = PageRequest { created_after, created_before, ..request };
        backend.views.transactions(caller.client, filter, &page).await
    })
    .await
}
