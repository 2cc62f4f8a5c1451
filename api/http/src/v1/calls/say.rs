//! Endpoint that speaks a text on a call.

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

/// Text to speak on a call.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Say {
    /// Text to speak: 1 to 3000 characters.
    #[schema(example = "One moment please.", min_length = 1, max_length = 3000)]
    text: String,
}

/// Speak a text on a call.
///
/// The call must be in progress.
#[utoipa::path(post, path = "/api/v1/calls/{id}/say", tag = "calls", operation_id = "sayOnCall",
    params(("id" = String, Path, description = "Id of the call: `call_…`")), request_body = Say,
    responses((status = 202, description = "The node will speak the text",
        body = Enveloped<CallView>), Problem))]
#[post("/calls/{id}/say")]
pub(crate) async fn say_on_call(
    caller: Caller<CallsWrite>,
    PathId(id): PathId<CallId>,
    body: JsonBody<Say>,
    request: RequestContext,
    ids: NewIds,
    backend: web::Data<Backend>,
) -> Result<Answer, ApiError> {
    let (command_id, now) = (ids.next(), backend.runtime.clock.now());
    let asked = CallCommand::Say { id: command_id, text: body.value.text, now };
    Ok(command(&backend, &caller, &request, id, None, asked).await?.accepted())
}
