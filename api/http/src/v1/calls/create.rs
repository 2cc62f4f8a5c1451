//! Endpoint that places a call.

use actix_web::{post, web};
use actors::Session;
use actors::billing::{Covered, Dialled};
use adapters::telephony::telnyx::PROVIDER;
use domain::agent::{Agent, AgentRuntime};
use domain::aggregate::Aggregate as _;
use domain::call::{Call, CallCommand, CallMetadata, DEFAULT_MAX_DURATION, DEFAULT_RING_TIMEOUT, Queue};
use domain::ids::{AgentId, CallId, ClientId, CustomerId, MenuId};
use domain::phone::Party;
use domain::ports::ids::Ids as _;
use projections::calls::CallView;
use serde::Deserialize;
use utoipa::ToSchema;

use super::super::billing::spend::not_admitted;
use super::super::billing::uncovered;
use super::super::commands::{AsProblem as _, context, problem};
use super::super::customers::known_customer;
use super::answer::{begin, shown};
use crate::auth::Caller;
use crate::auth::permissions::CallsWrite;
use crate::backend::{Backend, Through};
use crate::problem::{ApiError, Code, Fields, Problem};
use crate::{Answer, EdgeId, Enveloped, JsonBody, NewIds, RequestContext};

/// A call to place.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewCall {
    /// Party to call: a number in E.164, or a SIP URI.
    #[schema(example = "+12025550123")]
    to: String,
    /// Caller id: one of your own numbers. If left out, the caller id of your account with the carrier,
    /// or else the node's.
    #[schema(example = "+12025550188")]
    from: Option<String>,
    /// Id of the agent that conversations on the call.
    #[schema(value_type = Option<String>)]
    agent_id: Option<EdgeId<AgentId>>,
    /// Id of the IVR menu that is played on the call.
    #[schema(value_type = Option<String>)]
    ivr_menu_id: Option<EdgeId<MenuId>>,
    /// Your own data: at most 50 keys of 1 to 64 characters, 16 KiB as JSON.
    #[serde(default)]
    #[schema(value_type = std::collections::BTreeMap<String, serde_json::Value>)]
    metadata: CallMetadata,
    /// Id of the customer that the call is with. If left out, it is linked to the one customer who has the number.
    #[schema(value_type = Option<String>)]
    customer_id: Option<EdgeId<CustomerId>>,
    /// Longest duration from the answer on, in milliseconds: 60000 to 14400000 (4 hours), which is the default.
    #[schema(minimum = 60_000, maximum = 14_400_000)]
    max_duration_ms: Option<u64>,
    /// Longest ringing from the dial on, in milliseconds: 5000 to 600000; 30000 (30 seconds) by default.
    #[schema(minimum = 5_000, maximum = 600_000)]
    ring_timeout_ms: Option<u64>,
    /// Whether to record the call from the answer on; not for an agent of a hosted voice runtime.
    #[serde(default)]
    record: bool,
}

/// Gives back what a call that does not begin counts against the spend limits, and the credit that was kept for it.
async fn give_back(backend: &Backend, client: ClientId, call: CallId, is_held: bool) {
    if is_held && let Err(error) = backend.billing.release(client, call).await {
        tracing::warn!(%error, "credit of a call that did not begin is given back later");
    }
    if let Err(error) = backend.billing.guards.forgone(client, call).await {
        tracing::warn!(%error, "a call that did not begin counts against the spend limits of today");
    }
}

/// Caller id of a new call. The client may use one of its own numbers or the caller id of the carrier account its
/// calls go through; without a wish it gets that caller id.
///
/// Answers 422 when the call cannot be dialled, 503 when the client's account cannot be read.
async fn calls_as(
    backend: &Backend,
    client: ClientId,
    runtime: AgentRuntime,
    wanted: Option<Party>,
    fields: &mut Fields,
) -> Result<Option<Party>, ApiError> {
    let dialling = match runtime {
        AgentRuntime::Carrier => backend.carriers.dialling(client).await,
        AgentRuntime::Ultravox => backend.ultravox.dialling(client).await,
    };
    let dialling = dialling.map_err(ApiError::unavailable)?;
    let Some(through) = dialling.through else {
        if runtime.is_hosted() {
            let advice = "there is no voice runtime to dial with: set an account by PATCH \
                          /api/v1/auth/providers/runtime, or have the node's set by VOXLEDGER_ULTRAVOX_API_KEY";
            return Err(ApiError::new(Code::NoCarrier, advice));
        }
        let advice = "there is no carrier to dial with: set an account by PATCH /api/v1/auth/providers/telephony, or \
                      have the node's set by VOXLEDGER_TELNYX_API_KEY and VOXLEDGER_TELNYX_CONNECTION_ID";
        return Err(ApiError::new(Code::NoCarrier, advice));
    };
    let usual = dialling.caller_id;
    let Some(wanted) = wanted else {
        if usual.is_none() {
            fields.fault(
                "from",
                "required",
                "give `from`: the carrier's account has no caller id of its own",
            );
        }
        return Ok(usual);
    };
    let has_account = through == Through::OwnAccount;
    let owned = wanted.number().is_some_and(|number| backend.may_call_as(client, has_account, &number));
    if !owned && usual.as_ref() != Some(&wanted) {
        fields.fault("from", "not_yours", "call as a number of your own, or leave `from` out");
    }
    Ok(Some(wanted))
}

