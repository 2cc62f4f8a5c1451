//! A delivery's history.

use actix_web::{get, web};
use domain::ids::DeliveryId;

use super::super::super::history::{self, HistoryEvent};
use crate::http::auth::Caller;
use crate::http::auth::permissions::WebhooksRead;
use crate::http::{Answer, Listed, PathId, Query};
use crate::node::Backend;
use crate::problem::{ApiError, Problem};

/// List a webhook delivery's events.
///
/// Its own history, oldest first. It begins with the first attempt.
#[utoipa::path(get, path = "/api/v1/webhooks/deliveries/{id}/events", tag = "webhooks", operation_id = "listWebhookDeliveryEvents",
    params(("id" = String, Path, description = "The delivery"),
        ("limit" = Option<u32>, Query, description = "1 to 200, 50 by default"),
        ("cursor" = Option<String>, Query, description = "next_cursor of the page before"),
        ("order" = Option<String>, Query, description = "asc (default) or desc")),
    responses((status = 200, description = "A page of events", body = Listed<HistoryEvent>), Problem))]
#[get("/webhooks/deliveries/{id}/events")]
pub(crate) async fn list_webhook_delivery_events(
    caller: Caller<WebhooksRead>,
    PathId(id): PathId<DeliveryId>,
    query: Query,
    backend: web::Data<Backend>,
) -> Result<Answer, ApiError> {
    history::page(&backend, caller.client, &id.stream(), "delivery", query).await
}
