//! Endpoint that reports silence to an IVR session.

use actix_web::{post, web};
use domain::ids::IvrSessionId;
use domain::ivr::session::{SessionCommand, Source};
use domain::ports::ids::Ids as _;
use projections::ivr_sessions::SessionView;

use super::resource::command;
use crate::auth::Caller;
use crate::auth::permissions::IvrWrite;
use crate::backend::Backend;
use crate::problem::{ApiError, Problem};
use crate::{Answer, Enveloped, NewIds, PathId, RequestContext};

/// Report silence to a session.
///
/// The caller pressed nothing, or nothing more: keys reported before then count as a whole entry.
#[utoipa::path(post, path = "/api/v1/ivr/sessions/{id}/timeout", tag = "ivr", operation_id = "timeoutIvrSession",
    params(("id" = String, Path, description = "Id of the session: `ivrs_…`")),
    responses((status = 200, description = "The session afterwards",
        body = Enveloped<SessionView>), Problem))]
#[post("/ivr/sessions/{id}/timeout")]
pub(crate) async fn timeout_ivr_session(
    caller: Caller<IvrWrite>,
    PathId(session): PathId<IvrSessionId>,
    request: RequestContext,
    ids: NewIds,
    backend: web::Data<Backend>,
) -> Result<Answer, ApiError> {
    let (id, now) = (ids.next(), backend.runtime.clock.now());
    let silence = |book| SessionCommand::Silence { id, source: Source::Api, book, now };
    command(&backend, &caller, &request, session, &[], silence).await
}
