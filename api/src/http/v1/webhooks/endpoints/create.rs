//! Creating an endpoint.

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
use crate::config::Secret;
use crate::http::auth::Caller;
use crate::http::auth::permissions::WebhooksWrite;
use crate::http::client_ip::ClientIp;
use crate::http::{Answer, EdgeId, Enveloped, JsonBody, NewIds, RequestContext};
use crate::node::Backend;
use crate::problem::{ApiError, Fields, Problem};

/// An endpoint to create.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewWebhook)]
pub(crate) struct NewEndpoint {
    /// Where to: `https`, without user and password, at a public address.
    #[schema(example = "https://example.com/hooks", max_length = 2048, format = "uri")]
    url: String,
    /// Which events: names, `call.*` for all of a family, `*` for all. 1 to 50.
    #[schema(example = json!(["call.*"]), min_items = 1, max_items = 50)]
    events: Vec<String>,
    /// Only those that have to do with this agent.
    #[schema(value_type = Option<String>)]
    agent_id: Option<EdgeId<AgentId>>,
    /// Your own words: at most 500 characters.
    #[schema(max_length = 500)]
    description: Option<String>,
    /// Whether anything is delivered; yes, if left out.
    enabled: Option<bool>,
    /// Your own headers: at most 20, kept encrypted. None of ours: `webhook-…`, `content-type`, `host`, ….
    headers: Option<BTreeMap<String, String>>,
    /// In which order; `parallel`, if left out.
    #[schema(value_type = Option<words::WebhookOrdering>)]
    ordering: Option<OrderingBody>,
    /// The most attempts a second: 1 to 10000.
    #[schema(minimum = 1, maximum = 10_000)]
    rate_limit_per_second: Option<u32>,
    /// A secret of your own: `whsec_` and the base64 of 24 to 64 bytes. One is made, if left out.
    #[schema(value_type = Option<String>)]
    secret: Option<Secret>,
}

/// Create a webhook endpoint.
///
/// The secret that deliveries are signed with is answered this once, and kept encrypted.
#[utoipa::path(post, path = "/api/v1/webhooks", tag = "webhooks", operation_id = "createWebhook",
    request_body = NewEndpoint,
    responses((status = 201, description = "Created", body = Enveloped<EndpointWithSecret>), Problem))]
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
