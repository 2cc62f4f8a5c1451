//! Endpoint that sends DTMF digits on a call.

use actix_web::{post, web};
use domain::call::CallCommand;
use domain::ids::CallId;
use domain::ports::ids::Ids as _;
use projections::calls::CallView;
use serde::Deserialize;
use utoipa::ToSchema;

use super::answer::command;
use crate::auth::Caller;
use crate::auth::permissions::CallsWrite;
use crate::backend::Backend;
use crate::problem::{ApiError, Problem};
use crate::{Answer, Enveloped, JsonBody, NewIds, PathId, RequestContext};

/// DTMF digits to send on a call.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Dtmf {
    /// 1 to 64 of `0-9 A-D * #`; `w` pauses for half a second, `W` for one second.
    #[schema(example = "1ww23#", min_length = 1, max_length = 64, pattern = "^[0-9A-DwW*#]+$")]
    digits: String,
}

/// Send DTMF digits on a call.
///
/// The call must be in progress.
#[utoipa::path(post, path = "/api/v1/calls/{id}/dtmf", tag = "calls", operation_id = "sendDtmf",
    params(("id" = String, Path, description = "Id of the call: `call_…`")), request_body = Dtmf,
    responses((status = 202, description = "The node will send the digits",
        body = Enveloped<CallView>), Problem))]
#[post("/calls/{id}/dtmf")]
pub(crate) async fn send_dtmf(
    caller: Caller<CallsWrite>,
    PathId(id): PathId<CallId>,
    body: JsonBody<Dtmf>,
    request: RequestContext,
    ids: NewIds,
    backend: web::Data<Backend>,
) -> Result<Answer, ApiError> {
    let (command_id, now) = (ids.next(), backend.runtime.clock.now());
    let asked = CallCommand::SendDtmf { id: command_id, digits: body.value.digits, now };
    Ok(command(&backend, &caller, &request, id, None, asked).await?.accepted())
}
