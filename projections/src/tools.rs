//! Tools of agents.

use std::collections::BTreeMap;

use async_trait::async_trait;
use domain::aggregate::Aggregate;
use domain::envelope::{Recorded, Time, Version};
use domain::ids::{ClientId, ToolId};
use domain::ports::StoreUnavailable;
use domain::tool::{AuthKind, Tool, ToolEvent, ToolMethod, ToolTerms};
use domain::wire::{DecodeError, DomainEvent};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::document::{Document, Resource};
use crate::numbers::knows;
use crate::page::{Page, PageRequest, Stored};
use crate::view::{At, View};

/// How a tool is told who asks. The secret is shown never.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = ToolAuth)]
pub struct AuthView {
    /// `none`, `bearer`, `basic` or `api_key`.
    #[serde(rename = "type")]
    #[schema(value_type = crate::words::ToolAuthType)]
    pub kind: AuthKind,
    /// The header of `api_key`, the user of `basic`.
    #[schema(required)]
    pub name: Option<String>,
}

/// A tool. Every field is always present; what is not known is `null`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = Tool)]
pub struct ToolView {
    /// TypeID `tool_…`.
    #[serde(with = "crate::edge::type_id")]
    #[schema(value_type = String, example = "tool_01jd0xq8v4e5vsknk084sn02q7")]
    pub id: ToolId,
    /// What the model calls it.
    pub name: String,
    /// What the model is told of it.
    pub description: String,
    /// JSON Schema of its arguments.
    #[schema(value_type = Object)]
    pub parameters: Value,
    /// Where it is.
    #[schema(format = "uri")]
    pub url: String,
    /// How it is asked: arguments go into the query of `GET` and `DELETE`, and as JSON into the body of the others.
    #[schema(value_type = crate::words::ToolMethod)]
    pub method: ToolMethod,
    /// Your own headers. Values that look like credentials are shown as `***`.
    pub headers: BTreeMap<String, String>,
    /// How long it may take.
    pub timeout_ms: u32,
    /// How it is told who asks.
    pub auth: AuthView,
    /// Whether its requests are signed. One that was made before tools had secrets has none until its secret is rotated.
    pub signed: bool,
    /// When it was created.
    #[serde(with = "crate::edge::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Time,
    /// When it last changed.
    #[serde(with = "crate::edge::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    pub updated_at: Time,
    /// Version of its stream; its `ETag`.
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

/// A tool's row.
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

/// The view of tools.
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

/// Reads of tools. None of them ever answers with another client's.
#[async_trait]
pub trait ToolQueries: Send + Sync {
    /// One [tool](ToolView), as JSON.
    async fn tool(&self, client: ClientId, id: ToolId) -> Result<Option<Stored>, StoreUnavailable>;

    /// A page of [tools](ToolView), by `created_at` and id.
    async fn tools(&self, client: ClientId, page: &PageRequest) -> Result<Page, StoreUnavailable>;
}
