//! Endpoint that delivers the events of a period again.

use actix_web::{post, web};
use chrono::{DateTime, Utc};
use domain::envelope::Position;
use domain::ids::EndpointId;
use domain::ports::deliveries::Replay;
use domain::ports::ids::Ids as _;
use domain::webhook::endpoint::{EndpointCommand, ReplayRequested};
use domain::webhook::filter::{MAX_PATTERNS, is_pattern};
use projections::webhooks::EndpointView;
use projections::words;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::super::super::resource::execute;
use super::super::public_events::names;
use super::resource::EndpointResource;
use crate::auth::Caller;
use crate::auth::permissions::WebhooksWrite;
use crate::backend::Backend;
use crate::client_ip::ClientIp;
use crate::problem::{ApiError, Problem};
use crate::{Answer, Enveloped, JsonBody, NewIds, PathId, RequestContext};

/// Most deliveries that one replay makes due.
const MOST: u64 = 100_000;

/// Events to deliver again.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = WebhookReplay)]
pub(crate) struct ReplayBody {
    /// Beginning of the period: events at this moment or later.
    since: DateTime<Utc>,
    /// End of the period: events before this moment; until now, if left out.
    until: Option<DateTime<Utc>>,
    /// Event types to deliver: names and wildcards; those of the endpoint, if left out.
    #[schema(value_type = Option<Vec<words::WebhookEventFilter>>, min_items = 1, max_items = 50)]
    events: Option<Vec<String>>,
    /// `true`: only deliveries that failed for good or were cancelled. `false`: also those that succeeded, and
    /// events that were never sent to the endpoint because it was disabled or did not exist.
    #[serde(default)]
    only_failed: bool,
}

/// Result of a replay request.
#[derive(Serialize, ToSchema)]
#[schema(as = WebhookReplayed)]
pub(crate) struct Replayed {
    /// Number of deliveries that become due.
    queued: u64,
}

/// Replay events to a webhook endpoint.
///
/// Each event keeps its `webhook-id`. Pending deliveries are left as they are. One replay makes at
/// most 100000 deliveries due.
#[utoipa::path(post, path = "/api/v1/webhooks/{id}/replay", tag = "webhooks", operation_id = "replayWebhook",
    params(("id" = String, Path, description = "Id of the endpoint: `whe_…`")), request_body = ReplayBody,
    responses((status = 202, description = "How many deliveries were queued",
        body = Enveloped<Replayed>), Problem))]
#[post("/webhooks/{id}/replay")]
pub(crate) async fn replay_webhook(
    caller: Caller<WebhooksWrite>,
    PathId(id): PathId<EndpointId>,
    body: JsonBody<ReplayBody>,
    ip: ClientIp,
    request: RequestContext,
    ids: NewIds,
    backend: web::Data<Backend>,
) -> Result<Answer, ApiError> {
    let asked = body.value;
    let named = ids.next();
    let stored = backend
        .views
        .one::<projections::webhooks::Endpoints>(caller.client, id)
        .await
        .map_err(ApiError::unavailable)?;
    let stored = stored.ok_or_else(|| ApiError::not_found("webhook"))?;
    let endpoint: EndpointView = serde_json::from_str(&stored.json).map_err(ApiError::internal)?;
    let patterns = asked.events.unwrap_or(endpoint.events);
    if patterns.is_empty()
        || patterns.len() > MAX_PATTERNS
        || !patterns.iter().all(|pattern| is_pattern(pattern))
    {
        let detail = "name 1 to 50 events that exist; see /api/v1/webhooks/event-types";
        return Err(ApiError::invalid("events", "invalid", detail));
    }
    let (events, now) = (names(&patterns), backend.runtime.clock.now());
    let until = asked.until.map(|until| until.min(now));
    let replay = Replay {
        endpoint: id,
        client: caller.client,
        since: asked.since,
        until: until.unwrap_or(now),
        events: events.clone(),
        agent: endpoint.agent_id,
        only_failed: asked.only_failed,
        due: now,
        position: Position(i64::MAX as u64),
    };
    let queued = backend.webhooks.deliveries.replay_size(&replay).await.map_err(ApiError::unavailable)?;
    if queued > MOST {
        let detail = format!("that are {queued} deliveries; ask for at most {MOST} at a time");
        return Err(ApiError::invalid("since", "too_many", detail));
    }
    let command = EndpointCommand::Replay(Box::new(ReplayRequested {
        since: asked.since,
        until,
        events,
        only_failed: asked.only_failed,
        request: named,
        origin: ip.origin(),
        at: now,
    }));
    let receipt = execute::<EndpointResource>(&backend, &caller, &request, id, None, &command).await?;
    if let Some(position) = receipt.position {
        backend.webhooks.caught_up(position, backend.read_your_writes).await;
    }
    Ok(Answer::data(&Replayed { queued }).accepted().written_at(receipt.position))
}
