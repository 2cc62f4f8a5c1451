//! Known faults of the sealed history, for the node's health report.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt::Write as _;

use domain::merkle::Hash;
use parking_lot::Mutex;

use super::meter;

/// Faults listed in one report; the others are counted.
const TOLD: usize = 3;
/// Most faults that are remembered one by one.
const REMEMBERED: usize = 1_000;

/// Where a fault was found. Each place is checked again and again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum FaultSite {
    /// The sealer: sealing does not go on.
    Sealing,
    /// The stored head, the kept head, and the newest head this node has seen.
    Heads,
    /// A page of the log, by its number from 0.
    Page(u64),
}

/// Known faults of the sealed history. A fault is removed once its place is found in order again.
#[derive(Debug, Default)]
pub struct HistoryHealth(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    faults: BTreeMap<FaultSite, String>,
    newest: Option<(u64, Hash)>,
}

impl HistoryHealth {
    /// All known faults in one text; `None` when there are none.
    #[must_use]
    pub fn fault(&self) -> Option<String> {
        let state = self.0.lock();
        let mut told = String::new();
        for fault in state.faults.values().take(TOLD) {
            let _ = write!(told, "{}{fault}", if told.is_empty() { "" } else { "; " });
        }
        if state.faults.len() > TOLD {
            let _ = write!(told, "; and {} faults more", state.faults.len() - TOLD);
        }
        (!told.is_empty()).then_some(told)
    }

    /// Records what was found at `place`: a fault, or `None` when it is in order.
    pub(super) fn found(&self, place: FaultSite, fault: Option<&dyn Error>) {
        let fault = fault.map(chain);
        let mut state = self.0.lock();
        match fault {
            None => {
                if state.faults.remove(&place).is_some() {
                    tracing::info!(?place, "a fault of history is mended");
                }
            }
            Some(fault) => {
                if state.faults.get(&place) != Some(&fault) {
                    tracing::error!(fault, "history is not what was sealed: run `voxledger audit verify`");
                }
                if state.faults.len() < REMEMBERED || state.faults.contains_key(&place) {
                    state.faults.insert(place, fault);
                }
            }
        }
        meter::faults(state.faults.len());
    }

    /// Size and root of the largest head that this node has seen. It is kept in memory, where nobody who writes
    /// the stores can change it.
    pub(super) fn newest(&self) -> Option<(u64, Hash)> {
        self.0.lock().newest
    }

    pub(super) fn saw(&self, size: u64, root: Hash) {
        let mut state = self.0.lock();
        if state.newest.is_none_or(|(newest, _)| newest < size) {
            state.newest = Some((size, root));
        }
    }
}

/// The message of an error and of all its causes.
fn chain(error: &dyn Error) -> String {
    let (mut text, mut cause) = (error.to_string(), error.source());
    while let Some(error) = cause {
        let _ = write!(text, ": {error}");
        cause = error.source();
    }
    text
}
