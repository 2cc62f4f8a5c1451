//! Where a number's calls go, as a client writes it.

use actors::conversation::TalkError;
use domain::ids::{AgentId, ClientId, MenuId};
use domain::number::Route;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::http::EdgeId;
use crate::node::Backend;
use crate::problem::{ApiError, Fields};

/// Where a number's calls go.
#[derive(Deserialize, ToSchema)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
#[schema(as = NewRoute)]
pub(crate) enum RouteBody {
    /// To an IVR menu.
    IvrMenu {
        /// Which.
        #[schema(value_type = String)]
        id: EdgeId<MenuId>,
    },
    /// To an agent. Where none is named, to your default agent, as it is when a call comes: the one last deployed, or
    /// last created while none is. Until there is one, callers hear a plain greeting.
    Agent {
        /// Which.
        #[serde(default)]
        #[schema(value_type = Option<String>)]
        id: Option<EdgeId<AgentId>>,
    },
    /// Nowhere: the call is refused.
    Reject {},
}

/// The menu that calls go to, if they do.
pub(super) fn menu_of(route: Route) -> Option<MenuId> {
    match route {
        Route::IvrMenu { id } => Some(id),
        Route::Agent { .. } | Route::Reject => None,
    }
}

impl RouteBody {
    /// The route, if what it names exists.
    ///
    /// # Errors
    /// 422 when it does not.
    pub(super) async fn check(self, backend: &Backend, client: ClientId) -> Result<Route, ApiError> {
        let menu_exists = |menu| backend.menus.find(client, menu).is_some();
        let mut fields = Fields::default();
        match self {
            Self::IvrMenu { id: EdgeId(id) } if menu_exists(id) => return Ok(Route::IvrMenu { id }),
            Self::IvrMenu { id } => fields.fault("route.id", "unknown", format!("there is no menu {id}")),
            Self::Agent { id: Some(EdgeId(id)) } => match backend.talks.agent(client, id).await {
                Ok(_) => return Ok(Route::Agent { id: Some(id) }),
                Err(TalkError::UnknownAgent) => {
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
