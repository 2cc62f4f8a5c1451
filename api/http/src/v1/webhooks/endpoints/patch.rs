//! Endpoint that changes a webhook endpoint.

use std::collections::BTreeMap;

use actix_web::{patch, web};
use domain::ids::{AgentId, EndpointId};
use domain::web_origin::same_web_origin;
use domain::webhook::endpoint::{EndpointCommand, EndpointPatch};
use projections::webhooks::EndpointView;
use projections::words;
use serde::Deserialize;
use utoipa::ToSchema;

use super::super::super::resource::change;
use super::super::super::signing::custom_headers;
use super::body::{OrderingBody, url};
use super::resource::EndpointResource;
use crate::auth::Caller;
use crate::auth::permissions::WebhooksWrite;
use crate::backend::Backend;
use crate::client_ip::ClientIp;
use crate::nullable::nullable;
use crate::problem::{ApiError, Fields, Problem};
use crate::{Answer, EdgeId, Enveloped, IfMatch, JsonBody, PathId, RequestContext};

/// Changes to a webhook endpoint; a field that is left out stays as it is.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = WebhookPatch)]
pub(crate) struct PatchBody {
    /// URL to deliver to. Another scheme, host or port drops the headers that are not given again;
    /// `meta.secrets_dropped` of the answer reports that.
    #[schema(nullable = false, max_length = 2048, format = "uri")]
    url: Option<String>,
    /// Event types to deliver, 1 to 50: names, `call.*` for all of a family, `*` for all.
    #[schema(value_type = Option<Vec<words::WebhookEventFilter>>, nullable = false, min_items = 1, max_items = 50)]
    events: Option<Vec<String>>,
    /// Id of an agent: only events about this agent are delivered; `null`: about any.
    #[serde(default, deserialize_with = "nullable")]
    #[schema(value_type = Option<String>)]
    agent_id: Option<Option<EdgeId<AgentId>>>,
    /// Description for people, at most 500 characters; `null` removes it.
    #[serde(default, deserialize_with = "nullable")]
    #[schema(value_type = Option<String>, max_length = 500)]
    description: Option<Option<String>>,
    /// Whether events are delivered. Pending deliveries wait while it is `false`, and continue when
    /// it is `true` again.
    #[schema(nullable = false)]
    enabled: Option<bool>,
    /// Your own headers; they replace all earlier ones.
    #[schema(nullable = false)]
    headers: Option<BTreeMap<String, String>>,
    /// Order in which events are delivered.
    #[schema(nullable = false, value_type = Option<words::WebhookOrdering>)]
    ordering: Option<OrderingBody>,
    /// Most attempts per second: 1 to 10000; `null` lifts the limit.
    #[serde(default, deserialize_with = "nullable")]
    #[schema(value_type = Option<u32>, minimum = 1, maximum = 10_000)]
    rate_limit_per_second: Option<Option<u32>>,
}

/// Change a webhook endpoint.
///
/// Fields that are left out stay as they are.
#[utoipa::path(patch, path = "/api/v1/webhooks/{id}", tag = "webhooks", operation_id = "patchWebhook",
    params(("id" = String, Path, description = "Id of the endpoint: `whe_…`"),
        ("If-Match" = Option<String>, Header,
            description = "Expected `ETag` of the endpoint, else 412; not checked, if left out")),
    request_body = PatchBody,
    responses((status = 200, description = "The endpoint after the change",
        body = Enveloped<EndpointView>), Problem))]
#[patch("/webhooks/{id}")]
pub(crate) async fn patch_webhook(
    caller: Caller<WebhooksWrite>,
    PathId(id): PathId<EndpointId>,
    if_match: IfMatch,
    body: JsonBody<PatchBody>,
    ip: ClientIp,
    request: RequestContext,
    backend: web::Data<Backend>,
) -> Result<Answer, ApiError> {
    let wanted = body.value;
    let found = backend
        .views
        .one::<projections::webhooks::Endpoints>(caller.client, id)
        .await
        .map_err(ApiError::unavailable)?;
    let found = found.ok_or_else(|| ApiError::not_found("endpoint"))?;
    let before: EndpointView = serde_json::from_str(&found.json).map_err(ApiError::internal)?;
    let mut fields = Fields::default();
    let url = match &wanted.url {
        Some(text) => url(&backend, text, &mut fields).await,
        None => None,
    };
    let headers = match &wanted.headers {
        Some(headers) => {
            Some(custom_headers(&backend, caller.client, &id.stream(), headers, &mut fields).await?)
        }
        None => None,
    };
    fields.finish()?;
    let moves = url.as_ref().is_some_and(|url| !same_web_origin(url, &before.url));
    let dropped = moves && headers.is_none() && !before.headers.is_empty();
    let patch = EndpointPatch {
        url,
        events: wanted.events,
        agent_id: wanted.agent_id.map(|agent| agent.map(|id| id.0)),
        description: wanted.description.map(|text| text.map(|text| text.trim().to_owned())),
        enabled: wanted.enabled,
        headers,
        ordering: wanted.ordering.map(Into::into),
        rate_limit_per_second: wanted.rate_limit_per_second,
    };
    let (patch, origin, now) = (Box::new(patch), ip.origin(), backend.runtime.clock.now());
    let update = EndpointCommand::Update { patch, origin, now };
    let answer =
        change::<EndpointResource>(&backend, &caller, &request, id, Some(&if_match), &update).await?;
    Ok(answer.secrets_dropped(dropped))
}
