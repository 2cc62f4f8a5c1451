//! Events of a document and their payloads.

use chrono::serde::ts_microseconds as micros;
use serde::{Deserialize, Serialize};

use crate::call::StoredFile;
use crate::envelope::Time;
use crate::ids::{KnowledgeBaseId, UploadId};
use crate::origin::Origin;
use crate::personal::Personal;
use crate::ports::embeddings::EmbeddingModel;
use crate::wire::events;

events! {
    pub enum DocumentEvent {
        /// A content was given: the first one, or one that replaces it once it is ready.
        Ingested(DocumentIngested) = "kb_document.ingested" v 1,
        ParsingStarted(ParsingStarted) = "kb_document.parsing_started" v 1,
        /// The file is stored and its text was read.
        Parsed(DocumentParsed) = "kb_document.parsed" v 1,
        /// The passages of this revision are found, and those of the one before are not any more.
        Ready(DocumentReady) = "kb_document.ready" v 1,
        Failed(DocumentFailed) = "kb_document.failed" v 1,
        /// Somebody asked to try a failed revision again.
        Retried(DocumentRetried) = "kb_document.retried" v 1,
        /// Its passages and files are removed because of this.
        Deleted(DocumentDeleted) = "kb_document.deleted" v 1,
    }
}

/// Where the content of a document comes from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum DocumentSource {
    Upload {
        id: UploadId,
        /// MIME type as it was declared for the upload.
        declared: String,
    },
    /// An address that the node fetches. It may hold a secret.
    Url { url: Personal<String> },
}

/// Why a document cannot be read or found. The set is closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DocumentFault {
    Empty,
    /// It has more bytes than a document may have.
    TooLarge,
    /// It has more text or pages than a document may have.
    TooLong,
    /// The knowledge base would have more passages than it may have with vectors of that length.
    BaseFull,
    /// The content is none of PDF, DOCX, HTML, Markdown, text and CSV.
    UnsupportedType,
    /// The content is not of the type that it was declared as.
    OtherType,
    /// A password is needed to read it.
    Encrypted,
    /// It has no text: a scan, or pictures alone.
    NoText,
    /// It breaks off, or does not follow its format.
    Damaged,
    /// Reading it took more time or memory than a document may take.
    TooMuchWork,
    /// The address leads to a private network, or is none of HTTPS.
    Unreachable,
    /// The server has no such document, or refuses it.
    NotServed,
    /// The server did not answer for a day.
    FetchFailed,
    /// The uploaded file is gone, or another document took it.
    UploadGone,
    /// The provider refuses to embed the text, or none is set.
    EmbeddingRefused,
    /// The provider did not embed the text for a day.
    EmbeddingFailed,
}

impl DocumentFault {
    pub const ALL: [DocumentFault; 16] = [
        Self::Empty,
        Self::TooLarge,
        Self::TooLong,
        Self::BaseFull,
        Self::UnsupportedType,
        Self::OtherType,
        Self::Encrypted,
        Self::NoText,
        Self::Damaged,
        Self::TooMuchWork,
        Self::Unreachable,
        Self::NotServed,
        Self::FetchFailed,
        Self::UploadGone,
        Self::EmbeddingRefused,
        Self::EmbeddingFailed,
    ];

    /// Name on the wire and in views, for example `no_text`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::TooLarge => "too_large",
            Self::TooLong => "too_long",
            Self::BaseFull => "base_full",
            Self::UnsupportedType => "unsupported_type",
            Self::OtherType => "other_type",
            Self::Encrypted => "encrypted",
            Self::NoText => "no_text",
            Self::Damaged => "damaged",
            Self::TooMuchWork => "too_much_work",
            Self::Unreachable => "unreachable",
            Self::NotServed => "not_served",
            Self::FetchFailed => "fetch_failed",
            Self::UploadGone => "upload_gone",
            Self::EmbeddingRefused => "embedding_refused",
            Self::EmbeddingFailed => "embedding_failed",
        }
    }

    /// The fault of which [`DocumentFault::as_str`] is `name`.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|fault| fault.as_str() == name)
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DocumentIngested {
    pub base: KnowledgeBaseId,
    /// Number of the content, from 1.
    pub revision: u32,
    /// Shown to people and given to models.
    pub title: Personal<String>,
    pub source: DocumentSource,
    #[serde(default, skip_serializing_if = "Origin::is_unknown")]
    pub origin: Origin,
    #[serde(with = "micros")]
    pub at: Time,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ParsingStarted {
    pub revision: u32,
    #[serde(with = "micros")]
    pub at: Time,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DocumentParsed {
    pub revision: u32,
    /// The content, encrypted in the object store; its type is that of the content.
    pub file: StoredFile,
    pub chunks: u32,
    /// Number of pages; `None` where the format has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pages: Option<u32>,
    #[serde(with = "micros")]
    pub at: Time,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DocumentReady {
    pub base: KnowledgeBaseId,
    pub revision: u32,
    pub chunks: u32,
    /// Made the vectors of the passages.
    pub model: EmbeddingModel,
    #[serde(with = "micros")]
    pub at: Time,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DocumentFailed {
    pub base: KnowledgeBaseId,
    pub revision: u32,
    pub because: DocumentFault,
    #[serde(with = "micros")]
    pub at: Time,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DocumentRetried {
    pub revision: u32,
    #[serde(default, skip_serializing_if = "Origin::is_unknown")]
    pub origin: Origin,
    #[serde(with = "micros")]
    pub at: Time,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DocumentDeleted {
    pub base: KnowledgeBaseId,
    #[serde(default, skip_serializing_if = "Origin::is_unknown")]
    pub origin: Origin,
    #[serde(with = "micros")]
    pub at: Time,
}
