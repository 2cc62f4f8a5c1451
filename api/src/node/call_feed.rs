//! Which calls change, told to whoever watches them now.
//!
//! One reader of the log serves everybody who watches, and rests while nobody does. What it reads it tells in
//! [`Changes`], each saying what stretch of the log it covers; so a watcher who missed one, because it was slow or
//! came late, sees the gap and reads that stretch itself.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use domain::envelope::{Position, Recorded};
use domain::ids::{CallId, ClientId};
use domain::ports::event_store::{EventStore, ReadError};
use tokio::sync::broadcast::{Receiver, Sender, error::RecvError};
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

/// Events read at once.
const PAGE: usize = 256;
/// Pages that a slow watcher may be behind before it has to read the log itself.
const KEPT: usize = 128;
/// Events that come close to each other are told together.
const PAUSE: Duration = Duration::from_millis(20);
/// How long to wait after a store that does not answer.
const RECOVER: Duration = Duration::from_secs(1);

/// An event of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallChange {
    /// Whose call.
    pub client: ClientId,
    /// Which.
    pub call: CallId,
    /// Where in the log.
    pub position: Position,
    /// What happened: `call.answered`.
    pub event_type: String,
}

/// The events of calls in a stretch of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changes {
    /// The stretch begins after this position
    pub after: Position,
    /// and ends with this one.
    pub until: Position,
    /// In the order of the log.
    pub changes: Vec<CallChange>,
}

impl Changes {
    fn of(after: Position, events: &[Recorded]) -> Self {
        let until = events.last().map_or(after, |last| last.position);
        let of_calls = events.iter().filter(|event| event.stream.category() == CallId::CATEGORY);
        let changes = of_calls.map(|event| CallChange {
            client: event.client_id,
            call: CallId(event.stream.id()),
            position: event.position,
            event_type: event.event_type.clone(),
        });
        Self { after, until, changes: changes.collect() }
    }

    /// What of it lies beyond `position`.
    fn beyond(self: &Arc<Self>, position: Position) -> Arc<Self> {
        if self.after == position {
            return self.clone();
        }
        let changes = self.changes.iter().filter(|change| change.position > position).cloned();
        Arc::new(Self { after: position, until: self.until, changes: changes.collect() })
    }
}

/// Tells which calls change.
#[derive(Debug, Clone)]
pub struct CallFeed {
    log: Arc<dyn EventStore>,
    told: Sender<Arc<Changes>>,
    wanted: Arc<Notify>,
    bells: Arc<Mutex<HashMap<CallId, Ring>>>,
}

/// How a bell is rung, and how many hear it.
#[derive(Debug)]
struct Ring {
    bell: watch::Sender<()>,
    hear: usize,
}

/// Rings when one call changes.
#[derive(Debug)]
pub struct CallBell {
    bells: Arc<Mutex<HashMap<CallId, Ring>>>,
    call: CallId,
    rung: watch::Receiver<()>,
}

impl CallBell {
    /// Returns once the call may have changed since the last time, or since the bell was hung. Cancel-safe.
    pub async fn rung(&mut self) {
        // the other end lasts as long as this one
        let _ = self.rung.changed().await;
    }
}

