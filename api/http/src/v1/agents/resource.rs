//! How the generic resource code reads agents and answers their refusals.

use super::super::paging::Filter;
use domain::agent::{Agent, AgentRefusal};
use domain::ids::AgentId;
use domain::model::Provider;
use projections::agents::Agents;
use projections::agents::STATUSES;
use projections::words::each;

use super::super::commands::AsProblem;
use super::super::recipe::{Recipe, Wording};
use super::super::resource::Resource;
use crate::auth::permissions::AgentsRead;
use crate::problem::ApiError;

#[derive(Debug)]
pub(crate) struct AgentResource;

impl Resource for AgentResource {
    type Id = AgentId;
    type Rules = Agent;
    type View = Agents;
}

impl Recipe for AgentResource {
    type Read = AgentsRead;

    const WORDING: Wording = Wording {
        path: "/agents",
        tag: "agents",
        operation: "Agent",
        one: "an agent",
        noun: "agent",
        many: "agents",
        about_list: "Each agent is shown at its newest version.",
    };

    fn filters() -> Vec<Filter> {
        vec![
            Filter::word("provider", each(&Provider::ALL, Provider::as_str))
                .says("Only agents that use this language model provider"),
            Filter::word("status", STATUSES.to_vec()).says("Only agents with this status: draft or deployed"),
        ]
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
