//! A call's history.

use actix_web::{get, web};
use domain::ids::CallId;

use super::super::history::{self, HistoryEvent};
use super::super::paging::HistoryParams;
use crate::auth::Caller;
use crate::auth::permissions::CallsRead;
use crate::backend::Backend;
use crate::problem::{ApiError, Problem};
use crate::{Answer, Listed, PathId, Query};

/// List a call's events.
///
/// The call's own event history, oldest first.
#[utoipa::path(get, path = "/api/v1/calls/{id}/events", tag = "calls", operation_id = "listCallEvents",
    params(("id" = String, Path, description = "Id of the call: `call_…`"),
        HistoryParams),
    responses((status = 200, description = "A page of events", body = Listed<HistoryEvent>), Problem))]
#[get("/calls/{id}/events")]
pub(crate) async fn list_call_events(
    caller: Caller<CallsRead>,
    PathId(id): PathId<CallId>,
    query: Query,
    backend: web::Data<Backend>,
) -> Result<Answer, ApiError> {
    history::page(&backend, caller.client, &id.stream(), "call", query).await
}
