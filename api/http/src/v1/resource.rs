//! What all event-sourced resources share: read one, read it as it was, write it, and answer with the new state.

use actors::session::CommandError;
use actors::{Receipt, Session};
use domain::aggregate::Aggregate;
use domain::envelope::{Recorded, StreamId, Version};
use domain::ids::{ClientId, TypedId};
use domain::merkle::Hash;
use domain::ports::StoreUnavailable;
use domain::ports::event_store::{Direction, EventStore as _};
use projections::Queries;
use projections::document::table_of;
use projections::page::Stored;
use projections::view::{At, Shown, View, replay};
use uuid::Uuid;

use super::commands::{AsProblem, context, only_at, problem};
use super::history::{Moment, events_until, moment};
use crate::auth::Principal;
use crate::backend::Backend;
use crate::edge_id::Named;
use crate::problem::ApiError;
use crate::{Answer, IfMatch, Query, RequestContext};

/// Most events that one append writes together with the event that creates a resource.
const FIRST_APPEND: usize = 8;

/// A kind of resource: its rules, its view and its stream.
pub(super) trait Resource {
    /// Its id in the public API.
    type Id: TypedId + Named;
    type Rules: Aggregate<Refusal: AsProblem>;
    /// View whose rows the API answers.
    type View: View<Row: Shown>;

    /// The resource's row in the views now; `None` when the client has no such resource.
    async fn stored(
        views: &dyn Queries,
        client: ClientId,
        id: Self::Id,
    ) -> Result<Option<Stored>, StoreUnavailable> {
        views.document(table_of::<Self::View>(), client, id.uuid()).await
    }
}

/// Name of the resource in error texts.
pub(super) fn kind<R: Resource>() -> &'static str {
    <<R::Rules as Aggregate>::Refusal as AsProblem>::KIND
}

/// Answers with the resource now, or as it was when the query says `at` or `version`.
pub(super) async fn get<R: Resource>(
    backend: &Backend,
    caller: &Principal,
    id: R::Id,
    mut query: Query,
) -> Result<Answer, ApiError> {
    let moment = moment(&mut query);
    query.finish()?;
    if let Some(moment) = moment {
        return as_of::<R>(backend, caller, id, moment).await;
    }
    let stored = R::stored(&*backend.views, caller.client, id).await.map_err(ApiError::unavailable)?;
    let stored = stored.ok_or_else(|| ApiError::not_found(kind::<R>()))?;
    Ok(tagged(stored))
}

/// The resource as it was, folded from its events by the view's own rules.
pub(super) async fn as_of<R: Resource>(
    backend: &Backend,
    caller: &Principal,
    id: R::Id,
    moment: Moment,
) -> Result<Answer, ApiError> {
    let row = row_at::<R>(backend, caller, id, moment).await?;
    Ok(Answer::data(row.resource()).etag(row.version()))
}

pub(super) async fn row<R: Resource>(
    backend: &Backend,
    caller: &Principal,
    id: R::Id,
    version: Version,
) -> Result<<R::View as View>::Row, ApiError> {
    row_at::<R>(backend, caller, id, Moment::Version(version)).await
}

async fn row_at<R: Resource>(
    backend: &Backend,
    caller: &Principal,
    id: R::Id,
    moment: Moment,
) -> Result<<R::View as View>::Row, ApiError> {
    let stream = id.stream();
    let events = events_until(backend, caller.client, &stream, kind::<R>(), Some(moment)).await?;
    let mut row = replay::<R::View>(&events).map_err(ApiError::internal)?;
    if let (None, Some(last)) = (&row, events.last()) {
        // events recorded before the creating event were written in the same append
        row = beginning::<R>(backend, &stream, last).await?;
    }
    row.ok_or_else(|| ApiError::not_found(kind::<R>()))
}

/// The resource as its first append left it. That append may begin with other events: for an inbound call, with the
/// carrier's webhook, before the event that creates the call.
async fn beginning<R: Resource>(
    backend: &Backend,
    stream: &StreamId,
    last: &Recorded,
) -> Result<Option<<R::View as View>::Row>, ApiError> {
    let store = backend.private.redacted();
    let rest = store.read_stream(stream, last.version, Direction::Forwards, FIRST_APPEND).await;
    let rest = rest.map_err(ApiError::unavailable)?;
    let together = rest.iter().take_while(|event| event.recorded_at == last.recorded_at);
    let at = At::from(last);
    let mut row = None;
    for event in together {
        if let Some((_, fact)) = R::View::read(event).map_err(ApiError::internal)? {
            R::View::apply(&mut row, &at, fact);
        }
        if row.is_some() {
            break;
        }
    }
    Ok(row)
}

