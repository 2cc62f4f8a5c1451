//! Many menus.

use actix_web::{get, web};
use projections::ivr_menus::MenuView;

use super::super::super::paging;
use crate::http::auth::Caller;
use crate::http::auth::permissions::IvrRead;
use crate::http::{Answer, Listed, Query};
use crate::node::Backend;
use crate::problem::{ApiError, Problem};

/// List menus.
///
/// Newest first unless asked otherwise.
#[utoipa::path(get, path = "/api/v1/ivr/menus", tag = "ivr", operation_id = "listIvrMenus",
    params(
        ("include_total" = Option<bool>, Query, description = "Count all"),
        ("limit" = Option<u32>, Query, description = "1 to 200, 50 by default"),
        ("cursor" = Option<String>, Query, description = "next_cursor of the page before"),
        ("order" = Option<String>, Query, description = "asc or desc")),
    responses((status = 200, description = "A page of menus", body = Listed<MenuView>), Problem))]
#[get("/ivr/menus")]
pub(crate) async fn list_ivr_menus(
    caller: Caller<IvrRead>,
    query: Query,
    backend: web::Data<Backend>,
) -> Result<Answer, ApiError> {
    paging::list(query, async |request| backend.views.ivr_menus(caller.client, &request).await).await
}
