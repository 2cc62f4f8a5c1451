//! How the generic resource code reads webhook endpoints and answers their refusals.

use domain::envelope::StreamId;
use domain::ids::{ClientId, EndpointId};
use domain::ports::StoreUnavailable;
use domain::webhook::endpoint::{Endpoint, EndpointRefusal};
use projections::Queries;
use projections::page::Stored;
use projections::webhooks::{EndpointView, Endpoints};
use serde::Serialize;
use utoipa::ToSchema;

use super::super::super::commands::AsProblem;
use super::super::super::resource::Resource;
use crate::backend::Backend;
use crate::problem::ApiError;

#[derive(Debug)]
pub(in crate::v1) struct EndpointResource;

impl Resource for EndpointResource {
    type Id = EndpointId;
    type Rules = Endpoint;
    type View = Endpoints;

    fn stream(id: EndpointId) -> StreamId {
        id.stream()
    }

    async fn stored(
        views: &dyn Queries,
        client: ClientId,
        id: EndpointId,
    ) -> Result<Option<Stored>, StoreUnavailable> {
        views.endpoint(client, id).await
    }
}

impl AsProblem for EndpointRefusal {
    const KIND: &'static str = "webhook";

    fn as_problem(&self) -> ApiError {
        match self {
            EndpointRefusal::Unknown => ApiError::not_found(Self::KIND),
            EndpointRefusal::Exists => ApiError::conflict(self.to_string()),
            EndpointRefusal::Invalid(field, detail) => ApiError::invalid(*field, "invalid", *detail),
        }
    }
}

/// A webhook endpoint together with its signing secret.
#[derive(Serialize, ToSchema)]
#[schema(as = WebhookEndpointWithSecret)]
pub(crate) struct EndpointWithSecret {
    /// The endpoint without its secret.
    #[serde(flatten)]
    pub(super) endpoint: EndpointView,
    /// Secret that signs the deliveries (Standard Webhooks). Shown only in this answer.
    #[schema(example = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")]
    pub(super) secret: String,
}

/// Checks that the client has this endpoint. Answers 404 when it has not.
pub(super) async fn exists(backend: &Backend, client: ClientId, id: EndpointId) -> Result<(), ApiError> {
    let found = backend.views.endpoint(client, id).await.map_err(ApiError::unavailable)?;
    found.map(drop).ok_or_else(|| ApiError::not_found(EndpointRefusal::KIND))
}
