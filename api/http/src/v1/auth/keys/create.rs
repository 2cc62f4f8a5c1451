//! Endpoint that creates an API key.

use std::time::Duration;

use actix_web::{post, web};
use domain::api_key::{ApiKeyCommand, ApiKeyCreated};
use domain::ids::ApiKeyId;
use domain::ports::ids::Ids as _;
use serde::Deserialize;
use serde_bytes::ByteBuf;
use utoipa::ToSchema;

use super::super::super::resource::{execute, row};
use super::reach::{covers, scopes};
use super::resource::{KeyResource, PlainApiKey};
use crate::auth::permissions::KeysWrite;
use crate::auth::{Bounds, Caller, PlainKey};
use crate::backend::Backend;
use crate::client_ip::ClientIp;
use crate::problem::{ApiError, Problem};
use crate::{Answer, Enveloped, JsonBody, NewIds, RequestContext};

/// An API key to create.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewApiKey {
    /// Display name of the key: 1 to 200 characters.
    #[schema(example = "back office", max_length = 200)]
    name: String,
    /// Scopes of the key: `<resource>:read`, `<resource>:write`, or `*`. You can give only scopes
    /// that you have yourself.
    #[schema(value_type = Vec<crate::words::Scope>)]
    #[schema(max_items = 100)]
    scopes: Vec<String>,
    /// Lifetime in days: 1 to 3650. The key never expires, if left out.
    #[schema(minimum = 1, maximum = 3650)]
    expires_in_days: Option<u32>,
    /// Requests per hour; only the client's own limit, if left out.
    #[schema(minimum = 1)]
    rate_limit: Option<u32>,
    /// Requests in the key's whole life; any number, if left out.
    #[schema(minimum = 1)]
    usage_quota: Option<u64>,
}

/// Create a new API key.
///
/// The answer holds its plain text, which is shown only this once and stored nowhere.
#[utoipa::path(post, path = "/api/v1/auth/api-keys", tag = "api keys", operation_id = "createApiKey",
    request_body = NewApiKey,
    responses((status = 201, description = "The new API key with its plain text",
        body = Enveloped<PlainApiKey>), Problem))]
#[post("/auth/api-keys")]
pub(crate) async fn create_api_key(
    caller: Caller<KeysWrite>,
    body: JsonBody<NewApiKey>,
    ip: ClientIp,
    request: RequestContext,
    ids: NewIds,
    backend: web::Data<Backend>,
) -> Result<Answer, ApiError> {
    let mut new = body.value;
    let granted = scopes(&mut new.scopes)?;
    let at = backend.runtime.clock.now();
    let expires_at = match new.expires_in_days {
        None => None,
        Some(days @ 1..=3650) => Some(at + Duration::from_secs(u64::from(days) * 24 * 3600)),
        Some(_) => return Err(ApiError::invalid("expires_in_days", "out_of_range", "must be 1 to 3650")),
    };
    let bounds = Bounds { rate_limit: new.rate_limit, usage_quota: new.usage_quota, expires_at };
    covers(&caller, granted, &bounds)?;
    let id = ApiKeyId(ids.next());
    let key = PlainKey::generate(|| ids.secret());
    let create = ApiKeyCommand::Create(Box::new(ApiKeyCreated {
        name: new.name.trim().to_owned(),
        key_prefix: key.shown().to_owned(),
        key_hash: ByteBuf::from(key.hash().0.to_vec()),
        scopes: new.scopes,
        rate_limit: new.rate_limit,
        usage_quota: new.usage_quota,
        expires_at,
        origin: ip.origin(),
        at,
    }));
    let receipt = execute::<KeyResource>(&backend, &caller, &request, id, None, &create).await?;
    let row = row::<KeyResource>(&backend, &caller, id, receipt.version).await?;
    let (version, plain_key) = (receipt.version, key.reveal().to_owned());
    let answer = Answer::data(&PlainApiKey { key: row.view, plain_key }).created().etag(version);
    Ok(answer.location(&format!("/api/v1/auth/api-keys/{id}")).written_at(receipt.position))
}
