//! The one writer of a log: a bounded queue, one task, group commit without a timer.
//!
//! While a batch is being committed the next one gathers in the queue; so a lone append costs one commit, and
//! many at once share one. Clients take turns in a batch. Each append is decided separately; only a failing
//! store fails its whole batch.

use std::collections::HashSet;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::{Duration, Instant};

use domain::envelope::{NewEvent, Position, Recorded, StreamId, Version};
use domain::ids::ClientId;
use domain::ports::event_store::{AppendError, Appended, Expected};
use tokio::sync::oneshot;
use uuid::Uuid;

use super::backend::{Backend, Fault, Row};
use super::prepare::prepare;
use super::queue::Queue;
use super::resolve::{AppendRequest, Location, Outcome, Resolved, StoreState, resolve_batch};
use super::tail::{SharedTail, weight};
use super::versions::Versions;
use crate::database::Part;
use crate::trace::database;

/// A batch is closed at this many bytes (1 MiB); a single larger append is a batch of its own.
pub(super) const BATCH_BYTES: usize = 1 << 20;
/// `Retry-After` of an overloaded log: a full queue drains in about this time.
pub(super) const RETRY_AFTER: Duration = Duration::from_millis(250);
/// How often a batch is decided again because other nodes wrote the same streams in between.
pub(super) const MAX_CLASHES: usize = 8;
/// How long the writer looks for the outcome of a broken commit before it reports an unknown outcome.
const SETTLE: Duration = Duration::from_secs(3);

/// Limits that an operator may set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WriterLimits {
    /// Appends that may wait at once; a full queue refuses those of the client with most waiting first.
    pub queue: NonZeroUsize,
    /// The most events in a batch; a single larger append is a batch of its own.
    pub batch: NonZeroUsize,
}

impl Default for WriterLimits {
    fn default() -> Self {
        Self { queue: NonZeroUsize::MIN.saturating_add(4_095), batch: NonZeroUsize::MIN.saturating_add(511) }
    }
}

/// The callers' end of the queue.
#[derive(Debug, Clone)]
pub(super) struct Writer {
    handle: Arc<Handle>,
    engine: &'static str,
}

/// Closes the queue with the last clone of the writer.
#[derive(Debug)]
struct Handle {
    queue: Arc<Queue>,
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.queue.close();
    }
}

/// An append in the queue.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) stream: StreamId,
    pub(super) expected: Expected,
    pub(super) events: Vec<Recorded>,
    pub(super) bytes: usize,
    answer: oneshot::Sender<Result<Appended, AppendError>>,
}

impl Writer {
    /// Starts the writer task on the current tokio runtime. It ends with the last clone of the
    /// writer, or by [`Writer::close`].
    pub(super) fn start<B: Backend>(backend: B, tail: SharedTail, limits: WriterLimits) -> Self {
        Self::with_task(B::ENGINE, limits, |requests| {
            Task { backend, tail, recent: Versions::default(), requests }.run()
        })
    }

