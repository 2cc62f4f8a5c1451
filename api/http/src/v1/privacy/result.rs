//! Endpoint that answers what an export collected.

use actix_web::{get, web};
use domain::ids::PrivacyJobId;
use serde::Serialize;
use utoipa::ToSchema;

use super::view::job;
use crate::auth::Caller;
use crate::auth::permissions::CustomersRead;
use crate::backend::Backend;
use crate::problem::{ApiError, Problem};
use crate::{Answer, Enveloped, PathId, Query};

/// Everything that is known of a person.
#[derive(Serialize, ToSchema)]
#[schema(as = SubjectExport)]
pub(crate) struct ExportView {
    /// Id of the job that collected it.
    #[schema(example = "prv_01h455vb4pex5vsknk084sn02q")]
    job: String,
    /// Whether it is complete; an export ends at 64 MiB.
    complete: bool,
    /// Last log position that the job searched.
    searched_through: u64,
    /// All events that hold personal data of the person, oldest first.
    events: Vec<ExportedEvent>,
}

/// An event that holds personal data of the person.
#[derive(Serialize, ToSchema)]
#[schema(as = SubjectExportEvent)]
pub(crate) struct ExportedEvent {
    /// Position of the event in the log.
    position: u64,
    /// Name of the stream that the event belongs to.
    stream: String,
    /// Type of the event, such as `call.answered`.
    #[serde(rename = "type")]
    event_type: String,
    /// When it was recorded, in RFC 3339.
    #[schema(value_type = String, format = DateTime)]
    recorded_at: String,
    /// What the event records; the fields depend on its type.
    data: serde_json::Value,
}

/// Get what an export collected.
///
/// All events that hold personal data of the person. The node keeps the result until `result_until` of the job.
#[utoipa::path(get, path = "/api/v1/privacy/jobs/{id}/result", tag = "privacy", operation_id = "getSubjectExport",
    params(("id" = String, Path, description = "Id of the privacy job: `prv_…`")),
    responses((status = 200, description = "The events that hold personal data of the person",
        body = Enveloped<ExportView>), Problem))]
#[get("/privacy/jobs/{id}/result")]
pub(crate) async fn get_subject_export(
    caller: Caller<CustomersRead>,
    PathId(id): PathId<PrivacyJobId>,
    query: Query,
    backend: web::Data<Backend>,
) -> Result<Answer, ApiError> {
    query.finish()?;
    // checks that the job is the client's before anything else
    job(&backend, caller.client, id, None).await?;
    let now = backend.runtime.clock.now();
    let kept = backend.privacy.data.exported(caller.client, id, now).await.map_err(ApiError::unavailable)?;
    kept.map(Answer::json).ok_or_else(|| ApiError::not_found("result of an export"))
}
