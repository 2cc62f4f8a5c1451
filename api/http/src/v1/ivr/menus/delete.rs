//! Endpoint that deletes an IVR menu.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, delete, web};
use domain::ids::MenuId;
use domain::ivr::menu::MenuCommand;

use super::super::super::resource::execute;
use super::references::{close, reopen};
use super::resource::MenuResource;
use crate::auth::Caller;
use crate::auth::permissions::IvrWrite;
use crate::backend::Backend;
use crate::problem::{ApiError, Problem};
use crate::{IfMatch, PathId, RequestContext};

/// Delete an IVR menu.
///
/// Answers 409 while a number or another menu leads to it. Callers who are in the menu stay in it;
/// its event history stays.
#[utoipa::path(delete, path = "/api/v1/ivr/menus/{id}", tag = "ivr", operation_id = "deleteIvrMenu",
    params(("id" = String, Path, description = "Id of the menu: `ivrm_…`"),
        ("If-Match" = Option<String>, Header,
            description = "Expected `ETag` of the menu, else 412; not checked, if left out")),
    responses((status = 204, description = "The menu was deleted"), Problem))]
#[delete("/ivr/menus/{id}")]
pub(crate) async fn delete_ivr_menu(
    caller: Caller<IvrWrite>,
    PathId(id): PathId<MenuId>,
    if_match: IfMatch,
    request: RequestContext,
    backend: web::Data<Backend>,
) -> Result<HttpResponse, ApiError> {
    if backend.menus.find(caller.client, id).is_none() {
        return Err(ApiError::not_found("menu"));
    }
    close(&backend, &caller, &request, id).await?;
    let delete = MenuCommand::Delete { now: backend.runtime.clock.now() };
    if let Err(error) =
        execute::<MenuResource>(&backend, &caller, &request, id, Some(&if_match), &delete).await
    {
        reopen(&backend, &caller, &request, id).await;
        return Err(error);
    }
    Ok(HttpResponse::build(StatusCode::NO_CONTENT).finish())
}
