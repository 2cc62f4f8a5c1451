//! Endpoint that lists IVR menus.

use actix_web::{get, web};
use domain::ids::MenuId;
use projections::ivr_menus::MenuView;

use super::super::super::paging::{self, CreatedParams, Filter, PageParams};
use crate::auth::Caller;
use crate::auth::permissions::IvrRead;
use crate::backend::Backend;
use crate::problem::{ApiError, Problem};
use crate::{Answer, Listed, Query};

/// List the client's IVR menus.
///
/// Newest first unless `order` says otherwise.
#[utoipa::path(get, path = "/api/v1/ivr/menus", tag = "ivr", operation_id = "listIvrMenus",
    params(("parent_menu_id" = Option<String>, Query,
            description = "Only menus whose parent is this menu: `ivrm_…`"),
        CreatedParams, PageParams),
    responses((status = 200, description = "A page of menus", body = Listed<MenuView>), Problem))]
#[get("/ivr/menus")]
pub(crate) async fn list_ivr_menus(
    caller: Caller<IvrRead>,
    query: Query,
    backend: web::Data<Backend>,
) -> Result<Answer, ApiError> {
    let request = paging::filtered(query, [Filter::id::<MenuId>("parent_menu_id")])?;
    let page = backend.views.ivr_menus(caller.client, &request).await;
    paging::answer(&page.map_err(ApiError::unavailable)?)
}
