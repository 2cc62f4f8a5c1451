//! The entries of the audit log.

use domain::envelope::{Actor, Metadata, Position, Recorded, Time};
use domain::ids::{ApiKeyId, ClientId, UserId, event_type_id};
use domain::privacy::policy::RetentionKind;
use domain::wire::DecodeError;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

use super::actions::{self, Action, AuditDetails};
use crate::view::{At, Row, View};

/// A business action. Every field is always present; what is not known is `null`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct AuditEntry {
    /// Id of the event that records the action: TypeID `evt_…`.
    pub id: String,
    /// What was done; new actions may be added.
    #[schema(value_type = String, example = "API_KEY_CREATED")]
    pub action: Action,
    /// Who did it: a user, an API key, a carrier or the node.
    pub actor: AuditActor,
    /// What it was done to.
    pub resource: Resource,
    /// Fields that changed, as they were before; never a secret.
    #[schema(value_type = Option<Object>, required)]
    pub before: Option<Value>,
    /// Fields that changed, as they are since; never a secret.
    #[schema(value_type = Option<Object>, required)]
    pub after: Option<Value>,
    /// IP address of the request; `null` when the event does not record it.
    #[schema(required, example = "203.0.113.7")]
    pub ip: Option<String>,
    /// The `X-Request-Id` of the request; `null` outside of requests.
    #[schema(required)]
    pub request_id: Option<String>,
    /// When the action was recorded.
    #[serde(with = "crate::edge::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    pub at: Time,
    /// Position of the event in the log.
    pub position: u64,
}

/// Who did something: a user, an API key, a carrier or the node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AuditActor {
    /// Kind of actor: `user`, `api_key`, `carrier` or `system`.
    #[serde(rename = "type")]
    #[schema(value_type = crate::words::AuditActorType)]
    pub kind: String,
    /// TypeID `usr_…` or `key_…`; name of a carrier, or of a component of the node.
    pub id: String,
}

impl AuditActor {
    /// Every value of `type`.
    pub const KINDS: [&'static str; 4] = ["user", "api_key", "carrier", "system"];
}

impl From<&Actor> for AuditActor {
    fn from(actor: &Actor) -> Self {
        let [user, api_key, carrier, system] = Self::KINDS;
        let (kind, id) = match actor {
            Actor::User(id) => (user, UserId(*id).to_string()),
            Actor::ApiKey(id) => (api_key, ApiKeyId(*id).to_string()),
            Actor::Carrier(name) => (carrier, name.clone()),
            Actor::System(name) => (system, name.clone()),
        };
        Self { kind: kind.to_owned(), id }
    }
}

/// What something was done to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = AuditResource)]
pub struct Resource {
    /// Kind of resource: `api_key`, `user`, `number`, ….
    #[serde(rename = "type")]
    #[schema(example = "number")]
    pub kind: String,
    /// TypeID of the resource; for a provider account its kind.
    pub id: String,
}

impl Resource {
    pub(super) fn new(kind: &str, id: &impl ToString) -> Self {
        Self { kind: kind.to_owned(), id: id.to_string() }
    }
}

#[derive(Debug, Clone, PartialEq)]
pub struct AuditRow {
    /// Client whose audit log shows the entry.
    pub client: ClientId,
    /// Id of the event.
    pub event: Uuid,
    pub view: AuditEntry,
}

impl Row for AuditRow {
    type Key = Position;

    fn key(&self) -> Position {
        Position(self.view.position)
    }
}

/// What an event means to the audit log.
#[derive(Debug)]
pub struct Audited {
    event: Uuid,
    action: Action,
    resource: Resource,
    metadata: Metadata,
    told: AuditDetails,
}

/// The view of business actions: one row an action.
#[derive(Debug)]
pub struct AuditLog;

impl View for AuditLog {
    const NAME: &'static str = "audit_log";
    const FOLDS: bool = false;
    const PERSONAL: Option<&'static [&'static str]> = Some(super::actions::TYPES);
    const RETIRED_BY: Option<RetentionKind> = Some(RetentionKind::AuditLog);
    type Row = AuditRow;
    type Fact = Audited;

    fn read(event: &Recorded) -> Result<Option<(Position, Audited)>, DecodeError> {
        let Some((action, resource, metadata, told)) = actions::read(event)? else { return Ok(None) };
        Ok(Some((event.position, Audited { event: event.id, action, resource, metadata, told })))
    }

    fn apply(row: &mut Option<AuditRow>, at: &At, fact: Audited) {
        let view = AuditEntry {
            id: event_type_id(fact.event),
            action: fact.action,
            actor: AuditActor::from(&fact.metadata.actor),
            resource: fact.resource,
            before: fact.told.before,
            after: fact.told.after,
            ip: fact.told.ip,
            request_id: fact.metadata.request_id,
            at: at.recorded_at,
            position: at.position.0,
        };
        *row = Some(AuditRow { client: at.client, event: fact.event, view });
    }
}
