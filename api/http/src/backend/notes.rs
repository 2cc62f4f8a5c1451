//! Background writes that no answer waits for.

use std::fmt::Display;
use std::future::Future;
use std::sync::Arc;

use tokio::sync::Semaphore;

/// The most concurrent writes; more are dropped with a log line.
const AT_ONCE: usize = 256;

/// Writes events while the answer is already on its way, so that the answer's timing reveals nothing. A crash in
/// these moments loses the event.
#[derive(Debug, Clone)]
pub struct Notes(Arc<Semaphore>);

impl Default for Notes {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(AT_ONCE)))
    }
}

impl Notes {
    /// Starts a write in the background.
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
