//! Endpoint that hangs up a call.

use actix_web::{post, web};
use domain::call::CallCommand;
use domain::call::terms::{EndReason, EndedBy};
use domain::ids::CallId;
use domain::ports::ids::Ids as _;
use projections::calls::CallView;

use super::answer::command;
use crate::auth::Caller;
use crate::auth::permissions::CallsWrite;
use crate::backend::Backend;
use crate::problem::{ApiError, Problem};
use crate::{Answer, Enveloped, NewIds, PathId, RequestContext};

/// Hang up a call.
///
/// A call that has ended or is about to end stays as it is.
#[utoipa::path(post, path = "/api/v1/calls/{id}/hangup", tag = "calls", operation_id = "hangUpCall",
    params(("id" = String, Path, description = "Id of the call: `call_…`")),
    responses((status = 202, description = "The node will hang up: follow the call for its end",
        body = Enveloped<CallView>), Problem))]
#[post("/calls/{id}/hangup")]
pub(crate) async fn hang_up_call(
    caller: Caller<CallsWrite>,
    PathId(id): PathId<CallId>,
    request: RequestContext,
    ids: NewIds,
    backend: web::Data<Backend>,
) -> Result<Answer, ApiError> {
    let asked = CallCommand::HangUp {
        id: ids.next(),
        reason: EndReason::ApiHangup,
        by: EndedBy::Operator,
        now: backend.runtime.clock.now(),
    };
    Ok(command(&backend, &caller, &request, id, None, asked).await?.accepted())
}
