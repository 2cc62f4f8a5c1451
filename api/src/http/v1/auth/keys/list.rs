//! Many API keys.

use actix_web::{get, web};
use projections::api_keys::ApiKeyView;

use super::super::super::paging;
use crate::http::auth::Caller;
use crate::http::auth::permissions::KeysRead;
use crate::http::{Answer, Listed, Query};
use crate::node::Backend;
use crate::problem::{ApiError, Problem};

/// List API keys.
#[utoipa::path(get, path = "/api/v1/auth/api-keys", tag = "api keys", operation_id = "listApiKeys",
    params(
        ("include_total" = Option<bool>, Query, description = "Count all"),
        ("limit" = Option<u32>, Query, description = "1 to 200, 50 by default"),
        ("cursor" = Option<String>, Query, description = "next_cursor of the page before"),
        ("order" = Option<String>, Query, description = "asc or desc")),
    responses((status = 200, description = "A page of API keys", body = Listed<ApiKeyView>), Problem))]
#[get("/auth/api-keys")]
pub(crate) async fn list_api_keys(
    caller: Caller<KeysRead>,
    mut query: Query,
    backend: web::Data<Backend>,
) -> Result<Answer, ApiError> {
    let with_total = query.flag("include_total");
    let paging = query.paging();
    query.finish()?;
    let request = paging::request(&paging, with_total)?;
    let page = backend.views.api_keys(caller.client, &request).await;
    paging::answer(&page.map_err(ApiError::unavailable)?)
}
