//! Endpoint that shows everything that is linked to a customer.

use actix_web::{get, web};
use domain::ids::{CallId, ConversationId, CustomerId, MemoryId};
use projections::customers::TimelineKind;
use projections::edge::format_time;
use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::super::paging::{self, CreatedParams};
use super::stands_for;
use crate::auth::permissions::CustomersRead;
use crate::auth::{Caller, Scope};
use crate::backend::Backend;
use crate::problem::{ApiError, Problem};
use crate::{Answer, Cursor, Listed, PathId, Query};

/// An entry of a customer's timeline.
#[derive(Serialize, ToSchema)]
#[schema(as = TimelineEntry)]
pub(crate) struct Entry {
    /// Kind of the entry: `call`, `conversation` for one that is not on a call, or `memory`. More kinds may come.
    #[serde(rename = "type")]
    #[schema(example = "call")]
    kind: &'static str,
    /// Id of what the entry is about: `call_…`, `conv_…` or `mem_…`.
    #[schema(example = "call_01jd0xq8v4e5vsknk084sn02q7")]
    id: String,
    /// When the call or conversation began, or the memory was recorded.
    #[schema(format = DateTime)]
    at: String,
    /// The call, conversation or memory, as its own endpoint shows it.
    #[schema(value_type = Object)]
    data: Box<RawValue>,
}

/// List what is linked to a customer.
///
/// Memories, calls and conversations that name the customer or one merged into them, calls with one of the customer's numbers, and
/// conversations whose `user_id` is such a number or the external id; also those from before the customer was created.
/// Newest first unless `order` says otherwise. Calls need the scope `calls:read`, conversations `conversations:read`. A
/// number that several customers have links nothing: `meta.shared_phones`
/// names it.
#[utoipa::path(get, path = "/api/v1/customers/{id}/timeline", tag = "customers",
    operation_id = "listCustomerTimeline",
    params(("id" = String, Path, description = "Id of the customer: `cus_…`"),
        CreatedParams,
        ("limit" = Option<u32>, Query, description = "Most entries on a page: 1 to 200, 50 by default",
            minimum = 1, maximum = 200),
        ("cursor" = Option<String>, Query,
            description = "`next_cursor` of the page before; the first page, if left out"),
        ("order" = Option<String>, Query, description = "Order by time: `asc` or `desc`")),
    responses((status = 200, description = "A page of the timeline", body = Listed<Entry>), Problem))]
#[get("/customers/{id}/timeline")]
pub(crate) async fn list_customer_timeline(
    caller: Caller<CustomersRead>,
    PathId(id): PathId<CustomerId>,
    mut query: Query,
    backend: web::Data<Backend>,
) -> Result<Answer, ApiError> {
    let (created_after, created_before) = (query.time("created_after"), query.time("created_before"));
    let paging = query.paging();
    query.finish()?;
    let request = paging::request(&paging, false)?;
    let request = projections::page::PageRequest { created_after, created_before, ..request };
    let customer = stands_for(&backend, caller.client, id).await?;
    // who may not read calls does not read them here
    let may = |scope| caller.scopes.grants(scope);
    let kinds = [
        (TimelineKind::Call, may(Scope::CallsRead)),
        (TimelineKind::Conversation, may(Scope::ConversationsRead)),
        (TimelineKind::Memory, true),
    ];
    let kinds: Vec<_> = kinds.into_iter().filter(|(_, may)| *may).map(|(kind, _)| kind).collect();
    let page = backend.views.timeline(caller.client, &customer.links(), &kinds, &request).await;
    let page = page.map_err(ApiError::unavailable)?;
    let entry = |entry: projections::customers::TimelineEntry| {
        let id = match entry.kind {
            TimelineKind::Call => CallId(entry.id).to_string(),
            TimelineKind::Conversation => ConversationId(entry.id).to_string(),
            TimelineKind::Memory => MemoryId(entry.id).to_string(),
        };
        let data = RawValue::from_string(entry.json).map_err(ApiError::internal)?;
        Ok(Entry { kind: entry.kind.as_str(), id, at: format_time(entry.at), data })
    };
    let entries = page.entries.into_iter().map(entry).collect::<Result<Vec<_>, ApiError>>()?;
    let next = page.next.map(|place| Cursor::after(&place.to_string())).transpose()?;
    Ok(Answer::list(&entries, next).shared_phones(page.shared_phones))
}