/// What talks on calls of an agent. Notes a fault for an agent that does not exist, and for one whose hosted runtime has no
/// deployed version of it.
async fn runtime_of(
    backend: &Backend,
    client: ClientId,
    id: AgentId,
    fields: &mut Fields,
) -> Result<AgentRuntime, ApiError> {
    let mut agent = Session::<Agent>::new(backend.runtime.clone(), id.stream());
    agent.refresh().await.map_err(problem)?;
    let live = agent.state().live().filter(|_| agent.client() == Some(client));
    let Some((_, terms)) = live else {
        fields.fault("agent_id", "unknown", "there is no such agent");
        return Ok(AgentRuntime::default());
    };
    if terms.runtime.is_hosted() && agent.state().deployed().is_none() {
        fields.fault(
            "agent_id",
            "not_deployed",
            "deploy the agent: its voice runtime runs deployed versions",
        );
    }
    Ok(terms.runtime)
}

/// Place an outbound call.
///
/// The call is queued at once and dialled in the background; follow it by its id. A call that cannot be dialled is
/// refused: because there is no carrier, or no number to call from.
#[utoipa::path(post, path = "/api/v1/calls", tag = "calls", operation_id = "createCall", request_body = NewCall,
    responses((status = 201, description = "The call, queued for dialling: follow it by its id",
        body = Enveloped<CallView>), Problem))]
#[post("/calls")]
pub(crate) async fn create_call(
    caller: Caller<CallsWrite>,
    body: JsonBody<NewCall>,
    request: RequestContext,
    ids: NewIds,
    backend: web::Data<Backend>,
) -> Result<Answer, ApiError> {
    let new = body.value;
    let mut fields = Fields::default();
    let agent_id = new.agent_id.map(|id| id.0);
    let runtime = match agent_id {
        Some(agent) => runtime_of(&backend, caller.client, agent, &mut fields).await?,
        None => AgentRuntime::default(),
    };
    let menu_id = new.ivr_menu_id.map(|id| id.0);
    if menu_id.is_some_and(|menu| backend.menus.find(caller.client, menu).is_none()) {
        fields.fault("ivr_menu_id", "unknown", "there is no such menu");
    }
    if agent_id.is_some() && menu_id.is_some() {
        fields.fault(
            "ivr_menu_id",
            "invalid",
            "give an agent or a menu, not both: a menu leads the call alone",
        );
    }
    let customer_id = new.customer_id.map(|id| id.0);
    let customer_id = known_customer(&backend, caller.client, customer_id, &mut fields).await?;
    let from = new.from.as_deref().map(Party::new);
    if runtime.is_hosted() && new.record {
        fields.fault("record", "invalid", "calls of a hosted voice runtime are not recorded: leave it out");
    }
    let from = calls_as(&backend, caller.client, runtime, from, &mut fields).await?;
    fields.finish()?;
    let id = CallId(ids.next());
    let queue = Queue {
        id: ids.next(),
        to: Party::new(&new.to),
        from,
        agent_id,
        menu_id,
        metadata: new.metadata,
        customer_id,
        max_duration_ms: new.max_duration_ms.unwrap_or(DEFAULT_MAX_DURATION.as_millis() as u64),
        ring_timeout_ms: new.ring_timeout_ms.unwrap_or(DEFAULT_RING_TIMEOUT.as_millis() as u64),
        record: new.record,
        runtime,
        now: backend.runtime.clock.now(),
    };
    let place = backend.gate.place(caller.client, id);
    let place = place.map_err(|spent| ApiError::quota_exhausted(spent.to_string(), spent.retry_after))?;
    let (to, queue) = (queue.to.clone(), CallCommand::Queue(Box::new(queue)));
    // a request that is refused in any case counts against no limit
    Call::default().decide(&queue).map_err(|refusal| refusal.as_problem())?;
    let dialled = Dialled { call: id, key: caller.key(), agent: agent_id, to };
    let context = context(&caller, &request, id.0);
    let provider = if runtime.is_hosted() { runtime.as_str() } else { PROVIDER };
    backend.billing.admit(dialled, provider, &context).await.map_err(not_admitted)?;
    let covered = backend.billing.cover(caller.client, id, provider).await;
    let is_held = matches!(covered, Ok(Covered::Held));
    let (is_covered, begun) = match covered {
        Ok(_) => (true, begin(&backend, &caller, &request, id, queue).await),
        Err(error) => (false, Err(uncovered(error))),
    };
    // after a failure of the log it is not known whether the call was queued: then it counts, and the hold is watched
    if let Err(error) = &begun
        && (!is_covered || error.code() != Code::Unavailable)
    {
        give_back(&backend, caller.client, id, is_held).await;
    }
    let receipt = begun?;
    if receipt.position.is_some() {
        place.queued();
    }
    let answer = shown(&backend, &caller, id, receipt).await?;
    Ok(answer.created().location(&format!("/api/v1/calls/{id}")))
}
