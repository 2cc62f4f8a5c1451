//! What all writes to a number share.

use actors::Session;
use domain::envelope::Version;
use domain::ids::NumberId;
use domain::number::{Number, NumberCommand};
use projections::numbers::Numbers;
use projections::view::replay;

use super::super::commands::{context, only_at, problem};
use super::super::history::{Moment, events_until};
use crate::http::auth::Principal;
use crate::http::{Answer, IfMatch, RequestContext};
use crate::node::Backend;
use crate::problem::ApiError;

/// Carries a command out and waits for the views; the version reached.
pub(super) async fn execute(
    backend: &Backend,
    caller: &Principal,
    request: &RequestContext,
    id: NumberId,
    if_match: Option<&IfMatch>,
    command: &NumberCommand,
) -> Result<actors::Receipt, ApiError> {
    let only_at = only_at(&*backend.runtime.store, caller, &id.stream(), if_match).await?;
    let context = context(caller, request, id.0);
    let mut session = Session::<Number>::new(backend.runtime.clone(), id.stream());
    let receipt = session.execute(command, &context, only_at).await.map_err(problem)?;
    if let Some(position) = receipt.position {
        backend.caught_up(position).await;
    }
    Ok(receipt)
}

/// The number as it is after a command.
pub(super) async fn written(
    backend: &Backend,
    caller: &Principal,
    id: NumberId,
    receipt: actors::Receipt,
) -> Result<Answer, ApiError> {
    let answer = as_of(backend, caller, id, Moment::Version(receipt.version)).await?;
    Ok(match receipt.position {
        Some(position) => answer.position(position),
        None => answer,
    })
}

/// The number as it was, folded from its events by the view's own rules.
pub(super) async fn as_of(
    backend: &Backend,
    caller: &Principal,
    id: NumberId,
    moment: Moment,
) -> Result<Answer, ApiError> {
    let store = &*backend.runtime.store;
    let events = events_until(store, caller.client, &id.stream(), "number", moment).await?;
    let row = replay::<Numbers>(&events).map_err(ApiError::internal)?;
    let row = row.ok_or_else(|| ApiError::not_found("number"))?;
    Ok(Answer::data(&row.view).etag(Version(row.view.version)))
}
