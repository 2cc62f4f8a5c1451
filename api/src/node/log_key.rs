//! The key that heads of the log are signed with.

use std::fmt;

use domain::envelope::Position;
use domain::merkle::{NoteSigner, NoteVerifier, log_id, origin};
use domain::ports::event_store::{EventStore, ReadError};
use uuid::Uuid;

/// The secret of an installation's log key. `Debug` hides it.
#[derive(Clone)]
pub struct LogKey([u8; 32]);

impl LogKey {
    /// A key made of `secret`.
    #[must_use]
    pub fn new(secret: [u8; 32]) -> Self {
        Self(secret)
    }

    /// What checks the heads of the log `log`.
    #[must_use]
    pub fn verifier(&self, log: Uuid) -> NoteVerifier {
        NoteSigner::new(origin(log), &self.0).verifier()
    }

    /// The same, and the log's id; `None` while the log is empty.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub async fn of(&self, log: &dyn EventStore) -> Result<Option<(Uuid, NoteVerifier)>, ReadError> {
        let first = log.read_all(Position::START, 1).await?;
        Ok(first.first().map(|first| (log_id(first), self.verifier(log_id(first)))))
    }
}

impl fmt::Debug for LogKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<log key>")
    }
}
