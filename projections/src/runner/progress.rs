//! How far the views have come, for those who must read their own writes.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use domain::envelope::Position;
use tokio::sync::{Notify, watch};

use super::settings::Settings;
use crate::store::ViewStore;

/// The shortest time between two looks at the stored checkpoints, shared by all who wait.
const POLL: Duration = Duration::from_millis(10);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Worker {
    /// This node does the work and says so in memory.
    Here,
    /// Another node does, or nobody yet: the stored checkpoint tells.
    Elsewhere,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Known {
    worker: Worker,
    position: Position,
    stalled: bool,
}

/// What all views hold, and whether one of them stands still.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Floor {
    position: Position,
    stalled: bool,
}

#[derive(Debug)]
struct Shared {
    known: Mutex<BTreeMap<&'static str, Known>>,
    floor: watch::Sender<Floor>,
    wanted: Notify,
}

/// How far the views of this deployment have come, whichever node does the work. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Progress {
    shared: Arc<Shared>,
}

impl Progress {
    pub(super) fn new(names: &[&'static str]) -> Self {
        let unknown = Known { worker: Worker::Elsewhere, position: Position::START, stalled: false };
        let known = names.iter().map(|name| (*name, unknown)).collect();
        let (floor, wanted) = (watch::Sender::new(Floor::default()), Notify::new());
        Self { shared: Arc::new(Shared { known: Mutex::new(known), floor, wanted }) }
    }

    /// Waits until every view holds the event at `position`, at most as long as `timeout`. False when that was
    /// not enough, or at once when a view that is behind stands still: nobody is to wait for an operator.
    pub async fn wait_for(&self, position: Position, timeout: Duration) -> bool {
        let mut floor = self.shared.floor.subscribe();
        if floor.borrow_and_update().position >= position {
            return true;
        }
        let arrived = async {
            loop {
                let now = *floor.borrow_and_update();
                if now.position >= position || now.stalled {
                    return now.position >= position;
                }
                self.shared.wanted.notify_one();
                if floor.changed().await.is_err() {
                    return false;
                }
            }
        };
        tokio::time::timeout(timeout, arrived).await.unwrap_or(false)
    }

    /// The last event that every view holds, as far as this node knows.
    #[must_use]
    pub fn position(&self) -> Position {
        self.shared.floor.borrow().position
    }

    /// The last event that one view holds, as far as this node knows.
    #[must_use]
    pub fn position_of(&self, projection: &str) -> Option<Position> {
        let known = self.shared.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(projection).map(|known| known.position)
    }

    /// This node works on the view and has come so far.
    pub(super) fn here(&self, name: &'static str, position: Position, stalled: bool) {
        self.note(|known| {
            known.insert(name, Known { worker: Worker::Here, position, stalled });
        });
    }

    /// An operator did something about a stall: it is worth waiting again.
    pub(super) fn resumes(&self, name: &str) {
        self.note(|known| {
            if let Some(known) = known.get_mut(name) {
                known.stalled = false;
            }
        });
    }

    /// This node does not work on the view any more.
    pub(super) fn elsewhere(&self, name: &'static str) {
        self.note(|known| {
            known.entry(name).and_modify(|known| known.worker = Worker::Elsewhere);
        });
    }

    fn note(&self, change: impl FnOnce(&mut BTreeMap<&'static str, Known>)) {
        let mut known = self.shared.known.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut known);
        let position = known.values().map(|known| known.position).min().unwrap_or_default();
        // only one that holds the others up matters: the rest may yet be waited for
        let stalled = known.values().any(|known| known.stalled && known.position == position);
        let floor = Floor { position, stalled };
        self.shared.floor.send_if_modified(|shown| {
            let changed = *shown != floor;
            *shown = floor;
            changed
        });
    }

    fn depends_on_others(&self) -> bool {
        let known = self.shared.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.values().any(|known| known.worker == Worker::Elsewhere)
    }

    /// Looks at the stored checkpoints while somebody waits for views another node works on.
    pub(super) async fn watch_others(self, store: Arc<dyn ViewStore>, settings: Settings) {
        let mut pause = POLL;
        loop {
            self.shared.wanted.notified().await;
            while self.shared.floor.receiver_count() > 0 && self.depends_on_others() {
                match store.statuses().await {
                    Ok(statuses) => {
                        pause = POLL;
                        self.note(|known| {
                            for status in &statuses {
                                let found = known.get_mut(status.name.as_str());
                                if let Some(known) = found.filter(|known| known.worker == Worker::Elsewhere) {
                                    known.position = status.position;
                                    known.stalled = status.stall.is_some();
                                }
                            }
                        });
                    }
                    Err(_) => pause = (pause * 2).min(settings.lease_ttl),
                }
                tokio::time::sleep(pause).await;
            }
        }
    }
}
