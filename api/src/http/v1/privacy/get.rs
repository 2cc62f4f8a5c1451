//! One job and its receipt.

use actix_web::{get, web};
use domain::ids::PrivacyJobId;

use super::view::{JobView, job};
use crate::http::auth::Caller;
use crate::http::auth::permissions::CustomersRead;
use crate::http::{Answer, Enveloped, PathId, Query};
use crate::node::Backend;
use crate::problem::{ApiError, Problem};

/// Get an erasure or export.
///
/// Read from the history itself: it is never behind. Once `status` is `completed`, it is the receipt.
#[utoipa::path(get, path = "/api/v1/privacy/jobs/{id}", tag = "privacy", operation_id = "getPrivacyJob",
    params(("id" = String, Path, description = "The job")),
    responses((status = 200, description = "The job", body = Enveloped<JobView>), Problem))]
#[get("/privacy/jobs/{id}")]
pub(crate) async fn get_privacy_job(
    caller: Caller<CustomersRead>,
    PathId(id): PathId<PrivacyJobId>,
    query: Query,
    backend: web::Data<Backend>,
) -> Result<Answer, ApiError> {
    query.finish()?;
    let (view, version) = job(&backend, caller.client, id).await?;
    Ok(Answer::data(&view).etag(version))
}
