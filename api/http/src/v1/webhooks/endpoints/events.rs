//! An endpoint's history.

use actix_web::{get, web};
use domain::ids::EndpointId;

use super::super::super::history::{self, HistoryEvent};
use super::super::super::paging::HistoryParams;
use crate::auth::Caller;
use crate::auth::permissions::WebhooksRead;
use crate::backend::Backend;
use crate::problem::{ApiError, Problem};
use crate::{Answer, Listed, PathId, Query};

/// List a webhook endpoint's events.
///
/// The endpoint's own event history, oldest first.
#[utoipa::path(get, path = "/api/v1/webhooks/{id}/events", tag = "webhooks", operation_id = "listWebhookEvents",
    params(("id" = String, Path, description = "Id of the endpoint: `whe_…`"),
        HistoryParams),
    responses((status = 200, description = "A page of events", body = Listed<HistoryEvent>), Problem))]
#[get("/webhooks/{id}/events")]
pub(crate) async fn list_webhook_events(
    caller: Caller<WebhooksRead>,
    PathId(id): PathId<EndpointId>,
    query: Query,
    backend: web::Data<Backend>,
) -> Result<Answer, ApiError> {
    history::page(&backend, caller.client, &id.stream(), "webhook", query).await
}
