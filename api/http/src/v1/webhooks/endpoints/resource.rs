//! How the generic resource code reads webhook endpoints and answers their refusals.

use super::super::super::paging::Filter;
use crate::auth::permissions::WebhooksWrite;
use domain::envelope::Time;
use domain::ids::AgentId;
use domain::ids::{ClientId, EndpointId};
use domain::origin::Origin;
use domain::webhook::endpoint::EndpointCommand;
use domain::webhook::endpoint::{Endpoint, EndpointRefusal};
use projections::webhooks::{EndpointView, Endpoints};
use serde::Serialize;
use utoipa::ToSchema;

use super::super::super::commands::AsProblem;
use super::super::super::recipe::{Delete, Recipe, Wording};
use super::super::super::resource::Resource;
use crate::auth::permissions::WebhooksRead;
use crate::backend::Backend;
use crate::problem::ApiError;

#[derive(Debug)]
pub(crate) struct EndpointResource;

impl Resource for EndpointResource {
    type Id = EndpointId;
    type Rules = Endpoint;
    type View = Endpoints;
}

impl Recipe for EndpointResource {
    type Read = WebhooksRead;

    const WORDING: Wording = Wording {
        path: "/webhooks",
        tag: "webhooks",
        operation: "Webhook",
        one: "a webhook endpoint",
        noun: "endpoint",
        many: "webhook endpoints",
        about_list: "Their secrets are not shown.",
    };

    fn filters() -> Vec<Filter> {
        vec![
            Filter::flag("enabled").says("`true`: only enabled ones; `false`: only disabled ones"),
            Filter::id::<AgentId>("agent_id").says("Only endpoints for this agent: `agt_…`"),
        ]
    }
}

impl Delete for EndpointResource {
    type Write = WebhooksWrite;

    const SUMMARY: &'static str = "Remove a webhook endpoint.";
    const ABOUT: &'static str = "Its pending deliveries are cancelled.";

    fn command(origin: Origin, now: Time) -> EndpointCommand {
        EndpointCommand::Delete { origin, now }
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
    let found = backend
        .views
        .one::<projections::webhooks::Endpoints>(client, id)
        .await
        .map_err(ApiError::unavailable)?;
    found.map(drop).ok_or_else(|| ApiError::not_found(EndpointRefusal::KIND))
}
