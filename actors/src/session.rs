//! The life of one stream without actix: load, decide, append, evolve.

use std::time::Duration;

use domain::aggregate::Aggregate;
use domain::envelope::{NewEvent, Position, Recorded, StreamId, Version};
use domain::ids::ClientId;
use domain::ports::event_store::{AppendError, Direction, Expected, ReadError};
use domain::ports::snapshots::Snapshot;
use domain::wire::{DecodeError, DomainEvent};
use tracing::Instrument;
use uuid::Uuid;

use crate::context::CommandContext;
use crate::runtime::Runtime;

/// How often a command is decided again because another writer appended in between.
const MAX_DECISIONS: u32 = 10;
const PAGE: usize = 512;
/// A load that read this many events saves a snapshot.
const SNAPSHOT_AFTER: usize = 2 * PAGE;
/// Largest state that is saved as a snapshot, in bytes.
const LARGEST_SNAPSHOT: usize = 4 << 20;

/// The result of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Receipt {
    /// Position of the last event it wrote; `None` when it changed nothing.
    pub position: Option<Position>,
    /// Version of the stream afterwards.
    pub version: Version,
}

/// Why a command was not carried out.
#[derive(Debug, Clone, thiserror::Error)]
pub enum CommandError<R: std::error::Error + 'static> {
    /// The rules of the aggregate refuse the command.
    #[error("the command was refused")]
    Refused(#[source] R),
    /// The stream belongs to another client, so for this one it does not exist.
    #[error("it does not exist")]
    OtherClient,
    /// The stream is not at the version the command was meant for.
    #[error("it is at version {current}")]
    VersionMismatch {
        /// Version of the stream now.
        current: Version,
    },
    /// The log accepts no more events just now; nothing was written.
    #[error("the log is overloaded")]
    Overloaded {
        /// Suggested pause before the next try.
        retry_after: Duration,
    },
    /// The log cannot be reached, or its answer was lost: the events may have been written.
    #[error("the log cannot be reached: {0}")]
    Unavailable(String),
    /// Other writers kept appending to the stream.
    #[error("the stream is too busy, try again")]
    Contended,
    /// A stored event or snapshot of the stream cannot be decoded.
    #[error("the stream cannot be read")]
    Unreadable(#[source] DecodeError),
    /// The actor stopped repeatedly while it had the command.
    #[error("the actor failed")]
    Crashed,
}

impl<R: std::error::Error> CommandError<R> {
    /// Whether the same command may succeed later, because the log could not be read or written just now.
    pub(crate) fn is_temporary(&self) -> bool {
        matches!(self, Self::Overloaded { .. } | Self::Unavailable(_) | Self::Contended | Self::Crashed)
    }
}

impl<R: std::error::Error> From<ReadError> for CommandError<R> {
    fn from(error: ReadError) -> Self {
        CommandError::Unavailable(error.to_string())
    }
}

/// A stream's state in memory, and the commands on it.
#[derive(Debug)]
pub struct Session<A: Aggregate> {
    runtime: Runtime,
    stream: StreamId,
    client: Option<ClientId>,
    state: A,
    version: Version,
    loaded: bool,
    written: Vec<(Uuid, A::Event)>,
}

impl<A: Aggregate> Session<A> {
    /// A session on a stream; nothing is read yet.
    #[must_use]
    pub fn new(runtime: Runtime, stream: StreamId) -> Self {
        Self {
            runtime,
            stream,
            client: None,
            state: A::default(),
            version: Version::NONE,
            loaded: false,
            written: vec![],
        }
    }

    /// A session on a stream that is thought to be empty: nothing is read before the first append, which conflicts
    /// if that is wrong.
    #[must_use]
    pub fn on_new_stream(runtime: Runtime, stream: StreamId) -> Self {
        Self { loaded: true, ..Self::new(runtime, stream) }
    }

    /// A session on a stream whose state is its last event alone: the other events are not read. Fails when the
    /// log cannot be read.
    pub async fn at_last_event(runtime: Runtime, stream: StreamId) -> Result<Self, CommandError<A::Refusal>> {
        let mut session = Self::on_new_stream(runtime, stream);
        let (store, from) = (&session.runtime.store, Version::NONE);
        let last = store.read_stream(&session.stream, from, Direction::Backwards, 1).await?;
        if let Some(last) = last.first() {
            session.take(last)?;
        }
        Ok(session)
    }

    /// Skips reading the stream before the next append, unless it was read already. If it has events after all,
    /// the append's expected version conflicts, and the command is decided again on them.
    pub(crate) fn assume_new(&mut self) {
        self.loaded = true;
    }

    /// The state as last read.
    #[must_use]
    pub fn state(&self) -> &A {
        &self.state
    }

    /// The version as last read.
    #[must_use]
    pub fn version(&self) -> Version {
        self.version
    }

    /// The events that the last command wrote, each with its id.
    #[must_use]
    pub fn written(&self) -> &[(Uuid, A::Event)] {
        &self.written
    }

    /// The stream's client; `None` before the stream exists.
    #[must_use]
    pub fn client(&self) -> Option<ClientId> {
        self.client
    }

    #[must_use]
    pub fn runtime(&self) -> &Runtime {
        &self.runtime
    }

    /// Reads the stream if it was never read. Fails when the log cannot be read.
    pub async fn ensure_loaded(&mut self) -> Result<(), CommandError<A::Refusal>> {
        if self.loaded { Ok(()) } else { self.refresh().await }
    }

    /// Reads the events that were appended since, by any writer. Fails when the log cannot be read.
    pub async fn refresh(&mut self) -> Result<(), CommandError<A::Refusal>> {
        let (mut read, mut last) = (0, None);
        let mut may_skip = self.version == Version::NONE;
        loop {
            let page =
                self.runtime.store.read_stream(&self.stream, self.version, Direction::Forwards, PAGE).await?;
            for recorded in &page {
                self.take(recorded)?;
            }
            read += page.len();
            last = page.last().map(|newest| newest.id).or(last);
            // no snapshot is looked up for a short stream
            if read == PAGE && std::mem::take(&mut may_skip) && self.skip_to_snapshot().await? {
                (read, last) = (0, None);
            } else if page.is_empty() {
                break;
            }
        }
        self.loaded = true;
        if let Some(last) = last.filter(|_| read >= SNAPSHOT_AFTER) {
            self.save_snapshot(last);
        }
        Ok(())
    }

    /// Continues from the newest snapshot, if it is beyond what was read. Answers whether it did.
    async fn skip_to_snapshot(&mut self) -> Result<bool, CommandError<A::Refusal>> {
        let (Some(snapshots), Some(client)) = (&self.runtime.snapshots, self.client) else {
            return Ok(false);
        };
        let found = match snapshots.load(client, &self.stream).await {
            Ok(found) => found.filter(|found| found.version > self.version),
            Err(error) => {
                tracing::debug!(%error, "snapshots cannot be read");
                None
            }
        };
        let Some(found) = found else { return Ok(false) };
        let Some(state) = A::from_snapshot(&found.state) else { return Ok(false) };
        let before = Version(found.version.0 - 1);
        let there = self.runtime.store.read_stream(&self.stream, before, Direction::Forwards, 1).await?;
        if there.first().map(|event| event.id) != Some(found.event) {
            return Ok(false);
        }
        (self.state, self.version, self.client) = (state, found.version, Some(found.client));
        Ok(true)
    }

    /// Saves the state after the last command's events as a snapshot in the background. For a stream that one session
    /// appends to without loading it again.
    pub(crate) fn keep_snapshot(&self) {
        if let Some((last, _)) = self.written.last() {
            self.save_snapshot(*last);
        }
    }

    /// Saves the state as a snapshot in the background, for the next load of the stream.
    fn save_snapshot(&self, event: Uuid) {
        let Some(snapshots) = self.runtime.snapshots.clone() else { return };
        let (Some(client), Some(state)) = (self.client, self.state.to_snapshot()) else { return };
        if state.len() > LARGEST_SNAPSHOT {
            return;
        }
        let (stream, snapshot) =
            (self.stream.clone(), Snapshot { client, version: self.version, event, state });
        tokio::spawn(async move {
            if let Err(error) = snapshots.save(&stream, &snapshot).await {
                tracing::debug!(%error, "a snapshot was not kept");
            }
        });
    }

    fn take(&mut self, recorded: &Recorded) -> Result<(), CommandError<A::Refusal>> {
        let event = A::Event::decode(&recorded.event_type, recorded.schema, &recorded.payload)
            .map_err(CommandError::Unreadable)?;
        self.state.evolve(&event);
        self.version = recorded.version;
        self.client = Some(recorded.client_id);
        Ok(())
    }

    /// Carries a command out. `only_at` makes it conditional on the stream's version.
    ///
    /// A refusal is only ever given on the newest state. After a conflict the command is decided again; the events
    /// of the losing decision are never sent again.
    ///
    /// On any error but `Unavailable`, nothing was written.
    pub async fn execute(
        &mut self,
        command: &A::Command,
        context: &CommandContext,
        only_at: Option<Version>,
    ) -> Result<Receipt, CommandError<A::Refusal>> {
        let decide = |state: &A| Ok((state.decide(command)?, ()));
        self.execute_decision(decide, context, only_at).await.map(|(receipt, ())| receipt)
    }

    /// As `execute`, with a decision that also answers something: the answer of the decision that was written.
    pub(crate) async fn execute_decision<T>(
        &mut self,
        decide: impl Fn(&A) -> Result<(Vec<A::Event>, T), A::Refusal>,
        context: &CommandContext,
        only_at: Option<Version>,
    ) -> Result<(Receipt, T), CommandError<A::Refusal>> {
        self.written.clear();
        let mut fresh = !self.loaded;
        self.ensure_loaded().await?;
        for attempt in 0..MAX_DECISIONS {
            if self.client.is_some_and(|owner| owner != context.client) {
                return Err(CommandError::OtherClient);
            }
            if let Some(wanted) = only_at.filter(|&wanted| wanted != self.version) {
                if !fresh && wanted > self.version {
                    self.refresh().await?;
                    fresh = true;
                    continue;
                }
                // a stream that does not exist has no version: the aggregate's rules answer that it is unknown
                if self.version != Version::NONE {
                    return Err(CommandError::VersionMismatch { current: self.version });
                }
            }
            let (facts, answer) = match decide(&self.state) {
                Ok((facts, answer)) if facts.is_empty() => {
                    return Ok((Receipt { position: None, version: self.version }, answer));
                }
                Ok(decided) => decided,
                Err(refusal) if fresh => return Err(CommandError::Refused(refusal)),
                Err(_) => {
                    self.refresh().await?;
                    fresh = true;
                    continue;
                }
            };
            let events = self.envelopes(&facts, context);
            let first_id = events.first().map(|event| event.id);
            let ids: Vec<Uuid> = events.iter().map(|event| event.id).collect();
            context.appends.begin();
            let append = self.runtime.store.append(&self.stream, Expected::Exact(self.version), events);
            let span =
                self.runtime.trace.span(|| tracing::info_span!("log.append", events = facts.len() as i64));
            match append.instrument(span).await {
                Ok(appended) => {
                    for fact in &facts {
                        self.state.evolve(fact);
                    }
                    self.version = appended.version;
                    self.client = Some(context.client);
                    self.written = ids.into_iter().zip(facts).collect();
                    let position = Some(appended.last_position);
                    return Ok((Receipt { position, version: self.version }, answer));
                }
                Err(AppendError::Conflict { .. }) => {
                    context.appends.take_back();
                    self.step_aside(attempt, first_id).await;
                    self.refresh().await?;
                    fresh = true;
                }
                Err(AppendError::Unknown(detail)) => {
                    // only the log knows whether the events were written. The store has retried for seconds already:
                    // if they are not there now, waiting longer would only keep the sender from trying elsewhere
                    let before = self.version;
                    self.loaded = false;
                    self.refresh()
                        .await
                        .map_err(|_: CommandError<A::Refusal>| CommandError::Unavailable(detail.clone()))?;
                    let found = self.position_of(first_id, before, facts.len()).await?;
                    let version = self.version;
                    return found
                        .map(|position| (Receipt { position: Some(position), version }, answer))
                        .ok_or(CommandError::Unavailable(detail));
                }
                Err(AppendError::Overloaded { retry_after }) => {
                    context.appends.take_back();
                    return Err(CommandError::Overloaded { retry_after });
                }
                Err(error @ (AppendError::Unavailable(_) | AppendError::Refused(_))) => {
                    context.appends.take_back();
                    return Err(CommandError::Unavailable(error.to_string()));
                }
            }
        }
        Err(CommandError::Contended)
    }

    /// Pauses before a repeated decision, so that two nodes that conflict again and again get apart: up to a
    /// millisecond before the second one, doubling each time.
    async fn step_aside(&self, attempt: u32, spread: Option<Uuid>) {
        let spread = spread.map_or(0, |id| u64::from(id.as_bytes()[15]));
        if attempt > 0 {
            tokio::time::sleep(Duration::from_micros((4 * spread) << attempt.min(6))).await;
        }
    }

    async fn position_of(
        &self,
        first_id: Option<Uuid>,
        before: Version,
        count: usize,
    ) -> Result<Option<Position>, CommandError<A::Refusal>> {
        let tail = self.runtime.store.read_stream(&self.stream, before, Direction::Forwards, PAGE).await?;
        let at = tail.iter().position(|event| Some(event.id) == first_id);
        Ok(at.and_then(|at| tail.get(at + count - 1)).map(|event| event.position))
    }

    fn envelopes(&self, facts: &[A::Event], context: &CommandContext) -> Vec<NewEvent> {
        let now = self.runtime.clock.now();
        let trace = self.runtime.trace.current();
        let mut first = None;
        facts
            .iter()
            .map(|fact| {
                let id = self.runtime.ids.next();
                let causation = first.or(context.causation_id);
                first = first.or(Some(id));
                NewEvent {
                    id,
                    event_type: fact.event_type().to_owned(),
                    schema: fact.schema(),
                    client_id: context.client,
                    payload: context.origin.stamp(fact.encode()),
                    metadata: context.metadata(&self.runtime.node, causation, trace.clone()),
                    recorded_at: now,
                }
            })
            .collect()
    }
}
