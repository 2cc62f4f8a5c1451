//! Endpoint that gives an API key a new plain text.

use std::time::Duration;

use actix_web::{post, web};
use domain::api_key::ApiKeyCommand;
use domain::ids::ApiKeyId;
use serde::Deserialize;
use serde_bytes::ByteBuf;
use utoipa::ToSchema;

use super::super::super::resource::{execute, row};
use super::reach::covers_key;
use super::resource::{KeyResource, PlainApiKey};
use crate::auth::permissions::KeysWrite;
use crate::auth::{Caller, PlainKey};
use crate::backend::Backend;
use crate::client_ip::ClientIp;
use crate::problem::{ApiError, Problem};
use crate::{Answer, Enveloped, JsonBody, PathId, RequestContext};

/// How to rotate an API key.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ApiKeyRotation)]
pub(crate) struct Rotation {
    /// Seconds that the old plain text keeps working: 0 to 2592000 (30 days); 0 if left out.
    #[schema(maximum = 2_592_000)]
    #[serde(default)]
    overlap_seconds: u32,
}

/// Rotate an API key.
///
/// The key gets a new plain text, shown only in this answer; the old one keeps working for `overlap_seconds`.
#[utoipa::path(post, path = "/api/v1/auth/api-keys/{id}/rotate", tag = "api keys", operation_id = "rotateApiKey",
    params(("id" = String, Path, description = "Id of the API key: `key_…`")), request_body = Rotation,
    responses((status = 200, description = "The API key with its new plain text",
        body = Enveloped<PlainApiKey>), Problem))]
#[post("/auth/api-keys/{id}/rotate")]
pub(crate) async fn rotate_api_key(
    caller: Caller<KeysWrite>,
    PathId(id): PathId<ApiKeyId>,
    body: JsonBody<Rotation>,
    ip: ClientIp,
    request: RequestContext,
    backend: web::Data<Backend>,
) -> Result<Answer, ApiError> {
    covers_key(&backend, &caller, id)?;
    let key = PlainKey::generate(|| backend.runtime.ids.secret());
    let rotate = ApiKeyCommand::Rotate {
        key_prefix: key.shown().to_owned(),
        key_hash: ByteBuf::from(key.hash().0.to_vec()),
        overlap: Duration::from_secs(u64::from(body.value.overlap_seconds)),
        origin: ip.origin(),
        now: backend.runtime.clock.now(),
    };
    let receipt = execute::<KeyResource>(&backend, &caller, &request, id, None, &rotate).await?;
    let row = row::<KeyResource>(&backend, &caller, id, receipt.version).await?;
    let plain_key = key.reveal().to_owned();
    let answer = Answer::data(&PlainApiKey { key: row.view, plain_key }).etag(receipt.version);
    Ok(answer.written_at(receipt.position))
}
