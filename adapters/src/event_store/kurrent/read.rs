//! Reads events out of KurrentDB.

use std::time::Duration;

use domain::envelope::{Position, Recorded, StreamId, Version};
use domain::ports::event_store::{Direction, MAX_PAGE_BYTES, ReadError};

use super::super::Unreadable;
use super::super::tail::weight;
use super::codec::{Found, Kind, classify};
use super::log::{Log, unreadable};
use super::replica::Entry;

/// How long ago the leader may have been heard of when a stream is read.
const FRESH: Duration = Duration::from_millis(250);

/// Up to `limit` events after a position, as far as they are numbered.
pub(super) async fn read_all(log: &Log, after: Position, limit: usize) -> Result<Vec<Recorded>, ReadError> {
    let newest = log.numbering.newest().map_or(Position::START, |newest| newest.position);
    // another process that fills the same replica may be further than this one
    let left = usize::try_from(newest.0.saturating_sub(after.0)).unwrap_or(usize::MAX).min(limit);
    log.replica.read_all(after, left).await
}

/// Events of one stream, from the replica.
///
/// It may be a moment behind what another node has just appended, at most [`FRESH`]. Whoever decides on it appends at an
/// exact version, and decides again when that is taken.
pub(super) async fn read_stream(
    log: &Log,
    stream: &StreamId,
    from: Version,
    direction: Direction,
    limit: usize,
) -> Result<Vec<Recorded>, ReadError> {
    if limit == 0 {
        return Ok(Vec::new());
    }
    log.be_fresh(FRESH).await?;
    log.replica.read_stream(stream, from, direction, limit).await
}

/// Up to `limit` events after `after` and up to `upto`, from the database, each compared with the replica's entry. An event that the
/// database no longer has is an item that says so.
pub(super) async fn rows(
    log: &Log,
    after: Position,
    upto: Position,
    limit: usize,
) -> Result<Vec<Result<Recorded, Unreadable>>, ReadError> {
    let numbered = || log.numbering.newest().map_or(Position::START, |newest| newest.position);
    if numbered() < Position(after.0.saturating_add(limit as u64)).min(upto) {
        // what another node appended and sealed is not missing because this one is behind
        log.catch_up().await?;
    }
    let newest = numbered().min(upto);
    let left = usize::try_from(newest.0.saturating_sub(after.0)).unwrap_or(usize::MAX).min(limit);
    let entries = log.replica.after(after, left).await.map_err(|error| replica(&error))?;
    let Some(first) = entries.first() else { return Ok(Vec::new()) };
    let found = log.connection.read_ours(first.commit, entries.len(), MAX_PAGE_BYTES).await;
    let mut found = found.map_err(|error| unreadable(&error))?.into_iter().peekable();
    let (mut rows, mut bytes) = (Vec::with_capacity(entries.len()), 0);
    for entry in entries {
        if found.peek().is_none() && !rows.is_empty() {
            break;
        }
        let row = row(log, &entry, &mut found);
        bytes += row.as_ref().map_or(0, weight);
        if bytes > MAX_PAGE_BYTES && !rows.is_empty() {
            break;
        }
        rows.push(row);
    }
    Ok(rows)
}

/// The event of an entry, which must be the next one that the database has.
fn row(
    log: &Log,
    entry: &Entry,
    found: &mut std::iter::Peekable<impl Iterator<Item = eventstore::ResolvedEvent>>,
) -> Result<Recorded, Unreadable> {
    let position = entry.position;
    let missing = || Unreadable { position, why: "the event is missing in KurrentDB".to_owned() };
    // metadata of streams stands between the events
    while let Some(next) = found.next_if(|next| {
        let record = next.link.as_ref().or(next.event.as_ref());
        record.is_none_or(|record| record.position.commit <= entry.commit)
    }) {
        match classify(&log.connection.address().prefix, next) {
            Kind::Ours(Found { commit, event }) if (commit, event.id) == (entry.commit, entry.id) => {
                return Ok(Recorded { position, ..event });
            }
            Kind::Ours(found) if found.commit < entry.commit => {}
            Kind::Ours(_) => {
                return Err(Unreadable { position, why: "another event stands in its place".to_owned() });
            }
            Kind::Intruder { why, .. } => return Err(Unreadable { position, why }),
            Kind::Foreign | Kind::Forgetting { .. } | Kind::Deleted { .. } => {}
        }
    }
    Err(missing())
}

fn replica(error: &sqlx::Error) -> ReadError {
    ReadError::Unavailable(format!("the replica cannot be read: {}", crate::database::in_words(error)))
}
