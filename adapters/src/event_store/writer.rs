//! The one writer of a log: a bounded queue, one task, group commit without a timer.
//!
//! While a batch is being committed the next one gathers in the queue; so a lone append costs one commit, and
//! many at once share one. Each append is judged by itself; only a failing store fails its whole batch.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use domain::envelope::{MAX_PAYLOAD_BYTES, NewEvent, Position, Recorded, StreamId, Time, Version};
use domain::ports::event_store::{
    AppendError, Appended, Expected, MAX_APPEND_BYTES, MAX_APPEND_EVENTS, ReadError,
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use uuid::Uuid;

use super::judge::{Claim, Judgement, Spot, Standing, Verdict, judge};
use super::tail::{SharedTail, weight};
use super::versions::Versions;

/// Appends that may wait at once.
const QUEUE_APPENDS: usize = 4_096;
/// Bytes of events that may wait at once (64 MiB).
const QUEUE_BYTES: usize = 64 << 20;
/// A batch is closed at this many events …
const BATCH_EVENTS: usize = 512;
/// … or this many bytes (1 MiB); a single larger append is a batch of its own.
const BATCH_BYTES: usize = 1 << 20;
/// What an overloaded caller is told to wait: a full queue drains in about this time.
const RETRY_AFTER: Duration = Duration::from_millis(250);
/// How often a batch is judged anew because other nodes wrote the same streams in between.
const MAX_CLASHES: usize = 8;
/// How long the outcome of a broken commit is looked for before the callers are told it is unknown.
const SETTLE: Duration = Duration::from_secs(3);

/// What the writer needs of an engine. Only the writer task calls it, one call at a time.
#[async_trait]
pub(super) trait Backend: Send + 'static {
    /// Name for logs and metrics.
    const ENGINE: &'static str;

    /// What is committed now about these streams and ids.
    async fn look_up(&mut self, streams: &[StreamId], ids: &[Uuid]) -> Result<Standing, Fault>;

    /// Writes the rows as one transaction, flushed to disk, numbered from the head of the log on. Returns the
    /// first position.
    async fn commit(&mut self, rows: &[Row<'_>]) -> Result<Position, Fault>;

    /// Lets go of the store after the last commit.
    async fn close(self);
}

/// An event about to be written, and the version it gets.
#[derive(Debug, Clone, Copy)]
pub(super) struct Row<'a> {
    pub(super) event: &'a Recorded,
    pub(super) version: Version,
}

/// Why an engine did not do what it was asked.
#[derive(Debug)]
pub(super) enum Fault {
    /// A version, an id or a position is already taken. Nothing was written.
    Clash,
    /// The store cannot be reached or written. Nothing was written.
    NotWritten(String),
    /// The store broke off: written or not.
    Unknown(String),
}

/// The callers' end of the queue.
#[derive(Debug, Clone)]
pub(super) struct Writer {
    queue: mpsc::Sender<Message>,
    room: Arc<Semaphore>,
    engine: &'static str,
}

#[derive(Debug)]
enum Message {
    Append(Request),
    Close(oneshot::Sender<()>),
}

#[derive(Debug)]
struct Request {
    stream: StreamId,
    expected: Expected,
    events: Vec<Recorded>,
    bytes: usize,
    answer: oneshot::Sender<Result<Appended, AppendError>>,
    _room: OwnedSemaphorePermit,
}

impl Writer {
    /// Starts the writer task on the current tokio runtime. It ends with the last clone of the writer, or by
    /// [`Writer::close`].
    pub(super) fn start<B: Backend>(backend: B, tail: SharedTail) -> Self {
        let (queue, requests) = mpsc::channel(QUEUE_APPENDS);
        tokio::spawn(Task { backend, tail, recent: Versions::default(), requests }.run());
        Self { queue, room: Arc::new(Semaphore::new(QUEUE_BYTES)), engine: B::ENGINE }
    }

    pub(super) async fn append(
        &self,
        stream: &StreamId,
        expected: Expected,
        events: Vec<NewEvent>,
    ) -> Result<Appended, AppendError> {
        let asked = Instant::now();
        let events = prepare(stream, events)?;
        let overloaded = || AppendError::Overloaded { retry_after: RETRY_AFTER };
        let bytes = events.iter().map(weight).sum::<usize>();
        let permits = u32::try_from(bytes).map_err(|_| AppendError::Refused("it is too large"))?;
        let room = Arc::clone(&self.room).try_acquire_many_owned(permits).map_err(|_| overloaded())?;
        let (answer, answered) = oneshot::channel();
        let request = Request { stream: stream.clone(), expected, events, bytes, answer, _room: room };
        self.queue.try_send(Message::Append(request)).map_err(|refused| match refused {
            mpsc::error::TrySendError::Full(_) => overloaded(),
            mpsc::error::TrySendError::Closed(_) => AppendError::Unavailable("it is closed".to_owned()),
        })?;
        // an answer that never comes means the task was torn down, perhaps in the middle of a commit
        let lost = || AppendError::Unknown("the writer stopped".to_owned());
        let answer = answered.await.unwrap_or_else(|_| Err(lost()));
        metrics::histogram!("voxledger_append_seconds", "engine" => self.engine).record(asked.elapsed());
        answer
    }

    /// Takes no more appends, writes those already queued, and lets go of the store.
    pub(super) async fn close(&self) {
        let (done, closed) = oneshot::channel();
        if self.queue.send(Message::Close(done)).await.is_ok() {
            // an error means the task is already gone
            let _ = closed.await;
        }
    }
}

/// Checks an append and gives its events the form in which they are stored. Runs in the caller's task, so the
/// writer need not.
fn prepare(stream: &StreamId, events: Vec<NewEvent>) -> Result<Vec<Recorded>, AppendError> {
    let refused = |why| Err(AppendError::Refused(why));
    if events.is_empty() {
        return refused("it has no event");
    }
    if events.len() > MAX_APPEND_EVENTS {
        return refused("it has more than 512 events");
    }
    let mut ids = HashSet::with_capacity(events.len());
    let mut bytes = 0;
    let mut prepared = Vec::with_capacity(events.len());
    for event in events {
        if !ids.insert(event.id) {
            return refused("two of its events have the same id");
        }
        if event.payload.len() > MAX_PAYLOAD_BYTES {
            return refused("a payload is larger than 1 MiB");
        }
        bytes += event.payload.len();
        if bytes > MAX_APPEND_BYTES {
            return refused("its payloads are larger than 8 MiB in all");
        }
        if !is_event_type(&event.event_type) {
            return refused("an event type is not 1 to 100 lower-case letters, digits, dots and underscores");
        }
        let Some(recorded_at) = to_the_microsecond(event.recorded_at) else {
            return refused("a time lies outside of the years 1970 to 9999");
        };
        let Ok(metadata) = serde_json::to_vec(&event.metadata) else {
            return refused("its metadata cannot be written as JSON");
        };
        prepared.push(Recorded {
            position: Position::START,
            stream: stream.clone(),
            version: Version::NONE,
            id: event.id,
            event_type: event.event_type,
            schema: event.schema,
            client_id: event.client_id,
            payload: event.payload,
            metadata,
            recorded_at,
        });
    }
    Ok(prepared)
}

fn is_event_type(name: &str) -> bool {
    let allowed =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'.' | b'_');
    (1..=100).contains(&name.len()) && name.bytes().all(allowed)
}

