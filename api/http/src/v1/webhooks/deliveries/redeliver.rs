//! Endpoint that delivers an event once more.

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

/// Redeliver an event at once.
///
/// Sends the same bytes with the same `webhook-id`, whatever the outcome before; the retry schedule begins anew.
#[utoipa::path(post, path = "/api/v1/webhooks/deliveries/{id}/redeliver", tag = "webhooks", operation_id = "redeliverWebhook",
    params(("id" = String, Path, description = "Id of the delivery: `whd_…`")),
    responses((status = 202, description = "The delivery, queued to be sent at once",
        body = Enveloped<DeliveryView>), Problem))]
#[post("/webhooks/deliveries/{id}/redeliver")]
pub(crate) async fn redeliver_webhook(
    caller: Caller<WebhooksWrite>,
    PathId(id): PathId<DeliveryId>,
    ip: ClientIp,
    request: RequestContext,
    backend: web::Data<Backend>,
) -> Result<Answer, ApiError> {
    let command = DeliveryCommand::Redeliver { origin: ip.origin(), now: backend.runtime.clock.now() };
    steer(&backend, &caller, &request, id, &command).await
}
