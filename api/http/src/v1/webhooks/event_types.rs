//! Endpoint that lists the event types a webhook endpoint can receive.

use std::sync::LazyLock;

use actix_web::get;
use projections::webhooks::EventType;

use crate::auth::Caller;
use crate::auth::permissions::WebhooksRead;
use crate::problem::{ApiError, Problem};
use crate::{Answer, Enveloped};

static TYPES: LazyLock<Vec<EventType>> = LazyLock::new(projections::webhooks::event_types);

/// List webhook event types.
///
/// Each type with the JSON Schema of its payload, and an example.
#[utoipa::path(get, path = "/api/v1/webhooks/event-types", tag = "webhooks", operation_id = "listWebhookEventTypes",
    responses((status = 200, description = "All types of events",
        body = Enveloped<Vec<EventType>>), Problem))]
#[get("/webhooks/event-types")]
pub(crate) async fn list_event_types(_: Caller<WebhooksRead>) -> Result<Answer, ApiError> {
    Ok(Answer::data(&*TYPES))
}