/// Executes a command and waits for the views.
pub(super) async fn execute<R: Resource>(
    backend: &Backend,
    caller: &Principal,
    request: &RequestContext,
    id: R::Id,
    if_match: Option<&IfMatch>,
    command: &<R::Rules as Aggregate>::Command,
) -> Result<Receipt, ApiError> {
    let stream = id.stream();
    let only_at = only_at(&*backend.runtime.store, caller, &stream, if_match).await?;
    let session = Session::<R::Rules>::new(backend.runtime.clone(), stream);
    carry_out::<R>(backend, session, caller, request, (id, only_at), command).await.map_err(problem)
}

/// Executes the first command of a resource whose id is new, without reading its stream, and
/// answers with the resource.
pub(super) async fn create<R: Resource>(
    backend: &Backend,
    caller: &Principal,
    request: &RequestContext,
    id: R::Id,
    command: &<R::Rules as Aggregate>::Command,
) -> Result<Answer, ApiError> {
    let session = Session::<R::Rules>::on_new_stream(backend.runtime.clone(), id.stream());
    let receipt = carry_out::<R>(backend, session, caller, request, (id, None), command).await;
    written::<R>(backend, caller, id, receipt.map_err(problem)?).await
}

/// Executes a command at one expected version of a resource, and waits for the views.
pub(super) async fn execute_at<R: Resource>(
    backend: &Backend,
    caller: &Principal,
    request: &RequestContext,
    (id, version): (R::Id, Version),
    command: &<R::Rules as Aggregate>::Command,
) -> Result<Receipt, CommandError<<R::Rules as Aggregate>::Refusal>> {
    let session = Session::<R::Rules>::new(backend.runtime.clone(), id.stream());
    carry_out::<R>(backend, session, caller, request, (id, Some(version)), command).await
}

async fn carry_out<R: Resource>(
    backend: &Backend,
    mut session: Session<R::Rules>,
    caller: &Principal,
    request: &RequestContext,
    (id, only_at): (R::Id, Option<Version>),
    command: &<R::Rules as Aggregate>::Command,
) -> Result<Receipt, CommandError<<R::Rules as Aggregate>::Refusal>> {
    let context = context(caller, request, correlation(&id.stream()));
    let receipt = session.execute(command, &context, only_at).await?;
    if let Some(position) = receipt.position {
        backend.caught_up(position).await;
    }
    Ok(receipt)
}

/// Answers with the resource as it is after a command.
/// A resource with its `ETag`.
fn tagged(stored: Stored) -> Answer {
    if stored.joined { marked(stored) } else { Answer::json(stored.json).etag(stored.version) }
}

/// A resource whose `ETag` holds a hash of its content besides its version, because events of other streams change it.
pub(super) fn marked(stored: Stored) -> Answer {
    let held = Hash::of(stored.json.as_bytes());
    let mark: String = held.0.iter().take(6).map(|byte| format!("{byte:02x}")).collect();
    let version = stored.version;
    Answer::json(stored.json).etag_of(version, &mark)
}

pub(super) async fn written<R: Resource>(
    backend: &Backend,
    caller: &Principal,
    id: R::Id,
    receipt: Receipt,
) -> Result<Answer, ApiError> {
    let stored = R::stored(&*backend.views, caller.client, id).await.ok().flatten();
    // the resource may have changed again, or the views may trail: the answer is the state that this write produced
    let answer = match stored.filter(|stored| stored.version == receipt.version) {
        Some(stored) => tagged(stored),
        None => as_of::<R>(backend, caller, id, Moment::Version(receipt.version)).await?,
    };
    Ok(answer.written_at(receipt.position))
}

/// Executes a command and answers with the resource after it.
pub(super) async fn change<R: Resource>(
    backend: &Backend,
    caller: &Principal,
    request: &RequestContext,
    id: R::Id,
    if_match: Option<&IfMatch>,
    command: &<R::Rules as Aggregate>::Command,
) -> Result<Answer, ApiError> {
    let receipt = execute::<R>(backend, caller, request, id, if_match, command).await?;
    written::<R>(backend, caller, id, receipt).await
}

/// The correlation id of a resource's commands is the id of its stream.
fn correlation(stream: &StreamId) -> Uuid {
    stream.id()
}
