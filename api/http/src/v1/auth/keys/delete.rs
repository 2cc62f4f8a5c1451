//! Endpoint that deletes an API key.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, delete, web};
use domain::api_key::ApiKeyCommand;
use domain::ids::ApiKeyId;

use super::super::super::resource::execute;
use super::super::owners::leave_an_owner;
use super::reach::covers_key;
use super::resource::KeyResource;
use crate::auth::Caller;
use crate::auth::permissions::KeysWrite;
use crate::backend::Backend;
use crate::client_ip::ClientIp;
use crate::problem::{ApiError, Problem};
use crate::{IfMatch, PathId, RequestContext};

/// Delete an API key.
///
/// The key stops working and is no longer listed. Its event history stays.
#[utoipa::path(delete, path = "/api/v1/auth/api-keys/{id}", tag = "api keys", operation_id = "deleteApiKey",
    params(("id" = String, Path, description = "Id of the API key: `key_…`"),
        ("If-Match" = Option<String>, Header,
            description = "Expected `ETag` of the key, else 412; not checked, if left out")),
    responses((status = 204, description = "The API key was deleted"), Problem))]
#[delete("/auth/api-keys/{id}")]
pub(crate) async fn delete_api_key(
    caller: Caller<KeysWrite>,
    PathId(id): PathId<ApiKeyId>,
    if_match: IfMatch,
    ip: ClientIp,
    request: RequestContext,
    backend: web::Data<Backend>,
) -> Result<HttpResponse, ApiError> {
    covers_key(&backend, &caller, id)?;
    leave_an_owner(&backend, &caller, id.0).await?;
    let delete = ApiKeyCommand::Delete { origin: ip.origin(), now: backend.runtime.clock.now() };
    execute::<KeyResource>(&backend, &caller, &request, id, Some(&if_match), &delete).await?;
    Ok(HttpResponse::build(StatusCode::NO_CONTENT).finish())
}
