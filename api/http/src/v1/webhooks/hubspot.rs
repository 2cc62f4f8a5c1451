//! Endpoints that receive webhooks from HubSpot.

use std::collections::BTreeMap;
use std::time::Duration;

use actix_web::{HttpRequest, HttpResponse, post, web};
use actors::carrier::Unattached;
use actors::{CommandContext, Session};
use adapters::hubspot::{
    About, BadBatch, HubspotEvent, SIGNATURE_HEADER, SignatureError, SignedParts, TIMESTAMP_HEADER, parse,
    verify,
};
use domain::envelope::Actor;
use domain::hubspot::{ContactChange, HubspotCommand, HubspotContact, HubspotRefusal, Mapping};
use domain::ids::{ClientId, HubspotContactId, PrivacyJobId, derive};
use domain::json::{MAX_NESTING, nesting};
use domain::origin::Origin;
use domain::provider::{ProviderAccount, ProviderKind, account_stream};
use futures::{StreamExt as _, TryStreamExt as _};

use super::super::commands::{AsProblem, problem};
use super::super::customers::hubspot::{Account, apply};
use super::ingress::measured;
use crate::backend::{Backend, DEFAULT_CLIENT, hubspot_settings, secret_place};
use crate::problem::{ApiError, Problem};
use crate::{RawBody, RequestContext};

const PROVIDER: &str = hubspot_settings::PROVIDER;
/// Longest time until HubSpot gets an answer: it gives up after five seconds.
const DEADLINE: Duration = Duration::from_millis(4_000);
/// Contacts of a webhook that are worked on at once.
const AT_ONCE: usize = 8;

/// Receive a webhook from HubSpot.
///
/// For the client that runs this node. Answers 200 once all events are durable and the customers are as they say, or
/// they are known already; otherwise HubSpot sends the whole batch again.
#[utoipa::path(post, path = "/api/v1/webhooks/hubspot", tag = "carriers", operation_id = "takeHubspotWebhook",
    security(()), request_body(content = Object, description = "Events as HubSpot sends them, byte for byte as signed"),
    params(("x-hubspot-signature-v3" = String, Header, description = "HMAC-SHA256 signature, in base64"),
        ("x-hubspot-request-timestamp" = String, Header, description = "When HubSpot signed it, in Unix milliseconds")),
    responses((status = 200, description = "The events are taken; repeated ones were already"), Problem))]
#[post("/webhooks/hubspot")]
pub(crate) async fn take_hubspot_webhook(
    http: HttpRequest,
    RawBody(body): RawBody,
    request: RequestContext,
    backend: web::Data<Backend>,
) -> Result<HttpResponse, ApiError> {
    measured(PROVIDER, DEADLINE, take(None, &http, &body, &request, &backend)).await
}

/// Receive a webhook from a client's own HubSpot app.
///
/// Give this address to the app as its target URL. The client secret of the account of kind `crm` verifies the
/// signature, and the events affect only that client's customers.
#[utoipa::path(post, path = "/api/v1/webhooks/hubspot/{client_id}", tag = "carriers",
    operation_id = "takeClientsHubspotWebhook",
    security(()), request_body(content = Object, description = "Events as HubSpot sends them, byte for byte as signed"),
    params(("client_id" = String, Path, description = "Id of the client whose customers they are: `cli_…`"),
        ("x-hubspot-signature-v3" = String, Header, description = "HMAC-SHA256 signature, in base64"),
        ("x-hubspot-request-timestamp" = String, Header, description = "When HubSpot signed it, in Unix milliseconds")),
    responses((status = 200, description = "The events are taken; repeated ones were already"), Problem))]
#[post("/webhooks/hubspot/{client_id}")]
pub(crate) async fn take_clients_hubspot_webhook(
    http: HttpRequest,
    client: web::Path<String>,
    RawBody(body): RawBody,
    request: RequestContext,
    backend: web::Data<Backend>,
) -> Result<HttpResponse, ApiError> {
    let client = client.parse().map_err(|_| ApiError::not_found("client"))?;
    measured(PROVIDER, DEADLINE, take(Some(client), &http, &body, &request, &backend)).await
}

fn counted(outcome: &'static str) {
    metrics::counter!(domain::metrics::HUBSPOT_EVENTS, "outcome" => outcome).increment(1);
}

