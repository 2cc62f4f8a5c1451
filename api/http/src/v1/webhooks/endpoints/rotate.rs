//! Endpoint that gives a webhook endpoint a new signing secret.

use actix_web::{post, web};
use domain::ids::EndpointId;
use domain::webhook::endpoint::EndpointCommand;

use super::super::super::resource::{execute, row};
use super::super::super::signing::{RotationBody, rotation};
use super::resource::{EndpointResource, EndpointWithSecret};
use crate::auth::Caller;
use crate::auth::permissions::WebhooksWrite;
use crate::backend::Backend;
use crate::client_ip::ClientIp;
use crate::problem::{ApiError, Problem};
use crate::{Answer, Enveloped, JsonBody, NewIds, PathId, RequestContext};

/// Rotate a webhook endpoint's secret.
///
/// The new secret is shown only in this answer. During the overlap deliveries carry one signature by each
/// secret, the newest first.
#[utoipa::path(post, path = "/api/v1/webhooks/{id}/rotate-secret", tag = "webhooks", operation_id = "rotateWebhookSecret",
    params(("id" = String, Path, description = "Id of the endpoint: `whe_…`")), request_body = RotationBody,
    responses((status = 200, description = "The endpoint with its new secret",
        body = Enveloped<EndpointWithSecret>), Problem))]
#[post("/webhooks/{id}/rotate-secret")]
pub(crate) async fn rotate_webhook_secret(
    caller: Caller<WebhooksWrite>,
    PathId(id): PathId<EndpointId>,
    body: JsonBody<RotationBody>,
    ip: ClientIp,
    request: RequestContext,
    ids: NewIds,
    backend: web::Data<Backend>,
) -> Result<Answer, ApiError> {
    let (client, stream) = (caller.client, id.stream());
    let (rotation, secret) = rotation(&backend, client, &stream, &body.value, &ids, &ip).await?;
    let rotate = EndpointCommand::Rotate(rotation);
    let receipt = execute::<EndpointResource>(&backend, &caller, &request, id, None, &rotate).await?;
    let endpoint = row::<EndpointResource>(&backend, &caller, id, receipt.version).await?.view;
    let answer = Answer::data(&EndpointWithSecret { endpoint, secret: secret.reveal() });
    Ok(answer.etag(receipt.version).written_at(receipt.position))
}
