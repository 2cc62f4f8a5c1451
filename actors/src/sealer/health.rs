//! What is known to be wrong with history, for whoever asks the node how it is.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt::Write as _;
use std::sync::{Mutex, PoisonError};

use domain::merkle::Hash;

use super::meter;

/// Faults told in one sentence.
const TOLD: usize = 3;
/// Pages with faults that are remembered one by one.
const REMEMBERED: usize = 1_000;

/// Where a fault was found. The same place is looked at again and again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Place {
    /// Sealing does not go on.
    Sealing,
    /// The stored head, the kept one, and the newest that this node has seen.
    Heads,
    /// A page of the log.
    Page(u64),
}

/// What is wrong with history. Faults that are found to be mended are taken back.
#[derive(Debug, Default)]
pub struct HistoryHealth(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    faults: BTreeMap<Place, String>,
    newest: Option<(u64, Hash)>,
}

impl HistoryHealth {
    /// What is wrong; `None` while nothing is known to be.
    #[must_use]
    pub fn fault(&self) -> Option<String> {
        let state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut told = String::new();
        for fault in state.faults.values().take(TOLD) {
            let _ = write!(told, "{}{fault}", if told.is_empty() { "" } else { "; " });
        }
        if state.faults.len() > TOLD {
            let _ = write!(told, "; and {} faults more", state.faults.len() - TOLD);
        }
        (!told.is_empty()).then_some(told)
    }

    /// Notes what was found at `place`: a fault, or that there is none.
    pub(super) fn found(&self, place: Place, fault: Option<&dyn Error>) {
        let fault = fault.map(chain);
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
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

    /// The newest head that this node has seen: nobody can take that back from it.
    pub(super) fn newest(&self) -> Option<(u64, Hash)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).newest
    }

    pub(super) fn saw(&self, size: u64, root: Hash) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if state.newest.is_none_or(|(newest, _)| newest < size) {
            state.newest = Some((size, root));
        }
    }
}

/// An error with all its causes.
fn chain(error: &dyn Error) -> String {
    let (mut text, mut cause) = (error.to_string(), error.source());
    while let Some(error) = cause {
        let _ = write!(text, ": {error}");
        cause = error.source();
    }
    text
}
