//! Endpoint that reads one job, which is also its receipt.

use actix_web::{get, web};
use domain::ids::PrivacyJobId;

use super::super::folded::only_moment;
use super::view::{JobView, job};
use crate::auth::Caller;
use crate::auth::permissions::CustomersRead;
use crate::backend::Backend;
use crate::problem::{ApiError, Problem};
use crate::{Answer, Enveloped, PathId, Query};

/// Get an erasure or export.
///
/// Read from the log itself, so it is never behind. Once `status` is `completed`, it is the receipt. With `at` or
/// `version`, answers with the job as it was then.
#[utoipa::path(get, path = "/api/v1/privacy/jobs/{id}", tag = "privacy", operation_id = "getPrivacyJob",
    params(("id" = String, Path, description = "Id of the privacy job: `prv_…`"),
        ("at" = Option<String>, Query, description = "Show the state at this time (RFC 3339); default: now"),
        ("version" = Option<u64>, Query, description = "Show the state at this version; default: current")),
    responses((status = 200, description = "The job", body = Enveloped<JobView>), Problem))]
#[get("/privacy/jobs/{id}")]
pub(crate) async fn get_privacy_job(
    caller: Caller<CustomersRead>,
    PathId(id): PathId<PrivacyJobId>,
    query: Query,
    backend: web::Data<Backend>,
) -> Result<Answer, ApiError> {
    let (view, version) = job(&backend, caller.client, id, only_moment(query)?).await?;
    Ok(Answer::data(&view).etag(version))
}
