//! Endpoint that changes an IVR menu.

use actix_web::{patch, web};
use actors::session::CommandError;
use domain::envelope::Version;
use domain::ids::MenuId;
use domain::ivr::menu::MenuCommand;
use projections::ivr_menus::{MenuView, Reading};

use super::super::super::commands::{only_at, problem};
use super::super::super::resource::{execute_at, written};
use super::body::{MenuPatchBody, check, reachable};
use super::references::{led_to, note};
use super::resource::MenuResource;
use crate::auth::Caller;
use crate::auth::permissions::IvrWrite;
use crate::backend::Backend;
use crate::problem::{ApiError, Problem};
use crate::{Answer, Enveloped, IfMatch, JsonBody, PathId, RequestContext};

/// How often to try an edit again because somebody else edited the menu meanwhile.
const EDITS: usize = 5;

/// Change an IVR menu.
///
/// Callers who are in the menu stay in the version they entered.
#[utoipa::path(patch, path = "/api/v1/ivr/menus/{id}", tag = "ivr", operation_id = "patchIvrMenu",
    params(("id" = String, Path, description = "Id of the menu: `ivrm_…`"),
        ("If-Match" = Option<String>, Header,
            description = "Expected `ETag` of the menu, else 412; not checked, if left out")),
    request_body = MenuPatchBody,
    responses((status = 200, description = "The menu after the change",
        body = Enveloped<MenuView>), Problem))]
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
    let terms = async |version: Option<Version>| {
        let found = || backend.menus.find(caller.client, id).ok_or_else(|| ApiError::not_found("menu"));
        let page = found()?;
        if version.is_none_or(|version| version == page.version) {
            return Ok(page);
        }
        // another node edited the menu a moment ago
        let head = backend.runtime.store.head().await.map_err(ApiError::unavailable)?;
        backend.knows(head).await;
        let page = found()?;
        if_match.check(page.version)?;
        Ok(page)
    };
    let wanted = only_at(&*backend.runtime.store, &caller, &id.stream(), Some(&if_match)).await?;
    let mut page = terms(wanted).await?;
    reachable(&backend, &page.terms.with(&patch), Some(&page.terms)).await?;
    check(&backend, caller.client, id, &page.terms.with(&patch), reading).await?;
    let (zones, now) = (backend.menus.zones().clone(), backend.runtime.clock.now());
    let update = MenuCommand::Update { patch: Box::new(patch.clone()), zones, now };
    for _ in 0..EDITS {
        // the note keeps the menus it newly leads to from being deleted meanwhile
        let (before, mut added) = (led_to(&page.terms), led_to(&page.terms.with(&patch)));
        added.retain(|menu| *menu != id && !before.contains(menu));
        note(&backend, &caller, &request, added, (&id.stream(), page.version)).await?;
        match execute_at::<MenuResource>(&backend, &caller, &request, (id, page.version), &update).await {
            Ok(receipt) => return written::<MenuResource>(&backend, &caller, id, receipt).await,
            Err(CommandError::VersionMismatch { current }) if wanted.is_none() => {
                page = terms(Some(current)).await?;
            }
            Err(error) => return Err(problem(error)),
        }
    }
    Err(ApiError::conflict("others keep editing the menu: try again"))
}
