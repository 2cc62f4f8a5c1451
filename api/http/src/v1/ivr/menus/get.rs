//! Endpoint that reads one IVR menu, as it is now or as it was.

use actix_web::{get, web};
use domain::ids::MenuId;
use projections::ivr_menus::MenuView;

use super::super::super::resource::get as get_resource;
use super::resource::MenuResource;
use crate::auth::Caller;
use crate::auth::permissions::IvrRead;
use crate::backend::Backend;
use crate::problem::{ApiError, Problem};
use crate::{Answer, Enveloped, PathId, Query};

/// Get an IVR menu.
///
/// With `at` or `version`, answers with the menu as it was then.
#[utoipa::path(get, path = "/api/v1/ivr/menus/{id}", tag = "ivr", operation_id = "getIvrMenu",
    params(("id" = String, Path, description = "Id of the menu: `ivrm_…`"),
        ("at" = Option<String>, Query, description = "Show the state at this time (RFC 3339); default: now"),
        ("version" = Option<u64>, Query, description = "Show the state at this version; default: current")),
    responses((status = 200, description = "The menu", body = Enveloped<MenuView>), Problem))]
#[get("/ivr/menus/{id}")]
pub(crate) async fn get_ivr_menu(
    caller: Caller<IvrRead>,
    PathId(id): PathId<MenuId>,
    query: Query,
    backend: web::Data<Backend>,
) -> Result<Answer, ApiError> {
    get_resource::<MenuResource>(&backend, &caller, id, query).await
}
