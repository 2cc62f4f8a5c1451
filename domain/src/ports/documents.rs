//! Documents of knowledge bases: storing their content, reading its text, and finding them in the views.

use std::fmt;

use async_trait::async_trait;
use uuid::Uuid;

use super::StoreUnavailable;
use super::objects::{ObjectError, ObjectKey};
use crate::call::StoredFile;
use crate::envelope::Position;
use crate::ids::{ClientId, DocumentId, KnowledgeBaseId};
use crate::knowledge::DocumentFault;
use crate::knowledge::chunk::Block;

/// Where the content of a document is.
#[derive(Debug, Clone)]
pub enum ContentAt {
    /// A file that was uploaded.
    Object { key: ObjectKey, declared: String },
    /// A document on the web. The address may hold a secret.
    Url(WebAddress),
}

/// An address to fetch from. `Debug` hides it.
#[derive(Clone, PartialEq, Eq)]
pub struct WebAddress(pub String);

impl fmt::Debug for WebAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<address>")
    }
}

/// A content to store and read.
#[derive(Debug, Clone)]
pub struct ContentOrder {
    pub client: ClientId,
    pub document: DocumentId,
    /// Names the object: the same one writes it anew.
    pub attempt: Uuid,
    pub content: ContentAt,
}

/// The text of a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DocumentText {
    /// In the order in which a person reads.
    pub blocks: Vec<Block>,
    /// Number of pages; `None` where the format has none.
    pub pages: Option<u32>,
}

/// Why the content was not stored or read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// Worth another try: the server or the store is away, or the node is out of something.
    #[error("{0}")]
    NotYet(String),
    /// No try will succeed. The word becomes part of the history.
    #[error("{}", .0.as_str())]
    Never(DocumentFault),
}

/// Stores the content of documents, and reads its text. Both are bounded in bytes, time and memory, whatever the
/// content is.
#[async_trait]
pub trait DocumentReader: fmt::Debug + Send + Sync {
    /// Stores the content, encrypted, and reads it. What fails leaves no object behind.
    async fn take(&self, order: &ContentOrder) -> Result<(StoredFile, DocumentText), ReadError>;

    /// Reads a stored content again; the text is the same.
    async fn read(&self, client: ClientId, file: &StoredFile) -> Result<DocumentText, ReadError>;

    /// Removes a stored content for ever. One that is gone is no error.
    async fn remove(&self, object: &ObjectKey) -> Result<(), ObjectError>;
}

/// What is known of a document to whoever found a passage of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownDocument {
    pub id: DocumentId,
    pub title: String,
}

/// The documents of knowledge bases, as the views show them.
#[async_trait]
pub trait DocumentCatalogue: fmt::Debug + Send + Sync {
    /// Those of these documents that are there: neither deleted nor another client's.
    async fn known(
        &self,
        client: ClientId,
        ids: &[DocumentId],
    ) -> Result<Vec<KnownDocument>, StoreUnavailable>;

    /// Up to `limit` documents of a knowledge base; `None` while the views have not come as far as `at`.
    async fn of_base(
        &self,
        client: ClientId,
        base: KnowledgeBaseId,
        at: Position,
        limit: u32,
    ) -> Result<Option<Vec<DocumentId>>, StoreUnavailable>;

    /// How many passages a knowledge base has, beside those of one document.
    async fn passages_beside(
        &self,
        client: ClientId,
        base: KnowledgeBaseId,
        document: DocumentId,
    ) -> Result<u64, StoreUnavailable>;
}
