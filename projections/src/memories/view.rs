//! The resource `Memory` of the API, and the fold from events to it.

use domain::aggregate::Aggregate;
use domain::envelope::{Position, Recorded, Time, Version};
use domain::ids::{CallId, ClientId, ConversationId, CustomerId, MemoryId, MessageId};
use domain::memory::{Memory, MemoryEvent, MemorySource};
use domain::wire::{DecodeError, DomainEvent};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::document::DocumentTable;
use crate::numbers::knows;
use crate::view::{At, Row, Shown, View};

/// Something that is remembered of a customer. Every field is always present; what is not known is `null` or empty.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = Memory)]
pub struct MemoryView {
    /// Id of the memory: TypeID `mem_…`.
    #[serde(with = "crate::edge::type_id")]
    #[schema(value_type = String, example = "mem_01jd0xq8v4e5vsknk084sn02q7")]
    pub id: MemoryId,
    /// Customer that it is about: TypeID `cus_…`.
    #[serde(with = "crate::edge::type_id")]
    #[schema(value_type = String)]
    pub customer_id: CustomerId,
    /// A sentence about the customer; `[erased]` once erased.
    #[schema(required, example = "Prefers to be called in the morning.")]
    pub content: Option<String>,
    /// What it is about: `fact`, `preference`, `issue`, `promise` or `note`.
    #[schema(value_type = crate::words::MemoryKind)]
    pub kind: String,
    /// Where it was learned first.
    pub source: MemorySourceView,
    /// Ids of messages that show it: TypeIDs `msg_…`, at most 20.
    pub evidence: Vec<String>,
    /// How sure it is, 0 to 1; it grows when the same is learned again.
    #[schema(minimum = 0, maximum = 1)]
    pub confidence: f64,
    /// `active`; `superseded` once something newer contradicts it; `expired` once its time is over.
    #[schema(value_type = crate::words::MemoryStatus)]
    pub status: String,
    /// When it expires; `null`: never.
    #[serde(with = "crate::edge::rfc3339_option")]
    #[schema(value_type = Option<String>, format = DateTime, required)]
    pub expires_at: Option<Time>,
    /// Memory that it contradicts: TypeID `mem_…`.
    #[serde(with = "crate::edge::type_id_option")]
    #[schema(value_type = Option<String>, required)]
    pub supersedes: Option<MemoryId>,
    /// Memory that contradicts it: TypeID `mem_…`.
    #[serde(with = "crate::edge::type_id_option")]
    #[schema(value_type = Option<String>, required)]
    pub superseded_by: Option<MemoryId>,
    /// When it was recorded.
    #[serde(with = "crate::edge::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Time,
    /// When it was last changed or learned again.
    #[serde(with = "crate::edge::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    pub updated_at: Time,
    /// Version of the memory's stream, which is also its `ETag`.
    #[schema(minimum = 1)]
    pub version: u64,
}

/// Where a memory comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = MemorySource)]
pub struct MemorySourceView {
    /// Kind of source: `api`, `conversation` or `call`.
    #[serde(rename = "type")]
    #[schema(example = "conversation")]
    pub kind: String,
    /// Id of the conversation or call; `null` for the API.
    #[schema(required, example = "conv_01jd0xq8v4e5vsknk084sn02q7")]
    pub id: Option<String>,
}

impl From<MemorySource> for MemorySourceView {
    fn from(source: MemorySource) -> Self {
        let id = match source {
            MemorySource::Api => None,
            MemorySource::Conversation { id: ConversationId(id) } => Some(ConversationId(id).to_string()),
            MemorySource::Call { id: CallId(id) } => Some(CallId(id).to_string()),
        };
        Self { kind: source.as_str().to_owned(), id }
    }
}

/// The row of a memory; without its content once it was forgotten.
#[derive(Debug, Clone, PartialEq)]
pub struct MemoryRow {
    pub client: ClientId,
    /// Position of the last event in the row.
    pub position: Position,
    /// Whether the memory was forgotten. No query shows it.
    pub removed: bool,
    pub view: MemoryView,
}

