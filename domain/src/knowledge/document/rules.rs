//! Commands and rules of a document.

use super::event::{
    DocumentDeleted, DocumentEvent, DocumentFailed, DocumentFault, DocumentIngested, DocumentParsed,
    DocumentReady, DocumentRetried, DocumentSource, ParsingStarted,
};
use crate::aggregate::Aggregate;
use crate::call::StoredFile;
use crate::envelope::Time;
use crate::ids::{DocumentId, KnowledgeBaseId, UploadId};
use crate::origin::Origin;
use crate::personal::Personal;
use crate::ports::embeddings::EmbeddingModel;

/// The longest title of a document, in characters.
pub const MAX_TITLE: usize = 300;

#[derive(Debug, Clone)]
pub enum DocumentCommand {
    /// Gives the first content, or one that replaces what is there.
    Ingest {
        base: KnowledgeBaseId,
        title: String,
        source: DocumentSource,
        /// Whether a document that is there gets another content. Else the document is new: if it is there, the same
        /// request made it before.
        replaces: bool,
        origin: Origin,
        now: Time,
    },
    /// Reading of the revision begins.
    StartParsing {
        revision: u32,
        now: Time,
    },
    /// The text of the revision was read.
    Parse {
        revision: u32,
        file: StoredFile,
        chunks: u32,
        pages: Option<u32>,
        now: Time,
    },
    /// The passages of the revision are in the index.
    Finish {
        revision: u32,
        model: EmbeddingModel,
        now: Time,
    },
    Fail {
        revision: u32,
        because: DocumentFault,
        now: Time,
    },
    Retry {
        origin: Origin,
        now: Time,
    },
    Delete {
        origin: Origin,
        now: Time,
    },
}

/// Why a document refuses a command.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DocumentRefusal {
    #[error("the document does not exist")]
    Unknown,
    #[error("the document is in another knowledge base")]
    OtherBase,
    /// The step belongs to another revision, or is not the next one.
    #[error("the document has moved on")]
    Stale,
    #[error("only a failed document is tried again")]
    NotFailed,
    #[error("the title must have 1 to 300 characters")]
    BadTitle,
}

/// The step at which the newest revision of a document is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DocumentStatus {
    Queued,
    Parsing,
    Embedding,
    Ready,
    Failed,
}

impl DocumentStatus {
    pub const ALL: [DocumentStatus; 5] =
        [Self::Queued, Self::Parsing, Self::Embedding, Self::Ready, Self::Failed];

    /// Name in the API, for example `embedding`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Parsing => "parsing",
            Self::Embedding => "embedding",
            Self::Ready => "ready",
            Self::Failed => "failed",
        }
    }

    /// The status of which [`DocumentStatus::as_str`] is `name`.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == name)
    }

    /// Whether the node is at work, or will be.
    #[must_use]
    pub const fn is_under_way(self) -> bool {
        matches!(self, Self::Queued | Self::Parsing | Self::Embedding)
    }
}

/// The newest content of a document.
#[derive(Debug, Clone, PartialEq)]
pub struct Revision {
    /// From 1, one more for each content.
    pub number: u32,
    pub title: Personal<String>,
    pub source: DocumentSource,
    pub status: DocumentStatus,
    /// The file and the number of its passages; `None` until it was read.
    pub parsed: Option<(StoredFile, u32)>,
}

/// State of a document, folded from its events.
#[derive(Debug, Clone, Default)]
pub struct KnowledgeDocument {
    base: Option<KnowledgeBaseId>,
    newest: Option<Revision>,
    /// The newest content whose passages are found.
    ready: Option<(u32, StoredFile)>,
    /// Contents that were never read to their end: a node that died over one may have stored its file.
    unread: Vec<u32>,
    /// Keys of all objects that were stored for the document and may still be there.
    objects: Vec<String>,
    /// Uploads that it was given, of all revisions.
    uploads: Vec<UploadId>,
    deleted: bool,
}

impl KnowledgeDocument {
    /// The knowledge base it is in, also after it was deleted.
    #[must_use]
    pub fn base(&self) -> Option<KnowledgeBaseId> {
        self.base
    }

    /// Its newest content; `None` when there is no such document, or it is deleted.
    #[must_use]
    pub fn newest(&self) -> Option<&Revision> {
        self.newest.as_ref().filter(|_| !self.deleted)
    }

    /// Whether it was there and is deleted.
    #[must_use]
    pub fn is_deleted(&self) -> bool {
        self.deleted
    }

    /// The newest content that became ready, by its number: its passages are what is found.
    #[must_use]
    pub fn ready(&self) -> Option<&(u32, StoredFile)> {
        self.ready.as_ref().filter(|_| !self.deleted)
    }

    /// Numbers of contents that were never read and never will be. Nobody knows whether their files were stored.
    pub fn given_up(&self) -> impl Iterator<Item = u32> {
        let settled = self.is_settled();
        self.unread.iter().filter(move |_| settled).copied()
    }

    /// Keys of objects that no revision needs any more: all of a deleted document, else those of older contents.
    pub fn needless_objects(&self) -> impl Iterator<Item = &str> {
        let kept = self.newest().and_then(|newest| newest.parsed.as_ref()).map(|(file, _)| &file.object);
        let settled = self.is_settled();
        self.objects.iter().filter(move |object| settled && Some(*object) != kept).map(String::as_str)
    }

    /// Uploads whose files no revision needs any more, because the document has a copy of its own, or is deleted.
    #[must_use]
    pub fn needless_uploads(&self) -> &[UploadId] {
        // one that failed after it was read is tried again from the copy
        let is_copied = self.newest().is_some_and(|newest| newest.parsed.is_some());
        if self.deleted || is_copied { &self.uploads } else { &[] }
    }

