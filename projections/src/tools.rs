//! The view of tools, which agents call.

use std::collections::BTreeMap;

use domain::aggregate::Aggregate;
use domain::envelope::{Recorded, Time, Version};
use domain::ids::ToolId;
use domain::tool::{AuthKind, Tool, ToolEvent, ToolMethod, ToolTerms};
use domain::wire::{DecodeError, DomainEvent};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::document::{Document, Resource};
use crate::numbers::knows;
use crate::view::{At, View};

/// How requests to a tool are authenticated. The secret is never shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = ToolAuth)]
pub struct AuthView {
    /// Kind of authentication: `none`, `bearer`, `basic` or `api_key`.
    #[serde(rename = "type")]
    #[schema(value_type = crate::words::ToolAuthType)]
    pub kind: AuthKind,
    /// Name of the header for `api_key`, or of the user for `basic`.
    #[schema(required)]
    pub name: Option<String>,
}

/// A tool. Every field is always present; what is not known is `null`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = Tool)]
pub struct ToolView {
    /// Id of the tool: TypeID `tool_…`.
    #[serde(with = "crate::edge::type_id")]
    #[schema(value_type = String, example = "tool_01jd0xq8v4e5vsknk084sn02q7")]
    pub id: ToolId,
    /// Name by which the model calls the tool.
    pub name: String,
    /// Description that the model is given.
    pub description: String,
    /// JSON Schema of the tool's arguments.
    #[schema(value_type = Object)]
    pub parameters: Value,
    /// Address that requests are sent to.
    #[schema(format = "uri")]
    pub url: String,
    /// HTTP method: arguments go into the query of `GET` and `DELETE`, and as JSON into the body of the others.
    #[schema(value_type = crate::words::ToolMethod)]
    pub method: ToolMethod,
    /// Your own headers. Values that look like credentials are shown as `***`.
    pub headers: BTreeMap<String, String>,
    /// Longest time to wait for the answer, in milliseconds.
    pub timeout_ms: u32,
    /// How requests to the tool are authenticated.
    pub auth: AuthView,
    /// Whether requests to the tool are signed. A tool created before requests were signed has no secret
    /// until it is rotated.
    pub signed: bool,
    /// When the tool was created.
    #[serde(with = "crate::edge::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Time,
    /// When the tool was last changed.
    #[serde(with = "crate::edge::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    pub updated_at: Time,
    /// Version of the tool's stream, which is also its `ETag`.
    #[schema(minimum = 1)]
    pub version: u64,
}

impl ToolView {
    fn take(&mut self, terms: &ToolTerms) {
        self.name.clone_from(&terms.name);
        self.description.clone_from(&terms.description);
        self.parameters.clone_from(&terms.parameters);
        self.url.clone_from(&terms.url);
        self.method = terms.method;
        self.headers.clone_from(&terms.headers.shown);
        self.timeout_ms = terms.timeout_ms;
        self.auth = AuthView { kind: terms.auth.kind, name: terms.auth.name.clone() };
    }
}

pub type ToolRow = Document<ToolView>;

impl Resource for ToolView {
    const TABLE: &'static str = "tools";

    fn id(&self) -> Uuid {
        self.id.0
    }

    fn created_at(&self) -> Time {
        self.created_at
    }

    fn version(&self) -> Version {
        Version(self.version)
    }
}

/// The view of tools: one row a tool.
#[derive(Debug)]
pub struct Tools;

impl View for Tools {
    const NAME: &'static str = "tools";
    const FOLDS: bool = true;
    const PERSONAL: Option<&'static [&'static str]> = Some(&[]);
    type Row = ToolRow;
    type Fact = ToolEvent;

    fn read(event: &Recorded) -> Result<Option<(Uuid, ToolEvent)>, DecodeError> {
        if event.stream.category() != Tool::CATEGORY || !knows::<ToolEvent>(&event.event_type) {
            return Ok(None);
        }
        let fact = ToolEvent::decode(&event.event_type, event.schema, &event.payload)?;
        Ok(Some((event.stream.id(), fact)))
    }

    fn apply(row: &mut Option<ToolRow>, at: &At, fact: ToolEvent) {
        match (row.as_mut(), fact) {
            (None, ToolEvent::Created(created)) => {
                let mut view = ToolView {
                    id: ToolId(at.id),
                    name: String::new(),
                    description: String::new(),
                    parameters: Value::Null,
                    url: String::new(),
                    method: created.terms.method,
                    headers: BTreeMap::new(),
                    timeout_ms: 0,
                    auth: AuthView { kind: AuthKind::None, name: None },
                    signed: created.secret.is_some(),
                    created_at: created.at,
                    updated_at: created.at,
                    version: 0,
                };
                view.take(&created.terms);
                *row = Some(ToolRow { client: at.client, position: at.position, removed: false, view });
            }
            (Some(row), ToolEvent::Updated(updated)) => {
                row.view.take(&updated.after);
                row.view.updated_at = updated.at;
            }
            (Some(row), ToolEvent::SecretRotated(rotated)) => {
                row.view.signed = true;
                row.view.updated_at = rotated.at;
            }
            (Some(row), ToolEvent::Deleted(deleted)) => {
                row.removed = true;
                row.view.updated_at = deleted.at;
            }
            (Some(_), ToolEvent::Created(_)) | (None, _) => {}
        }
        if let Some(row) = row {
            row.position = at.position;
            row.view.version = at.version.0;
        }
    }
}
