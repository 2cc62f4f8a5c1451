//! Endpoint that reads one call, as it is now or as it was.

use actix_web::{get, web};
use domain::ids::CallId;
use projections::calls::CallView;

use super::super::resource::get as get_resource;
use super::answer::CallResource;
use crate::auth::Caller;
use crate::auth::permissions::CallsRead;
use crate::backend::Backend;
use crate::problem::{ApiError, Problem};
use crate::{Answer, Enveloped, PathId, Query};

/// Get a call by its id.
///
/// With `at` or `version`, answers with the call as it was then.
#[utoipa::path(get, path = "/api/v1/calls/{id}", tag = "calls", operation_id = "getCall",
    params(("id" = String, Path, description = "Id of the call: `call_…`"),
        ("at" = Option<String>, Query, description = "Show the state at this time (RFC 3339); default: now"),
        ("version" = Option<u64>, Query, description = "Show the state at this version; default: current")),
    responses((status = 200, description = "The call", body = Enveloped<CallView>), Problem))]
#[get("/calls/{id}")]
pub(crate) async fn get_call(
    caller: Caller<CallsRead>,
    PathId(id): PathId<CallId>,
    query: Query,
    backend: web::Data<Backend>,
) -> Result<Answer, ApiError> {
    get_resource::<CallResource>(&backend, &caller, id, query).await
}
