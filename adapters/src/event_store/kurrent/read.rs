//! Reads events out of KurrentDB.

use std::time::Duration;

use domain::envelope::{Position, Recorded, StreamId, Version};
use domain::ports::event_store::{Direction, MAX_PAGE_BYTES, ReadError};
use eventstore::{Error, StreamPosition};

use super::super::Unreadable;
use super::super::tail::weight;
use super::batch::NUMBERED;
use super::codec::{Found, Kind, classify, stream_name};
use super::index::Entry;
use super::log::{Log, unreadable};
use super::outcome::CallError;

/// A stream is read from memory when the leader was heard of within this time.
const FRESH: Duration = Duration::from_millis(250);

/// Up to `limit` events after a position, as far as they are numbered.
pub(super) async fn read_all(log: &Log, after: Position, limit: usize) -> Result<Vec<Recorded>, ReadError> {
    let mut page = Vec::new();
    for found in rows(log, after, Position(u64::MAX), limit).await? {
        match found {
            Ok(event) => page.push(event),
            Err(Unreadable { position, why }) if page.is_empty() => {
                return Err(ReadError::Damaged { position, detail: why });
            }
            Err(_) => break,
        }
    }
    Ok(page)
}

/// Up to `limit` events after `after` and up to `upto`, each compared with the index. An event that the
/// database no longer has is an item that says so.
pub(super) async fn rows(
    log: &Log,
    after: Position,
    upto: Position,
    limit: usize,
) -> Result<Vec<Result<Recorded, Unreadable>>, ReadError> {
    let newest = log.numbering.newest().map_or(Position::START, |newest| newest.position).min(upto);
    let left = usize::try_from(newest.0.saturating_sub(after.0)).unwrap_or(usize::MAX).min(limit);
    let entries = log.index.after(after, left).await.map_err(|error| index(&error))?;
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

/// Events of one stream, with their positions.
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
    if let Some(events) = from_memory(log, stream, from, direction, limit).await? {
        return Ok(events);
    }
    let prefix = &log.connection.address().prefix;
    // version n has revision n - 1
    let (start, backwards) = match (direction, from) {
        (Direction::Forwards, Version(version)) => (StreamPosition::Position(version), false),
        (Direction::Backwards, Version::NONE) => (StreamPosition::End, true),
        (Direction::Backwards, Version(1)) => return Ok(Vec::new()),
        (Direction::Backwards, Version(version)) => (StreamPosition::Position(version - 2), true),
    };
    let name = stream_name(prefix, stream);
    let read = log.connection.read_stream(&name, start, backwards, limit, MAX_PAGE_BYTES).await;
    let read = read.map_err(|error| match error {
        CallError::Client(Error::ResourceDeleted) => ReadError::Unavailable(format!(
            "stream {name} was deleted in KurrentDB; restore the database from before"
        )),
        error => unreadable(&error),
    })?;
    if read.is_empty() {
        // a node that is not the leader and does not say who is has the same words for "no such stream"
        let stored = log.index.revisions(&[stream.as_str()]).await.map_err(|error| index(&error))?;
        let more = stored.first().is_some_and(|(_, revision)| backwards || from.0 <= *revision);
        let gone =
            || ReadError::Unavailable(format!("KurrentDB does not find stream {name}, which has events"));
        return if more { Err(gone()) } else { Ok(Vec::new()) };
    }
    let mut events = Vec::with_capacity(read.len());
    let mut bytes = 0;
    for resolved in read {
        match classify(prefix, resolved) {
            Kind::Ours(found) => {
                bytes += weight(&found.event);
                if bytes > MAX_PAGE_BYTES && !events.is_empty() {
                    break;
                }
                events.push(found);
            }
            Kind::Intruder { why, .. } => {
                let detail = format!("stream {name} holds an event that is not of this log: {why}");
                return Err(ReadError::Damaged { position: Position::START, detail });
            }
            Kind::Foreign | Kind::Forgetting { .. } | Kind::Deleted { .. } => {}
        }
    }
    number(log, events).await
}

/// The same from what the subscription delivered lately, `None` when that is not enough.
///
/// It may be a moment behind what another node has just appended, at most [`FRESH`]. Whoever decides on it appends at an
/// exact version, and decides again when that is taken.
async fn from_memory(
    log: &Log,
    stream: &StreamId,
    from: Version,
    direction: Direction,
    limit: usize,
) -> Result<Option<Vec<Recorded>>, ReadError> {
    log.be_fresh(FRESH).await?;
    let kept = log.tail.stream(stream);
    let Some(oldest) = kept.first().map(|event| event.version) else {
        // only a stream that is not known at all is empty for sure
        let known = log.index.revisions(&[stream.as_str()]).await.map_err(|error| index(&error))?;
        return Ok(known.is_empty().then(Vec::new));
    };
    let (mut bytes, mut page) = (0, Vec::new());
    let mut take = |event: &Recorded| {
        bytes += weight(event);
        let fits = page.len() < limit && (bytes <= MAX_PAGE_BYTES || page.is_empty());
        if fits {
            page.push(event.clone());
        }
        fits
    };
    let whole = match direction {
        Direction::Forwards => {
            // stops where the page is full
            let _ = kept.iter().skip_while(|event| event.version <= from).all(|event| take(event));
            oldest.0 <= from.0 + 1
        }
        Direction::Backwards => {
            let before = |event: &&std::sync::Arc<Recorded>| from == Version::NONE || event.version < from;
            let full = !kept.iter().rev().filter(before).all(|event| take(event));
            full || page.len() == limit || oldest == Version(1)
        }
    };
    Ok(whole.then_some(page))
}

/// Gives events their positions, once they have them.
async fn number(log: &Log, events: Vec<Found>) -> Result<Vec<Recorded>, ReadError> {
    let Some(last) = events.iter().map(|found| found.commit).max() else { return Ok(Vec::new()) };
    log.numbering.reached(last, NUMBERED).await?;
    let known = |found: &Found| log.numbering.position_of(found.commit);
    let unknown: Vec<_> =
        events.iter().filter(|found| known(found).is_none()).map(|found| found.event.id).collect();
    let stored = log.index.find(&unknown).await.map_err(|error| index(&error))?;
    let position = |found: &Found| {
        let entry = stored.iter().find(|entry| (entry.id, entry.commit) == (found.event.id, found.commit));
        known(found).or(entry.map(|entry| entry.position))
    };
    let numbered = |found: Found| match position(&found) {
        Some(position) => Ok(found.at(position)),
        None => {
            let detail = format!("event {} of stream {} has no number", found.event.id, found.event.stream);
            Err(ReadError::Damaged { position: Position::START, detail })
        }
    };
    events.into_iter().map(numbered).collect()
}

fn index(error: &sqlx::Error) -> ReadError {
    ReadError::Unavailable(format!("the index cannot be read: {}", crate::database::in_words(error)))
}
