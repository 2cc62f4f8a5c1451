//! Settles a batch of queued appends.
//!
//! What is decided is decided as on the other engines (`resolve_batch`), from versions and ids that are numbered.
//! KurrentDB takes no append to several streams at once and does not know ids across streams. So each stream's events
//! of a batch are appended by themselves, all streams at a time, each at the exact revision the decision rests on:
//! when another node was faster the append is refused, and decided again.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use domain::envelope::{Position, StreamId, Version};
use domain::ports::event_store::{AppendError, Appended, ReadError};
use eventstore::StreamPosition;
use futures::StreamExt as _;
use futures::stream;
use uuid::Uuid;

use super::super::resolve::{Location, Outcome, Resolved, StoreState, resolve_batch};
use super::super::writer::{Batches, MAX_CLASHES, RETRY_AFTER, Request, everything, fail};
use super::append::{Done, append_exactly};
use super::codec::stream_name;
use super::injected::{Injected, Injection, LostAnswer};
use super::log::Log;
use super::outcome::{CallError, Fate};

/// Appends that are under way at once; servers take 100 calls on a connection.
const AT_ONCE: usize = 64;
/// Events of one stream are appended together up to this many bytes; older servers take 1 MiB.
pub(super) const TOGETHER: usize = 512 << 10;
/// How long an append waits for its number after it is stored.
pub(super) const NUMBERED: Duration = Duration::from_secs(10);

pub(super) struct Writing {
    pub(super) log: Arc<Log>,
    pub(super) injected: Injected,
}

impl Writing {
    /// Settles batches until the queue is closed.
    pub(super) async fn run(self, mut batches: Batches) {
        while let Some(batch) = batches.next().await {
            self.settle(batch).await;
        }
        drop(batches);
    }

    async fn settle(&self, mut batch: Vec<Request>) {
        if let Err(error) = self.log.numbering.check() {
            return fail(batch, &AppendError::Unavailable(error.to_string()));
        }
        let mut truth = StoreState::default();
        for _ in 0..MAX_CLASHES {
            let outcomes = match self.resolve(&batch, &mut truth).await {
                Ok(outcomes) => outcomes,
                Err(error) => return fail(batch, &error),
            };
            batch = self.write(batch, &outcomes).await;
            if batch.is_empty() {
                return;
            }
            let (streams, ids) = everything(&batch);
            truth = match self.look_up(&streams, &ids).await {
                Ok(state) => state,
                Err(error) => return fail(batch, &error),
            };
        }
        fail(batch, &AppendError::Overloaded { retry_after: RETRY_AFTER });
    }

    async fn resolve(&self, batch: &[Request], truth: &mut StoreState) -> Result<Vec<Outcome>, AppendError> {
        // in this order: the ids are complete up to these versions, and the appends are made at exactly these
        let recent = self.log.numbering.versions_of(batch.iter().map(|request| &request.stream));
        let ids: Vec<_> = batch.iter().flat_map(|request| &request.events).map(|event| event.id).collect();
        if truth.asked.is_empty() {
            truth.merge(self.places(&ids).await?);
        }
        loop {
            let claims: Vec<_> = batch.iter().map(Request::claim).collect();
            match resolve_batch(&claims, &recent, truth) {
                Resolved::Outcomes(outcomes) => return Ok(outcomes),
                Resolved::Ask { streams, ids } => truth.merge(self.look_up(&streams, &ids).await?),
            }
        }
    }

    /// The versions of streams as the leader has them, and the places of ids, complete up to these versions.
    async fn look_up(&self, streams: &[StreamId], ids: &[Uuid]) -> Result<StoreState, AppendError> {
        if self.injected.is_blind() {
            return Err(AppendError::Unavailable("a test hides the database".to_owned()));
        }
        let looks = stream::iter(streams.to_vec()).map(|stream| async move {
            let version = self.version(&stream).await?;
            Ok::<_, AppendError>((stream, version))
        });
        let found: Vec<_> = looks.buffer_unordered(AT_ONCE).collect().await;
        let versions = found.into_iter().collect::<Result<HashMap<_, _>, _>>()?;
        let mut state = self.places(ids).await?;
        state.versions = versions;
        Ok(state)
    }

