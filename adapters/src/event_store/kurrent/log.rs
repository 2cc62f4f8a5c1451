//! What readers and the writer of one open log share.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use domain::ports::event_store::ReadError;

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
}

/// Lets readers who ask at the same time share one question to the leader.
#[derive(Debug, Default)]
struct Barrier {
    /// Counts questions that were begun.
    begun: AtomicU64,
    /// Number of the newest question that was answered, held while one is asked.
    answered: tokio::sync::Mutex<u64>,
}

impl Log {
    pub(super) fn new(
        connection: Arc<Connection>,
        index: Arc<Index>,
        numbering: Arc<Numbering>,
        tail: SharedTail,
    ) -> Self {
        Self { connection, index, numbering, tail, barrier: Barrier::default() }
    }

    /// Returns once everything that the leader had when this was called is numbered here. So that nobody who reads to
    /// the end misses what another node has appended before.
    pub(super) async fn catch_up(&self) -> Result<(), ReadError> {
        self.numbering.check()?;
        let begun = self.barrier.begun.load(Ordering::SeqCst);
        let mut answered = self.barrier.answered.lock().await;
        if *answered > begun {
            // a question that was begun after this call came is answered already
            return Ok(());
        }
        let question = self.barrier.begun.fetch_add(1, Ordering::SeqCst) + 1;
        let newest = self.connection.newest().await.map_err(|error| unreadable(&error))?;
        if let Some(record) = newest.as_ref().and_then(|newest| newest.event.as_ref()) {
            self.numbering.reached(record.position.commit, PATIENCE).await?;
        }
        *answered = question;
        Ok(())
    }
}

pub(super) fn unreadable(error: &CallError) -> ReadError {
    ReadError::Unavailable(error.to_string())
}
