//! Sends heads to witnesses, apart from sealing: a witness that hangs delays nobody.

use std::sync::Arc;

use domain::ports::seals::Witness;
use futures::future::join_all;
use tokio::sync::broadcast;
use tokio_util::sync::CancellationToken;

use super::{SealerDeps, meter};

/// Heads that may wait for a slow witness. Beyond that the oldest are dropped; later heads cover them.
const WAITING: usize = 256;

pub(super) type Heard = broadcast::Receiver<Arc<str>>;

/// Publishes signed heads to the witnesses.
#[derive(Debug)]
pub(super) struct Notes(broadcast::Sender<Arc<str>>);

impl Notes {
    pub(super) fn send(&self, note: &str) {
        // without witnesses nobody receives it
        let _ = self.0.send(note.into());
    }

    /// The publisher, and a receiver for each of so many witnesses.
    pub(super) fn to(witnesses: usize) -> (Self, Vec<Heard>) {
        let (notes, _) = broadcast::channel(WAITING);
        let heard = (0..witnesses).map(|_| notes.subscribe()).collect();
        (Self(notes), heard)
    }
}

/// Sends every head to every witness, in order, until the lease is lost.
pub(super) async fn tell(deps: &SealerDeps, heard: Vec<Heard>, lease_lost: &CancellationToken) {
    let each = deps.witnesses.iter().zip(heard).map(|(witness, heard)| tell_one(&**witness, heard));
    lease_lost.run_until_cancelled(join_all(each)).await;
}

async fn tell_one(witness: &dyn Witness, mut heard: Heard) {
    let name = witness.name();
    let mut failing = false;
    loop {
        let note = match heard.recv().await {
            Ok(note) => note,
            Err(broadcast::error::RecvError::Lagged(left_out)) => {
                tracing::warn!(witness = name, left_out, "the witness is too slow for every checkpoint");
                meter::told(name, "left_out");
                continue;
            }
            Err(broadcast::error::RecvError::Closed) => return,
        };
        match witness.tell(&note).await {
            Ok(()) => {
                meter::told(name, "told");
                if std::mem::take(&mut failing) {
                    tracing::info!(witness = name, "the witness takes checkpoints again");
                }
            }
            Err(error) => {
                meter::told(name, "failed");
                // there are about two heads a second: one line is enough
                if !std::mem::replace(&mut failing, true) {
                    tracing::warn!(witness = name, error, "the witness does not take checkpoints");
                }
            }
        }
    }
}
