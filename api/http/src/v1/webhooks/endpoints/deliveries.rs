//! Endpoint that lists a webhook endpoint's deliveries.

use actix_web::{get, web};
use domain::ids::{EndpointId, parse_event_type_id};
use domain::webhook::delivery::DeliveryStatus;
use projections::webhooks::{DeliveryFilter, DeliveryView};

use super::super::super::paging::{self, PageParams};
use super::resource::exists;
use crate::auth::Caller;
use crate::auth::permissions::WebhooksRead;
use crate::backend::Backend;
use crate::problem::{ApiError, Problem};
use crate::{Answer, Listed, PathId, Query};

/// List a webhook endpoint's deliveries.
///
/// Newest first unless `order` says otherwise; a delivery must match all filters.
#[utoipa::path(get, path = "/api/v1/webhooks/{id}/deliveries", tag = "webhooks", operation_id = "listWebhookDeliveries",
    params(("id" = String, Path, description = "Id of the endpoint: `whe_…`"),
        ("status" = Option<String>, Query,
            description = "Only this status: pending, succeeded, failed or cancelled; several with commas"),
        ("event" = Option<String>, Query,
            description = "Only deliveries of events of this type: `call.ended`"),
        ("event_id" = Option<String>, Query, description = "Only deliveries of this event: `evt_…`"),
        ("created_after" = Option<String>, Query,
            description = "Only deliveries of events after this time (RFC 3339)"),
        ("created_before" = Option<String>, Query,
            description = "Only deliveries of events before this time (RFC 3339)"),
        PageParams),
    responses((status = 200, description = "A page of deliveries", body = Listed<DeliveryView>), Problem))]
#[get("/webhooks/{id}/deliveries")]
pub(crate) async fn list_webhook_deliveries(
    caller: Caller<WebhooksRead>,
    PathId(id): PathId<EndpointId>,
    mut query: Query,
    backend: web::Data<Backend>,
) -> Result<Answer, ApiError> {
    let filter = DeliveryFilter {
        status: statuses(&mut query),
        event: query.text("event"),
        event_id: query.text("event_id").and_then(|text| match parse_event_type_id(&text) {
            Ok(id) => Some(id),
            Err(_) => {
                query.fault("event_id", "give the id of a public event: evt_…");
                None
            }
        }),
        created_after: query.time("created_after"),
        created_before: query.time("created_before"),
    };
    exists(&backend, caller.client, id).await?;
    paging::list(query, async |request| {
        backend.webhooks.deliveries.deliveries(caller.client, id, &filter, &request).await
    })
    .await
}

fn statuses(query: &mut Query) -> Vec<DeliveryStatus> {
    let Some(text) = query.text("status") else { return Vec::new() };
    let statuses: Result<Vec<DeliveryStatus>, _> = text.split(',').map(|word| word.trim().parse()).collect();
    statuses.unwrap_or_else(|detail| {
        query.fault("status", detail);
        Vec::new()
    })
}
