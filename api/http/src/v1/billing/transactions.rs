//! Endpoint that lists a client's transactions, also as CloudEvents for a billing system elsewhere.

use actix_web::http::header::{Accept, CONTENT_TYPE, Header as _, HeaderValue, LINK, VARY};
use actix_web::{HttpRequest, HttpResponse, Responder as _, get, web};
use domain::billing::account::TransactionKind;
use domain::ids::{CallId, CheckoutId};
use projections::billing::{TransactionFilter, TransactionView};
use projections::page::{Page, PageRequest};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::super::paging::{self, CreatedParams, PageParams};
use super::word;
use crate::auth::permissions::BillingRead;
use crate::auth::{Caller, Principal};
use crate::backend::Backend;
use crate::cursor::Cursor;
use crate::problem::{ApiError, Problem};
use crate::{EdgeId, Listed, Query};

/// A batch of events in the form of CloudEvents 1.0.
const CLOUD_EVENTS: &str = "application/cloudevents-batch+json";

/// List the transactions of your ledger.
///
/// Newest first unless `order` says otherwise; a transaction must match all filters. Their amounts add up to the credit.
/// With `Accept: application/cloudevents-batch+json` the answer is a batch of CloudEvents 1.0, whose ids are those of the
/// transactions; the header `Link` leads to the next page.
#[utoipa::path(get, path = "/api/v1/billing/transactions", tag = "billing", operation_id = "listTransactions",
    params(
        ("kind" = Option<String>, Query, description = "Only this kind, such as `usage`"),
        ("call_id" = Option<String>, Query, description = "Only transactions because of this call: `call_…`"),
        ("checkout_id" = Option<String>, Query,
            description = "Only transactions because of this checkout: `chk_…`"),
        CreatedParams,
        PageParams),
    responses((status = 200, description = "A page of transactions",
        content((Listed<TransactionView> = "application/json"),
            (CloudEventBatch = "application/cloudevents-batch+json"))), Problem))]
#[get("/billing/transactions")]
pub(crate) async fn list_transactions(
    caller: Caller<BillingRead>,
    mut query: Query,
    http: HttpRequest,
    backend: web::Data<Backend>,
) -> Result<HttpResponse, ApiError> {
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
    let page = paging::page(query, async |request| {
        let page = PageRequest { created_after, created_before, ..request };
        backend.views.transactions(caller.client, filter, &page).await
    })
    .await?;
    let wanted = Accept::parse(&http).ok().and_then(|accept| accept.ranked().into_iter().next());
    let mut response = match wanted {
        Some(first) if first.essence_str() == CLOUD_EVENTS => cloud_events(&http, &caller, &page)?,
        _ => paging::answer(&page)?.respond_to(&http),
    };
    response.headers_mut().append(VARY, HeaderValue::from_static("accept"));
    Ok(response)
}

/// A transaction as an event in the form of CloudEvents 1.0.
#[derive(Serialize, ToSchema)]
pub(crate) struct CloudEvent {
    /// Version of the form: `1.0`.
    specversion: &'static str,
    /// Id of the transaction: it comes again when the page is asked for again.
    id: String,
    /// Where the event is from: `/clients/` and the id of the client.
    source: String,
    /// What the transaction is, such as `voxledger.ledger.usage`.
    #[serde(rename = "type")]
    kind: String,
    /// Id of what the transaction is because of.
    subject: String,
    /// When it was posted.
    #[schema(value_type = String, format = DateTime)]
    time: String,
    /// Media type of the data: `application/json`.
    datacontenttype: &'static str,
    /// The transaction itself, as a page of transactions has it.
    #[schema(value_type = TransactionView)]
    data: Value,
}

/// Transactions as events in the form of CloudEvents 1.0.
#[derive(Serialize, ToSchema)]
#[serde(transparent)]
pub(crate) struct CloudEventBatch(Vec<CloudEvent>);

fn cloud_events(http: &HttpRequest, caller: &Principal, page: &Page) -> Result<HttpResponse, ApiError> {
    let source = format!("/clients/{}", caller.client);
    let event = |item: &String| {
        let data: Value = serde_json::from_str(item)?;
        let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        Ok(CloudEvent {
            specversion: "1.0",
            id: word(&data["id"]),
            source: source.clone(),
            kind: format!("voxledger.ledger.{}", word(&data["kind"])),
            subject: word(&data["source"]["id"]),
            time: word(&data["at"]),
            datacontenttype: "application/json",
            data,
        })
    };
    let events: Result<Vec<CloudEvent>, serde_json::Error> = page.items.iter().map(event).collect();
    let events = CloudEventBatch(events.map_err(ApiError::internal)?);
    let mut response = HttpResponse::Ok();
    response.insert_header((CONTENT_TYPE, CLOUD_EVENTS));
    if let Some(next) = page.next.as_ref() {
        let cursor = Cursor::after(&next.to_string())?;
        response.insert_header((LINK, format!("<{}>; rel=\"next\"", next_page(http, cursor.as_str()))));
    }
    Ok(response.body(serde_json::to_vec(&events).map_err(ApiError::internal)?))
}

/// Address of the next page: this one's with another cursor.
fn next_page(http: &HttpRequest, cursor: &str) -> String {
    let kept = http.query_string().split('&').filter(|pair| !pair.is_empty() && !pair.starts_with("cursor="));
    let query: Vec<&str> = kept.collect();
    let query = query.iter().map(|pair| format!("{pair}&")).collect::<String>();
    format!("{}?{query}cursor={cursor}", http.path())
}