/// Takes a batch. Returns whether any of it was new.
async fn take(
    own: Option<ClientId>,
    http: &HttpRequest,
    body: &[u8],
    request: &RequestContext,
    backend: &Backend,
) -> Result<bool, ApiError> {
    let client = own.unwrap_or(DEFAULT_CLIENT);
    let found = account(client, backend).await?;
    let (account, secrets) = found.ok_or_else(|| ApiError::not_found("HubSpot account"))?;
    let header = |name: &str| http.headers().get(name).map(|value| value.as_bytes());
    let uri = format!("{}{}", request.public_url().trim_end_matches('/'), http.uri());
    let parts = SignedParts {
        signature: header(SIGNATURE_HEADER),
        timestamp: header(TIMESTAMP_HEADER),
        uri: &uri,
        body,
    };
    let secrets: Vec<&str> = secrets.split(',').map(str::trim).collect();
    verify(&parts, &secrets, backend.runtime.clock.now()).map_err(unsigned)?;
    if nesting(body) > MAX_NESTING {
        return Err(ApiError::too_deep());
    }
    let job =
        |portal, object| PrivacyJobId(derive(HubspotContactId::of(client, portal, object).0, "erasure"));
    let events = parse(body, |property| account.mapping.wants(property), job).map_err(unreadable)?;
    let mut contacts: BTreeMap<(u64, u64), Vec<ContactChange>> = BTreeMap::new();
    let mut new = false;
    for event in events {
        if account.portal.is_some_and(|portal| portal != event.portal) {
            counted("foreign");
            continue;
        }
        match event.about {
            About::Contacts(changes) => {
                if changes.is_empty() {
                    counted("unused");
                }
                for (object, change) in changes {
                    contacts.entry((event.portal, object)).or_default().push(change);
                }
            }
            About::Unknown => {
                counted("unknown");
                new |= keep(backend, client, event).await?;
            }
        }
    }
    let context = context(backend, client, request);
    // first all is recorded, so that a merge finds what the same batch says of the others
    let record = |((portal, object), changes): ((u64, u64), Vec<ContactChange>)| {
        let context = &context;
        async move {
            let (id, many) = (HubspotContactId::of(context.client, portal, object), changes.len());
            let mut contact = Session::<HubspotContact>::new(backend.runtime.clone(), id.stream());
            let receipt = contact.execute(&HubspotCommand::Record(changes), context, None).await;
            let recorded = receipt.map_err(problem)?.position.is_some();
            (0..many).for_each(|_| counted(if recorded { "recorded" } else { "repeated" }));
            Ok::<_, ApiError>((portal, object, recorded))
        }
    };
    let recorded: Vec<_> =
        futures::stream::iter(contacts).map(record).buffer_unordered(AT_ONCE).try_collect().await?;
    let apply_it = |(portal, object, recorded): (u64, u64, bool)| {
        let (account, context) = (&account, &context);
        async move { apply(backend, account, context, portal, object).await.map(|()| recorded) }
    };
    let applied: Vec<bool> =
        futures::stream::iter(recorded).map(apply_it).buffer_unordered(AT_ONCE).try_collect().await?;
    Ok(new || applied.contains(&true))
}

/// The client's account with HubSpot, and its client secrets with commas between them; `None` without an account.
async fn account(client: ClientId, backend: &Backend) -> Result<Option<(Account, String)>, ApiError> {
    let stream = account_stream(client, ProviderKind::Crm);
    let mut session = Session::<ProviderAccount>::new(backend.runtime.clone(), stream);
    session.refresh().await.map_err(problem)?;
    let Some((terms, sealed)) = session.state().current() else { return Ok(None) };
    let mapping = Mapping::of(&terms.settings).unwrap_or_default();
    let portal = terms.settings.get(hubspot_settings::PORTAL_ID).and_then(|id| id.parse().ok());
    let place = secret_place(client, ProviderKind::Crm);
    let secret = backend.vault.open(client, &place, sealed).await.map_err(ApiError::unavailable)?;
    let secret = String::from_utf8(secret).map_err(ApiError::internal)?;
    Ok(Some((Account { mapping, portal }, secret)))
}

fn context(backend: &Backend, client: ClientId, request: &RequestContext) -> CommandContext {
    CommandContext {
        client,
        correlation_id: backend.runtime.ids.next(),
        causation_id: None,
        actor: Actor::System(PROVIDER.to_owned()),
        request_id: Some(request.request_id().to_string()),
        traceparent: request.traceparent(),
        command_id: None,
        origin: Origin::default(),
        appends: request.appends(),
    }
}

/// Keeps an event of a type that means nothing to this version; answers whether it is new.
async fn keep(backend: &Backend, client: ClientId, event: HubspotEvent) -> Result<bool, ApiError> {
    let webhook = Unattached {
        provider: PROVIDER.to_owned(),
        event_id: format!("{client} {}", event.key),
        event_type: event.event_type,
        occurred_at: event.occurred_at,
        raw: event.raw,
    };
    backend.inbox.keep(webhook, Some(client)).await.map_err(problem)
}

impl AsProblem for HubspotRefusal {
    const KIND: &'static str = "contact";

    fn as_problem(&self) -> ApiError {
        match *self {}
    }
}

fn unsigned(error: SignatureError) -> ApiError {
    match error {
        SignatureError::MissingHeader(_) => ApiError::signature_missing(),
        SignatureError::Stale(_) => ApiError::signature_stale(),
        SignatureError::BadTimestamp | SignatureError::WrongSignature => ApiError::signature_invalid(),
    }
    .because(error)
}

fn unreadable(error: BadBatch) -> ApiError {
    match error {
        BadBatch::NotEvents { line, column } => {
            ApiError::malformed_json(&format!("line {line}, column {column}"))
        }
        BadBatch::TooMany => ApiError::malformed_request(error.to_string()),
    }
}
