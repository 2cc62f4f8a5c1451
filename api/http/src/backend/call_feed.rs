//! Publishes which calls change to everybody who watches at the moment.
//!
//! One reader of the log serves all watchers, and pauses while there are none. It publishes [`Changes`], each with
//! the stretch of the log that it covers; so a watcher who missed one, because it was slow or came late, sees the
//! gap and reads that stretch itself.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use domain::envelope::{Position, Recorded};
use domain::ids::{CallId, ClientId};
use domain::ports::event_store::{EventStore, ReadError};
use parking_lot::{Mutex, MutexGuard};
use tokio::sync::broadcast::{Receiver, Sender, error::RecvError};
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

/// Events read at once.
const PAGE: usize = 256;
/// Pages that a slow watcher may be behind before it must read the log itself.
const KEPT: usize = 128;
/// Events that occur within this time are published together.
const PAUSE: Duration = Duration::from_millis(20);
/// Pause after a store did not answer.
const RECOVER: Duration = Duration::from_secs(1);

/// An event of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallChange {
    pub client: ClientId,
    pub call: CallId,
    /// Position of the event in the log.
    pub position: Position,
    /// Type of the event, for example `call.answered`.
    pub event_type: String,
}

/// The events of calls in a stretch of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changes {
    /// The stretch begins after this position.
    pub after: Position,
    /// The stretch ends with this position.
    pub until: Position,
    /// Events in the order of the log.
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

    /// The part of it beyond `position`.
    fn beyond(self: &Arc<Self>, position: Position) -> Arc<Self> {
        if self.after == position {
            return self.clone();
        }
        let changes = self.changes.iter().filter(|change| change.position > position).cloned();
        Arc::new(Self { after: position, until: self.until, changes: changes.collect() })
    }
}

/// Publishes which calls change.
#[derive(Debug, Clone)]
pub struct CallFeed {
    log: Arc<dyn EventStore>,
    told: Sender<Arc<Changes>>,
    wanted: Arc<Notify>,
    bells: Arc<Mutex<HashMap<CallId, Ring>>>,
}

/// The sender of a bell, and the number of its listeners.
#[derive(Debug)]
struct Ring {
    bell: watch::Sender<()>,
    hear: usize,
}

/// A notification for changes of one call.
#[derive(Debug)]
pub struct CallBell {
    bells: Arc<Mutex<HashMap<CallId, Ring>>>,
    call: CallId,
    rung: watch::Receiver<()>,
}

impl CallBell {
    /// Waits until the call may have changed since the last time, or since the bell was created. Cancel-safe.
    pub async fn rung(&mut self) {
        // the sender lives as long as this receiver
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
    mutex.lock()
}

impl CallFeed {
    /// A feed of the calls in `log`; publishes nothing until it [runs](Self::run).
    #[must_use]
    pub fn new(log: Arc<dyn EventStore>) -> Self {
        Self { log, told: Sender::new(KEPT), wanted: Arc::default(), bells: Arc::default() }
    }

    /// Reads the log for the watchers until `stop`.
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
        // publishes where it starts, so that earlier watchers see the gap
        let mut page = Changes::of(after, &[]);
        for ring in lock(&self.bells).values() {
            let _ = ring.bell.send(());
        }
        loop {
            self.ring(&page);
            // listeners of bells do not receive these
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
            // a bell exists only while somebody listens
            let _ = ring.bell.send(());
        }
    }

    /// Creates a bell that rings when the call changes. It may also ring for earlier events.
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

    /// One page of changes in the log after a position. Fails when the log cannot be read.
    pub async fn page(&self, after: Position) -> Result<Changes, ReadError> {
        Ok(Changes::of(after, &self.log.read_all(after, PAGE).await?))
    }

    /// Watches the changes after `position`.
    #[must_use]
    pub fn watch(&self, position: Position) -> CallWatch {
        let watch = CallWatch { log: self.log.clone(), told: self.told.subscribe(), position, owed: None };
        self.wanted.notify_one();
        watch
    }
}

/// A watcher of the feed.
#[derive(Debug)]
pub struct CallWatch {
    log: Arc<dyn EventStore>,
    told: Receiver<Arc<Changes>>,
    position: Position,
    /// Published changes that wait until a gap before them is read.
    owed: Option<Arc<Changes>>,
}

impl CallWatch {
    /// End of the last delivered stretch.
    #[must_use]
    pub fn position(&self) -> Position {
        self.position
    }

    /// The next stretch, which may hold no change; `None` once the feed has ended. Cancel-safe. Fails when the
    /// log cannot be read.
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
                // an empty stretch says where the reader starts: this watcher reads everything before it
                Ok(told) if told.until > self.position => self.owed = Some(told),
                Ok(_) | Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return Ok(None),
            }
        }
    }

    /// The changes already in the log, page by page until there are no more. Call it before [`next`](Self::next),
    /// which only delivers what comes after the watch began. Fails when the log cannot be read.
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
