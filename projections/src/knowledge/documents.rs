//! The resource `KnowledgeDocument` of the API, and the fold from events to it.

use domain::aggregate::Aggregate;
use domain::envelope::{Position, Recorded, Time, Version};
use domain::ids::{ClientId, DocumentId, KnowledgeBaseId};
use domain::knowledge::{DocumentEvent, DocumentFault, DocumentSource, DocumentStatus, KnowledgeDocument};
use domain::personal::Personal;
use domain::wire::{DecodeError, DomainEvent};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::document::DocumentTable;
use crate::numbers::knows;
use crate::view::{At, Row, Shown, View};

/// Values of a source's `type`.
pub const SOURCES: [&str; 2] = ["upload", "url"];

/// Where the content of a document came from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = DocumentSource)]
pub struct SourceView {
    /// Kind of source: `upload` or `url`.
    #[serde(rename = "type")]
    #[schema(value_type = crate::words::DocumentSourceType)]
    pub kind: String,
    /// Id of the upload; `null` for a document of the web.
    #[schema(required)]
    pub upload_id: Option<String>,
    /// Address of a document of the web; `null` for an upload.
    #[schema(required)]
    pub url: Option<String>,
}

impl From<DocumentSource> for SourceView {
    fn from(source: DocumentSource) -> Self {
        match source {
            DocumentSource::Upload { id, .. } => {
                Self { kind: SOURCES[0].to_owned(), upload_id: Some(id.to_string()), url: None }
            }
            DocumentSource::Url { url } => {
                Self { kind: SOURCES[1].to_owned(), upload_id: None, url: url.shown(String::clone) }
            }
        }
    }
}

/// A document of a knowledge base. Every field is always present; what is not known is `null`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = KnowledgeDocument)]
pub struct KnowledgeDocumentView {
    /// Id of the document: TypeID `doc_…`.
    #[serde(with = "crate::edge::type_id")]
    #[schema(value_type = String, example = "doc_01jd0xq8v4e5vsknk084sn02q7")]
    pub id: DocumentId,
    /// Id of its knowledge base: TypeID `kb_…`.
    #[serde(with = "crate::edge::type_id")]
    #[schema(value_type = String)]
    pub knowledge_base_id: KnowledgeBaseId,
    /// Title, which agents and people see beside its passages.
    #[schema(required)]
    pub title: Option<String>,
    /// Where its newest content came from.
    pub source: SourceView,
    /// MIME type by the content; `null` until it was read.
    #[schema(required)]
    pub content_type: Option<String>,
    /// Size of the content; `null` until it was read.
    #[schema(required)]
    pub bytes: Option<u64>,
    /// SHA-256 of the content in hexadecimal; `null` until it was read.
    #[schema(required)]
    pub sha256: Option<String>,
    /// Number of pages; `null` until it was read, and where the format has none.
    #[schema(required)]
    pub pages: Option<u32>,
    /// Step at which its newest content is.
    #[schema(value_type = crate::words::DocumentStatus)]
    pub status: String,
    /// Why its newest content failed; `null` unless it did.
    #[schema(value_type = Option<crate::words::DocumentFailure>, required)]
    pub failure: Option<String>,
    /// Number of passages; `null` until it was read.
    #[schema(required)]
    pub chunks: Option<u32>,
    /// Number of its newest content, from 1.
    #[schema(minimum = 1)]
    pub revision: u32,
    /// Number of the content that `content_type`, `bytes`, `sha256`, `pages` and `chunks` tell of; `null` until one was
    /// read.
    #[serde(default)]
    #[schema(required, minimum = 1)]
    pub read_revision: Option<u32>,
    /// Number of the content whose passages are found; `null` while there is none.
    #[schema(required)]
    pub ready_revision: Option<u32>,
    /// When the document was added.
    #[serde(with = "crate::edge::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Time,
    /// When the document last changed.
    #[serde(with = "crate::edge::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    pub updated_at: Time,
    /// Version of the document's stream, which is also its `ETag`.
    #[schema(minimum = 1)]
    pub version: u64,
}

impl KnowledgeDocumentView {
    fn set(&mut self, status: DocumentStatus, failure: Option<DocumentFault>, at: Time) {
        status.as_str().clone_into(&mut self.status);
        self.failure = failure.map(|fault| fault.as_str().to_owned());
        self.updated_at = at;
    }
}

