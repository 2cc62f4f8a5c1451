//! Endpoint that lists webhook endpoints.

use actix_web::{get, web};
use domain::ids::AgentId;
use projections::webhooks::EndpointView;

use super::super::super::paging::{self, CreatedParams, Filter, PageParams};
use crate::auth::Caller;
use crate::auth::permissions::WebhooksRead;
use crate::backend::Backend;
use crate::problem::{ApiError, Problem};
use crate::{Answer, Listed, Query};

/// List the client's webhook endpoints.
///
/// Newest first unless `order` says otherwise. Their secrets are not shown.
#[utoipa::path(get, path = "/api/v1/webhooks", tag = "webhooks", operation_id = "listWebhooks",
    params(("enabled" = Option<bool>, Query,
            description = "`true`: only enabled ones; `false`: only disabled ones"),
        ("agent_id" = Option<String>, Query, description = "Only endpoints for this agent: `agt_…`"),
        CreatedParams, PageParams),
    responses((status = 200, description = "A page of endpoints", body = Listed<EndpointView>), Problem))]
#[get("/webhooks")]
pub(crate) async fn list_webhooks(
    caller: Caller<WebhooksRead>,
    query: Query,
    backend: web::Data<Backend>,
) -> Result<Answer, ApiError> {
    let request = paging::filtered(query, [Filter::flag("enabled"), Filter::id::<AgentId>("agent_id")])?;
    let page = backend.views.endpoints(caller.client, &request).await;
    paging::answer(&page.map_err(ApiError::unavailable)?)
}
