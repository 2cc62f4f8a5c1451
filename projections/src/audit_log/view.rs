//! What is kept of an action.

use domain::envelope::{Actor, Metadata, Position, Recorded, Time};
use domain::ids::{ApiKeyId, ClientId, UserId, event_type_id};
use domain::privacy::policy::RetentionKind;
use domain::wire::DecodeError;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

use super::actions::{self, Action, Told};
use crate::view::{At, Row, View};

/// A business action. Every field is always present; what is not known is `null`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct AuditEntry {
    /// TypeID `evt_…` of the event it was recorded as.
    pub id: String,
    /// What was done. New actions may be added.
    #[schema(value_type = String, example = "API_KEY_CREATED")]
    pub action: Action,
    /// Who did it.
    pub actor: AuditActor,
    /// What it was done to.
    pub resource: Resource,
    /// What held before, as far as it was changed; never a secret.
    #[schema(value_type = Option<Object>, required)]
    pub before: Option<Value>,
    /// What holds since, as far as it was changed; never a secret.
    #[schema(value_type = Option<Object>, required)]
    pub after: Option<Value>,
    /// The IP address the request came from, where the event says it.
    #[schema(required, example = "203.0.113.7")]
    pub ip: Option<String>,
    /// The `X-Request-Id` of the request.
    #[schema(required)]
    pub request_id: Option<String>,
    /// When it was recorded.
    #[serde(with = "crate::edge::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    pub at: Time,
    /// Where it stands in the log.
    pub position: u64,
}

/// Who did something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AuditActor {
    /// `user`, `api_key`, `carrier` or `system`.
    #[serde(rename = "type")]
    #[schema(value_type = crate::words::AuditActorType)]
    pub kind: String,
    /// TypeID `usr_…` or `key_…`; the name of a carrier, or of a part of the node.
    pub id: String,
}

impl AuditActor {
    /// Every `type` there is.
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
    /// `api_key`, `user`, `number`, ….
    #[serde(rename = "type")]
    #[schema(example = "number")]
    pub kind: String,
    /// Its TypeID.
    pub id: String,
}

impl Resource {
    pub(super) fn new(kind: &str, id: &impl ToString) -> Self {
        Self { kind: kind.to_owned(), id: id.to_string() }
    }
}

/// An action's row.
#[derive(Debug, Clone, PartialEq)]
pub struct AuditRow {
    /// Whose log shows it.
    pub client: ClientId,
    /// The event.
    pub event: Uuid,
    /// What is shown.
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
    told: Told,
}

/// The view of business actions.
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
