//! A client's history.

use actix_web::{get, web};
use domain::ids::ClientId;

use super::super::super::history::{self, HistoryEvent};
use super::super::super::paging::HistoryParams;
use super::resource::inside;
use crate::auth::{AnyCredential, Caller};
use crate::backend::Backend;
use crate::problem::{ApiError, Problem};
use crate::{Answer, Listed, PathId, Query};

/// List a client's events.
///
/// The client's own event history, oldest first: changes of its name and its limits. The platform's administrator
/// may read any client's, everybody else only their own client's.
#[utoipa::path(get, path = "/api/v1/auth/clients/{id}/events", tag = "clients", operation_id = "listClientEvents",
    params(("id" = String, Path, description = "Id of the client: `cli_…`"),
        HistoryParams),
    responses((status = 200, description = "A page of events", body = Listed<HistoryEvent>), Problem))]
#[get("/auth/clients/{id}/events")]
pub(crate) async fn list_client_events(
    caller: Caller<AnyCredential>,
    PathId(id): PathId<ClientId>,
    query: Query,
    backend: web::Data<Backend>,
) -> Result<Answer, ApiError> {
    let caller = inside(&caller, id)?;
    history::page(&backend, caller.client, &id.stream(), "client", query).await
}
