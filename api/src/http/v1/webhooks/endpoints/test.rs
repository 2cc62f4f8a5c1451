//! Trying an endpoint out.

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
use crate::http::auth::Caller;
use crate::http::auth::permissions::WebhooksWrite;
use crate::http::context::leave;
use crate::http::{Answer, EdgeId, Enveloped, NewIds, PathId, RequestContext};
use crate::node::Backend;
use crate::problem::{ApiError, Problem};

/// How a test went.
#[derive(Serialize, ToSchema)]
#[schema(as = WebhookTest)]
pub(crate) struct TestResult {
    /// Whether the endpoint took it.
    success: bool,
    /// What it answered.
    #[schema(required)]
    status_code: Option<u16>,
    /// Until its answer was there, or none was to come.
    latency_ms: u64,
    /// What went wrong: `dns`, `connect`, `tls`, `timeout`, `status`, `blocked`, `protocol` or `secret` (it does not open).
    #[schema(value_type = Option<words::WebhookError>, required)]
    error: Option<&'static str>,
    /// The same in words.
    #[schema(required)]
    error_detail: Option<String>,
    /// The delivery, to read the answer in full.
    #[schema(value_type = String)]
    delivery_id: EdgeId<DeliveryId>,
}

/// What a test sends as its resource.
#[derive(Serialize)]
struct Ping {
    message: &'static str,
}

/// Test a webhook endpoint.
///
/// Sends one `webhook.test` event at once, signed as any other, and answers how it went. It is not tried again, and says
/// nothing about whether the endpoint is failing. Also a disabled endpoint can be tested.
#[utoipa::path(post, path = "/api/v1/webhooks/{id}/test", tag = "webhooks", operation_id = "testWebhook",
    params(("id" = String, Path, description = "The endpoint")),
    responses((status = 200, description = "How it went", body = Enveloped<TestResult>), Problem))]
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
    let courier = &backend.webhooks.courier;
    leave();
    // the endpoint hears of it, whether or not the log will
    request.appends().begin();
    let attempt = courier.send(&target, event, body.clone()).await.map_err(ApiError::unavailable)?;
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
    let recorded = courier.record(&item, Cause::Test, attempt, Some(&body), Some(context)).await;
    let position = recorded.map_err(problem)?;
    backend.webhooks.caught_up(position, backend.read_your_writes).await;
    Ok(Answer::data(&result).position(position))
}

/// The endpoint as it is now.
async fn target(backend: &Backend, client: ClientId, id: EndpointId) -> Result<Target, ApiError> {
    let mut session = Session::<Endpoint>::new(backend.runtime.clone(), id.stream());
    session.refresh().await.map_err(problem)?;
    if session.client() != Some(client) || session.state().terms().is_none() {
        return Err(ApiError::not_found("webhook"));
    }
    let (endpoint, version) = (session.state().clone(), session.version());
    Ok(Target { id, client, endpoint, version, failing_since: None })
}
