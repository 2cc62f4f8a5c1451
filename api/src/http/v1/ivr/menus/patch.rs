//! Editing a menu.

use actix_web::{patch, web};
use domain::ids::MenuId;
use domain::ivr::menu::MenuCommand;
use projections::ivr_menus::{MenuView, Reading};

use super::super::super::resource::change;
use super::body::{MenuPatchBody, check, reachable};
use super::resource::MenuResource;
use crate::http::auth::Caller;
use crate::http::auth::permissions::IvrWrite;
use crate::http::{Answer, Enveloped, IfMatch, JsonBody, PathId, RequestContext};
use crate::node::Backend;
use crate::problem::{ApiError, Problem};

/// Edit a menu.
///
/// Callers who are in it stay in the version they entered.
#[utoipa::path(patch, path = "/api/v1/ivr/menus/{id}", tag = "ivr", operation_id = "patchIvrMenu",
    params(("id" = String, Path, description = "The menu"), ("If-Match" = Option<String>, Header, description = "Only if the menu is at this version")),
    request_body = MenuPatchBody,
    responses((status = 200, description = "Edited", body = Enveloped<MenuView>), Problem))]
#[patch("/ivr/menus/{id}")]
pub(crate) async fn patch_ivr_menu(
    caller: Caller<IvrWrite>,
    PathId(id): PathId<MenuId>,
    if_match: IfMatch,
    body: JsonBody<MenuPatchBody>,
    request: RequestContext,
    backend: web::Data<Backend>,
) -> Result<Answer, ApiError> {
    let mut reading = Reading::default();
    let patch = body.value.read(&mut reading);
    let page = backend.menus.find(caller.client, id).ok_or_else(|| ApiError::not_found("menu"))?;
    reachable(&backend, &page.terms.with(&patch), Some(&page.terms)).await?;
    let _one_at_a_time = backend.menu_edits.lock().await;
    let page = backend.menus.find(caller.client, id).ok_or_else(|| ApiError::not_found("menu"))?;
    check(&backend, caller.client, id, &page.terms.with(&patch), reading).await?;
    let update = MenuCommand::Update { patch: Box::new(patch), now: backend.runtime.clock.now() };
    change::<MenuResource>(&backend, &caller, &request, id, Some(&if_match), &update).await
}
