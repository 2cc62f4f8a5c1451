//! The key that signs heads of the log.

use std::fmt;

use domain::envelope::Position;
use domain::merkle::{NoteSigner, NoteVerifier, log_id, origin};
use domain::ports::event_store::{EventStore, ReadError};
use uuid::Uuid;

/// The secret of an installation's log key. `Debug` hides it.
#[derive(Clone)]
pub struct LogKey([u8; 32]);

impl LogKey {
    #[must_use]
    pub fn new(secret: [u8; 32]) -> Self {
        Self(secret)
    }

    /// The verifier of heads of the log `log`.
    #[must_use]
    pub fn verifier(&self, log: Uuid) -> NoteVerifier {
        NoteSigner::new(origin(log), &self.0).verifier()
    }

    /// The log's id and the verifier of its heads; `None` while the log is empty. Fails when the log cannot be read.
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
