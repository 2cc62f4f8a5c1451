//! Fetching a recording from where the carrier keeps it into the object store.

use std::fmt;

use async_trait::async_trait;
use uuid::Uuid;

use super::objects::{ObjectError, ObjectKey};
use crate::call::StoredFile;
use crate::call::report::FoundRecording;
use crate::call::terms::LostBecause;
use crate::ids::{CallId, ClientId};

/// A recording to fetch.
#[derive(Debug, Clone)]
pub struct RecordingOrder {
    pub client: ClientId,
    pub call: CallId,
    /// Names the object: a repeated attempt writes the same one.
    pub effect_id: Uuid,
    /// Where the carrier keeps it.
    pub found: FoundRecording,
}

/// Why a recording was not stored.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeepError {
    /// Worth another try: it is not there yet, the download broke off, or the store is away or full.
    #[error("{0}")]
    NotYet(String),
    /// No try will succeed. The word becomes part of the history.
    #[error("{}", .0.as_str())]
    Never(LostBecause),
}

#[async_trait]
pub trait RecordingKeeper: fmt::Debug + Send + Sync {
    /// Fetches the file and stores it, without ever holding all of it in memory. What fails leaves no object behind.
    async fn keep(&self, order: &RecordingOrder) -> Result<StoredFile, KeepError>;

    /// Removes a stored file for ever. One that is gone is no error.
    async fn remove(&self, object: &ObjectKey) -> Result<(), ObjectError>;
}
