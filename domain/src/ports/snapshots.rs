//! The state of a long stream as of one of its events, stored so that the events before need not be read again.

use std::fmt;

use async_trait::async_trait;
use uuid::Uuid;

use super::StoreUnavailable;
use crate::envelope::{StreamId, Version};
use crate::ids::ClientId;

/// State as it was written by [`Aggregate::to_snapshot`](crate::aggregate::Aggregate::to_snapshot). `Debug` hides it.
#[derive(Clone, PartialEq, Eq)]
pub struct Snapshot {
    pub client: ClientId,
    /// Version of the last event in it.
    pub version: Version,
    /// Id of that event. Where another event stands at `version`, the snapshot is of another history.
    pub event: Uuid,
    /// The state in MessagePack, readable by the build that wrote it.
    pub state: Vec<u8>,
}

impl fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Snapshot").field("version", &self.version).finish_non_exhaustive()
    }
}

/// A cache of snapshots: any of them may be gone or refused at any time, and nothing is lost by that.
#[async_trait]
pub trait Snapshots: fmt::Debug + Send + Sync {
    /// The newest snapshot of a client's stream that this build's rules made, if every key of its personal data
    /// still exists. Fails when the store cannot be read.
    async fn load(&self, client: ClientId, stream: &StreamId) -> Result<Option<Snapshot>, StoreUnavailable>;

    /// Keeps a snapshot in place of an older one of the stream. Keeps none of a stream about too many persons, or
    /// about one who is erased. Fails when the store cannot be read or written.
    async fn save(&self, stream: &StreamId, snapshot: &Snapshot) -> Result<(), StoreUnavailable>;
}
