//! Endpoint that reads one client, as it is now or as it was.

use actix_web::{get, web};
use domain::ids::ClientId;
use projections::clients::ClientView;

use super::super::super::resource::get as get_resource;
use super::resource::{ClientResource, inside};
use crate::auth::{AnyCredential, Caller};
use crate::backend::Backend;
use crate::problem::{ApiError, Problem};
use crate::{Answer, Enveloped, PathId, Query};

/// Get a client by its id.
///
/// The platform's administrator may read any client, everybody else only their own. With `at` or `version`, answers
/// with the client as it was then.
#[utoipa::path(get, path = "/api/v1/auth/clients/{id}", tag = "clients", operation_id = "getClient",
    params(("id" = String, Path, description = "Id of the client: `cli_…`"),
        ("at" = Option<String>, Query, description = "Show the state at this time (RFC 3339); default: now"),
        ("version" = Option<u64>, Query, description = "Show the state at this version; default: current")),
    responses((status = 200, description = "The client", body = Enveloped<ClientView>), Problem))]
#[get("/auth/clients/{id}")]
pub(crate) async fn get_client(
    caller: Caller<AnyCredential>,
    PathId(id): PathId<ClientId>,
    query: Query,
    backend: web::Data<Backend>,
) -> Result<Answer, ApiError> {
    let caller = inside(&caller, id)?;
    get_resource::<ClientResource>(&backend, &caller, id, query).await
}
