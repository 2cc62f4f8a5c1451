//! Endpoint that changes an API key.

use actix_web::{patch, web};
use domain::api_key::{ApiKeyCommand, KeyPatch};
use domain::ids::ApiKeyId;
use projections::api_keys::ApiKeyView;
use serde::Deserialize;
use utoipa::ToSchema;

use super::super::super::resource::change;
use super::super::owners::leave_an_owner;
use super::reach::{covers, covers_key, scopes};
use super::resource::KeyResource;
use crate::auth::permissions::KeysWrite;
use crate::auth::{Bounds, Caller, Scopes};
use crate::backend::Backend;
use crate::client_ip::ClientIp;
use crate::nullable::nullable;
use crate::problem::{ApiError, Problem};
use crate::{Answer, Enveloped, IfMatch, JsonBody, PathId, RequestContext};

/// Changes to an API key; a field that is left out stays as it is.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ApiKeyPatch {
    /// Display name: 1 to 200 characters.
    #[schema(nullable = false, max_length = 200)]
    name: Option<String>,
    /// All scopes that the key has from now on.
    #[schema(nullable = false, value_type = Option<Vec<crate::words::Scope>>, max_items = 100)]
    scopes: Option<Vec<String>>,
    /// Requests per hour; `null` lifts the limit.
    #[serde(default, deserialize_with = "nullable")]
    #[schema(value_type = Option<u32>, minimum = 1)]
    rate_limit: Option<Option<u32>>,
    /// Requests in the key's whole life; `null` lifts the quota.
    #[serde(default, deserialize_with = "nullable")]
    #[schema(value_type = Option<u64>, minimum = 1)]
    usage_quota: Option<Option<u64>>,
    /// Whether the key is accepted at all.
    #[schema(nullable = false)]
    enabled: Option<bool>,
}

/// Change an API key.
///
/// Fields that are left out stay. You cannot give a key more rights than you have yourself.
#[utoipa::path(patch, path = "/api/v1/auth/api-keys/{id}", tag = "api keys", operation_id = "patchApiKey",
    params(("id" = String, Path, description = "Id of the API key: `key_…`"),
        ("If-Match" = Option<String>, Header,
            description = "Expected `ETag` of the key, else 412; not checked, if left out")),
    request_body = ApiKeyPatch,
    responses((status = 200, description = "The key after the change",
        body = Enveloped<ApiKeyView>), Problem))]
#[patch("/auth/api-keys/{id}")]
pub(crate) async fn patch_api_key(
    caller: Caller<KeysWrite>,
    PathId(id): PathId<ApiKeyId>,
    if_match: IfMatch,
    body: JsonBody<ApiKeyPatch>,
    ip: ClientIp,
    request: RequestContext,
    backend: web::Data<Backend>,
) -> Result<Answer, ApiError> {
    let ApiKeyPatch { name, scopes: mut wanted, rate_limit, usage_quota, enabled } = body.value;
    covers_key(&backend, &caller, id)?;
    let granted = wanted.as_mut().map(scopes).transpose()?;
    if let Some((scopes, bounds)) = backend.identity().key_of(caller.client, id) {
        let after = Bounds {
            rate_limit: rate_limit.unwrap_or(bounds.rate_limit),
            usage_quota: usage_quota.unwrap_or(bounds.usage_quota),
            expires_at: bounds.expires_at,
        };
        covers(&caller, granted.unwrap_or(scopes), &after)?;
    }
    let less = granted.is_some_and(|granted| granted != Scopes::EVERYTHING)
        || usage_quota.flatten().is_some()
        || enabled == Some(false);
    if less {
        leave_an_owner(&backend, &caller, id.0).await?;
    }
    let name = name.map(|name| name.trim().to_owned());
    let patch = KeyPatch { name, scopes: wanted, rate_limit, usage_quota, enabled };
    let update = ApiKeyCommand::Update { patch, origin: ip.origin(), now: backend.runtime.clock.now() };
    change::<KeyResource>(&backend, &caller, &request, id, Some(&if_match), &update).await
}
