//! A number's route as a request gives it.

use actors::conversation::ConversationError;
use domain::ids::{AgentId, ClientId, MenuId};
use domain::number::Route;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::EdgeId;
use crate::backend::Backend;
use crate::problem::{ApiError, Fields};

/// Destination of a number's inbound calls.
#[derive(Deserialize, ToSchema)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
#[schema(as = NewRoute)]
pub(crate) enum RouteBody {
    /// Calls go to an IVR menu.
    IvrMenu {
        /// Id of the menu.
        #[schema(value_type = String)]
        id: EdgeId<MenuId>,
    },
    /// Calls go to an agent. Without an id, to your default agent at the time of the call: the one deployed last,
    /// or created last while none is deployed. Until there is one, callers hear a plain greeting.
    Agent {
        /// Id of the agent; the default agent, if left out.
        #[serde(default)]
        #[schema(value_type = Option<String>)]
        id: Option<EdgeId<AgentId>>,
    },
    /// Calls are refused, without being answered.
    Reject {},
}

/// Menu that a route leads to; `None` for agents and refusals.
pub(super) fn menu_of(route: Route) -> Option<MenuId> {
    match route {
        Route::IvrMenu { id } => Some(id),
        Route::Agent { .. } | Route::Reject => None,
    }
}

impl RouteBody {
    /// Checks that the menu or agent exists and converts the route. Answers 422 when it does not.
    pub(super) async fn check(self, backend: &Backend, client: ClientId) -> Result<Route, ApiError> {
        let menu_exists = |menu| backend.menus.find(client, menu).is_some();
        let mut fields = Fields::default();
        match self {
            Self::IvrMenu { id: EdgeId(id) } if menu_exists(id) => return Ok(Route::IvrMenu { id }),
            Self::IvrMenu { id } => fields.fault("route.id", "unknown", format!("there is no menu {id}")),
            Self::Agent { id: Some(EdgeId(id)) } => match backend.conversations.agent(client, id).await {
                Ok(_) => return Ok(Route::Agent { id: Some(id) }),
                Err(ConversationError::UnknownAgent) => {
                    fields.fault("route.id", "unknown", format!("there is no agent {id}"));
                }
                Err(error) => return Err(ApiError::unavailable(error)),
            },
            Self::Agent { id: None } => return Ok(Route::Agent { id: None }),
            Self::Reject {} => return Ok(Route::Reject),
        }
        fields.finish()?;
        Ok(Route::Reject)
    }
}
