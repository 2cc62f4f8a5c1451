//! A user's history.

use actix_web::{get, web};
use domain::ids::UserId;

use super::super::super::history::{self, HistoryEvent};
use super::super::super::paging::HistoryParams;
use crate::auth::Caller;
use crate::auth::permissions::UsersRead;
use crate::backend::Backend;
use crate::problem::{ApiError, Problem};
use crate::{Answer, Listed, PathId, Query};

/// List a user's events.
///
/// The user's own event history, oldest first.
#[utoipa::path(get, path = "/api/v1/auth/users/{id}/events", tag = "users", operation_id = "listUserEvents",
    params(("id" = String, Path, description = "Id of the user: `usr_…`"),
        HistoryParams),
    responses((status = 200, description = "A page of events", body = Listed<HistoryEvent>), Problem))]
#[get("/auth/users/{id}/events")]
pub(crate) async fn list_user_events(
    caller: Caller<UsersRead>,
    PathId(id): PathId<UserId>,
    query: Query,
    backend: web::Data<Backend>,
) -> Result<Answer, ApiError> {
    history::page(&backend, caller.client, &id.stream(), "user", query).await
}
