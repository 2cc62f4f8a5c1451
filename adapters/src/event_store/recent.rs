//! A shared cache of the newest events: of all followers of the log, one asks the engine.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use domain::envelope::{NewEvent, Position, Recorded, StreamId, Version};
use domain::ports::event_store::{AppendError, Appended, Direction, EventStore, Expected, ReadError};
use parking_lot::Mutex;

/// The most events kept: several times what a follower that keeps up is behind.
const MOST_EVENTS: usize = 4_096;
const MOST_BYTES: usize = 8 << 20;
/// Events read at once at the end of the log, for all followers.
const PAGE: usize = 1_000;

/// Any engine's log, whose readers at the end share what they read.
///
/// A node has a dozen followers. Events never change, so each follower may reuse what another one read a moment
/// ago. Readers of older events go to the engine.
#[derive(Debug)]
pub struct RecentEvents {
    inner: Arc<dyn EventStore>,
    known: Mutex<Option<Known>>,
    /// The newest position announced to any follower here: whoever knows of it must find everything up to there.
    told: AtomicU64,
    /// Held by the follower that asks the engine for what comes after the newest known event.
    asking: tokio::sync::Mutex<()>,
}

/// A stretch of the log without a gap.
#[derive(Debug)]
struct Known {
    /// Position of the newest known event, even if that event is not kept.
    last: Position,
    events: VecDeque<Recorded>,
    bytes: usize,
}

fn size(event: &Recorded) -> usize {
    event.payload.len() + event.metadata.len()
}

impl Known {
    fn up_to(last: Position) -> Self {
        Self { last, events: VecDeque::new(), bytes: 0 }
    }

    /// The events after `after`, if all of them are kept.
    fn after(&self, after: Position, limit: usize) -> Option<Vec<Recorded>> {
        let first = self.events.front()?.position;
        let from = (after.0 + 1).checked_sub(first.0)?;
        let found: Vec<_> = self
            .events
            .range(usize::try_from(from).ok()?.min(self.events.len())..)
            .take(limit)
            .cloned()
            .collect();
        (!found.is_empty()).then_some(found)
    }

    /// Adds events that continue the stretch; events that begin beyond it start a new stretch.
    fn take(&mut self, events: &[Recorded]) {
        if events.first().is_some_and(|first| first.position.0 > self.last.0 + 1) {
            self.events.clear();
            self.bytes = 0;
        }
        for event in events.iter().filter(|event| event.position > self.last) {
            self.bytes += size(event);
            self.events.push_back(event.clone());
        }
        self.last = self.events.back().map_or(self.last, |event| event.position);
        while self.events.len() > MOST_EVENTS || self.bytes > MOST_BYTES {
            let Some(oldest) = self.events.pop_front() else { break };
            self.bytes -= size(&oldest);
        }
    }
}

impl RecentEvents {
    #[must_use]
    pub fn new(inner: Arc<dyn EventStore>) -> Self {
        Self {
            inner,
            known: Mutex::default(),
            told: AtomicU64::new(0),
            asking: tokio::sync::Mutex::default(),
        }
    }

    /// The kept events after a position; otherwise whether the engine must be asked at the end of the log.
    fn look(&self, after: Position, limit: usize) -> Result<Vec<Recorded>, bool> {
        let known = self.known.lock();
        let Some(known) = &*known else { return Err(true) };
        let Some(found) = known.after(after, limit) else { return Err(after >= known.last) };
        let whole = found.len() == limit || known.last.0 >= self.told.load(Ordering::Acquire);
        if whole { Ok(found) } else { Err(true) }
    }

    fn tell(&self, position: Position) {
        self.told.fetch_max(position.0, Ordering::AcqRel);
    }

    /// Reads at the end of the log on behalf of all who wait there.
    async fn ask(&self, after: Position, limit: usize) -> Result<Vec<Recorded>, ReadError> {
        let _turn = self.asking.lock().await;
        if self.known.lock().is_none() {
            let head = self.inner.head().await?;
            self.known.lock().get_or_insert_with(|| Known::up_to(head));
        }
        match self.look(after, limit) {
            Ok(events) => return Ok(events),
            Err(false) => return self.inner.read_all(after, limit).await,
            Err(true) => {}
        }
        let mut events = self.inner.read_all(after, limit.max(PAGE)).await?;
        if let Some(known) = &mut *self.known.lock() {
            known.take(&events);
        }
        events.truncate(limit);
        Ok(events)
    }
}

#[async_trait]
impl EventStore for RecentEvents {
    async fn append(
        &self,
        stream: &StreamId,
        expected: Expected,
        events: Vec<NewEvent>,
    ) -> Result<Appended, AppendError> {
        let appended = self.inner.append(stream, expected, events).await?;
        self.tell(appended.last_position);
        Ok(appended)
    }

    async fn read_stream(
        &self,
        stream: &StreamId,
        from: Version,
        direction: Direction,
        limit: usize,
    ) -> Result<Vec<Recorded>, ReadError> {
        self.inner.read_stream(stream, from, direction, limit).await
    }

    async fn read_all(&self, after: Position, limit: usize) -> Result<Vec<Recorded>, ReadError> {
        match self.look(after, limit) {
            Ok(events) => Ok(events),
            Err(true) if limit > 0 => self.ask(after, limit).await,
            Err(_) => self.inner.read_all(after, limit).await,
        }
    }

    async fn head(&self) -> Result<Position, ReadError> {
        let head = self.inner.head().await?;
        self.tell(head);
        Ok(head)
    }

    async fn wait_past(&self, after: Position) {
        self.inner.wait_past(after).await;
    }

    fn for_reader_of(&self, types: &'static [&'static str]) -> Option<Arc<dyn EventStore>> {
        self.inner.for_reader_of(types)
    }

    fn engine(&self) -> &'static str {
        self.inner.engine()
    }
}
