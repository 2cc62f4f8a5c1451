//! Endpoint that reports a call's recording.

use std::time::Duration;

use actix_web::{get, web};
use domain::call::terms::{RecordingStatus, RecordingStorage};
use domain::ids::CallId;
use projections::calls::RecordingView;

use crate::auth::Caller;
use crate::auth::permissions::CallsRead;
use crate::backend::Backend;
use crate::problem::{ApiError, Problem};
use crate::{Answer, Enveloped, PathId, Query, RequestContext};

/// How long signed URLs work by default.
const USUAL_LIFE: Duration = Duration::from_secs(15 * 60);
/// How long they may work at most, in seconds: a day.
const LONGEST_LIFE: u64 = 86_400;

/// Takes `expires_in_seconds`, how long the URLs in the answer work.
pub(super) fn url_life(query: &mut Query) -> Duration {
    match query.take::<u64>("expires_in_seconds") {
        None => USUAL_LIFE,
        Some(seconds) if (1..=LONGEST_LIFE).contains(&seconds) => Duration::from_secs(seconds),
        Some(_) => {
            query.fault("expires_in_seconds", "give a whole number of seconds from 1 to 86400");
            USUAL_LIFE
        }
    }
}

/// Get a call's recording.
///
/// The state of the recording, and a URL from which it can be fetched for a limited time: the carrier's at first, and
/// one of this node or its object store once the file is stored there.
#[utoipa::path(get, path = "/api/v1/calls/{id}/recording", tag = "calls", operation_id = "getRecording",
    params(("id" = String, Path, description = "Id of the call: `call_…`"),
        ("expires_in_seconds" = Option<u32>, Query, minimum = 1, maximum = 86_400,
            description = "How long the URL of a stored recording works; default: 900, a quarter of an hour")),
    responses((status = 200, description = "State of the recording, and its URL once there is one",
        body = Enveloped<RecordingView>), Problem))]
#[get("/calls/{id}/recording")]
pub(crate) async fn get_recording(
    caller: Caller<CallsRead>,
    PathId(id): PathId<CallId>,
    mut query: Query,
    request: RequestContext,
    backend: web::Data<Backend>,
) -> Result<Answer, ApiError> {
    let life = url_life(&mut query);
    query.finish()?;
    let files = backend.views.call_files(caller.client, id).await.map_err(ApiError::unavailable)?;
    let files = files.ok_or_else(|| ApiError::not_found("call"))?;
    let mut recording = files.recording.clone();
    if let Some(file) = files.stored() {
        let now = backend.runtime.clock.now();
        let (public_url, owner) = (request.public_url(), (caller.client, id));
        if let Some((url, at)) = backend.objects.url_of(public_url, owner, file, (now, life)).await? {
            recording.url = Some(url);
            recording.url_expires_at = Some(at);
        }
    } else if recording.status == RecordingStatus::Available && files.files.is_empty() {
        // a row from before files were told apart
        recording.storage = RecordingStorage::Provider;
    }
    Ok(Answer::data(&recording))
}
