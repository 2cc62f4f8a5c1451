//! A number's history.

use actix_web::{get, web};
use domain::ids::NumberId;

use super::super::history::{self, HistoryEvent};
use super::super::paging::HistoryParams;
use crate::auth::Caller;
use crate::auth::permissions::NumbersRead;
use crate::backend::Backend;
use crate::problem::{ApiError, Problem};
use crate::{Answer, Listed, PathId, Query};

/// List a number's events.
///
/// The number's own event history, oldest first.
#[utoipa::path(get, path = "/api/v1/numbers/{id}/events", tag = "numbers", operation_id = "listNumberEvents",
    params(("id" = String, Path, description = "Id of the number: `num_…`"),
        HistoryParams),
    responses((status = 200, description = "A page of events", body = Listed<HistoryEvent>), Problem))]
#[get("/numbers/{id}/events")]
pub(crate) async fn list_number_events(
    caller: Caller<NumbersRead>,
    PathId(id): PathId<NumberId>,
    query: Query,
    backend: web::Data<Backend>,
) -> Result<Answer, ApiError> {
    history::page(&backend, caller.client, &id.stream(), "number", query).await
}
