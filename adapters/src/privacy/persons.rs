//! Remembers which person a stream is about.

use std::num::NonZeroUsize;
use std::sync::{Mutex, MutexGuard, PoisonError};

use domain::envelope::StreamId;
use domain::ids::SubjectId;
use lru::LruCache;

/// Streams remembered, some 150 bytes each.
const REMEMBERED: NonZeroUsize = NonZeroUsize::new(50_000).unwrap();

/// Whom a stream is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Persons {
    /// Whose its content is.
    pub person: SubjectId,
    /// The client's own number, if it is known.
    pub own: Option<SubjectId>,
    /// Whether it takes place on a call.
    pub on_call: bool,
}

/// A bounded memory.
#[derive(Debug)]
pub(super) struct Remembered(Mutex<LruCache<StreamId, Persons>>);

impl Default for Remembered {
    fn default() -> Self {
        Self(Mutex::new(LruCache::new(REMEMBERED)))
    }
}

impl Remembered {
    fn memory(&self) -> MutexGuard<'_, LruCache<StreamId, Persons>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn get(&self, stream: &StreamId) -> Option<Persons> {
        self.memory().get(stream).copied()
    }

    pub(super) fn put(&self, stream: &StreamId, persons: Persons) {
        self.memory().put(stream.clone(), persons);
    }
}