    /// A stream's version, once everything up to it is numbered.
    async fn version(&self, stream: &StreamId) -> Result<Version, AppendError> {
        let name = stream_name(&self.log.connection.address().prefix, stream);
        let newest = self.log.connection.read_stream(&name, StreamPosition::End, true, 1, usize::MAX).await;
        let newest = newest.map_err(|error| {
            if error.fate() == Fate::Deleted {
                return deleted(&name);
            }
            unavailable(&error)
        })?;
        let Some(record) = newest.first().and_then(|found| found.event.as_ref()) else {
            return Ok(Version::NONE);
        };
        let reached = self.log.numbering.reached(record.position.commit, NUMBERED).await;
        reached.map_err(|error| AppendError::Unavailable(ReadError::from(error).to_string()))?;
        Ok(Version(record.revision.saturating_add(1)))
    }

    /// The places of those ids that are numbered.
    async fn places(&self, ids: &[Uuid]) -> Result<StoreState, AppendError> {
        let places = self.log.replica.places(ids).await.map_err(|error| {
            AppendError::Unavailable(format!(
                "the replica cannot be read: {}",
                crate::database::in_words(&error)
            ))
        })?;
        Ok(StoreState { asked: ids.iter().copied().collect(), places, ..StoreState::default() })
    }

    /// Writes what the outcomes say, and answers. Returns the appends that must be decided again.
    async fn write(&self, batch: Vec<Request>, outcomes: &[Outcome]) -> Vec<Request> {
        let writes = outcomes.iter().any(|outcome| matches!(outcome, Outcome::Write { .. }));
        let mut lost = None;
        if writes {
            let events =
                outcomes.iter().zip(&batch).filter(|(outcome, _)| matches!(outcome, Outcome::Write { .. }));
            let events = events.map(|(_, request)| request.events.len()).sum::<usize>();
            metrics::histogram!(domain::metrics::APPEND_BATCH_EVENTS, "engine" => super::ENGINE)
                .record(events as f64);
            self.injected.pass_gate().await;
            match self.injected.next() {
                Some(Injection::Refused) => {
                    fail(batch, &AppendError::Unavailable("a test refuses the append".to_owned()));
                    return Vec::new();
                }
                Some(Injection::Lost(answer)) => lost = Some(answer),
                None => {}
            }
        }
        let mut lanes: Vec<Lane> = Vec::new();
        let mut by_stream: HashMap<StreamId, usize> = HashMap::new();
        for (request, outcome) in batch.into_iter().zip(outcomes) {
            let lane = *by_stream.entry(request.stream.clone()).or_insert_with(|| {
                lanes.push(Lane::default());
                lanes.len() - 1
            });
            lanes[lane].requests.push((request, *outcome));
        }
        let settled = stream::iter(lanes).map(|lane| self.settle_lane(lane, lost)).buffer_unordered(AT_ONCE);
        settled.collect::<Vec<_>>().await.into_iter().flatten().collect()
    }

    /// Appends one stream's events and answers their callers. Returns the appends that must be decided again.
    async fn settle_lane(&self, lane: Lane, lost: Option<LostAnswer>) -> Vec<Request> {
        // first position of the append that has a row
        let mut rows: HashMap<usize, Position> = HashMap::new();
        let mut chunks = lane.chunks().into_iter();
        while let Some(mut chunk) = chunks.next() {
            let done = self.append_chunk(&chunk, lost).await;
            match done {
                Ok(mut next) => {
                    for (request, outcome) in chunk.drain(..) {
                        if let Outcome::Write { row, .. } = outcome {
                            for n in 0..request.events.len() as u64 {
                                rows.insert(row + n as usize, next.plus(n));
                            }
                            next = next.plus(request.events.len() as u64);
                        }
                        answer(request, outcome, &rows);
                    }
                }
                Err(None) => {
                    return chunk.into_iter().chain(chunks.flatten()).map(|(request, _)| request).collect();
                }
                Err(Some(error)) => {
                    for (request, outcome) in chunk {
                        let writes = matches!(outcome, Outcome::Write { .. });
                        request.answer(Err(if writes { error.clone() } else { nothing_of(&error) }));
                    }
                    for (request, _) in chunks.flatten() {
                        request.answer(Err(nothing_of(&error)));
                    }
                    return Vec::new();
                }
            }
        }
        Vec::new()
    }

