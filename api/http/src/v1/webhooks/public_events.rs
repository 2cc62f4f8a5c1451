//! Endpoint that lists the public events, for clients that pull or reconcile.

use actix_web::{get, web};
use domain::ids::parse_event_type_id;
use domain::webhook::filter::{is_pattern, wants};
use domain::webhook::public::PUBLIC_TYPES;
use projections::webhooks::PublicBody;
use uuid::Uuid;

use crate::auth::Caller;
use crate::auth::permissions::WebhooksRead;
use crate::backend::Backend;
use crate::problem::{ApiError, Problem};
use crate::{Answer, Cursor, Listed, Query};

/// Names of the public event types that match any of the patterns.
pub(super) fn names(patterns: &[String]) -> Vec<String> {
    let fitting = PUBLIC_TYPES.iter().filter(|kind| wants(patterns, kind.name));
    fitting.map(|kind| kind.name.to_owned()).collect()
}

/// List the client's public events.
///
/// The same events that webhooks deliver, oldest first, in the same form: to catch up after an outage, or to pull
/// instead of receiving webhooks. Remember the id of the last event and pass it as `after` next time.
#[utoipa::path(get, path = "/api/v1/events", tag = "webhooks", operation_id = "listPublicEvents",
    params(
        ("after" = Option<String>, Query, description = "Only events after this one: `evt_…`"),
        ("types" = Option<String>, Query,
            description = "Only these types, with commas; wildcards allowed: `call.ended,ivr.*`"),
        ("limit" = Option<u32>, Query, description = "Most entries on a page: 1 to 200, 50 by default"),
        ("cursor" = Option<String>, Query,
            description = "`next_cursor` of the page before; the first page, if left out")),
    responses((status = 200, description = "A page of events", body = Listed<PublicBody<serde_json::Value>>), Problem))]
#[get("/events")]
pub(crate) async fn list_public_events(
    caller: Caller<WebhooksRead>,
    mut query: Query,
    backend: web::Data<Backend>,
) -> Result<Answer, ApiError> {
    let after = query.text("after");
    let mut after = after.and_then(|text| match parse_event_type_id(&text) {
        Ok(id) => Some(id),
        Err(_) => {
            query.fault("after", "give the id of a public event: evt_…");
            None
        }
    });
    let patterns: Vec<String> = query
        .text("types")
        .map(|text| text.split(',').map(|word| word.trim().to_owned()).collect())
        .unwrap_or_default();
    if !patterns.iter().all(|pattern| is_pattern(pattern)) {
        query.fault("types", "there is no such event; see /api/v1/webhooks/event-types");
    }
    let paging = query.paging();
    query.finish()?;
    if let Some(cursor) = &paging.cursor {
        after = Some(cursor.read::<Uuid>()?);
    }
    let types = if patterns.is_empty() { Vec::new() } else { names(&patterns) };
    if types.is_empty() && !patterns.is_empty() {
        return Ok(Answer::json_list::<String>(&[], None));
    }
    let page = backend.webhooks.deliveries.public_events(caller.client, after, &types, paging.limit).await;
    let page = page.map_err(ApiError::unavailable)?;
    let page =
        page.ok_or_else(|| ApiError::invalid("after", "unknown", "there is no such event, or not any more"))?;
    let next = page.next.map(|id| Cursor::after(&id)).transpose()?;
    Ok(Answer::json_list(&page.items, next))
}
