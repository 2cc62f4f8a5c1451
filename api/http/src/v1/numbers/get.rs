//! Endpoint that reads one number, as it is now or as it was.

use actix_web::{get, web};
use domain::ids::NumberId;
use projections::numbers::NumberView;

use super::super::resource::get as get_resource;
use super::resource::NumberResource;
use crate::auth::Caller;
use crate::auth::permissions::NumbersRead;
use crate::backend::Backend;
use crate::problem::{ApiError, Problem};
use crate::{Answer, Enveloped, PathId, Query};

/// Get a number by its id.
///
/// With `at` or `version`, answers with the number as it was then.
#[utoipa::path(get, path = "/api/v1/numbers/{id}", tag = "numbers", operation_id = "getNumber",
    params(("id" = String, Path, description = "Id of the number: `num_…`"),
        ("at" = Option<String>, Query, description = "Show the state at this time (RFC 3339); default: now"),
        ("version" = Option<u64>, Query, description = "Show the state at this version; default: current")),
    responses((status = 200, description = "The number", body = Enveloped<NumberView>), Problem))]
#[get("/numbers/{id}")]
pub(crate) async fn get_number(
    caller: Caller<NumbersRead>,
    PathId(id): PathId<NumberId>,
    query: Query,
    backend: web::Data<Backend>,
) -> Result<Answer, ApiError> {
    get_resource::<NumberResource>(&backend, &caller, id, query).await
}
