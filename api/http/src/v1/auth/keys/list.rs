//! Endpoint that lists API keys.

use actix_web::{get, web};
use projections::api_keys::ApiKeyView;

use super::super::super::paging::{self, CreatedParams, Filter, PageParams};
use crate::auth::Caller;
use crate::auth::permissions::KeysRead;
use crate::backend::Backend;
use crate::problem::{ApiError, Problem};
use crate::{Answer, Listed, Query};

/// List the client's API keys.
///
/// Without their secrets, revoked keys included. Newest first unless `order` says otherwise.
#[utoipa::path(get, path = "/api/v1/auth/api-keys", tag = "api keys", operation_id = "listApiKeys",
    params(("enabled" = Option<bool>, Query,
            description = "`true`: only enabled ones; `false`: only disabled ones"),
        CreatedParams, PageParams),
    responses((status = 200, description = "A page of API keys", body = Listed<ApiKeyView>), Problem))]
#[get("/auth/api-keys")]
pub(crate) async fn list_api_keys(
    caller: Caller<KeysRead>,
    query: Query,
    backend: web::Data<Backend>,
) -> Result<Answer, ApiError> {
    let request = paging::filtered(query, [Filter::flag("enabled")])?;
    let page = backend.views.api_keys(caller.client, &request).await;
    paging::answer(&page.map_err(ApiError::unavailable)?)
}
