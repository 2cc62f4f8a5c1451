//! Resources without a view: each is folded from its own events by its rules, now or as it was.

use domain::aggregate::Aggregate;
use domain::envelope::{StreamId, Version};
use domain::ids::ClientId;
use domain::wire::DomainEvent as _;

use super::history::{Moment, events_until, moment};
use crate::Query;
use crate::backend::Backend;
use crate::problem::ApiError;

/// State of a resource and where it comes from.
pub(super) struct Folded<A> {
    pub(super) state: A,
    /// Version of the last folded event; 0 without any.
    pub(super) version: Version,
}

/// Reads `at` or `version` from a query that may hold nothing else; `None` is now. Answers
/// 422 for other parameters.
pub(super) fn only_moment(mut query: Query) -> Result<Option<Moment>, ApiError> {
    let moment = moment(&mut query);
    query.finish()?;
    Ok(moment)
}

/// Folds a resource, now or at a moment. Answers 404 when it does not exist for this client, or did not exist then.
pub(super) async fn fold<A: Aggregate>(
    backend: &Backend,
    client: ClientId,
    stream: &StreamId,
    kind: &str,
    moment: Option<Moment>,
) -> Result<Folded<A>, ApiError> {
    let folded = fold_or_initial(backend, client, stream, kind, moment).await?;
    if folded.version == Version::NONE {
        return Err(ApiError::not_found(kind));
    }
    Ok(folded)
}

/// Folds a resource that every client has from the beginning, such as settings: without events it is at version 0.
/// Answers 404 when it has no such version yet.
pub(super) async fn fold_or_initial<A: Aggregate>(
    backend: &Backend,
    client: ClientId,
    stream: &StreamId,
    kind: &str,
    moment: Option<Moment>,
) -> Result<Folded<A>, ApiError> {
    let events = events_until(backend, client, stream, kind, moment).await?;
    let mut state = A::default();
    for event in &events {
        let fact = A::Event::decode(&event.event_type, event.schema, &event.payload);
        state.evolve(&fact.map_err(ApiError::internal)?);
    }
    let version = events.last().map_or(Version::NONE, |last| last.version);
    match moment {
        Some(Moment::Version(asked)) if asked > version => Err(ApiError::not_found(kind)),
        _ => Ok(Folded { state, version }),
    }
}
