//! Endpoint that lists the attempts to deliver to a webhook endpoint.

use actix_web::{get, web};
use domain::ids::EndpointId;
use projections::webhooks::{AttemptFilter, AttemptView};

use super::super::super::paging::{self, PageParams};
use super::resource::exists;
use crate::auth::Caller;
use crate::auth::permissions::WebhooksRead;
use crate::backend::Backend;
use crate::problem::{ApiError, Problem};
use crate::{Answer, Listed, PathId, Query};

/// List the attempts to deliver to a webhook endpoint.
///
/// Newest first unless `order` says otherwise; an attempt must match all filters.
#[utoipa::path(get, path = "/api/v1/webhooks/{id}/logs", tag = "webhooks", operation_id = "listWebhookLogs",
    params(("id" = String, Path, description = "Id of the endpoint: `whe_…`"),
        ("success" = Option<bool>, Query,
            description = "`true`: only successful attempts; `false`: only failed ones"),
        ("event" = Option<String>, Query,
            description = "Only attempts with events of this type: `call.ended`"),
        ("created_after" = Option<String>, Query,
            description = "Only attempts that began after this time (RFC 3339)"),
        ("created_before" = Option<String>, Query,
            description = "Only attempts that began before this time (RFC 3339)"),
        PageParams),
    responses((status = 200, description = "A page of attempts", body = Listed<AttemptView>), Problem))]
#[get("/webhooks/{id}/logs")]
pub(crate) async fn list_webhook_logs(
    caller: Caller<WebhooksRead>,
    PathId(id): PathId<EndpointId>,
    mut query: Query,
    backend: web::Data<Backend>,
) -> Result<Answer, ApiError> {
    let filter = AttemptFilter {
        succeeded: query.take("success"),
        event: query.text("event"),
        created_after: query.time("created_after"),
        created_before: query.time("created_before"),
    };
    exists(&backend, caller.client, id).await?;
    paging::list(query, async |request| {
        backend.webhooks.deliveries.attempts(caller.client, id, &filter, &request).await
    })
    .await
}
