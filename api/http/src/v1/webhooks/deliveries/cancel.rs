//! Endpoint that cancels a delivery.

use actix_web::{post, web};
use domain::ids::DeliveryId;
use domain::webhook::delivery::DeliveryCommand;
use projections::webhooks::DeliveryView;

use super::steer::steer;
use crate::auth::Caller;
use crate::auth::permissions::WebhooksWrite;
use crate::backend::Backend;
use crate::client_ip::ClientIp;
use crate::problem::{ApiError, Problem};
use crate::{Answer, Enveloped, PathId, RequestContext};

/// Cancel a webhook delivery.
///
/// The node makes no more attempts. Where an endpoint keeps order, the next delivery about
/// the same subject follows.
#[utoipa::path(post, path = "/api/v1/webhooks/deliveries/{id}/cancel", tag = "webhooks", operation_id = "cancelWebhookDelivery",
    params(("id" = String, Path, description = "Id of the delivery: `whd_…`")),
    responses((status = 202, description = "The delivery, now cancelled",
        body = Enveloped<DeliveryView>), Problem))]
#[post("/webhooks/deliveries/{id}/cancel")]
pub(crate) async fn cancel_webhook_delivery(
    caller: Caller<WebhooksWrite>,
    PathId(id): PathId<DeliveryId>,
    ip: ClientIp,
    request: RequestContext,
    backend: web::Data<Backend>,
) -> Result<Answer, ApiError> {
    let command = DeliveryCommand::Cancel { origin: ip.origin(), now: backend.runtime.clock.now() };
    steer(&backend, &caller, &request, id, &command).await
}
