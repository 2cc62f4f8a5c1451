//! Endpoint that reads one webhook endpoint, as it is now or as it was.

use actix_web::{get, web};
use domain::ids::EndpointId;
use projections::webhooks::EndpointView;

use super::super::super::resource::get as get_resource;
use super::resource::EndpointResource;
use crate::auth::Caller;
use crate::auth::permissions::WebhooksRead;
use crate::backend::Backend;
use crate::problem::{ApiError, Problem};
use crate::{Answer, Enveloped, PathId, Query};

/// Get a webhook endpoint.
///
/// With `at` or `version`, answers with the endpoint as it was then.
#[utoipa::path(get, path = "/api/v1/webhooks/{id}", tag = "webhooks", operation_id = "getWebhook",
    params(("id" = String, Path, description = "Id of the endpoint: `whe_…`"),
        ("at" = Option<String>, Query, description = "Show the state at this time (RFC 3339); default: now"),
        ("version" = Option<u64>, Query, description = "Show the state at this version; default: current")),
    responses((status = 200, description = "The endpoint", body = Enveloped<EndpointView>), Problem))]
#[get("/webhooks/{id}")]
pub(crate) async fn get_webhook(
    caller: Caller<WebhooksRead>,
    PathId(id): PathId<EndpointId>,
    query: Query,
    backend: web::Data<Backend>,
) -> Result<Answer, ApiError> {
    get_resource::<EndpointResource>(&backend, &caller, id, query).await
}