    /// Starts a writer whose task is the engine's own.
    pub(super) fn with_task<F>(
        engine: &'static str,
        limits: WriterLimits,
        task: impl FnOnce(Batches) -> F,
    ) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let queue = Arc::new(Queue::new(limits.queue.get()));
        // more rows than this do not fit into one statement of SQLite
        let batch = limits.batch.get().min(2_000);
        let requests = Batches { queue: Served(queue.clone()), carried: None, engine, batch };
        tokio::spawn(task(requests));
        Self { handle: Arc::new(Handle { queue }), engine }
    }

    pub(super) async fn append(
        &self,
        stream: &StreamId,
        expected: Expected,
        events: Vec<NewEvent>,
    ) -> Result<Appended, AppendError> {
        let asked = Instant::now();
        let system = if self.engine == "postgres" { "postgresql" } else { self.engine };
        let statement = if self.engine == "kurrentdb" { "APPEND" } else { "INSERT INTO events" };
        let _span = database(system, Part::Log.word(), statement);
        let events = prepare(stream, events)?;
        let bytes = events.iter().map(weight).sum::<usize>();
        let client = events.first().map_or(ClientId(Uuid::nil()), |event| event.client_id);
        let (answer, answered) = oneshot::channel();
        let request = Request { stream: stream.clone(), expected, events, bytes, answer };
        self.handle.queue.push(client, request)?;
        // a dropped answer means the task was torn down, perhaps in the middle of a commit
        let lost = || AppendError::Unknown("the writer stopped".to_owned());
        let answer = answered.await.unwrap_or_else(|_| Err(lost()));
        metrics::histogram!(domain::metrics::APPEND_SECONDS, "engine" => self.engine).record(asked.elapsed());
        answer
    }

    /// Takes no more appends, writes those already queued, and releases the store.
    pub(super) async fn close(&self) {
        // an error means the task is already gone
        let _ = self.handle.queue.close_and_tell().await;
    }
}

/// The writer's end of the queue. Dropping it, also when the task is torn down, releases all who wait.
#[derive(Debug)]
struct Served(Arc<Queue>);

impl Drop for Served {
    fn drop(&mut self) {
        self.0.end();
    }
}

/// The queued appends, a batch at a time.
#[derive(Debug)]
pub(super) struct Batches {
    queue: Served,
    /// What did not fit into the last batch.
    carried: Option<Request>,
    engine: &'static str,
    batch: usize,
}

impl Batches {
    /// All that is queued, up to the limits of a batch; `None` once the queue is closed and empty.
    pub(super) async fn next(&mut self) -> Option<Vec<Request>> {
        let first = match self.carried.take() {
            Some(request) => request,
            None => self.queue.0.next().await?,
        };
        // lets callers that were just answered bring their next append into this batch
        tokio::task::yield_now().await;
        metrics::gauge!(domain::metrics::APPEND_QUEUE_DEPTH, "engine" => self.engine)
            .set(self.queue.0.len() as f64 + 1.0);
        let (mut events, mut bytes) = (first.events.len(), first.bytes);
        let mut batch = vec![first];
        while let Some(request) = self.queue.0.try_next() {
            events += request.events.len();
            bytes += request.bytes;
            if events > self.batch || bytes > BATCH_BYTES {
                self.carried = Some(request);
                break;
            }
            batch.push(request);
        }
        Some(batch)
    }
}

struct Task<B> {
    backend: B,
    tail: SharedTail,
    recent: Versions,
    requests: Batches,
}

/// Result of committing a batch.
enum BatchWrite {
    /// The rows are stored, the first at this position.
    Written(Position),
    /// Other nodes wrote the same streams meanwhile: decide the batch again.
    ResolveAgain,
    Failed(AppendError),
}

impl<B: Backend> Task<B> {
    async fn run(mut self) {
        while let Some(batch) = self.requests.next().await {
            self.settle_batch(batch).await;
        }
        let Self { backend, requests, .. } = self;
        backend.close().await;
        drop(requests);
    }

    /// Decides about a batch, writes it and answers its callers.
    async fn settle_batch(&mut self, batch: Vec<Request>) {
        let mut truth = StoreState::default();
        for _ in 0..MAX_CLASHES {
            let outcomes = match self.resolve_batch(&batch, &mut truth).await {
                Ok(outcomes) => outcomes,
                Err(error) => return fail(batch, &error),
            };
            match self.write(&batch, &outcomes).await {
                BatchWrite::Written(first) => return self.finish(batch, &outcomes, first),
                BatchWrite::Failed(error) => return fail_after_write(batch, &outcomes, &error),
                BatchWrite::ResolveAgain => {
                    self.recent.clear();
                    let (streams, ids) = everything(&batch);
                    match self.backend.look_up(&streams, &ids).await {
                        Ok(state) => truth = state,
                        Err(fault) => return fail(batch, &nothing_written(fault)),
                    }
                }
            }
        }
        fail(batch, &AppendError::Overloaded { retry_after: RETRY_AFTER });
    }

