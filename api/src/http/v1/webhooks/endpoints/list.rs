//! Many endpoints.

use actix_web::{get, web};
use projections::webhooks::EndpointView;

use super::super::super::paging;
use crate::http::auth::Caller;
use crate::http::auth::permissions::WebhooksRead;
use crate::http::{Answer, Listed, Query};
use crate::node::Backend;
use crate::problem::{ApiError, Problem};

/// List webhook endpoints.
#[utoipa::path(get, path = "/api/v1/webhooks", tag = "webhooks", operation_id = "listWebhooks",
    params(
        ("include_total" = Option<bool>, Query, description = "Count all"),
        ("limit" = Option<u32>, Query, description = "1 to 200, 50 by default"),
        ("cursor" = Option<String>, Query, description = "next_cursor of the page before"),
        ("order" = Option<String>, Query, description = "asc or desc")),
    responses((status = 200, description = "A page of endpoints", body = Listed<EndpointView>), Problem))]
#[get("/webhooks")]
pub(crate) async fn list_webhooks(
    caller: Caller<WebhooksRead>,
    mut query: Query,
    backend: web::Data<Backend>,
) -> Result<Answer, ApiError> {
    let with_total = query.flag("include_total");
    let paging = query.paging();
    query.finish()?;
    let request = paging::request(&paging, with_total)?;
    let page = backend.views.endpoints(caller.client, &request).await;
    paging::answer(&page.map_err(ApiError::unavailable)?)
}