#[derive(Debug, Clone, PartialEq)]
pub struct KnowledgeDocumentRow {
    pub client: ClientId,
    /// Position of the last event in the row.
    pub position: Position,
    /// Whether the document was deleted: its row stays, without title and address, and no query shows it.
    pub removed: bool,
    pub view: KnowledgeDocumentView,
}

impl Row for KnowledgeDocumentRow {
    type Key = Uuid;

    fn key(&self) -> Uuid {
        self.view.id.0
    }
}

impl Shown for KnowledgeDocumentRow {
    const TABLE: DocumentTable = DocumentTable { name: "kb_documents", keeps_removed: true };

    type Resource = KnowledgeDocumentView;

    fn resource(&self) -> &KnowledgeDocumentView {
        &self.view
    }

    fn version(&self) -> Version {
        Version(self.view.version)
    }
}

/// The view of documents: one row a document.
#[derive(Debug)]
pub struct KnowledgeDocuments;

fn text(value: Personal<String>) -> Option<String> {
    value.shown(String::clone)
}

impl View for KnowledgeDocuments {
    const NAME: &'static str = "kb_documents";
    const FOLDS: bool = true;
    const PERSONAL: Option<&'static [&'static str]> = Some(&["kb_document.ingested", "kb_document.parsed"]);
    type Row = KnowledgeDocumentRow;
    type Fact = DocumentEvent;

    fn read(event: &Recorded) -> Result<Option<(Uuid, DocumentEvent)>, DecodeError> {
        let ours = event.stream.category() == KnowledgeDocument::CATEGORY;
        if !ours || !knows::<DocumentEvent>(&event.event_type) {
            return Ok(None);
        }
        let fact = DocumentEvent::decode(&event.event_type, event.schema, &event.payload)?;
        Ok(Some((event.stream.id(), fact)))
    }

    fn apply(row: &mut Option<KnowledgeDocumentRow>, at: &At, fact: DocumentEvent) {
        match (row.as_mut(), fact) {
            (None, DocumentEvent::Ingested(ingested)) => {
                let view = KnowledgeDocumentView {
                    id: DocumentId(at.id),
                    knowledge_base_id: ingested.base,
                    title: text(ingested.title),
                    source: ingested.source.into(),
                    content_type: None,
                    bytes: None,
                    sha256: None,
                    pages: None,
                    status: DocumentStatus::Queued.as_str().to_owned(),
                    failure: None,
                    chunks: None,
                    revision: ingested.revision,
                    read_revision: None,
                    ready_revision: None,
                    created_at: ingested.at,
                    updated_at: ingested.at,
                    version: 0,
                };
                let (client, position) = (at.client, at.position);
                *row = Some(KnowledgeDocumentRow { client, position, removed: false, view });
            }
            (Some(row), DocumentEvent::Ingested(ingested)) => {
                let view = &mut row.view;
                view.title = text(ingested.title);
                view.source = ingested.source.into();
                view.revision = ingested.revision;
                view.set(DocumentStatus::Queued, None, ingested.at);
            }
            (Some(row), DocumentEvent::ParsingStarted(started)) => {
                row.view.set(DocumentStatus::Parsing, None, started.at);
            }
            (Some(row), DocumentEvent::Parsed(parsed)) => {
                let view = &mut row.view;
                view.content_type = Some(parsed.file.content_type);
                view.bytes = Some(parsed.file.bytes);
                view.sha256 = text(parsed.file.sha256);
                view.pages = parsed.pages;
                view.chunks = Some(parsed.chunks);
                view.read_revision = Some(parsed.revision);
                view.set(DocumentStatus::Embedding, None, parsed.at);
            }
            (Some(row), DocumentEvent::Ready(ready)) => {
                row.view.ready_revision = Some(ready.revision);
                row.view.set(DocumentStatus::Ready, None, ready.at);
            }
            (Some(row), DocumentEvent::Failed(failed)) => {
                row.view.set(DocumentStatus::Failed, Some(failed.because), failed.at);
            }
            (Some(row), DocumentEvent::Retried(retried)) => {
                // as the rules have it: what was read stays read
                let is_read = row.view.read_revision == Some(retried.revision);
                let status = if is_read { DocumentStatus::Embedding } else { DocumentStatus::Queued };
                row.view.set(status, None, retried.at);
            }
            (Some(row), DocumentEvent::Deleted(deleted)) => {
                row.removed = true;
                let view = &mut row.view;
                (view.title, view.source.url, view.sha256) = (None, None, None);
                view.updated_at = deleted.at;
            }
            (None, _) => {}
        }
        if let Some(row) = row {
            row.position = at.position;
            row.view.version = at.version.0;
        }
    }
}