fn to_the_microsecond(time: Time) -> Option<Time> {
    const END_OF_9999: i64 = 253_402_300_800_000_000;
    let micros = time.timestamp_micros();
    (0..END_OF_9999).contains(&micros).then(|| Time::from_timestamp_micros(micros)).flatten()
}

struct Task<B> {
    backend: B,
    tail: SharedTail,
    recent: Versions,
    requests: mpsc::Receiver<Message>,
}

/// Where a batch came to stand.
enum Outcome {
    /// Its rows are stored, the first at this position.
    Written(Position),
    /// The world moved on meanwhile: judge again.
    JudgeAgain,
    Failed(AppendError),
}

impl<B: Backend> Task<B> {
    async fn run(mut self) {
        let mut carried = None;
        let mut closing = None;
        while closing.is_none() || carried.is_some() {
            let first = match carried.take() {
                Some(request) => request,
                None => match self.requests.recv().await {
                    Some(Message::Append(request)) => request,
                    Some(Message::Close(done)) => {
                        closing = Some(done);
                        break;
                    }
                    None => break,
                },
            };
            // callers just answered get the chance to bring their next append into this batch
            tokio::task::yield_now().await;
            let batch = self.gather(first, &mut carried, &mut closing);
            self.settle_batch(batch).await;
        }
        self.requests.close();
        while let Ok(message) = self.requests.try_recv() {
            match message {
                Message::Append(request) => self.settle_batch(vec![request]).await,
                Message::Close(done) => drop(done),
            }
        }
        self.backend.close().await;
        if let Some(done) = closing {
            // nobody waits any more
            let _ = done.send(());
        }
    }

