//! Caches which person a stream is about.

use std::num::NonZeroUsize;

use domain::envelope::StreamId;
use domain::ids::SubjectId;
use lru::LruCache;
use parking_lot::Mutex;

/// Streams cached, some 150 bytes each.
const REMEMBERED: NonZeroUsize = NonZeroUsize::new(50_000).unwrap();

/// The data subjects of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct StreamSubjects {
    /// The data subject of the stream's content.
    pub person: SubjectId,
    /// The client's own phone number, if it is known.
    pub own: Option<SubjectId>,
    /// Whether the stream belongs to a call.
    pub on_call: bool,
}

/// A bounded cache by stream.
#[derive(Debug)]
pub(super) struct Remembered(Mutex<LruCache<StreamId, StreamSubjects>>);

impl Default for Remembered {
    fn default() -> Self {
        Self(Mutex::new(LruCache::new(REMEMBERED)))
    }
}

impl Remembered {
    pub(super) fn get(&self, stream: &StreamId) -> Option<StreamSubjects> {
        self.0.lock().get(stream).copied()
    }

    pub(super) fn put(&self, stream: &StreamId, persons: StreamSubjects) {
        self.0.lock().put(stream.clone(), persons);
    }
}
