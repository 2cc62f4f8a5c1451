//! Endpoint that creates a webhook endpoint.

use std::collections::BTreeMap;

use actix_web::{post, web};
use domain::ids::{AgentId, EndpointId};
use domain::ports::ids::Ids as _;
use domain::webhook::endpoint::{EndpointCommand, EndpointCreated, EndpointTerms};
use projections::words;
use serde::Deserialize;
use utoipa::ToSchema;

use super::super::super::resource::{execute, row};
use super::super::super::signing::{custom_headers, seal, secret};
use super::body::{OrderingBody, url};
use super::resource::{EndpointResource, EndpointWithSecret};
use crate::Secret;
use crate::auth::Caller;
use crate::auth::permissions::WebhooksWrite;
use crate::backend::Backend;
use crate::client_ip::ClientIp;
use crate::problem::{ApiError, Fields, Problem};
use crate::{Answer, EdgeId, Enveloped, JsonBody, NewIds, RequestContext};

/// A webhook endpoint to create.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewWebhook)]
pub(crate) struct NewEndpoint {
    /// URL to deliver to: `https`, without user and password, at a public address.
    #[schema(example = "https://example.com/hooks", max_length = 2048, format = "uri")]
    url: String,
    /// Event types to deliver, 1 to 50: names, `call.*` for all of a family, `*` for all.
    #[schema(value_type = Vec<words::WebhookEventFilter>, example = json!(["call.*"]), min_items = 1, max_items = 50)]
    events: Vec<String>,
    /// Id of an agent: only events about this agent are delivered; about any, if left out.
    #[schema(value_type = Option<String>)]
    agent_id: Option<EdgeId<AgentId>>,
    /// Description for people: at most 500 characters.
    #[schema(max_length = 500)]
    description: Option<String>,
    /// Whether events are delivered; `true`, if left out.
    enabled: Option<bool>,
    /// Your own headers: at most 20, stored encrypted. Not the node's own, such as
    /// `webhook-…`, `content-type` or `host`.
    headers: Option<BTreeMap<String, String>>,
    /// Order of deliveries; `parallel`, if left out.
    #[schema(value_type = Option<words::WebhookOrdering>)]
    ordering: Option<OrderingBody>,
    /// Most attempts per second: 1 to 10000; no limit, if left out.
    #[schema(minimum = 1, maximum = 10_000)]
    rate_limit_per_second: Option<u32>,
    /// A signing secret of your own: `whsec_` and the base64 of 24 to 64 bytes. The node makes one, if left out.
    #[schema(value_type = Option<String>)]
    secret: Option<Secret>,
}

/// Create a webhook endpoint.
///
/// The secret that signs its deliveries is shown only in this answer, and stored encrypted.
#[utoipa::path(post, path = "/api/v1/webhooks", tag = "webhooks", operation_id = "createWebhook",
    request_body = NewEndpoint,
    responses((status = 201, description = "The new endpoint with its secret",
        body = Enveloped<EndpointWithSecret>), Problem))]
#[post("/webhooks")]
pub(crate) async fn create_webhook(
    caller: Caller<WebhooksWrite>,
    body: JsonBody<NewEndpoint>,
    ip: ClientIp,
    request: RequestContext,
    ids: NewIds,
    backend: web::Data<Backend>,
) -> Result<Answer, ApiError> {
    let new = body.value;
    let (id, drawn) = (EndpointId(ids.next()), ids.secret());
    let mut fields = Fields::default();
    let url = url(&backend, &new.url, &mut fields).await;
    let (stream, headers) = (id.stream(), new.headers.unwrap_or_default());
    let headers = custom_headers(&backend, caller.client, &stream, &headers, &mut fields).await?;
    let secret = secret(new.secret.as_ref(), drawn, &mut fields);
    fields.finish()?;
    let (Some(url), Some(secret)) = (url, secret) else {
        return Err(ApiError::internal("a field without a value"));
    };
    let terms = EndpointTerms {
        url,
        events: new.events,
        agent_id: new.agent_id.map(|id| id.0),
        description: new.description.map(|text| text.trim().to_owned()),
        enabled: new.enabled.unwrap_or(true),
        headers,
        ordering: new.ordering.map(Into::into).unwrap_or_default(),
        rate_limit_per_second: new.rate_limit_per_second,
    };
    let sealed = seal(&backend, caller.client, &stream, &secret).await?;
    let at = backend.runtime.clock.now();
    let created = EndpointCreated { terms, secret: sealed, origin: ip.origin(), at };
    let create = EndpointCommand::Create(Box::new(created));
    let receipt = execute::<EndpointResource>(&backend, &caller, &request, id, None, &create).await?;
    let endpoint = row::<EndpointResource>(&backend, &caller, id, receipt.version).await?.view;
    let answer = Answer::data(&EndpointWithSecret { endpoint, secret: secret.reveal() }).created();
    let answer = answer.etag(receipt.version).location(&format!("/api/v1/webhooks/{id}"));
    Ok(answer.written_at(receipt.position))
}
