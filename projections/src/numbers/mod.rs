//! The view of phone numbers and where their calls go.

use domain::aggregate::Aggregate;
use domain::envelope::{Recorded, Time, Version};
use domain::ids::{AgentId, ClientId, MenuId, NumberId};
use domain::number::{Number, NumberEvent, Route};
use domain::phone::E164;
use domain::wire::{DecodeError, DomainEvent};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::document::{Document, DocumentRow, Resource};
use crate::view::{At, View};

/// A phone number. Every field is always present; what is not known is `null`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = PhoneNumber)]
pub struct NumberView {
    /// Id of the number: TypeID `num_…`.
    #[serde(with = "crate::edge::type_id")]
    #[schema(value_type = String)]
    pub id: NumberId,
    /// Phone number in E.164; `null` once erased.
    #[schema(value_type = Option<String>, required, example = "+12025550123")]
    pub number: Option<E164>,
    /// Where inbound calls to the number go.
    pub route: RouteView,
    /// `true` for a number of the client's own carrier account; absent for one of the node's account.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    #[schema(required = false)]
    pub own_account: bool,
    /// When the number was added.
    #[serde(with = "crate::edge::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Time,
    /// When the number was last changed.
    #[serde(with = "crate::edge::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    pub updated_at: Time,
    /// Version of the number's stream, which is also its `ETag`.
    #[schema(minimum = 1)]
    pub version: u64,
}

/// Where the calls to a number go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
#[schema(as = Route)]
pub enum RouteView {
    /// Calls go to an IVR menu.
    IvrMenu {
        /// Id of the menu: TypeID `ivrm_…`.
        #[serde(with = "crate::edge::type_id")]
        #[schema(value_type = String)]
        id: MenuId,
    },
    /// Calls go to an agent.
    Agent {
        /// TypeID `agt_…`; `null` is the client's default agent: the one last deployed, or last created while none is.
        #[serde(with = "crate::edge::type_id_option", default)]
        #[schema(value_type = Option<String>)]
        id: Option<AgentId>,
    },
    /// Calls are rejected by the platform.
    Reject,
}

impl From<Route> for RouteView {
    fn from(route: Route) -> Self {
        match route {
            Route::IvrMenu { id } => Self::IvrMenu { id },
            Route::Agent { id } => Self::Agent { id },
            Route::Reject => Self::Reject,
        }
    }
}

impl From<RouteView> for Route {
    fn from(route: RouteView) -> Self {
        match route {
            RouteView::IvrMenu { id } => Self::IvrMenu { id },
            RouteView::Agent { id } => Self::Agent { id },
            RouteView::Reject => Self::Reject,
        }
    }
}

/// The row of a number; without the number once it was removed.
pub type NumberRow = Document<NumberView>;

impl Resource for NumberView {
    const TABLE: &'static str = "numbers";

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

/// The view of numbers: one row a number.
#[derive(Debug)]
pub struct Numbers;

impl View for Numbers {
    const NAME: &'static str = "numbers";
    const FOLDS: bool = true;
    const PERSONAL: Option<&'static [&'static str]> = Some(&["number.added"]);
    type Row = NumberRow;
    type Fact = NumberEvent;

    fn read(event: &Recorded) -> Result<Option<(Uuid, NumberEvent)>, DecodeError> {
        if event.stream.category() != Number::CATEGORY || !knows::<NumberEvent>(&event.event_type) {
            return Ok(None);
        }
        let fact = NumberEvent::decode(&event.event_type, event.schema, &event.payload)?;
        Ok(Some((event.stream.id(), fact)))
    }

    fn apply(row: &mut Option<NumberRow>, at: &At, fact: NumberEvent) {
        match (row.as_mut(), fact) {
            (None, NumberEvent::Added(added)) => {
                let view = NumberView {
                    id: NumberId(at.id),
                    number: added.number.into_inner(),
                    route: added.route.into(),
                    own_account: added.own_account,
                    created_at: added.at,
                    updated_at: added.at,
                    version: 0,
                };
                *row = Some(NumberRow { client: at.client, position: at.position, removed: false, view });
            }
            (Some(row), NumberEvent::Rerouted(rerouted)) => {
                row.view.route = rerouted.route.into();
                row.view.updated_at = rerouted.at;
            }
            (Some(row), NumberEvent::Removed(removed)) => {
                row.removed = true;
                row.view.number = None;
                row.view.updated_at = removed.at;
            }
            (Some(_), NumberEvent::Added(_)) | (None, _) => {}
        }
        if let Some(row) = row {
            row.position = at.position;
            row.view.version = at.version.0;
        }
    }
}

/// Whether this version knows the event type. A view skips types that a newer version added.
pub(crate) fn knows<E: DomainEvent>(event_type: &str) -> bool {
    E::TYPES.iter().any(|(known, _)| *known == event_type)
}

/// A number as the directory for routing keeps it in memory.
#[derive(Debug, Clone, PartialEq)]
pub struct NumberEntry {
    pub id: NumberId,
    pub client: ClientId,
    pub number: E164,
    /// Where calls to the number go.
    pub route: Route,
    /// Whether it belongs to the client's own carrier account, not to the node's.
    pub own_account: bool,
}

impl NumberEntry {
    /// The entry of a stored [number](NumberView); `None` once the number was erased. Fails when the
    /// document cannot be read.
    pub fn of(row: &DocumentRow) -> Result<Option<Self>, serde_json::Error> {
        let view: NumberView = serde_json::from_str(&row.json)?;
        let (route, own_account) = (view.route.into(), view.own_account);
        let entry = |number| Self { id: view.id, client: row.client, number, route, own_account };
        Ok(view.number.map(entry))
    }
}
