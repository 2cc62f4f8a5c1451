//! Converts a request to a command's context, and a refusal to a problem answer.

use std::error::Error as StdError;

use actors::CommandContext;
use actors::session::CommandError;
use domain::call::CallRefusal;
use domain::envelope::{Actor, StreamId, Version};
use domain::ids::ClientId;
use domain::number::NumberRefusal;
use domain::ports::event_store::{Direction, EventStore};
use domain::unique_name::UniqueNameRefusal;
use uuid::Uuid;

use crate::auth::Principal;
use crate::problem::{ApiError, Code, FieldError};
use crate::{IfMatch, RequestContext};

/// Context of a command that a signed-in caller sends by REST.
pub(super) fn context(caller: &Principal, request: &RequestContext, correlation: Uuid) -> CommandContext {
    context_of(caller.client, caller.actor(), request, correlation)
}

/// Context of a command from a caller who is not signed in yet.
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

/// Version at which a write expects its resource; `None` for any. If `If-Match` names several versions, it is the
/// current one. Answers 412 when the resource has none of them.
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
        // a resource that the client does not have must not show by its status: the command answers 404
        _ => Ok(None),
    }
}

/// How the API answers a refusal by a resource's rules.
pub(super) trait AsProblem: StdError + Send + Sync + 'static {
    /// Name of the resource in error texts, as in "no such call".
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
            CallRefusal::Exists
            | CallRefusal::Settled
            | CallRefusal::IvrUnderWay
            | CallRefusal::Merged { .. }
            | CallRefusal::NotForeign => ApiError::conflict(self.to_string()),
        }
    }
}

impl AsProblem for UniqueNameRefusal {
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

/// The answer to a command that was not executed.
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
