//! A menu's history.

use actix_web::{get, web};
use domain::ids::MenuId;

use super::super::super::history::{self, HistoryEvent};
use super::super::super::paging::HistoryParams;
use crate::auth::Caller;
use crate::auth::permissions::IvrRead;
use crate::backend::Backend;
use crate::problem::{ApiError, Problem};
use crate::{Answer, Listed, PathId, Query};

/// List an IVR menu's events.
///
/// The menu's own event history, oldest first.
#[utoipa::path(get, path = "/api/v1/ivr/menus/{id}/events", tag = "ivr", operation_id = "listIvrMenuEvents",
    params(("id" = String, Path, description = "Id of the menu: `ivrm_…`"),
        HistoryParams),
    responses((status = 200, description = "A page of events", body = Listed<HistoryEvent>), Problem))]
#[get("/ivr/menus/{id}/events")]
pub(crate) async fn list_ivr_menu_events(
    caller: Caller<IvrRead>,
    PathId(id): PathId<MenuId>,
    query: Query,
    backend: web::Data<Backend>,
) -> Result<Answer, ApiError> {
    history::page(&backend, caller.client, &id.stream(), "menu", query).await
}
