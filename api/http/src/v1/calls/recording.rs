//! Endpoint that reports a call's recording.

use actix_web::{get, web};
use domain::ids::CallId;
use projections::calls::RecordingView;

use crate::auth::Caller;
use crate::auth::permissions::CallsRead;
use crate::backend::Backend;
use crate::problem::{ApiError, Problem};
use crate::{Answer, Enveloped, PathId, Query};

/// Get a call's recording.
///
/// The state of the recording, and a URL from which it can be fetched for a limited time.
#[utoipa::path(get, path = "/api/v1/calls/{id}/recording", tag = "calls", operation_id = "getRecording",
    params(("id" = String, Path, description = "Id of the call: `call_…`")),
    responses((status = 200, description = "State of the recording, and its URL once there is one",
        body = Enveloped<RecordingView>), Problem))]
#[get("/calls/{id}/recording")]
pub(crate) async fn get_recording(
    caller: Caller<CallsRead>,
    PathId(id): PathId<CallId>,
    query: Query,
    backend: web::Data<Backend>,
) -> Result<Answer, ApiError> {
    query.finish()?;
    let recording = backend.views.recording(caller.client, id).await.map_err(ApiError::unavailable)?;
    recording.map(Answer::json).ok_or_else(|| ApiError::not_found("call"))
}
