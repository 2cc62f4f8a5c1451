//! Endpoint that takes a session back to the previous menu.

use actix_web::{post, web};
use domain::ids::IvrSessionId;
use domain::ivr::session::SessionCommand;
use domain::ports::ids::Ids as _;
use projections::ivr_sessions::SessionView;

use super::resource::command;
use crate::auth::Caller;
use crate::auth::permissions::IvrWrite;
use crate::backend::Backend;
use crate::problem::{ApiError, Problem};
use crate::{Answer, Enveloped, NewIds, PathId, RequestContext};

/// Take a session back to the previous menu.
///
/// In the first menu there is no way back: it is played again.
#[utoipa::path(post, path = "/api/v1/ivr/sessions/{id}/back", tag = "ivr", operation_id = "backInIvrSession",
    params(("id" = String, Path, description = "Id of the session: `ivrs_…`")),
    responses((status = 200, description = "The session afterwards",
        body = Enveloped<SessionView>), Problem))]
#[post("/ivr/sessions/{id}/back")]
pub(crate) async fn back_in_ivr_session(
    caller: Caller<IvrWrite>,
    PathId(session): PathId<IvrSessionId>,
    request: RequestContext,
    ids: NewIds,
    backend: web::Data<Backend>,
) -> Result<Answer, ApiError> {
    let (id, now) = (ids.next(), backend.runtime.clock.now());
    let back = |book| SessionCommand::Back { id, book, now };
    command(&backend, &caller, &request, session, &[], back).await
}