    async fn resolve_batch(
        &mut self,
        batch: &[Request],
        truth: &mut StoreState,
    ) -> Result<Vec<Outcome>, AppendError> {
        loop {
            let claims: Vec<_> = batch.iter().map(Request::claim).collect();
            match resolve_batch(&claims, &self.recent, truth) {
                Resolved::Outcomes(outcomes) => return Ok(outcomes),
                Resolved::Ask { streams, ids } => {
                    let state = self.backend.look_up(&streams, &ids).await.map_err(nothing_written)?;
                    truth.merge(state);
                }
            }
        }
    }

    /// Commits the events of those outcomes that write.
    async fn write(&mut self, batch: &[Request], outcomes: &[Outcome]) -> BatchWrite {
        let mut rows = Vec::new();
        for (request, outcome) in batch.iter().zip(outcomes) {
            if let Outcome::Write { first_version, .. } = outcome {
                rows.extend(
                    request
                        .events
                        .iter()
                        .zip(first_version.0..)
                        .map(|(event, version)| Row { event, version: Version(version) }),
                );
            }
        }
        if rows.is_empty() {
            return BatchWrite::Written(Position::START);
        }
        metrics::histogram!(domain::metrics::APPEND_BATCH_EVENTS, "engine" => B::ENGINE)
            .record(rows.len() as f64);
        match self.backend.commit(&rows).await {
            Ok(first) => BatchWrite::Written(first),
            Err(Fault::Clash) => BatchWrite::ResolveAgain,
            Err(Fault::NotWritten(why)) => BatchWrite::Failed(AppendError::Unavailable(why)),
            Err(Fault::Unknown(why)) => {
                tracing::warn!(engine = B::ENGINE, %why, "a commit broke off, looking for its outcome");
                self.find_outcome(&rows, why).await
            }
        }
    }

    /// Finds out what became of a commit whose connection broke.
    ///
    /// If the events are there, it was performed. If not, it may still be running somewhere, so their absence
    /// proves nothing: the same rows are written again. Should both arrive, the unique ids let only one in.
    async fn find_outcome(&mut self, rows: &[Row<'_>], mut why: String) -> BatchWrite {
        let ids: Vec<_> = rows.iter().map(|row| row.event.id).collect();
        let started = Instant::now();
        let mut pause = Duration::from_millis(20);
        loop {
            match self.backend.look_up(&[], &ids).await {
                Ok(state) if state.places.is_empty() => match self.backend.commit(rows).await {
                    Ok(first) => return BatchWrite::Written(first),
                    // our first commit arrived meanwhile, or another node took one of its versions, which ends it
                    // for good
                    Err(Fault::Clash) => match self.backend.look_up(&[], &ids).await {
                        Ok(state) if state.places.is_empty() => return BatchWrite::ResolveAgain,
                        Ok(state) => return found(rows, &state),
                        Err(Fault::NotWritten(text) | Fault::Unknown(text)) => why = text,
                        Err(Fault::Clash) => {}
                    },
                    Err(Fault::NotWritten(text) | Fault::Unknown(text)) => why = text,
                },
                Ok(state) => return found(rows, &state),
                Err(Fault::NotWritten(text) | Fault::Unknown(text)) => why = text,
                Err(Fault::Clash) => {}
            }
            if started.elapsed() + pause > SETTLE {
                self.recent.clear();
                return BatchWrite::Failed(AppendError::Unknown(why));
            }
            tokio::time::sleep(pause).await;
            pause *= 2;
        }
    }

    /// Publishes the written events, then answers the callers.
    fn finish(&mut self, batch: Vec<Request>, outcomes: &[Outcome], first: Position) {
        let place = |spot| match spot {
            Location::Stored(position) => position,
            Location::Row(row) => first.plus(row as u64),
        };
        let mut written = Vec::new();
        let mut answers = Vec::with_capacity(batch.len());
        for (mut request, outcome) in batch.into_iter().zip(outcomes) {
            let answer = match *outcome {
                Outcome::Write { row, first_version } => {
                    let count = request.events.len() as u64;
                    let version = Version(first_version.0 + count - 1);
                    let first_position = place(Location::Row(row));
                    self.recent.set(&request.stream, version);
                    for (n, mut event) in (0..).zip(std::mem::take(&mut request.events)) {
                        event.position = first_position.plus(n);
                        event.version = Version(first_version.0 + n);
                        written.push(event);
                    }
                    let last_position = first_position.plus(count - 1);
                    Ok(Appended { first_position, last_position, version, repeated: false })
                }
                Outcome::Repeat { first, last, version } => {
                    let (first_position, last_position) = (place(first), place(last));
                    Ok(Appended { first_position, last_position, version, repeated: true })
                }
                Outcome::Conflict { current } => Err(request.conflict(current)),
            };
            answers.push((request, answer));
        }
        self.tail.push(written);
        for (request, answer) in answers {
            request.answer(answer);
        }
    }
}

impl Request {
    pub(super) fn claim(&self) -> AppendRequest<'_> {
        AppendRequest { stream: &self.stream, expected: self.expected, events: &self.events }
    }

