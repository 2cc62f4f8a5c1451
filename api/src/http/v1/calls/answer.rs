//! What all writes to a call share: give the command, wait for the view, answer with the call.

use actors::Receipt;
use domain::call::CallCommand;
use domain::envelope::Version;
use domain::ids::CallId;
use projections::calls::Calls;
use projections::view::replay;

use super::super::commands::{context, only_at, problem};
use super::super::history::{Moment, events_until};
use crate::http::auth::Principal;
use crate::http::{Answer, IfMatch, RequestContext};
use crate::node::Backend;
use crate::problem::ApiError;

/// Carries a command out and answers with the call as it is after it.
pub(super) async fn command(
    backend: &Backend,
    caller: &Principal,
    request: &RequestContext,
    id: CallId,
    if_match: Option<&IfMatch>,
    command: CallCommand,
) -> Result<Answer, ApiError> {
    let only_at = only_at(&*backend.runtime.store, caller, &id.stream(), if_match).await?;
    let context = context(caller, request, id.0);
    let receipt = backend.calls.execute(id, command, context, only_at).await.map_err(problem)?;
    written(backend, caller, id, receipt).await
}

async fn written(
    backend: &Backend,
    caller: &Principal,
    id: CallId,
    receipt: Receipt,
) -> Result<Answer, ApiError> {
    let caught_up = match receipt.position {
        Some(position) => backend.caught_up(position).await,
        None => true,
    };
    let stored = if caught_up { backend.views.call(caller.client, id).await.ok().flatten() } else { None };
    // the call may have gone on since: the answer is what this write made of it
    let stored = stored.filter(|stored| stored.version == receipt.version);
    let answer = match stored {
        Some(stored) => Answer::json(stored.json).etag(stored.version),
        None => as_of(backend, caller, id, Moment::Version(receipt.version)).await?,
    };
    Ok(match receipt.position {
        Some(position) => answer.position(position),
        None => answer,
    })
}

/// The call as it was, folded from its events by the view's own rules.
pub(super) async fn as_of(
    backend: &Backend,
    caller: &Principal,
    id: CallId,
    moment: Moment,
) -> Result<Answer, ApiError> {
    let store = &*backend.runtime.store;
    let events = events_until(store, caller.client, &id.stream(), "call", moment).await?;
    let row = replay::<Calls>(&events).map_err(ApiError::internal)?;
    let row = row.ok_or_else(|| ApiError::not_found("call"))?;
    Ok(Answer::data(&row.view).etag(Version(row.view.version)))
}
