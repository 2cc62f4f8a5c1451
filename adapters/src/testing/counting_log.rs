//! An in-memory log that counts reads.

use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use domain::envelope::{NewEvent, Position, Recorded, StreamId, Version};
use domain::ports::event_store::{AppendError, Appended, Direction, EventStore, Expected, ReadError};

use crate::event_store::MemoryEventStore;

/// Counts the reads of the log inside.
#[derive(Debug, Default)]
pub struct CountingLog {
    inner: MemoryEventStore,
    pages: AtomicUsize,
    of_streams: AtomicUsize,
}

impl CountingLog {
    /// Number of non-empty pages read from the whole log.
    #[must_use]
    pub fn pages(&self) -> usize {
        self.pages.load(Ordering::Relaxed)
    }

    /// Number of events read from single streams.
    #[must_use]
    pub fn events_of_streams(&self) -> usize {
        self.of_streams.load(Ordering::Relaxed)
    }
}

#[async_trait]
impl EventStore for CountingLog {
    async fn append(
        &self,
        stream: &StreamId,
        expected: Expected,
        events: Vec<NewEvent>,
    ) -> Result<Appended, AppendError> {
        self.inner.append(stream, expected, events).await
    }

    async fn read_stream(
        &self,
        stream: &StreamId,
        from: Version,
        direction: Direction,
        limit: usize,
    ) -> Result<Vec<Recorded>, ReadError> {
        let found = self.inner.read_stream(stream, from, direction, limit).await?;
        self.of_streams.fetch_add(found.len(), Ordering::Relaxed);
        Ok(found)
    }

    async fn read_all(&self, after: Position, limit: usize) -> Result<Vec<Recorded>, ReadError> {
        let found = self.inner.read_all(after, limit).await?;
        self.pages.fetch_add(usize::from(!found.is_empty()), Ordering::Relaxed);
        Ok(found)
    }

    async fn head(&self) -> Result<Position, ReadError> {
        self.inner.head().await
    }

    async fn wait_past(&self, after: Position) {
        self.inner.wait_past(after).await;
    }

    fn engine(&self) -> &'static str {
        "counting"
    }
}
