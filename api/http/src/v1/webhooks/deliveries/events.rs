//! A delivery's history.

use actix_web::{get, web};
use domain::envelope::Position;
use domain::ids::DeliveryId;

use super::super::super::history::HistoryEvent;
use super::super::super::paging::HistoryParams;
use super::history::Sources;
use crate::auth::Caller;
use crate::auth::permissions::WebhooksRead;
use crate::backend::Backend;
use crate::problem::{ApiError, Problem};
use crate::{Answer, Cursor, Listed, Paging, PathId, Query};

/// List a webhook delivery's events.
///
/// The event history, oldest first: the delivery's own events, and entries that follow from events of other
/// streams, with that event's position and id. `delivery.scheduled` is its beginning, `delivery.replayed` follows
/// from a replay of its endpoint, and `delivery.endpoint_deleted` ends it with the endpoint. An attempt's `then`
/// says how the delivery goes on or ends.
#[utoipa::path(get, path = "/api/v1/webhooks/deliveries/{id}/events", tag = "webhooks", operation_id = "listWebhookDeliveryEvents",
    params(("id" = String, Path, description = "Id of the delivery: `whd_…`"),
        HistoryParams),
    responses((status = 200, description = "A page of events", body = Listed<HistoryEvent>), Problem))]
#[get("/webhooks/deliveries/{id}/events")]
pub(crate) async fn list_webhook_delivery_events(
    caller: Caller<WebhooksRead>,
    PathId(id): PathId<DeliveryId>,
    query: Query,
    backend: web::Data<Backend>,
) -> Result<Answer, ApiError> {
    let mut query = query;
    let backwards = query.text("order").is_some_and(|order| order == "desc");
    let Paging { limit, cursor, .. } = query.paging();
    query.finish()?;
    let from = cursor.map(|cursor| cursor.read::<u64>()).transpose()?.map(Position);
    let mut all = Sources::read(&backend, caller.client, id).await?.shown(&backend)?;
    if backwards {
        all.reverse();
    }
    let is_after = |position: Position| match from {
        None => true,
        Some(from) if backwards => position < from,
        Some(from) => position > from,
    };
    all.retain(|(position, _)| is_after(*position));
    let next = all.get(limit).and(all.get(limit.saturating_sub(1))).map(|(last, _)| Cursor::after(&last.0));
    let page: Vec<_> = all.into_iter().take(limit).map(|(_, event)| event).collect();
    Ok(Answer::list(&page, next.transpose()?))
}