    pub(super) fn conflict(&self, current: Version) -> AppendError {
        AppendError::Conflict { stream: self.stream.clone(), expected: self.expected, current }
    }

    pub(super) fn answer(self, answer: Result<Appended, AppendError>) {
        // the caller may have stopped waiting
        let _ = self.answer.send(answer);
    }
}

/// The outcome as the found ids tell it: exactly these rows side by side, or something else came first.
fn found(rows: &[Row<'_>], state: &StoreState) -> BatchWrite {
    let place = |row: &Row<'_>| state.places.get(&row.event.id);
    let first = rows.first().and_then(place).map(|place| place.position);
    let whole = |first: Position| {
        rows.iter().zip(0..).all(|(row, n)| {
            place(row).is_some_and(|place| {
                (&place.stream, place.version, place.position)
                    == (&row.event.stream, row.version, first.plus(n))
            })
        })
    };
    match first {
        Some(first) if whole(first) => BatchWrite::Written(first),
        // an id stands elsewhere: the broken commit can never succeed, and the batch is decided again with that
        // known
        _ => BatchWrite::ResolveAgain,
    }
}

pub(super) fn everything(batch: &[Request]) -> (Vec<StreamId>, Vec<Uuid>) {
    let streams: HashSet<_> = batch.iter().map(|request| &request.stream).collect();
    let ids = batch.iter().flat_map(|request| &request.events).map(|event| event.id);
    (streams.into_iter().cloned().collect(), ids.collect())
}

fn nothing_written(fault: Fault) -> AppendError {
    match fault {
        Fault::NotWritten(why) | Fault::Unknown(why) => AppendError::Unavailable(why),
        Fault::Clash => AppendError::Unavailable("a look-up clashed".to_owned()),
    }
}

/// Answers all callers with `error`, because nothing of the batch was written.
pub(super) fn fail(batch: Vec<Request>, error: &AppendError) {
    for request in batch {
        request.answer(Err(error.clone()));
    }
}

/// Answers the callers with `error` when the batch may have been written. An append that conflicted wrote nothing
/// itself, so its outcome is `Unavailable` instead of `Unknown`.
fn fail_after_write(batch: Vec<Request>, outcomes: &[Outcome], error: &AppendError) {
    for (request, outcome) in batch.into_iter().zip(outcomes) {
        let error = match (outcome, error) {
            (Outcome::Conflict { .. }, AppendError::Unknown(why)) => AppendError::Unavailable(why.clone()),
            _ => error.clone(),
        };
        request.answer(Err(error));
    }
}
