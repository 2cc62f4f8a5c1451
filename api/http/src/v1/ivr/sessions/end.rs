//! Endpoint that ends an IVR session.

use actix_web::{post, web};
use domain::ids::IvrSessionId;
use domain::ivr::session::SessionCommand;
use projections::ivr_sessions::SessionView;

use super::resource::command;
use crate::auth::Caller;
use crate::auth::permissions::IvrWrite;
use crate::backend::Backend;
use crate::problem::{ApiError, Problem};
use crate::{Answer, Enveloped, PathId, RequestContext};

/// End an IVR session.
///
/// The call it controls, if there is one, is hung up. A session that is over stays as it is.
#[utoipa::path(post, path = "/api/v1/ivr/sessions/{id}/end", tag = "ivr", operation_id = "endIvrSession",
    params(("id" = String, Path, description = "Id of the session: `ivrs_…`")),
    responses((status = 200, description = "The session afterwards",
        body = Enveloped<SessionView>), Problem))]
#[post("/ivr/sessions/{id}/end")]
pub(crate) async fn end_ivr_session(
    caller: Caller<IvrWrite>,
    PathId(session): PathId<IvrSessionId>,
    request: RequestContext,
    backend: web::Data<Backend>,
) -> Result<Answer, ApiError> {
    let now = backend.runtime.clock.now();
    let end = |_| SessionCommand::End { now };
    command(&backend, &caller, &request, session, &[], end).await
}
