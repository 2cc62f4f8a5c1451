//! Endpoint that creates an IVR menu.

use actix_web::{post, web};
use domain::envelope::Version;
use domain::ids::MenuId;
use domain::ivr::menu::MenuCommand;
use domain::ports::ids::Ids as _;
use projections::ivr_menus::{MenuView, Reading};

use super::super::super::resource;
use super::body::{NewMenu, check, reachable};
use super::references::{led_to, note};
use super::resource::MenuResource;
use crate::auth::Caller;
use crate::auth::permissions::IvrWrite;
use crate::backend::Backend;
use crate::problem::{ApiError, Problem};
use crate::{Answer, Enveloped, JsonBody, NewIds, RequestContext};

/// Create an IVR menu.
///
/// The menus it leads to must exist: create the innermost ones first.
#[utoipa::path(post, path = "/api/v1/ivr/menus", tag = "ivr", operation_id = "createIvrMenu",
    request_body = NewMenu,
    responses((status = 201, description = "The new menu", body = Enveloped<MenuView>), Problem))]
#[post("/ivr/menus")]
pub(crate) async fn create_ivr_menu(
    caller: Caller<IvrWrite>,
    body: JsonBody<NewMenu>,
    request: RequestContext,
    ids: NewIds,
    backend: web::Data<Backend>,
) -> Result<Answer, ApiError> {
    let mut reading = Reading::default();
    let terms = body.value.read(&mut reading);
    let id = MenuId(ids.next());
    reachable(&backend, &terms, None).await?;
    check(&backend, caller.client, id, &terms, reading).await?;
    // the note keeps the menus it leads to from being deleted meanwhile
    note(&backend, &caller, &request, led_to(&terms), (&id.stream(), Version::NONE)).await?;
    let (zones, now) = (backend.menus.zones().clone(), backend.runtime.clock.now());
    let create = MenuCommand::Create { terms: Box::new(terms), zones, now };
    let answer = resource::create::<MenuResource>(&backend, &caller, &request, id, &create).await?;
    Ok(answer.created().location(&format!("/api/v1/ivr/menus/{id}")))
}
