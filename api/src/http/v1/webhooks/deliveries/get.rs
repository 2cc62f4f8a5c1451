//! One delivery.

use actix_web::{get, web};
use domain::ids::DeliveryId;
use projections::webhooks::DeliveryView;

use crate::http::auth::Caller;
use crate::http::auth::permissions::WebhooksRead;
use crate::http::{Answer, Enveloped, PathId, Query};
use crate::node::Backend;
use crate::problem::{ApiError, Problem};

/// Get a webhook delivery.
///
/// With its attempts and what is sent.
#[utoipa::path(get, path = "/api/v1/webhooks/deliveries/{id}", tag = "webhooks", operation_id = "getWebhookDelivery",
    params(("id" = String, Path, description = "The delivery")),
    responses((status = 200, description = "The delivery", body = Enveloped<DeliveryView>), Problem))]
#[get("/webhooks/deliveries/{id}")]
pub(crate) async fn get_webhook_delivery(
    caller: Caller<WebhooksRead>,
    PathId(id): PathId<DeliveryId>,
    query: Query,
    backend: web::Data<Backend>,
) -> Result<Answer, ApiError> {
    query.finish()?;
    let found =
        backend.webhooks.deliveries.delivery(caller.client, id).await.map_err(ApiError::unavailable)?;
    found.map(|stored| Answer::json(stored.json)).ok_or_else(|| ApiError::not_found("delivery"))
}
