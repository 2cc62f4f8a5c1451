//! Tools as a resource.

use domain::envelope::StreamId;
use domain::ids::{ClientId, ToolId};
use domain::ports::StoreUnavailable;
use domain::tool::{Tool, ToolRefusal};
use projections::Queries;
use projections::page::Stored;
use projections::tools::Tools;

use super::super::commands::AsProblem;
use super::super::resource::Resource;
use crate::problem::ApiError;

/// Tools as a resource.
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