    /// `first` and whatever else is already queued, up to the limits of a batch.
    fn gather(
        &mut self,
        first: Request,
        carried: &mut Option<Request>,
        closing: &mut Option<oneshot::Sender<()>>,
    ) -> Vec<Request> {
        metrics::gauge!("voxledger_append_queue_depth", "engine" => B::ENGINE)
            .set(self.requests.len() as f64 + 1.0);
        let (mut events, mut bytes) = (first.events.len(), first.bytes);
        let mut batch = vec![first];
        while let Ok(message) = self.requests.try_recv() {
            match message {
                Message::Append(request) => {
                    events += request.events.len();
                    bytes += request.bytes;
                    if events > BATCH_EVENTS || bytes > BATCH_BYTES {
                        *carried = Some(request);
                        break;
                    }
                    batch.push(request);
                }
                Message::Close(done) => {
                    *closing = Some(done);
                    break;
                }
            }
        }
        batch
    }

    /// Judges, writes and answers a batch.
    async fn settle_batch(&mut self, batch: Vec<Request>) {
        let mut truth = Standing::default();
        for _ in 0..MAX_CLASHES {
            let verdicts = match self.judge(&batch, &mut truth).await {
                Ok(verdicts) => verdicts,
                Err(error) => return fail(batch, &error),
            };
            match self.write(&batch, &verdicts).await {
                Outcome::Written(first) => return self.finish(batch, &verdicts, first),
                Outcome::Failed(error) => return fail_after_write(batch, &verdicts, &error),
                Outcome::JudgeAgain => {
                    self.recent.clear();
                    let (streams, ids) = everything(&batch);
                    match self.backend.look_up(&streams, &ids).await {
                        Ok(standing) => truth = standing,
                        Err(fault) => return fail(batch, &nothing_written(fault)),
                    }
                }
            }
        }
        fail(batch, &AppendError::Overloaded { retry_after: RETRY_AFTER });
    }

    async fn judge(&mut self, batch: &[Request], truth: &mut Standing) -> Result<Vec<Verdict>, AppendError> {
        loop {
            let claims: Vec<_> = batch.iter().map(Request::claim).collect();
            match judge(&claims, &self.recent, truth) {
                Judgement::Verdicts(verdicts) => return Ok(verdicts),
                Judgement::Ask { streams, ids } => {
                    let standing = self.backend.look_up(&streams, &ids).await.map_err(nothing_written)?;
                    truth.merge(standing);
                }
            }
        }
    }

