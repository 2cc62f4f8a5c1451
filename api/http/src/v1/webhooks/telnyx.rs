//! Endpoints that receive webhooks from Telnyx.

use std::sync::Arc;
use std::time::Duration;

use actix_web::{HttpRequest, HttpResponse, post, web};
use actors::carrier::Unattached;
use adapters::telephony::national::Country;
use adapters::telephony::telnyx::{
    BadWebhook, Ingress, PROVIDER, SIGNATURE_HEADER, SignatureError, SignedParts, TIMESTAMP_HEADER,
    WebhookVerifier, parse,
};

use domain::ids::ClientId;
use domain::json::{MAX_NESTING, nesting};

use super::super::commands::problem;
use super::ingress::measured;
use crate::backend::Backend;
use crate::problem::{ApiError, Code, Problem};
use crate::{RawBody, RequestContext};

/// Receive a webhook from Telnyx.
///
/// Answers 200 once the event is durable, or is known already; otherwise Telnyx sends it again.
#[utoipa::path(post, path = "/api/v1/webhooks/telnyx", tag = "carriers", operation_id = "takeTelnyxWebhook",
    security(()), request_body(content = Object, description = "Event of the Telnyx API v2, byte for byte as signed"),
    params(("telnyx-signature-ed25519" = String, Header, description = "Ed25519 signature, in base64"),
        ("telnyx-timestamp" = String, Header, description = "When Telnyx signed it, in Unix seconds")),
    responses((status = 200, description = "The event is stored; a repeated one was already"), Problem))]
#[post("/webhooks/telnyx")]
pub(crate) async fn take_telnyx_webhook(
    http: HttpRequest,
    RawBody(body): RawBody,
    request: RequestContext,
    backend: web::Data<Backend>,
) -> Result<HttpResponse, ApiError> {
    measured(PROVIDER, DEADLINE, take(None, &http, &body, &request, &backend)).await
}

/// Receive a webhook from a client's own Telnyx account.
///
/// Give this address to the account's Call Control application. The account's setting `public_key` verifies the
/// signature, and the events affect only that client's calls.
#[utoipa::path(post, path = "/api/v1/webhooks/telnyx/{client_id}", tag = "carriers",
    operation_id = "takeClientsTelnyxWebhook",
    security(()), request_body(content = Object, description = "Event of the Telnyx API v2, byte for byte as signed"),
    params(("client_id" = String, Path,
            description = "Id of the client that owns the Telnyx account: `cli_…`"),
        ("telnyx-signature-ed25519" = String, Header, description = "Ed25519 signature, in base64"),
        ("telnyx-timestamp" = String, Header, description = "When Telnyx signed it, in Unix seconds")),
    responses((status = 200, description = "The event is stored; a repeated one was already"), Problem))]
#[post("/webhooks/telnyx/{client_id}")]
pub(crate) async fn take_clients_telnyx_webhook(
    http: HttpRequest,
    client: web::Path<String>,
    RawBody(body): RawBody,
    request: RequestContext,
    backend: web::Data<Backend>,
) -> Result<HttpResponse, ApiError> {
    let client = client.parse().map_err(|_| ApiError::not_found("client"))?;
    measured(PROVIDER, DEADLINE, take(Some(client), &http, &body, &request, &backend)).await
}

/// Longest time until the carrier gets an answer, whatever the state of the stores: below the two seconds after
/// which Telnyx tries elsewhere.
const DEADLINE: Duration = Duration::from_millis(1_200);

/// Takes a webhook of the node's own account, or of a client's. Returns whether it was new.
async fn take(
    account: Option<ClientId>,
    http: &HttpRequest,
    body: &[u8],
    request: &RequestContext,
    backend: &Backend,
) -> Result<bool, ApiError> {
    let now = backend.runtime.clock.now();
    let (verifier, country) = verifier(account, backend).await?;
    let header = |name: &str| http.headers().get(name).map(|value| value.as_bytes());
    let parts =
        SignedParts { signature: header(SIGNATURE_HEADER), timestamp: header(TIMESTAMP_HEADER), body };
    let ahead = parts.ahead_by(now);
    let verified = verifier.verify(&parts, now);
    // anybody can send an old signature again; its timestamp still shows a clock that is wrong
    if let (Some(ahead), Ok(()) | Err(SignatureError::Stale(_) | SignatureError::Future(_))) =
        (ahead, &verified)
    {
        metrics::gauge!(domain::metrics::CARRIER_CLOCK_AHEAD_SECONDS, "provider" => PROVIDER)
            .set(ahead as f64);
    }
    verified.map_err(unsigned)?;
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    if nesting(body) > MAX_NESTING {
        return Err(ApiError::too_deep());
    }
    match parse(body, now, country).map_err(unreadable)? {
        Ingress::Report(report) => {
            let request_id = Some(request.request_id().to_string());
            let receipt = backend
                .inbox
                .take(*report, account, request_id, request.sent_traceparent())
                .await
                .map_err(problem)?;
            Ok(receipt.position.is_some())
        }
        Ingress::NoLeg { event_id, event_type, occurred_at, raw } => {
            let provider = PROVIDER.to_owned();
            let webhook = Unattached { provider, event_id, event_type, occurred_at, raw };
            backend.inbox.keep(webhook, account).await.map_err(problem)
        }
    }
}

async fn verifier(
    account: Option<ClientId>,
    backend: &Backend,
) -> Result<(Arc<WebhookVerifier>, Option<Country>), ApiError> {
    let Some(client) = account else {
        let advice = "set VOXLEDGER_TELNYX_PUBLIC_KEY to take Telnyx webhooks";
        let verifier =
            backend.telnyx.clone().ok_or_else(|| ApiError::new(Code::CarrierNotConfigured, advice))?;
        return Ok((verifier, backend.carriers.own_country()));
    };
    let found = backend.carriers.verifier(client).await.map_err(ApiError::unavailable)?;
    let (verifier, country) =
        found.ok_or_else(|| ApiError::not_found("telephony account with a public_key"))?;
    Ok((Arc::new(verifier), country))
}

fn unsigned(error: SignatureError) -> ApiError {
    match error {
        SignatureError::MissingHeader(_) => ApiError::signature_missing(),
        SignatureError::Stale(_) | SignatureError::Future(_) => ApiError::signature_stale(),
        SignatureError::BadTimestamp
        | SignatureError::MalformedSignature
        | SignatureError::WrongSignature => ApiError::signature_invalid(),
    }
    .because(error)
}

fn unreadable(error: BadWebhook) -> ApiError {
    match &error {
        BadWebhook::NotJson { line, column } => {
            ApiError::malformed_json(&format!("line {line}, column {column}"))
        }
        BadWebhook::Version1 | BadWebhook::Missing(_) => ApiError::malformed_request(error.to_string()),
    }
}