    fn is_settled(&self) -> bool {
        self.deleted || self.newest().is_some_and(|newest| newest.status == DocumentStatus::Ready)
    }

    fn step(&self, revision: u32, at: &[DocumentStatus]) -> Result<&Revision, DocumentRefusal> {
        let newest = self.newest().ok_or(DocumentRefusal::Unknown)?;
        let fits = newest.number == revision && at.contains(&newest.status);
        if fits { Ok(newest) } else { Err(DocumentRefusal::Stale) }
    }

    fn home(&self) -> Result<KnowledgeBaseId, DocumentRefusal> {
        self.base.filter(|_| !self.deleted).ok_or(DocumentRefusal::Unknown)
    }
}

impl Aggregate for KnowledgeDocument {
    const CATEGORY: &'static str = DocumentId::CATEGORY;
    type Command = DocumentCommand;
    type Event = DocumentEvent;
    type Refusal = DocumentRefusal;

    fn decide(&self, command: &DocumentCommand) -> Result<Vec<DocumentEvent>, DocumentRefusal> {
        use DocumentStatus::{Embedding, Failed, Parsing, Queued};
        Ok(vec![match command {
            DocumentCommand::Ingest { base, title, source, replaces, origin, now } => {
                if self.deleted {
                    return Err(DocumentRefusal::Unknown);
                }
                if self.base.is_some_and(|home| home != *base) {
                    return Err(DocumentRefusal::OtherBase);
                }
                if title.trim().is_empty() || title.chars().count() > MAX_TITLE {
                    return Err(DocumentRefusal::BadTitle);
                }
                let newest = self.newest.as_ref();
                let again = |newest: &Revision| {
                    // an upload is one content for good, what an address leads to may have changed
                    let same = newest.status.is_under_way()
                        || matches!(newest.source, DocumentSource::Upload { .. });
                    same && newest.source == *source && newest.title.reveal() == Some(title)
                };
                // the same request again is no news
                if newest.is_some_and(|newest| !replaces || again(newest)) {
                    return Ok(vec![]);
                }
                let revision = newest.map_or(0, |newest| newest.number) + 1;
                DocumentIngested {
                    base: *base,
                    revision,
                    title: title.clone().into(),
                    source: source.clone(),
                    origin: origin.clone(),
                    at: *now,
                }
                .into()
            }
            DocumentCommand::StartParsing { revision, now } => {
                // a node that died may have begun before
                if self.step(*revision, &[Queued, Parsing])?.status == Parsing {
                    return Ok(vec![]);
                }
                ParsingStarted { revision: *revision, at: *now }.into()
            }
            DocumentCommand::Parse { revision, file, chunks, pages, now } => {
                self.step(*revision, &[Parsing])?;
                let (file, chunks, pages) = (file.clone(), *chunks, *pages);
                DocumentParsed { revision: *revision, file, chunks, pages, at: *now }.into()
            }
            DocumentCommand::Finish { revision, model, now } => {
                let newest = self.step(*revision, &[Embedding])?;
                let chunks = newest.parsed.as_ref().map_or(0, |(_, chunks)| *chunks);
                let (base, model) = (self.home()?, model.clone());
                DocumentReady { base, revision: *revision, chunks, model, at: *now }.into()
            }
            DocumentCommand::Fail { revision, because, now } => {
                self.step(*revision, &[Queued, Parsing, Embedding])?;
                let (base, because) = (self.home()?, *because);
                DocumentFailed { base, revision: *revision, because, at: *now }.into()
            }
            DocumentCommand::Retry { origin, now } => {
                let newest = self.newest().ok_or(DocumentRefusal::Unknown)?;
                if newest.status != Failed {
                    return Err(DocumentRefusal::NotFailed);
                }
                DocumentRetried { revision: newest.number, origin: origin.clone(), at: *now }.into()
            }
            DocumentCommand::Delete { origin, now } => {
                let base = self.home()?;
                DocumentDeleted { base, origin: origin.clone(), at: *now }.into()
            }
        }])
    }

    fn evolve(&mut self, event: &DocumentEvent) {
        let status = match event {
            DocumentEvent::Ingested(ingested) => {
                self.base = Some(ingested.base);
                self.unread.push(ingested.revision);
                if let DocumentSource::Upload { id, .. } = ingested.source {
                    self.uploads.push(id);
                }
                self.newest = Some(Revision {
                    number: ingested.revision,
                    title: ingested.title.clone(),
                    source: ingested.source.clone(),
                    status: DocumentStatus::Queued,
                    parsed: None,
                });
                return;
            }
            DocumentEvent::Parsed(parsed) => {
                self.objects.push(parsed.file.object.clone());
                self.unread.retain(|revision| *revision != parsed.revision);
                if let Some(newest) = &mut self.newest {
                    newest.parsed = Some((parsed.file.clone(), parsed.chunks));
                }
                DocumentStatus::Embedding
            }
            DocumentEvent::Deleted(_) => {
                self.deleted = true;
                return;
            }
            DocumentEvent::ParsingStarted(_) => DocumentStatus::Parsing,
            DocumentEvent::Ready(ready) => {
                let parsed = self.newest.as_ref().and_then(|newest| newest.parsed.as_ref());
                self.ready = parsed.map(|(file, _)| (ready.revision, file.clone()));
                DocumentStatus::Ready
            }
            DocumentEvent::Failed(_) => DocumentStatus::Failed,
            // what was read stays read: only the rest is done again
            DocumentEvent::Retried(_) => {
                match self.newest.as_ref().is_some_and(|newest| newest.parsed.is_some()) {
                    true => DocumentStatus::Embedding,
                    false => DocumentStatus::Queued,
                }
            }
        };
        if let Some(newest) = &mut self.newest {
            newest.status = status;
        }
    }
}
