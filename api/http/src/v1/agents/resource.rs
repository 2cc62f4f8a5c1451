//! How the generic resource code reads agents and answers their refusals.

use domain::agent::{Agent, AgentRefusal};
use domain::envelope::StreamId;
use domain::ids::{AgentId, ClientId};
use domain::ports::StoreUnavailable;
use projections::Queries;
use projections::agents::Agents;
use projections::page::Stored;

use super::super::commands::AsProblem;
use super::super::resource::Resource;
use crate::problem::ApiError;

#[derive(Debug)]
pub(super) struct AgentResource;

impl Resource for AgentResource {
    type Id = AgentId;
    type Rules = Agent;
    type View = Agents;

    fn stream(id: AgentId) -> StreamId {
        id.stream()
    }

    async fn stored(
        views: &dyn Queries,
        client: ClientId,
        id: AgentId,
    ) -> Result<Option<Stored>, StoreUnavailable> {
        views.agent(client, id).await
    }
}

impl AsProblem for AgentRefusal {
    const KIND: &'static str = "agent";

    fn as_problem(&self) -> ApiError {
        match self {
            AgentRefusal::Unknown => ApiError::not_found(Self::KIND),
            AgentRefusal::Exists => ApiError::conflict(self.to_string()),
            AgentRefusal::Invalid(field, detail) => ApiError::invalid(*field, "invalid", *detail),
        }
    }
}
