//! What readers and the writer of one open log share.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use domain::ports::event_store::ReadError;
use parking_lot::Mutex;

use super::super::tail::SharedTail;
use super::connection::Connection;
use super::index::Index;
use super::numbering::Numbering;
use super::outcome::CallError;

/// How long a reader waits until what the leader has is numbered here.
const PATIENCE: Duration = Duration::from_secs(10);

#[derive(Debug)]
pub(super) struct Log {
    pub(super) connection: Arc<Connection>,
    pub(super) index: Arc<Index>,
    pub(super) numbering: Arc<Numbering>,
    pub(super) tail: SharedTail,
    barrier: Barrier,
    /// When all that the leader had was last known to be numbered here.
    heard: Mutex<Option<Instant>>,
}

/// Lets readers who ask at the same time share one question to the leader.
#[derive(Debug)]
struct Barrier {
    /// Counts questions that were begun.
    begun: AtomicU64,
    /// Number of the newest question that is over and what came of it; held while one is asked.
    last: tokio::sync::Mutex<(u64, Result<(), ReadError>)>,
}

impl Log {
    pub(super) fn new(
        connection: Arc<Connection>,
        index: Arc<Index>,
        numbering: Arc<Numbering>,
        tail: SharedTail,
    ) -> Self {
        Self {
            connection,
            index,
            numbering,
            tail,
            barrier: Barrier { begun: AtomicU64::new(0), last: tokio::sync::Mutex::new((0, Ok(()))) },
            heard: Mutex::default(),
        }
    }

    /// Returns once everything that the leader had when this was called is numbered here. So that nobody who reads to
    /// the end misses what another node has appended before.
    pub(super) async fn catch_up(&self) -> Result<(), ReadError> {
        self.numbering.check()?;
        let begun = self.barrier.begun.load(Ordering::SeqCst);
        let mut last = self.barrier.last.lock().await;
        if last.0 > begun {
            // a question that was begun after this call came is over already
            return last.1.clone();
        }
        let question = self.barrier.begun.fetch_add(1, Ordering::SeqCst) + 1;
        *last = (question, self.ask().await);
        last.1.clone()
    }

    /// Returns once everything that the leader had `age` ago, or later, is numbered here.
    pub(super) async fn be_fresh(&self, age: Duration) -> Result<(), ReadError> {
        self.numbering.check()?;
        match *self.heard.lock() {
            Some(heard) if heard.elapsed() <= age => return Ok(()),
            _ => {}
        }
        self.catch_up().await
    }

    /// Notes that everything the leader had at `asked` is numbered here.
    pub(super) fn heard(&self, asked: Instant) {
        let mut heard = self.heard.lock();
        *heard = (*heard).max(Some(asked));
    }

    async fn ask(&self) -> Result<(), ReadError> {
        let asked = Instant::now();
        let newest = self.connection.newest().await.map_err(|error| unreadable(&error))?;
        if let Some(record) = newest.as_ref().and_then(|newest| newest.event.as_ref()) {
            self.numbering.reached(record.position.commit, PATIENCE).await?;
        }
        self.heard(asked);
        Ok(())
    }
}

pub(super) fn unreadable(error: &CallError) -> ReadError {
    ReadError::Unavailable(error.to_string())
}
