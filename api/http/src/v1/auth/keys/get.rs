//! Endpoint that reads one API key, as it is now or as it was.

use actix_web::{get, web};
use domain::ids::ApiKeyId;
use projections::api_keys::ApiKeyView;

use super::super::super::resource::get as get_resource;
use super::resource::KeyResource;
use crate::auth::Caller;
use crate::auth::permissions::KeysRead;
use crate::backend::Backend;
use crate::problem::{ApiError, Problem};
use crate::{Answer, Enveloped, PathId, Query};

/// Get an API key.
///
/// With `at` or `version`, answers with the API key as it was then.
#[utoipa::path(get, path = "/api/v1/auth/api-keys/{id}", tag = "api keys", operation_id = "getApiKey",
    params(("id" = String, Path, description = "Id of the API key: `key_…`"),
        ("at" = Option<String>, Query, description = "Show the state at this time (RFC 3339); default: now"),
        ("version" = Option<u64>, Query, description = "Show the state at this version; default: current")),
    responses((status = 200, description = "The API key", body = Enveloped<ApiKeyView>), Problem))]
#[get("/auth/api-keys/{id}")]
pub(crate) async fn get_api_key(
    caller: Caller<KeysRead>,
    PathId(id): PathId<ApiKeyId>,
    query: Query,
    backend: web::Data<Backend>,
) -> Result<Answer, ApiError> {
    get_resource::<KeyResource>(&backend, &caller, id, query).await
}
