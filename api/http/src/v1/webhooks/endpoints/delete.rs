//! Endpoint that deletes a webhook endpoint.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, delete, web};
use domain::ids::EndpointId;
use domain::webhook::endpoint::EndpointCommand;

use super::super::super::resource::execute;
use super::resource::EndpointResource;
use crate::auth::Caller;
use crate::auth::permissions::WebhooksWrite;
use crate::backend::Backend;
use crate::client_ip::ClientIp;
use crate::problem::{ApiError, Problem};
use crate::{IfMatch, PathId, RequestContext};

/// Remove a webhook endpoint.
///
/// Its pending deliveries are cancelled. Its event history stays.
#[utoipa::path(delete, path = "/api/v1/webhooks/{id}", tag = "webhooks", operation_id = "deleteWebhook",
    params(("id" = String, Path, description = "Id of the endpoint: `whe_…`"),
        ("If-Match" = Option<String>, Header,
            description = "Expected `ETag` of the endpoint, else 412; not checked, if left out")),
    responses((status = 204, description = "The endpoint was removed"), Problem))]
#[delete("/webhooks/{id}")]
pub(crate) async fn delete_webhook(
    caller: Caller<WebhooksWrite>,
    PathId(id): PathId<EndpointId>,
    if_match: IfMatch,
    ip: ClientIp,
    request: RequestContext,
    backend: web::Data<Backend>,
) -> Result<HttpResponse, ApiError> {
    let delete = EndpointCommand::Delete { origin: ip.origin(), now: backend.runtime.clock.now() };
    execute::<EndpointResource>(&backend, &caller, &request, id, Some(&if_match), &delete).await?;
    Ok(HttpResponse::build(StatusCode::NO_CONTENT).finish())
}
