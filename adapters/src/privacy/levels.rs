//! How much of calls each client wants to be kept: its policy in the log, remembered for a while.

use std::num::NonZeroUsize;
use std::sync::{Mutex, MutexGuard, PoisonError};

use domain::envelope::{StreamId, Time};
use domain::ids::ClientId;
use domain::privacy::content::ContentLevel;
use lru::LruCache;

/// Clients, and streams, remembered.
const REMEMBERED: NonZeroUsize = NonZeroUsize::new(20_000).unwrap();

/// A bounded memory with a time to each entry.
#[derive(Debug)]
pub(super) struct Levels {
    known: Mutex<LruCache<ClientId, (ContentLevel, Time)>>,
    noted: Mutex<LruCache<StreamId, Time>>,
}

impl Default for Levels {
    fn default() -> Self {
        Self { known: Mutex::new(LruCache::new(REMEMBERED)), noted: Mutex::new(LruCache::new(REMEMBERED)) }
    }
}

impl Levels {
    fn known(&self) -> MutexGuard<'_, LruCache<ClientId, (ContentLevel, Time)>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn noted(&self) -> MutexGuard<'_, LruCache<StreamId, Time>> {
        self.noted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn get(&self, client: ClientId, now: Time) -> Option<ContentLevel> {
        self.known().get(&client).filter(|(_, until)| now < *until).map(|(level, _)| *level)
    }

    pub(super) fn put(&self, client: ClientId, level: ContentLevel, until: Time) {
        self.known().put(client, (level, until));
    }

    pub(super) fn forget(&self, client: ClientId) {
        self.known().pop(&client);
    }

    /// Whether it was noted a short while ago that the stream's key ends with it.
    pub(super) fn is_noted(&self, stream: &StreamId, now: Time) -> bool {
        self.noted().get(stream).is_some_and(|until| now < *until)
    }

    pub(super) fn note(&self, stream: &StreamId, until: Time) {
        self.noted().put(stream.clone(), until);
    }

    pub(super) fn unnote(&self, stream: &StreamId) {
        self.noted().pop(stream);
    }
}