    /// Appends the events of a chunk at once. Returns the position of the first; an error, or `None` to decide again.
    async fn append_chunk(
        &self,
        chunk: &[(Request, Outcome)],
        lost: Option<LostAnswer>,
    ) -> Result<Position, Option<AppendError>> {
        let writes = |(_, outcome): &&(Request, Outcome)| matches!(outcome, Outcome::Write { .. });
        let first = chunk.iter().find_map(|(_, outcome)| match outcome {
            Outcome::Write { first_version, .. } => Some(*first_version),
            _ => None,
        });
        let Some(first) = first else { return Ok(Position::START) };
        let events: Vec<_> = chunk.iter().filter(writes).flat_map(|(request, _)| &request.events).collect();
        let before = Version(first.0 - 1);
        let Log { connection, numbering, replica, .. } = &*self.log;
        let (asked, known) = (Instant::now(), numbering.newest().map_or(0, |newest| newest.commit));
        let commit = match append_exactly(connection, &self.injected, lost, before, &events).await {
            Done::Written { commit } => commit,
            Done::Clash => return Err(None),
            Done::NotWritten(why) => return Err(Some(AppendError::Unavailable(why))),
            Done::Unknown(why) => return Err(Some(AppendError::Unknown(why))),
            Done::Deleted => {
                let stream = events.first().map(|event| event.stream.to_string()).unwrap_or_default();
                return Err(Some(deleted(&stream)));
            }
        };
        let unknown =
            |why: String| Some(AppendError::Unknown(format!("it is stored, but has no number yet: {why}")));
        let reached = numbering.reached(commit, NUMBERED).await;
        reached.map_err(|error| unknown(ReadError::from(error).to_string()))?;
        if commit > known {
            // it was stored now, and what stood in the log before it is numbered, too
            self.log.heard(asked);
        }
        let last = match (numbering.position_of(commit), events.last()) {
            (Some(position), _) => position,
            // stored long ago: the database recognised a repeat that this node did not know of
            (None, Some(event)) => {
                let found =
                    replica.find(event.id).await.ok().flatten().filter(|found| found.commit == commit);
                found.ok_or_else(|| unknown("the replica does not hold it".to_owned()))?.position
            }
            (None, None) => return Err(None),
        };
        Ok(Position(last.0 + 1 - events.len() as u64))
    }
}

/// One stream's part of a batch, in order.
#[derive(Default)]
struct Lane {
    requests: Vec<(Request, Outcome)>,
}

impl Lane {
    /// Parts whose events are appended at once.
    fn chunks(self) -> Vec<Vec<(Request, Outcome)>> {
        let (mut chunks, mut bytes): (Vec<Vec<_>>, usize) = (Vec::new(), 0);
        for (request, outcome) in self.requests {
            let size = if matches!(outcome, Outcome::Write { .. }) { request.bytes } else { 0 };
            match chunks.last_mut() {
                Some(chunk) if bytes + size <= TOGETHER => {
                    bytes += size;
                    chunk.push((request, outcome));
                }
                _ => {
                    bytes = size;
                    chunks.push(vec![(request, outcome)]);
                }
            }
        }
        chunks
    }
}

/// Answers an append whose stream is settled up to it.
fn answer(request: Request, outcome: Outcome, rows: &HashMap<usize, Position>) {
    let place = |location| match location {
        Location::Stored(position) => position,
        Location::Row(row) => rows.get(&row).copied().unwrap_or_default(),
    };
    let answer = match outcome {
        Outcome::Write { row, first_version } => {
            let more = request.events.len() as u64 - 1;
            let first_position = place(Location::Row(row));
            Ok(Appended {
                first_position,
                last_position: first_position.plus(more),
                version: Version(first_version.0 + more),
                repeated: false,
            })
        }
        Outcome::Repeat { first, last, version } => {
            Ok(Appended { first_position: place(first), last_position: place(last), version, repeated: true })
        }
        Outcome::Conflict { current } => Err(request.conflict(current)),
    };
    request.answer(answer);
}

/// The error of an append that wrote nothing itself.
fn nothing_of(error: &AppendError) -> AppendError {
    match error {
        AppendError::Unknown(why) => AppendError::Unavailable(why.clone()),
        other => other.clone(),
    }
}

fn unavailable(error: &CallError) -> AppendError {
    AppendError::Unavailable(error.to_string())
}

fn deleted(stream: &str) -> AppendError {
    AppendError::Unavailable(format!(
        "stream {stream} was deleted in KurrentDB; restore the database from before"
    ))
}
