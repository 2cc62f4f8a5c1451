//! What all writes to a call share: execute the command, wait for the view, answer with the call.

use actors::Receipt;
use domain::call::{Call, CallCommand};
use domain::ids::CallId;
use projections::calls::Calls;

use super::super::commands::{context, only_at, problem};
use super::super::recipe::{Recipe, Wording};
use super::super::resource::{Resource, written};
use crate::auth::Principal;
use crate::auth::permissions::CallsRead;
use crate::backend::Backend;
use crate::problem::ApiError;
use crate::{Answer, IfMatch, RequestContext};

#[derive(Debug)]
pub(crate) struct CallResource;

impl Resource for CallResource {
    type Id = CallId;
    type Rules = Call;
    type View = Calls;
}

impl Recipe for CallResource {
    type Read = CallsRead;

    const WORDING: Wording = Wording {
        path: "/calls",
        tag: "calls",
        operation: "Call",
        one: "a call",
        noun: "call",
        many: "calls",
        about_list: "",
    };
}

/// Lets the call's actor execute a command and answers with the call after it.
pub(super) async fn command(
    backend: &Backend,
    caller: &Principal,
    request: &RequestContext,
    id: CallId,
    if_match: Option<&IfMatch>,
    command: CallCommand,
) -> Result<Answer, ApiError> {
    let receipt = execute(backend, caller, request, id, if_match, command).await?;
    shown(backend, caller, id, receipt).await
}

/// Executes the first command of a call whose id is new; the actor does not read the stream first.
pub(super) async fn begin(
    backend: &Backend,
    caller: &Principal,
    request: &RequestContext,
    id: CallId,
    command: CallCommand,
) -> Result<Receipt, ApiError> {
    let context = context(caller, request, id.0);
    backend.calls.execute_on_new(id, command, context).await.map_err(problem)
}

/// Lets the call's actor execute a command; does not wait for the views.
pub(super) async fn execute(
    backend: &Backend,
    caller: &Principal,
    request: &RequestContext,
    id: CallId,
    if_match: Option<&IfMatch>,
    command: CallCommand,
) -> Result<Receipt, ApiError> {
    let only_at = only_at(&*backend.runtime.store, caller, &id.stream(), if_match).await?;
    let context = context(caller, request, id.0);
    backend.calls.execute(id, command, context, only_at).await.map_err(problem)
}

/// Answers with the call as it is after the command, once the views have caught up.
pub(super) async fn shown(
    backend: &Backend,
    caller: &Principal,
    id: CallId,
    receipt: Receipt,
) -> Result<Answer, ApiError> {
    if let Some(position) = receipt.position {
        backend.caught_up(position).await;
    }
    written::<CallResource>(backend, caller, id, receipt).await
}
