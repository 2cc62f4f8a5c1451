//! Endpoint that reads one delivery, as it is now or as it was.

use actix_web::{get, web};
use domain::envelope::Version;
use domain::ids::DeliveryId;
use domain::webhook::delivery::DeliveryRefusal;
use projections::webhooks::DeliveryView;

use super::super::super::commands::AsProblem as _;
use super::super::super::folded::only_moment;
use super::super::super::resource::marked;
use super::history::Sources;
use crate::auth::Caller;
use crate::auth::permissions::WebhooksRead;
use crate::backend::Backend;
use crate::problem::{ApiError, Problem};
use crate::{Answer, Enveloped, PathId, Query};

/// Get a webhook delivery.
///
/// With its attempts and the payload it sends. With `at` or `version`, answers with the delivery as it was then;
/// its version counts its own events, and is 0 before the first attempt.
#[utoipa::path(get, path = "/api/v1/webhooks/deliveries/{id}", tag = "webhooks", operation_id = "getWebhookDelivery",
    params(("id" = String, Path, description = "Id of the delivery: `whd_…`"),
        ("at" = Option<String>, Query, description = "Show the state at this time (RFC 3339); default: now"),
        ("version" = Option<u64>, Query, minimum = 0,
            description = "Show the state at this version; default: current")),
    responses((status = 200, description = "The delivery", body = Enveloped<DeliveryView>), Problem))]
#[get("/webhooks/deliveries/{id}")]
pub(crate) async fn get_webhook_delivery(
    caller: Caller<WebhooksRead>,
    PathId(id): PathId<DeliveryId>,
    query: Query,
    backend: web::Data<Backend>,
) -> Result<Answer, ApiError> {
    let moment = only_moment(query)?;
    let found = backend.webhooks.deliveries.delivery(caller.client, id).await;
    let found = found.map_err(ApiError::unavailable)?;
    if let Some(moment) = moment {
        let view = Sources::read(&backend, caller.client, id).await?.at(moment, found.as_ref())?;
        let version = Version(view.version);
        return Ok(Answer::data(&view).etag(version));
    }
    found.map(marked).ok_or_else(|| ApiError::not_found(DeliveryRefusal::KIND))
}
