//! From a request to a command's context, and from a refusal to a problem.

use std::error::Error as StdError;

use actors::CommandContext;
use actors::session::CommandError;
use domain::call::CallRefusal;
use domain::claim::ClaimRefusal;
use domain::envelope::{Actor, StreamId, Version};
use domain::ids::ClientId;
use domain::number::NumberRefusal;
use domain::ports::event_store::{Direction, EventStore};
use uuid::Uuid;

use crate::http::auth::Principal;
use crate::http::{IfMatch, RequestContext};
use crate::problem::{ApiError, Code, FieldError};

/// The circumstances of a command that came in by REST.
pub(super) fn context(caller: &Principal, request: &RequestContext, correlation: Uuid) -> CommandContext {
    context_of(caller.client, caller.actor(), request, correlation)
}

/// The same for whoever is not signed in yet.
pub(super) fn context_of(
    client: ClientId,
    actor: Actor,
    request: &RequestContext,
    correlation: Uuid,
) -> CommandContext {
    CommandContext {
        client,
        correlation_id: correlation,
        causation_id: None,
        actor,
        request_id: Some(request.request_id().to_string()),
        traceparent: request.traceparent(),
        command_id: None,
        origin: request.origin(),
        appends: request.appends(),
    }
}

/// The version a write must find its resource at. Of several that `If-Match` names it is the one the resource has.
///
/// # Errors
/// 412 when it has none of them.
pub(super) async fn only_at(
    store: &dyn EventStore,
    caller: &Principal,
    stream: &StreamId,
    if_match: Option<&IfMatch>,
) -> Result<Option<Version>, ApiError> {
    let Some(if_match @ IfMatch::OneOf(_)) = if_match else { return Ok(None) };
    if let Some(version) = if_match.version() {
        return Ok(Some(version));
    }
    let newest = store.read_stream(stream, Version::NONE, Direction::Backwards, 1).await;
    match newest.map_err(ApiError::unavailable)?.first() {
        Some(newest) if newest.client_id == caller.client => {
            if_match.check(newest.version)?;
            Ok(Some(newest.version))
        }
        // what does not exist for this client is told apart from nothing else: the command answers 404
        _ => Ok(None),
    }
}

/// What a refusal by a resource's rules means to a client.
pub(super) trait AsProblem: StdError + Send + Sync + 'static {
    /// The word for the resource, as in "no such call".
    const KIND: &'static str;

    fn as_problem(&self) -> ApiError;
}

impl AsProblem for CallRefusal {
    const KIND: &'static str = "call";

    fn as_problem(&self) -> ApiError {
        match self {
            CallRefusal::Unknown => ApiError::not_found(Self::KIND),
            CallRefusal::Invalid(faults) => {
                let field = |(field, detail): (&&str, &&str)| FieldError {
                    field: (*field).to_owned(),
                    code: "invalid".to_owned(),
                    detail: (*detail).to_owned(),
                };
                ApiError::invalid_fields(faults.iter().map(field).collect())
            }
            CallRefusal::WrongStatus { .. } => ApiError::new(Code::CallWrongStatus, self.to_string()),
            CallRefusal::TransferUnderWay => ApiError::new(Code::TransferUnderWay, self.to_string()),
            CallRefusal::Exists | CallRefusal::Settled | CallRefusal::IvrUnderWay => {
                ApiError::conflict(self.to_string())
            }
        }
    }
}

impl AsProblem for ClaimRefusal {
    const KIND: &'static str = "claim";

    fn as_problem(&self) -> ApiError {
        ApiError::conflict(self.to_string())
    }
}

impl AsProblem for NumberRefusal {
    const KIND: &'static str = "number";

    fn as_problem(&self) -> ApiError {
        match self {
            NumberRefusal::Unknown => ApiError::not_found(Self::KIND),
            NumberRefusal::Exists => ApiError::conflict(self.to_string()),
        }
    }
}

/// What a command that was not carried out means to a client.
pub(super) fn problem<R: AsProblem>(error: CommandError<R>) -> ApiError {
    match error {
        CommandError::Refused(refusal) => refusal.as_problem(),
        CommandError::OtherClient => ApiError::not_found(R::KIND),
        CommandError::VersionMismatch { current } => ApiError::precondition_failed(current.0),
        CommandError::Overloaded { retry_after } => ApiError::overloaded(retry_after),
        error @ (CommandError::Unavailable(_) | CommandError::Contended | CommandError::Crashed) => {
            ApiError::unavailable(error)
        }
        error @ CommandError::Unreadable(_) => ApiError::internal(error),
    }
}
