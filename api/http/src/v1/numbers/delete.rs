//! Endpoint that gives up a number.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, delete, web};
use domain::ids::NumberId;
use domain::number::NumberCommand;

use super::super::resource::execute;
use super::resource::NumberResource;
use crate::auth::Caller;
use crate::auth::permissions::NumbersWrite;
use crate::backend::Backend;
use crate::problem::{ApiError, Problem};
use crate::{IfMatch, PathId, RequestContext};

/// Give up a number.
///
/// Inbound calls to it are refused from then on. Its event history stays.
#[utoipa::path(delete, path = "/api/v1/numbers/{id}", tag = "numbers", operation_id = "deleteNumber",
    params(("id" = String, Path, description = "Id of the number: `num_…`"),
        ("If-Match" = Option<String>, Header,
            description = "Expected `ETag` of the number, else 412; not checked, if left out")),
    responses((status = 204, description = "The number was removed"), Problem))]
#[delete("/numbers/{id}")]
pub(crate) async fn delete_number(
    caller: Caller<NumbersWrite>,
    PathId(id): PathId<NumberId>,
    if_match: IfMatch,
    request: RequestContext,
    backend: web::Data<Backend>,
) -> Result<HttpResponse, ApiError> {
    let remove = NumberCommand::Remove { now: backend.runtime.clock.now() };
    execute::<NumberResource>(&backend, &caller, &request, id, Some(&if_match), &remove).await?;
    Ok(HttpResponse::build(StatusCode::NO_CONTENT).finish())
}
