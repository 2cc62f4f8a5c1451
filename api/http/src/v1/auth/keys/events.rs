//! An API key's history.

use actix_web::{get, web};
use domain::ids::ApiKeyId;

use super::super::super::history::{self, HistoryEvent};
use super::super::super::paging::HistoryParams;
use crate::auth::Caller;
use crate::auth::permissions::KeysRead;
use crate::backend::Backend;
use crate::problem::{ApiError, Problem};
use crate::{Answer, Listed, PathId, Query};

/// List an API key's events.
///
/// The key's own event history, oldest first.
#[utoipa::path(get, path = "/api/v1/auth/api-keys/{id}/events", tag = "api keys", operation_id = "listApiKeyEvents",
    params(("id" = String, Path, description = "Id of the API key: `key_…`"),
        HistoryParams),
    responses((status = 200, description = "A page of events", body = Listed<HistoryEvent>), Problem))]
#[get("/auth/api-keys/{id}/events")]
pub(crate) async fn list_api_key_events(
    caller: Caller<KeysRead>,
    PathId(id): PathId<ApiKeyId>,
    query: Query,
    backend: web::Data<Backend>,
) -> Result<Answer, ApiError> {
    history::page(&backend, caller.client, &id.stream(), "API key", query).await
}
