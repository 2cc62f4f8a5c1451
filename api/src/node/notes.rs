//! What is written beside an answer that must not wait for it.

use std::fmt::Display;
use std::future::Future;
use std::sync::Arc;

use tokio::sync::Semaphore;

/// Notes under way at a time; more are left out, and said so in the log.
const AT_ONCE: usize = 256;

/// Writes to the log while the answer is on its way: how long it takes tells whoever asked nothing. A crash in these moments
/// loses the note.
#[derive(Debug, Clone)]
pub struct Notes(Arc<Semaphore>);

impl Default for Notes {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(AT_ONCE)))
    }
}

impl Notes {
    /// Begins to write.
    pub fn write<E: Display>(&self, note: impl Future<Output = Result<(), E>> + Send + 'static) {
        let Ok(permit) = self.0.clone().try_acquire_owned() else {
            tracing::warn!("a failed login is not noted: too many are being written");
            return;
        };
        tokio::spawn(async move {
            if let Err(error) = note.await {
                tracing::warn!(%error, "a failed login is not noted");
            }
            drop(permit);
        });
    }
}
