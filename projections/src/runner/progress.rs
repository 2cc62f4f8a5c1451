//! How far the views have come, for requests that must read their own writes.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use domain::envelope::Position;
use parking_lot::Mutex;
use tokio::sync::{Notify, watch};

use super::settings::Settings;
use crate::store::ViewStore;

/// Shortest time between two reads of the stored checkpoints, shared by all that wait.
const POLL: Duration = Duration::from_millis(10);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Worker {
    /// This node runs the projection and reports its position in memory.
    Here,
    /// Another node runs the projection, or none yet: the stored checkpoint counts.
    Elsewhere,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct ProgressState {
    worker: Worker,
    position: Position,
    stalled: bool,
}

/// The position that all views have reached, and whether the last of them is stalled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Floor {
    position: Position,
    stalled: bool,
}

#[derive(Debug)]
struct Shared {
    known: Mutex<BTreeMap<&'static str, ProgressState>>,
    floor: watch::Sender<Floor>,
    wanted: Notify,
}

/// How far the views of this deployment have come, whichever node runs them. Clones share one state.
#[derive(Debug, Clone)]
pub struct Progress {
    shared: Arc<Shared>,
}

impl Progress {
    pub(super) fn new(names: &[&'static str]) -> Self {
        let unknown = ProgressState { worker: Worker::Elsewhere, position: Position::START, stalled: false };
        let known = names.iter().map(|name| (*name, unknown)).collect();
        let (floor, wanted) = (watch::Sender::new(Floor::default()), Notify::new());
        Self { shared: Arc::new(Shared { known: Mutex::new(known), floor, wanted }) }
    }

    /// Waits until every view has applied the event at `position`, for at most `timeout`. Answers `false` after
    /// the timeout, or at once when a view that is behind is stalled, because nobody should wait for an operator.
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

    /// Position of the last event that every view has applied, as far as this node knows.
    #[must_use]
    pub fn position(&self) -> Position {
        self.shared.floor.borrow().position
    }

    /// Position of the last event that one view has applied, as far as this node knows.
    #[must_use]
    pub fn position_of(&self, projection: &str) -> Option<Position> {
        let known = self.shared.known.lock();
        known.get(projection).map(|known| known.position)
    }

    /// This node runs the projection, which has reached `position`.
    pub(super) fn here(&self, name: &'static str, position: Position, stalled: bool) {
        self.note(|known| {
            known.insert(name, ProgressState { worker: Worker::Here, position, stalled });
        });
    }

    /// An operator resolved a stall: waiting makes sense again.
    pub(super) fn resumes(&self, name: &str) {
        self.note(|known| {
            if let Some(known) = known.get_mut(name) {
                known.stalled = false;
            }
        });
    }

    /// This node does not run the projection any more.
    pub(super) fn elsewhere(&self, name: &'static str) {
        self.note(|known| {
            known.entry(name).and_modify(|known| known.worker = Worker::Elsewhere);
        });
    }

    fn note(&self, change: impl FnOnce(&mut BTreeMap<&'static str, ProgressState>)) {
        let mut known = self.shared.known.lock();
        change(&mut known);
        let position = known.values().map(|known| known.position).min().unwrap_or_default();
        // only a stall of the view that is furthest behind matters: the others may still be waited for
        let stalled = known.values().any(|known| known.stalled && known.position == position);
        let floor = Floor { position, stalled };
        self.shared.floor.send_if_modified(|shown| {
            let changed = *shown != floor;
            *shown = floor;
            changed
        });
    }

    fn depends_on_others(&self) -> bool {
        let known = self.shared.known.lock();
        known.values().any(|known| known.worker == Worker::Elsewhere)
    }

    /// Reads the stored checkpoints while a request waits for views that another node keeps up to date.
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