impl Drop for CallBell {
    fn drop(&mut self) {
        let mut bells = lock(&self.bells);
        if let Some(ring) = bells.get_mut(&self.call) {
            ring.hear -= 1;
            if ring.hear == 0 {
                bells.remove(&self.call);
            }
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl CallFeed {
    /// Of the calls in `log`; tells nothing until it [runs](Self::run).
    #[must_use]
    pub fn new(log: Arc<dyn EventStore>) -> Self {
        Self { log, told: Sender::new(KEPT), wanted: Arc::default(), bells: Arc::default() }
    }

    /// Reads the log for the watchers until told to stop.
    pub async fn run(self, stop: CancellationToken) {
        tokio::select! {
            () = stop.cancelled() => {}
            () = self.serve() => {}
        }
    }

    async fn serve(&self) {
        loop {
            while !self.is_wanted() {
                self.wanted.notified().await;
            }
            if let Err(error) = self.follow().await {
                tracing::warn!(%error, "changes of calls cannot be told for a while");
                tokio::time::sleep(RECOVER).await;
            }
        }
    }

    /// Reads while anybody watches.
    async fn follow(&self) -> Result<(), ReadError> {
        let mut after = self.log.head().await?;
        // says where it starts, so that whoever came before sees what lies between
        let mut page = Changes::of(after, &[]);
        for ring in lock(&self.bells).values() {
            let _ = ring.bell.send(());
        }
        loop {
            self.ring(&page);
            // whoever hears a bell only does not listen here
            let _ = self.told.send(Arc::new(page));
            let events = loop {
                let events = self.log.read_all(after, PAGE).await?;
                if !events.is_empty() {
                    break events;
                }
                tokio::time::sleep(PAUSE).await;
                self.log.wait_past(after).await;
                if !self.is_wanted() {
                    return Ok(());
                }
            };
            page = Changes::of(after, &events);
            after = page.until;
        }
    }

    fn is_wanted(&self) -> bool {
        self.told.receiver_count() > 0 || !lock(&self.bells).is_empty()
    }

    fn ring(&self, page: &Changes) {
        let bells = lock(&self.bells);
        for ring in page.changes.iter().filter_map(|change| bells.get(&change.call)) {
            // somebody hears it, or it would not be there
            let _ = ring.bell.send(());
        }
    }

    /// Hangs a bell that rings when the call changes. What was written before may be rung, too.
    #[must_use]
    pub fn bell(&self, call: CallId) -> CallBell {
        let mut bells = lock(&self.bells);
        let ring = bells.entry(call).or_insert_with(|| Ring { bell: watch::Sender::new(()), hear: 0 });
        ring.hear += 1;
        let bell = CallBell { bells: self.bells.clone(), call, rung: ring.bell.subscribe() };
        drop(bells);
        self.wanted.notify_one();
        bell
    }

    /// The changes in the log after a position, a page of it.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub async fn page(&self, after: Position) -> Result<Changes, ReadError> {
        Ok(Changes::of(after, &self.log.read_all(after, PAGE).await?))
    }

    /// Watches what comes after `position`.
    #[must_use]
    pub fn watch(&self, position: Position) -> CallWatch {
        let watch = CallWatch { log: self.log.clone(), told: self.told.subscribe(), position, owed: None };
        self.wanted.notify_one();
        watch
    }
}

/// Somebody who watches.
#[derive(Debug)]
pub struct CallWatch {
    log: Arc<dyn EventStore>,
    told: Receiver<Arc<Changes>>,
    position: Position,
    /// What was told while a gap before it is read.
    owed: Option<Arc<Changes>>,
}

impl CallWatch {
    /// The end of what was told.
    #[must_use]
    pub fn position(&self) -> Position {
        self.position
    }

    /// The next stretch; it may hold no change. Nothing once the feed is gone. Cancel-safe.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub async fn next(&mut self) -> Result<Option<Arc<Changes>>, ReadError> {
        loop {
            if let Some(owed) = &self.owed {
                if owed.until <= self.position {
                    self.owed = None;
                } else if owed.after <= self.position {
                    let rest = owed.beyond(self.position);
                    (self.position, self.owed) = (rest.until, None);
                    return Ok(Some(rest));
                } else {
                    return self.fill().await.map(Some);
                }
            }
            match self.told.recv().await {
                // an empty one says where the reader starts: all before it is for us to read
                Ok(told) if told.until > self.position => self.owed = Some(told),
                Ok(_) | Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return Ok(None),
            }
        }
    }

    /// What is in the log by now, page by page until there is no more; to be asked before [`next`](Self::next), which
    /// tells only of what comes after the watch began.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub async fn missed(&mut self) -> Result<Option<Arc<Changes>>, ReadError> {
        let page = self.fill().await?;
        Ok((page.until > page.after).then_some(page))
    }

    async fn fill(&mut self) -> Result<Arc<Changes>, ReadError> {
        let events = self.log.read_all(self.position, PAGE).await?;
        let page = Changes::of(self.position, &events);
        self.position = page.until;
        Ok(Arc::new(page))
    }
}

#[cfg(test)]
mod tests;
