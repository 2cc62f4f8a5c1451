//! A session's history.

use actix_web::{get, web};
use domain::ids::IvrSessionId;

use super::super::super::history::{self, HistoryEvent};
use super::super::super::paging::HistoryParams;
use crate::auth::Caller;
use crate::auth::permissions::IvrRead;
use crate::backend::Backend;
use crate::problem::{ApiError, Problem};
use crate::{Answer, Listed, PathId, Query};

/// List an IVR session's events.
///
/// The session's own event history, oldest first.
#[utoipa::path(get, path = "/api/v1/ivr/sessions/{id}/events", tag = "ivr", operation_id = "listIvrSessionEvents",
    params(("id" = String, Path, description = "Id of the session: `ivrs_…`"),
        HistoryParams),
    responses((status = 200, description = "A page of events", body = Listed<HistoryEvent>), Problem))]
#[get("/ivr/sessions/{id}/events")]
pub(crate) async fn list_ivr_session_events(
    caller: Caller<IvrRead>,
    PathId(id): PathId<IvrSessionId>,
    query: Query,
    backend: web::Data<Backend>,
) -> Result<Answer, ApiError> {
    history::page(&backend, caller.client, &id.stream(), "session", query).await
}
