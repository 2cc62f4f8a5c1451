//! How the generic resource code reads tools and answers their refusals.

use crate::auth::permissions::ToolsWrite;
use domain::envelope::Time;
use domain::ids::ToolId;
use domain::origin::Origin;
use domain::tool::ToolCommand;
use domain::tool::{Tool, ToolRefusal};
use projections::tools::{ToolView, Tools};
use serde::Serialize;
use utoipa::ToSchema;

use super::super::commands::AsProblem;
use super::super::recipe::{Delete, Recipe, Wording};
use super::super::resource::Resource;
use crate::auth::permissions::ToolsRead;
use crate::problem::ApiError;

#[derive(Debug)]
pub(crate) struct ToolResource;

impl Resource for ToolResource {
    type Id = ToolId;
    type Rules = Tool;
    type View = Tools;
}

impl Recipe for ToolResource {
    type Read = ToolsRead;

    const WORDING: Wording = Wording {
        path: "/tools",
        tag: "tools",
        operation: "Tool",
        one: "a tool",
        noun: "tool",
        many: "tools",
        about_list: "",
    };
}

impl Delete for ToolResource {
    type Write = ToolsWrite;

    const SUMMARY: &'static str = "Remove a tool from the client.";
    const ABOUT: &'static str = "Agents that have it continue without it.";

    fn command(origin: Origin, now: Time) -> ToolCommand {
        ToolCommand::Delete { origin, now }
    }
}

/// A tool together with its signing secret.
#[derive(Serialize, ToSchema)]
pub(crate) struct ToolWithSecret {
    /// The tool without its secret.
    #[serde(flatten)]
    pub(super) tool: ToolView,
    /// Secret that signs the tool's requests (Standard Webhooks). Shown only in this answer.
    #[schema(example = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")]
    pub(super) secret: String,
}

impl AsProblem for ToolRefusal {
    const KIND: &'static str = "tool";

    fn as_problem(&self) -> ApiError {
        match self {
            ToolRefusal::Unknown => ApiError::not_found(Self::KIND),
            ToolRefusal::Exists => ApiError::conflict(self.to_string()),
            ToolRefusal::Invalid(field, detail) => ApiError::invalid(*field, "invalid", *detail),
        }
    }
}
