//! Searches the log for the personal data of given persons.

use std::collections::HashSet;

use domain::envelope::{Position, Recorded};
use domain::ids::ClientId;
use domain::ports::event_store::ReadError;
use uuid::Uuid;

use super::form::Sealed;
use super::store::EncryptingEventStore;
use super::walk::{Form, bytes_of, find};

const PAGE: usize = 2_000;

/// An event that holds personal data of the persons searched for.
#[derive(Debug)]
pub struct Hit {
    /// The event, as it is stored.
    pub event: Recorded,
    /// Number of personal values in the event that are theirs.
    pub values: u64,
}

impl EncryptingEventStore {
    /// Calls `found` for every event of the client with a value encrypted under one of the keys, oldest first; answers
    /// how far the log was searched. The values need not be readable any more. Fails when the log cannot be read.
    pub async fn search(
        &self,
        client: ClientId,
        keys: &HashSet<Uuid>,
        mut found: impl FnMut(Hit) + Send,
    ) -> Result<Position, ReadError> {
        let stored = self.stored();
        let head = stored.head().await?;
        let mut after = Position::START;
        while after < head {
            let page = stored.read_all(after, PAGE).await?;
            let Some(last) = page.last() else { break };
            after = last.position;
            for event in page {
                if event.client_id != client || !Form::Sealed.may_be_in(&event.payload) {
                    continue;
                }
                let Some(fields) = find(&event.payload, Form::Sealed) else { continue };
                let theirs = fields.into_iter().filter(|field| {
                    let sealed = bytes_of(&event.payload[field.value.clone()]).and_then(Sealed::read);
                    sealed.is_some_and(|sealed| sealed.keys().any(|key| keys.contains(&key)))
                });
                let values = theirs.count() as u64;
                if values > 0 {
                    found(Hit { event, values });
                }
            }
            // yields, so that a long search does not starve other tasks
            tokio::task::yield_now().await;
        }
        Ok(after)
    }

    /// Decrypts the events' values, as far as their keys are alive. Fails when the keys cannot be read, or
    /// an event was altered.
    pub async fn opened(&self, events: Vec<Recorded>) -> Result<Vec<Recorded>, ReadError> {
        self.open(events).await
    }
}
