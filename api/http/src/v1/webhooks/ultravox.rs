//! Endpoints that receive webhooks from Ultravox.

use std::time::Duration;

use actix_web::{HttpRequest, HttpResponse, post, web};
use actors::carrier::Unattached;
use adapters::ultravox::{
    PROVIDER, SIGNATURE_HEADER, SignatureError, SignedParts, TIMESTAMP_HEADER, UltravoxEvent, parse, verify,
};
use domain::ids::ClientId;
use domain::json::{MAX_NESTING, nesting};

use super::super::commands::problem;
use super::ingress::measured;
use crate::backend::Backend;
use crate::problem::{ApiError, Code, Problem};
use crate::{RawBody, RequestContext};

/// Longest time until Ultravox gets an answer; how long it waits is not documented.
const DEADLINE: Duration = Duration::from_secs(4);

/// Receive a webhook from Ultravox.
///
/// Answers 200 once the event is durable, or is known already; otherwise Ultravox sends it again.
#[utoipa::path(post, path = "/api/v1/webhooks/ultravox", tag = "carriers", operation_id = "takeUltravoxWebhook",
    security(()), request_body(content = Object, description = "Event with its call object, byte for byte as signed"),
    params(("x-ultravox-webhook-signature" = String, Header,
            description = "HMAC-SHA256 signatures in hexadecimal, separated by commas"),
        ("x-ultravox-webhook-timestamp" = String, Header, description = "When Ultravox signed it, in ISO 8601")),
    responses((status = 200, description = "The event is stored; a repeated one was already"), Problem))]
#[post("/webhooks/ultravox")]
pub(crate) async fn take_ultravox_webhook(
    http: HttpRequest,
    RawBody(body): RawBody,
    request: RequestContext,
    backend: web::Data<Backend>,
) -> Result<HttpResponse, ApiError> {
    measured(PROVIDER, DEADLINE, take(None, &http, &body, &request, &backend)).await
}

/// Receive a webhook from a client's own Ultravox account.
///
/// Calls that this node places tell of themselves here. To hear of all others, give this address to a webhook of the
/// account, and its secret to the account of kind `runtime`. The events affect only that client's calls.
#[utoipa::path(post, path = "/api/v1/webhooks/ultravox/{client_id}", tag = "carriers",
    operation_id = "takeClientsUltravoxWebhook",
    security(()), request_body(content = Object, description = "Event with its call object, byte for byte as signed"),
    params(("client_id" = String, Path,
            description = "Id of the client that owns the Ultravox account: `cli_…`"),
        ("x-ultravox-webhook-signature" = String, Header,
            description = "HMAC-SHA256 signatures in hexadecimal, separated by commas"),
        ("x-ultravox-webhook-timestamp" = String, Header, description = "When Ultravox signed it, in ISO 8601")),
    responses((status = 200, description = "The event is stored; a repeated one was already"), Problem))]
#[post("/webhooks/ultravox/{client_id}")]
pub(crate) async fn take_clients_ultravox_webhook(
    http: HttpRequest,
    client: web::Path<String>,
    RawBody(body): RawBody,
    request: RequestContext,
    backend: web::Data<Backend>,
) -> Result<HttpResponse, ApiError> {
    let client = client.parse().map_err(|_| ApiError::not_found("client"))?;
    measured(PROVIDER, DEADLINE, take(Some(client), &http, &body, &request, &backend)).await
}

/// Takes a webhook of the node's own account, or of a client's. Returns whether it was new.
async fn take(
    account: Option<ClientId>,
    http: &HttpRequest,
    body: &[u8],
    request: &RequestContext,
    backend: &Backend,
) -> Result<bool, ApiError> {
    let now = backend.runtime.clock.now();
    let secrets = backend.ultravox.webhook_secrets(account).await.map_err(ApiError::unavailable)?;
    let secrets = secrets.ok_or_else(|| match account {
        Some(_) => ApiError::not_found("account with a voice runtime"),
        None => ApiError::new(
            Code::CarrierNotConfigured,
            "set VOXLEDGER_ULTRAVOX_API_KEY and VOXLEDGER_ULTRAVOX_WEBHOOK_SECRET to take Ultravox's webhooks",
        ),
    })?;
    let header = |name: &str| http.headers().get(name).map(|value| value.as_bytes());
    let parts =
        SignedParts { signature: header(SIGNATURE_HEADER), timestamp: header(TIMESTAMP_HEADER), body };
    verify(&parts, &secrets, now).map_err(unsigned)?;
    if nesting(body) > MAX_NESTING {
        return Err(ApiError::too_deep());
    }
    let event = parse(body, now);
    match event.map_err(|at| ApiError::malformed_json(&format!("line {}, column {}", at.line, at.column)))? {
        UltravoxEvent::Report(report) => {
            let request_id = Some(request.request_id().to_string());
            let taken = backend.inbox.take(*report, account, request_id, request.sent_traceparent()).await;
            Ok(taken.map_err(problem)?.position.is_some())
        }
        UltravoxEvent::Unread { event_id, event_type, raw } => {
            // the same bytes may come from two accounts
            let event_id = account.map_or_else(|| event_id.clone(), |client| format!("{client} {event_id}"));
            let (provider, occurred_at) = (PROVIDER.to_owned(), now);
            let webhook = Unattached { provider, event_id, event_type, occurred_at, raw };
            backend.inbox.keep(webhook, account).await.map_err(problem)
        }
    }
}

fn unsigned(error: SignatureError) -> ApiError {
    match error {
        SignatureError::Missing(_) => ApiError::signature_missing(),
        SignatureError::Stale(_) => ApiError::signature_stale(),
        SignatureError::BadTimestamp | SignatureError::Wrong => ApiError::signature_invalid(),
    }
    .because(error)
}
