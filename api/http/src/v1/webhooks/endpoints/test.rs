//! Endpoint that sends a test event to a webhook endpoint.

use actix_web::{post, web};
use actors::Session;
use actors::webhooks::Target;
use bytes::Bytes;
use domain::envelope::{Position, Version};
use domain::ids::{ClientId, DeliveryId, EndpointId, event_type_id};
use domain::ports::deliveries::DueDelivery;
use domain::ports::ids::Ids as _;
use domain::webhook::delivery::{Cause, DeliveryOf};
use domain::webhook::endpoint::Endpoint;
use domain::webhook::public::TEST_TYPE;
use projections::webhooks::{PublicBody, Subject};
use projections::words;
use serde::Serialize;
use utoipa::ToSchema;

use super::super::super::commands::{context, problem};
use crate::auth::Caller;
use crate::auth::permissions::WebhooksWrite;
use crate::backend::Backend;
use crate::context::leave;
use crate::problem::{ApiError, Problem};
use crate::{Answer, EdgeId, Enveloped, NewIds, PathId, RequestContext};

/// Result of a test delivery.
#[derive(Serialize, ToSchema)]
#[schema(as = WebhookTest)]
pub(crate) struct TestResult {
    /// Whether the endpoint accepted the event.
    success: bool,
    /// HTTP status of its answer; `null` when none came.
    #[schema(required)]
    status_code: Option<u16>,
    /// Milliseconds until its answer or the failure.
    latency_ms: u64,
    /// Kind of failure: `dns`, `connect`, `tls`, `timeout`, `status`, `blocked`, `protocol` or `secret` (it cannot
    /// be decrypted); `null` on success.
    #[schema(value_type = Option<words::WebhookError>, required)]
    error: Option<&'static str>,
    /// Description of the failure for people; `null` on success.
    #[schema(required)]
    error_detail: Option<String>,
    /// Id of the delivery, to read the answer in full.
    #[schema(value_type = String)]
    delivery_id: EdgeId<DeliveryId>,
}

#[derive(Serialize)]
struct Ping {
    message: &'static str,
}

/// Test a webhook endpoint.
///
/// Sends one `webhook.test` event at once, signed like any other, and answers with the result. A failed test is not
/// retried, and does not count towards the endpoint's failures. A disabled endpoint can be tested, too.
#[utoipa::path(post, path = "/api/v1/webhooks/{id}/test", tag = "webhooks", operation_id = "testWebhook",
    params(("id" = String, Path, description = "Id of the endpoint: `whe_…`")),
    responses((status = 200, description = "Result of the test", body = Enveloped<TestResult>), Problem))]
#[post("/webhooks/{id}/test")]
pub(crate) async fn test_webhook(
    caller: Caller<WebhooksWrite>,
    PathId(id): PathId<EndpointId>,
    request: RequestContext,
    ids: NewIds,
    backend: web::Data<Backend>,
) -> Result<Answer, ApiError> {
    let event = ids.next();
    let target = target(&backend, caller.client, id).await?;
    let now = backend.runtime.clock.now();
    let body = PublicBody {
        id: event_type_id(event),
        event_type: TEST_TYPE.to_owned(),
        timestamp: now,
        client_id: caller.client.to_string(),
        sequence: target.version.0,
        subject: Subject { kind: "webhook".to_owned(), id: id.to_string() },
        data: Ping { message: "this is a test" },
    };
    let body = Bytes::from(serde_json::to_vec(&body).map_err(ApiError::internal)?);
    let delivery_sender = &backend.webhooks.delivery_sender;
    leave();
    // the endpoint receives the event even if the log then fails
    request.appends().begin();
    let attempt = delivery_sender.send(&target, event, body.clone()).await.map_err(ApiError::unavailable)?;
    let of = DeliveryOf {
        endpoint: id,
        event,
        event_type: TEST_TYPE.to_owned(),
        source: Position::START,
        subject: id.0,
    };
    let delivery = DeliveryId::of(id, event);
    let (client, version) = (caller.client, Version::NONE);
    let item = DueDelivery { id: delivery, client, of, due: now, before: 0, version };
    let result = TestResult {
        success: attempt.succeeded(),
        status_code: attempt.status,
        latency_ms: attempt.latency_ms,
        error: attempt.error.map(|error| error.as_str()),
        error_detail: attempt.detail.clone(),
        delivery_id: EdgeId(delivery),
    };
    let context = context(&caller, &request, id.0);
    let recorded = delivery_sender.record(&item, Cause::Test, attempt, Some(&body), Some(context)).await;
    let position = recorded.map_err(problem)?;
    backend.webhooks.caught_up(position, backend.read_your_writes).await;
    Ok(Answer::data(&result).position(position))
}

/// The endpoint as the log has it now.
async fn target(backend: &Backend, client: ClientId, id: EndpointId) -> Result<Target, ApiError> {
    let mut session = Session::<Endpoint>::new(backend.runtime.clone(), id.stream());
    session.refresh().await.map_err(problem)?;
    if session.client() != Some(client) || session.state().terms().is_none() {
        return Err(ApiError::not_found("webhook"));
    }
    let (endpoint, version) = (session.state().clone(), session.version());
    Ok(Target { id, client, endpoint, version, failing_since: None })
}
