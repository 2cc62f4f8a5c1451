//! The event log in memory, for tests and demonstrations; it ends with the process.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use domain::envelope::{NewEvent, Position, Recorded, StreamId, Version};
use domain::ports::event_store::{
    AppendError, Appended, Direction, EventStore, Expected, LogTable, MAX_PAGE_BYTES, ReadError, Unreadable,
};
use parking_lot::RwLock;
use uuid::Uuid;

use super::backend::{Backend, Fault, Row};
use super::resolve::{Place, StoreState};
use super::tail::{SharedTail, Tail, weight};
use super::writer::{Writer, WriterLimits};

/// A log in memory, behind the same writer as the durable engines.
#[derive(Debug)]
pub struct MemoryEventStore {
    log: Arc<RwLock<Log>>,
    tail: SharedTail,
    writer: Writer,
}

#[derive(Debug, Default)]
struct Log {
    events: Vec<Recorded>,
    /// Indices into `events`, by stream.
    streams: HashMap<StreamId, Vec<usize>>,
    /// Indices into `events`, by event id.
    ids: HashMap<Uuid, usize>,
}

impl MemoryEventStore {
    /// An empty log, whose writer runs on the current tokio runtime. Panics outside of a tokio runtime.
    #[must_use]
    pub fn new() -> Self {
        Self::start(|backend, tail| Writer::start(backend, tail, WriterLimits::default()))
    }

    /// An empty log that fails as `faults` says.
    #[cfg(feature = "testing")]
    #[must_use]
    pub fn with_faults(faults: conformance::event_store::Faults) -> Self {
        Self::start(|backend, tail| {
            let backend = super::fault_injecting::FaultInjectingStore::new(backend, faults);
            Writer::start(backend, tail, WriterLimits::default())
        })
    }

    fn start(writer: impl FnOnce(Memory, SharedTail) -> Writer) -> Self {
        let log = Arc::<RwLock<Log>>::default();
        let tail = Arc::new(Tail::new(Position::START));
        let writer = writer(Memory(Arc::clone(&log)), Arc::clone(&tail));
        Self { log, tail, writer }
    }

    /// Changes stored events behind the node's back, as an attacker with access to the store would.
    #[cfg(feature = "testing")]
    pub fn damage(&self, change: impl FnOnce(&mut Vec<Recorded>)) {
        change(&mut self.log.write().events);
    }

    fn page<'a>(&self, events: impl Iterator<Item = &'a Recorded>, limit: usize) -> Vec<Recorded> {
        let mut bytes = 0;
        let page = events.take(limit).take_while(|event| {
            let first = bytes == 0;
            bytes += weight(event);
            first || bytes <= MAX_PAGE_BYTES
        });
        page.cloned().collect()
    }
}

impl Default for MemoryEventStore {
    fn default() -> Self {
        Self::new()
    }
}

#[async_trait]
impl LogTable for MemoryEventStore {
    async fn rows(
        &self,
        after: Position,
        upto: Position,
        limit: usize,
    ) -> Result<Vec<Result<Recorded, Unreadable>>, ReadError> {
        let log = self.log.read();
        let asked = log.events.iter().filter(|event| after < event.position && event.position <= upto);
        Ok(self.page(asked, limit).into_iter().map(Ok).collect())
    }
}

#[async_trait]
impl EventStore for MemoryEventStore {
    async fn append(
        &self,
        stream: &StreamId,
        expected: Expected,
        events: Vec<NewEvent>,
    ) -> Result<Appended, AppendError> {
        self.writer.append(stream, expected, events).await
    }

    async fn read_stream(
        &self,
        stream: &StreamId,
        from: Version,
        direction: Direction,
        limit: usize,
    ) -> Result<Vec<Recorded>, ReadError> {
        let log = self.log.read();
        let Some(indices) = log.streams.get(stream) else { return Ok(Vec::new()) };
        let from = usize::try_from(from.0).unwrap_or(usize::MAX).min(indices.len() + 1);
        let event = |index: &usize| &log.events[*index];
        Ok(match (direction, from) {
            (Direction::Forwards, from) => self.page(indices.iter().skip(from).map(event), limit),
            (Direction::Backwards, 0) => self.page(indices.iter().rev().map(event), limit),
            (Direction::Backwards, from) => self.page(indices[..from - 1].iter().rev().map(event), limit),
        })
    }

    async fn read_all(&self, after: Position, limit: usize) -> Result<Vec<Recorded>, ReadError> {
        let log = self.log.read();
        Ok(self.page(log.events.iter().skip(usize::try_from(after.0).unwrap_or(usize::MAX)), limit))
    }

    async fn head(&self) -> Result<Position, ReadError> {
        let log = self.log.read();
        Ok(Position(log.events.len() as u64))
    }

    async fn wait_past(&self, after: Position) {
        self.tail.wait_past(after, Duration::from_secs(1)).await;
    }

    fn engine(&self) -> &'static str {
        Memory::ENGINE
    }
}

struct Memory(Arc<RwLock<Log>>);

#[async_trait]
impl Backend for Memory {
    const ENGINE: &'static str = "memory";

    async fn look_up(&mut self, streams: &[StreamId], ids: &[Uuid]) -> Result<StoreState, Fault> {
        let log = self.0.read();
        let version = |stream: &StreamId| Version(log.streams.get(stream).map_or(0, Vec::len) as u64);
        let place = |index: &usize| {
            let Recorded { stream, version, position, .. } = &log.events[*index];
            Place { stream: stream.clone(), version: *version, position: *position }
        };
        Ok(StoreState {
            versions: streams.iter().map(|stream| (stream.clone(), version(stream))).collect(),
            places: ids.iter().filter_map(|id| Some((*id, place(log.ids.get(id)?)))).collect(),
            asked: ids.iter().copied().collect(),
        })
    }

    async fn commit(&mut self, rows: &[Row<'_>]) -> Result<Position, Fault> {
        let mut log = self.0.write();
        let mut next = HashMap::new();
        for row in rows {
            let length = log.streams.get(&row.event.stream).map_or(0, Vec::len) as u64;
            let next = next.entry(&row.event.stream).or_insert(length + 1);
            if log.ids.contains_key(&row.event.id) || row.version != Version(*next) {
                return Err(Fault::Clash);
            }
            *next += 1;
        }
        let first = log.events.len();
        for (index, row) in (first..).zip(rows) {
            let position = Position(index as u64 + 1);
            log.streams.entry(row.event.stream.clone()).or_default().push(index);
            log.ids.insert(row.event.id, index);
            log.events.push(Recorded { position, version: row.version, ..row.event.clone() });
        }
        Ok(Position(first as u64 + 1))
    }

    async fn close(self) {}
}