impl Row for MemoryRow {
    type Key = Uuid;

    fn key(&self) -> Uuid {
        self.view.id.0
    }
}

impl Shown for MemoryRow {
    const TABLE: DocumentTable = DocumentTable { name: "memories", keeps_removed: true };

    type Resource = MemoryView;

    fn resource(&self) -> &MemoryView {
        &self.view
    }

    fn version(&self) -> Version {
        Version(self.view.version)
    }
}

fn confidence(permille: u16) -> f64 {
    f64::from(permille) / 1_000.0
}

fn ids(evidence: &[MessageId]) -> impl Iterator<Item = String> {
    evidence.iter().map(MessageId::to_string)
}

/// The view of memories: one row a memory.
#[derive(Debug)]
pub struct Memories;

impl View for Memories {
    const NAME: &'static str = "memories";
    const FOLDS: bool = true;
    const PERSONAL: Option<&'static [&'static str]> = Some(&["memory.recorded", "memory.updated"]);
    type Row = MemoryRow;
    type Fact = MemoryEvent;

    fn read(event: &Recorded) -> Result<Option<(Uuid, MemoryEvent)>, DecodeError> {
        if event.stream.category() != Memory::CATEGORY || !knows::<MemoryEvent>(&event.event_type) {
            return Ok(None);
        }
        let fact = MemoryEvent::decode(&event.event_type, event.schema, &event.payload)?;
        Ok(Some((event.stream.id(), fact)))
    }

    fn apply(row: &mut Option<MemoryRow>, at: &At, fact: MemoryEvent) {
        match (row.as_mut(), fact) {
            (None, MemoryEvent::Recorded(recorded)) => {
                let view = MemoryView {
                    id: MemoryId(at.id),
                    customer_id: recorded.customer,
                    content: recorded.content.shown(String::clone),
                    kind: recorded.kind.as_str().to_owned(),
                    source: recorded.source.into(),
                    evidence: ids(&recorded.evidence).collect(),
                    confidence: confidence(recorded.confidence_permille),
                    status: "active".to_owned(),
                    expires_at: recorded.expires_at,
                    supersedes: recorded.supersedes,
                    superseded_by: None,
                    created_at: recorded.at,
                    updated_at: recorded.at,
                    version: 0,
                };
                *row = Some(MemoryRow { client: at.client, position: at.position, removed: false, view });
            }
            (Some(row), fact) => row.take(fact),
            (None, _) => {}
        }
        if let Some(row) = row {
            row.position = at.position;
            row.view.version = at.version.0;
        }
    }
}

impl MemoryRow {
    fn take(&mut self, fact: MemoryEvent) {
        let view = &mut self.view;
        match fact {
            MemoryEvent::Recorded(_) => {}
            MemoryEvent::Confirmed(confirmed) => {
                view.evidence.extend(ids(&confirmed.evidence));
                view.confidence = confidence(confirmed.confidence_permille);
                view.updated_at = confirmed.at;
            }
            MemoryEvent::Updated(updated) => {
                view.content = updated.content.shown(String::clone);
                view.kind = updated.kind.as_str().to_owned();
                view.confidence = confidence(updated.confidence_permille);
                view.expires_at = updated.expires_at;
                view.updated_at = updated.at;
            }
            MemoryEvent::Superseded(superseded) => {
                view.status = "superseded".to_owned();
                view.superseded_by = Some(superseded.by);
                view.updated_at = superseded.at;
            }
            MemoryEvent::Expired(expired) => {
                view.status = "expired".to_owned();
                view.updated_at = expired.at;
            }
            MemoryEvent::Forgotten(forgotten) => {
                self.removed = true;
                view.content = None;
                view.updated_at = forgotten.at;
            }
        }
    }
}
