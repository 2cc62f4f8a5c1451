//! How the generic resource code reads tools and answers their refusals.

use domain::envelope::StreamId;
use domain::ids::{ClientId, ToolId};
use domain::ports::StoreUnavailable;
use domain::tool::{Tool, ToolRefusal};
use projections::Queries;
use projections::page::Stored;
use projections::tools::{ToolView, Tools};
use serde::Serialize;
use utoipa::ToSchema;

use super::super::commands::AsProblem;
use super::super::resource::Resource;
use crate::problem::ApiError;

#[derive(Debug)]
pub(super) struct ToolResource;

impl Resource for ToolResource {
    type Id = ToolId;
    type Rules = Tool;
    type View = Tools;

    fn stream(id: ToolId) -> StreamId {
        id.stream()
    }

    async fn stored(
        views: &dyn Queries,
        client: ClientId,
        id: ToolId,
    ) -> Result<Option<Stored>, StoreUnavailable> {
        views.tool(client, id).await
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
