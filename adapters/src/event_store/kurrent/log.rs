//! What readers and the writer of one open log share.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use domain::ports::event_store::ReadError;
use parking_lot::Mutex;
use tokio::sync::{Notify, watch};

use super::super::tail::SharedTail;
use super::connection::Connection;
use super::numbering::Numbering;
use super::outcome::CallError;
use super::replica::Replica;

/// How long after an answer the leader is asked again when no reader asks, so that streams are read without a wait.
/// With the question itself less than what [`Log::be_fresh`] is asked for.
const AGAIN: Duration = Duration::from_millis(150);
/// How long a reader waits until what the leader has is numbered here.
const PATIENCE: Duration = Duration::from_secs(10);

#[derive(Debug)]
pub(super) struct Log {
    pub(super) connection: Arc<Connection>,
    pub(super) replica: Arc<Replica>,
    pub(super) numbering: Arc<Numbering>,
    pub(super) tail: SharedTail,
    questions: Questions,
    /// When all that the leader had was last known to be numbered here.
    heard: Mutex<Option<Instant>>,
}

/// Readers who ask at the same time share one question to the leader; one is under way at most, and whoever asked may
/// go away without ending it.
#[derive(Debug)]
struct Questions {
    /// Number of readers who have asked so far.
    asked: AtomicU64,
    wake: Notify,
    /// Everybody up to this number has the answer.
    answered: watch::Sender<(u64, Result<(), ReadError>)>,
}

impl Log {
    pub(super) fn new(
        connection: Arc<Connection>,
        replica: Arc<Replica>,
        numbering: Arc<Numbering>,
        tail: SharedTail,
    ) -> Self {
        let answered = watch::Sender::new((0, Ok(())));
        let questions = Questions { asked: AtomicU64::new(0), wake: Notify::new(), answered };
        Self { connection, replica, numbering, tail, questions, heard: Mutex::default() }
    }

    /// Asks the leader, for those who wait in [`Log::catch_up`] and now and then, until it is aborted.
    pub(super) async fn answer(self: Arc<Self>) {
        loop {
            // either way the leader is asked
            let _ = tokio::time::timeout(AGAIN, self.questions.wake.notified()).await;
            // who asks from here on gets the answer to the next question
            let askers = self.questions.asked.load(Ordering::SeqCst);
            let answer = self.ask().await;
            self.questions.answered.send_modify(|answered| *answered = (askers, answer));
        }
    }

    /// Returns once everything that the leader had when this was called is numbered here. So that nobody who reads to
    /// the end misses what another node has appended before.
    pub(super) async fn catch_up(&self) -> Result<(), ReadError> {
        self.numbering.check()?;
        let mut answered = self.questions.answered.subscribe();
        let asker = self.questions.asked.fetch_add(1, Ordering::SeqCst) + 1;
        self.questions.wake.notify_one();
        match answered.wait_for(|(askers, _)| *askers >= asker).await {
            Ok(answered) => answered.1.clone(),
            Err(_) => Err(ReadError::Unavailable("the log was closed".to_owned())),
        }
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