    /// Commits the events of those verdicts that write.
    async fn write(&mut self, batch: &[Request], verdicts: &[Verdict]) -> Outcome {
        let mut rows = Vec::new();
        for (request, verdict) in batch.iter().zip(verdicts) {
            if let Verdict::Write { first_version, .. } = verdict {
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
            return Outcome::Written(Position::START);
        }
        metrics::histogram!("voxledger_append_batch_events", "engine" => B::ENGINE).record(rows.len() as f64);
        match self.backend.commit(&rows).await {
            Ok(first) => Outcome::Written(first),
            Err(Fault::Clash) => Outcome::JudgeAgain,
            Err(Fault::NotWritten(why)) => Outcome::Failed(AppendError::Unavailable(why)),
            Err(Fault::Unknown(why)) => {
                tracing::warn!(engine = B::ENGINE, %why, "a commit broke off, looking for its outcome");
                self.find_outcome(&rows, why).await
            }
        }
    }

    /// Finds out what became of a commit that broke off.
    ///
    /// If the events are there, it was performed. If not, it may still be under way somewhere, so its absence
    /// proves nothing: the same rows are written again. Should both arrive, the ids let only one in.
    async fn find_outcome(&mut self, rows: &[Row<'_>], mut why: String) -> Outcome {
        let ids: Vec<_> = rows.iter().map(|row| row.event.id).collect();
        let started = Instant::now();
        let mut pause = Duration::from_millis(20);
        loop {
            match self.backend.look_up(&[], &ids).await {
                Ok(standing) if standing.places.is_empty() => match self.backend.commit(rows).await {
                    Ok(first) => return Outcome::Written(first),
                    // ours arrived meanwhile, or another node took a version of ours, which ends ours for good
                    Err(Fault::Clash) => match self.backend.look_up(&[], &ids).await {
                        Ok(standing) if standing.places.is_empty() => return Outcome::JudgeAgain,
                        Ok(standing) => return found(rows, &standing),
                        Err(Fault::NotWritten(text) | Fault::Unknown(text)) => why = text,
                        Err(Fault::Clash) => {}
                    },
                    Err(Fault::NotWritten(text) | Fault::Unknown(text)) => why = text,
                },
                Ok(standing) => return found(rows, &standing),
                Err(Fault::NotWritten(text) | Fault::Unknown(text)) => why = text,
                Err(Fault::Clash) => {}
            }
            if started.elapsed() + pause > SETTLE {
                self.recent.clear();
                return Outcome::Failed(AppendError::Unknown(why));
            }
            tokio::time::sleep(pause).await;
            pause *= 2;
        }
    }

    /// Publishes what was written, then answers.
    fn finish(&mut self, batch: Vec<Request>, verdicts: &[Verdict], first: Position) {
        let place = |spot| match spot {
            Spot::Stored(position) => position,
            Spot::Row(row) => first.plus(row as u64),
        };
        let mut written = Vec::new();
        let mut answers = Vec::with_capacity(batch.len());
        for (mut request, verdict) in batch.into_iter().zip(verdicts) {
            let answer = match *verdict {
                Verdict::Write { row, first_version } => {
                    let count = request.events.len() as u64;
                    let version = Version(first_version.0 + count - 1);
                    let first_position = place(Spot::Row(row));
                    self.recent.set(&request.stream, version);
                    for (n, mut event) in (0..).zip(std::mem::take(&mut request.events)) {
                        event.position = first_position.plus(n);
                        event.version = Version(first_version.0 + n);
                        written.push(event);
                    }
                    let last_position = first_position.plus(count - 1);
                    Ok(Appended { first_position, last_position, version, repeated: false })
                }
                Verdict::Repeat { first, last, version } => {
                    let (first_position, last_position) = (place(first), place(last));
                    Ok(Appended { first_position, last_position, version, repeated: true })
                }
                Verdict::Conflict { current } => Err(request.conflict(current)),
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
    fn claim(&self) -> Claim<'_> {
        Claim { stream: &self.stream, expected: self.expected, events: &self.events }
    }

    fn conflict(&self, current: Version) -> AppendError {
        AppendError::Conflict { stream: self.stream.clone(), expected: self.expected, current }
    }

    fn answer(self, answer: Result<Appended, AppendError>) {
        // the caller may have stopped waiting
        let _ = self.answer.send(answer);
    }
}

/// The outcome as told by the ids that were found: these very rows side by side, or something else came first.
fn found(rows: &[Row<'_>], standing: &Standing) -> Outcome {
    let place = |row: &Row<'_>| standing.places.get(&row.event.id);
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
        Some(first) if whole(first) => Outcome::Written(first),
        // an id stands elsewhere: what broke off can never be stored, and is to be judged with that known
        _ => Outcome::JudgeAgain,
    }
}

fn everything(batch: &[Request]) -> (Vec<StreamId>, Vec<Uuid>) {
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

/// Nothing of the batch was written.
fn fail(batch: Vec<Request>, error: &AppendError) {
    for request in batch {
        request.answer(Err(error.clone()));
    }
}

/// The batch may have been written: whoever wrote nothing himself is told so.
fn fail_after_write(batch: Vec<Request>, verdicts: &[Verdict], error: &AppendError) {
    for (request, verdict) in batch.into_iter().zip(verdicts) {
        let error = match (verdict, error) {
            (Verdict::Conflict { .. }, AppendError::Unknown(why)) => AppendError::Unavailable(why.clone()),
            _ => error.clone(),
        };
        request.answer(Err(error));
    }
}

/// The answer of an engine that was opened for reading only.
pub(super) fn read_only() -> AppendError {
    AppendError::Unavailable("it is open for reading only".to_owned())
}

/// A database's refusal as the port tells it.
pub(super) fn unreadable(error: &sqlx::Error) -> ReadError {
    ReadError::Unavailable(error.to_string())
}
