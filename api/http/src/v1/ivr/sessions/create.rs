//! Endpoint that starts an IVR session.

use actix_web::{post, web};
use actors::session::CommandError;
use domain::call::{CallCommand, CallRefusal};
use domain::ids::{CallId, IvrSessionId, MenuId};
use domain::ivr::session::SessionCommand;
use domain::ports::ids::Ids as _;
use projections::ivr_sessions::SessionView;
use serde::Deserialize;
use utoipa::ToSchema;

use super::super::super::commands::{context, problem};
use super::resource::command;
use crate::auth::Caller;
use crate::auth::permissions::IvrWrite;
use crate::backend::Backend;
use crate::problem::{ApiError, Fields, Problem};
use crate::{Answer, EdgeId, Enveloped, JsonBody, NewIds, RequestContext};

/// An IVR session to start.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewIvrSession)]
pub(crate) struct NewSession {
    /// Id of the menu that the session enters first.
    #[schema(value_type = String)]
    menu_id: EdgeId<MenuId>,
    /// Your own name for the session: 1 to 200 characters.
    #[schema(example = "case-4711", min_length = 1, max_length = 200)]
    session_id: Option<String>,
    /// Id of a call in progress that the session controls; without one you play the prompts and
    /// report the keys yourself.
    #[schema(value_type = Option<String>)]
    call_id: Option<EdgeId<CallId>>,
}

/// Start an IVR session.
///
/// The answer holds the prompt that the caller is to hear. If nobody reports anything until `timeout_at`, the
/// session takes it for silence; the time to speak the prompt is included.
#[utoipa::path(post, path = "/api/v1/ivr/sessions", tag = "ivr", operation_id = "startIvrSession",
    request_body = NewSession,
    responses((status = 201, description = "The new session", body = Enveloped<SessionView>), Problem))]
#[post("/ivr/sessions")]
pub(crate) async fn start_ivr_session(
    caller: Caller<IvrWrite>,
    body: JsonBody<NewSession>,
    request: RequestContext,
    ids: NewIds,
    backend: web::Data<Backend>,
) -> Result<Answer, ApiError> {
    let NewSession { menu_id: EdgeId(menu), session_id: external_id, call_id } = body.value;
    let mut fields = Fields::default();
    if backend.menus.find(caller.client, menu).is_none() {
        fields.fault("menu_id", "unknown", "there is no such menu");
    }
    if external_id.as_ref().is_some_and(|name| !(1..=200).contains(&name.chars().count())) {
        fields.fault("session_id", "invalid", "must have 1 to 200 characters");
    }
    fields.finish()?;
    let session = IvrSessionId(ids.next());
    let (now, call) = (backend.runtime.clock.now(), call_id.map(|id| id.0));
    if let Some(call) = call {
        let start = CallCommand::StartIvr { session, menu, now };
        let context = context(&caller, &request, call.0);
        match backend.calls.execute(call, start, context, None).await {
            Ok(_) => {}
            Err(CommandError::OtherClient | CommandError::Refused(CallRefusal::Unknown)) => {
                return Err(ApiError::invalid("call_id", "unknown", "there is no such call"));
            }
            Err(error) => return Err(problem(error)),
        }
    }
    // the process manager that follows the call starts the session with the same id: a second start changes nothing
    let start = |book| {
        let external_id = external_id.clone();
        SessionCommand::Start { session, id: session.0, menu, call, external_id, book, now }
    };
    let answer = command(&backend, &caller, &request, session, &[menu], start).await?;
    Ok(answer.created().location(&format!("/api/v1/ivr/sessions/{session}")))
}
