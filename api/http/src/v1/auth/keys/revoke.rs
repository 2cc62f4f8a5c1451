//! Endpoint that revokes an API key.

use actix_web::{post, web};
use domain::api_key::ApiKeyCommand;
use domain::ids::ApiKeyId;
use projections::api_keys::ApiKeyView;

use super::super::super::resource::change;
use super::super::owners::leave_an_owner;
use super::reach::covers_key;
use super::resource::KeyResource;
use crate::auth::Caller;
use crate::auth::permissions::KeysWrite;
use crate::backend::Backend;
use crate::client_ip::ClientIp;
use crate::problem::{ApiError, Problem};
use crate::{Answer, Enveloped, PathId, RequestContext};

/// Revoke an API key.
///
/// The key stops working for good: on this node at once, on the others within a second.
#[utoipa::path(post, path = "/api/v1/auth/api-keys/{id}/revoke", tag = "api keys", operation_id = "revokeApiKey",
    params(("id" = String, Path, description = "Id of the API key: `key_…`")),
    responses((status = 200, description = "The API key, now revoked",
        body = Enveloped<ApiKeyView>), Problem))]
#[post("/auth/api-keys/{id}/revoke")]
pub(crate) async fn revoke_api_key(
    caller: Caller<KeysWrite>,
    PathId(id): PathId<ApiKeyId>,
    ip: ClientIp,
    request: RequestContext,
    backend: web::Data<Backend>,
) -> Result<Answer, ApiError> {
    covers_key(&backend, &caller, id)?;
    leave_an_owner(&backend, &caller, id.0).await?;
    let revoke = ApiKeyCommand::Revoke { origin: ip.origin(), now: backend.runtime.clock.now() };
    change::<KeyResource>(&backend, &caller, &request, id, None, &revoke).await
}
