//! What an export collected.

use actix_web::{get, web};
use domain::ids::PrivacyJobId;
use serde::Serialize;
use utoipa::ToSchema;

use super::view::job;
use crate::http::auth::Caller;
use crate::http::auth::permissions::CustomersRead;
use crate::http::{Answer, Enveloped, PathId, Query};
use crate::node::Backend;
use crate::problem::{ApiError, Problem};

/// What is known of a person.
#[derive(Serialize, ToSchema)]
#[schema(as = SubjectExport)]
pub(crate) struct ExportView {
    /// The job that collected it.
    #[schema(example = "prv_01h455vb4pex5vsknk084sn02q")]
    job: String,
    /// Whether it is everything; an export ends at 64 MiB.
    complete: bool,
    /// How far the history was searched.
    searched_through: u64,
    /// Every event that holds something of the person, oldest first.
    events: Vec<ExportedEvent>,
}

/// An event that holds something of the person.
#[derive(Serialize, ToSchema)]
#[schema(as = SubjectExportEvent)]
pub(crate) struct ExportedEvent {
    /// Its number in the log.
    position: u64,
    /// Its stream.
    stream: String,
    /// What happened.
    #[serde(rename = "type")]
    event_type: String,
    /// When it was recorded.
    #[schema(value_type = String, format = DateTime)]
    recorded_at: String,
    /// The facts.
    data: serde_json::Value,
}

/// Get what an export collected.
///
/// Every event that holds something of the person. It is kept for a while only.
#[utoipa::path(get, path = "/api/v1/privacy/jobs/{id}/result", tag = "privacy", operation_id = "getSubjectExport",
    params(("id" = String, Path, description = "The job")),
    responses((status = 200, description = "What is known", body = Enveloped<ExportView>), Problem))]
#[get("/privacy/jobs/{id}/result")]
pub(crate) async fn get_subject_export(
    caller: Caller<CustomersRead>,
    PathId(id): PathId<PrivacyJobId>,
    query: Query,
    backend: web::Data<Backend>,
) -> Result<Answer, ApiError> {
    query.finish()?;
    // whose job it is comes first
    job(&backend, caller.client, id, None).await?;
    let now = backend.runtime.clock.now();
    let kept = backend.privacy.data.exported(caller.client, id, now).await.map_err(ApiError::unavailable)?;
    kept.map(Answer::json).ok_or_else(|| ApiError::not_found("result of an export"))
}
