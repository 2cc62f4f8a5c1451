//! Giving an endpoint another secret.

use std::time::Duration;

use actix_web::{post, web};
use domain::ids::EndpointId;
use domain::ports::ids::Ids as _;
use domain::webhook::endpoint::EndpointCommand;
use serde::Deserialize;
use utoipa::ToSchema;

use super::super::super::resource::{execute, row};
use super::body::{seal, secret};
use super::resource::{EndpointResource, EndpointWithSecret};
use crate::config::Secret;
use crate::http::auth::Caller;
use crate::http::auth::permissions::WebhooksWrite;
use crate::http::client_ip::ClientIp;
use crate::http::{Answer, Enveloped, JsonBody, NewIds, PathId, RequestContext};
use crate::node::Backend;
use crate::problem::{ApiError, Fields, Problem};

/// How a secret is rotated.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = SecretRotation)]
pub(crate) struct Rotation {
    /// How long the old secret signs as well: 0 to 604800 (7 days); 86400 (a day) if left out.
    #[schema(maximum = 604_800)]
    overlap_seconds: Option<u32>,
    /// A secret of your own: `whsec_` and the base64 of 24 to 64 bytes. One is made, if left out.
    #[schema(value_type = Option<String>)]
    secret: Option<Secret>,
}

/// Rotate a webhook endpoint's secret.
///
/// The new secret is answered this once. During the overlap deliveries carry a signature by each, the newest first.
#[utoipa::path(post, path = "/api/v1/webhooks/{id}/rotate-secret", tag = "webhooks", operation_id = "rotateWebhookSecret",
    params(("id" = String, Path, description = "The endpoint")), request_body = Rotation,
    responses((status = 200, description = "Rotated", body = Enveloped<EndpointWithSecret>), Problem))]
#[post("/webhooks/{id}/rotate-secret")]
pub(crate) async fn rotate_webhook_secret(
    caller: Caller<WebhooksWrite>,
    PathId(id): PathId<EndpointId>,
    body: JsonBody<Rotation>,
    ip: ClientIp,
    request: RequestContext,
    ids: NewIds,
    backend: web::Data<Backend>,
) -> Result<Answer, ApiError> {
    let mut fields = Fields::default();
    let secret = secret(body.value.secret.as_ref(), ids.secret(), &mut fields);
    fields.finish()?;
    let Some(secret) = secret else { return Err(ApiError::internal("a field without a value")) };
    let rotate = EndpointCommand::Rotate {
        secret: seal(&backend, caller.client, id, &secret).await?,
        overlap: Duration::from_secs(u64::from(body.value.overlap_seconds.unwrap_or(86_400))),
        origin: ip.origin(),
        now: backend.runtime.clock.now(),
    };
    let receipt = execute::<EndpointResource>(&backend, &caller, &request, id, None, &rotate).await?;
    let endpoint = row::<EndpointResource>(&backend, &caller, id, receipt.version).await?.view;
    let answer = Answer::data(&EndpointWithSecret { endpoint, secret: secret.reveal() });
    Ok(answer.etag(receipt.version).written_at(receipt.position))
}
