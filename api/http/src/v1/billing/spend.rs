//! Endpoints with the spend limits of a client, of its API keys and of its agents.

use actix_web::{get, patch, web};
use actors::billing::{SpendError, SpendStanding};
use actors::conversation::ConversationError;
use domain::envelope::Version;
use domain::ids::{AgentId, ApiKeyId, SpendLimitsId};
use domain::spend::{
    Breach, Destination, Destinations, SpendLimitsCommand, SpendLimitsPatch, SpendRefusal, SpendScope,
};
use projections::api_keys::ApiKeys;
use projections::webhooks::SpendScopeView;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::super::commands::{AsProblem, context, only_at, problem};
use super::uncovered;
use crate::auth::permissions::{BillingRead, BillingWrite};
use crate::auth::{Caller, Principal};
use crate::backend::Backend;
use crate::client_ip::ClientIp;
use crate::nullable::nullable;
use crate::problem::{ApiError, Code, Fields, Problem};
use crate::{Answer, EdgeId, Enveloped, IfMatch, JsonBody, Query, RequestContext};

impl AsProblem for SpendRefusal {
    const KIND: &'static str = "spend limit";

    fn as_problem(&self) -> ApiError {
        let field = match self {
            SpendRefusal::Destinations => "destinations",
            SpendRefusal::Amount(field) | SpendRefusal::Calls(field) => field,
            SpendRefusal::TooMany => return ApiError::conflict(self.to_string()),
        };
        ApiError::invalid(field, "invalid", self.to_string())
    }
}

impl AsProblem for Breach {
    const KIND: &'static str = "spend limit";

    fn as_problem(&self) -> ApiError {
        ApiError::new(Code::SpendLimitReached, self.to_string())
    }
}

/// The answer to a call or a transfer that is not admitted.
pub(in super::super) fn not_admitted(error: SpendError) -> ApiError {
    match error {
        SpendError::Reached(breach) => breach.as_problem(),
        SpendError::Price(error) => uncovered(error),
        SpendError::Limits(error) => problem(error),
        SpendError::Guard(error) => problem(error),
    }
}

/// Where calls may go and where not. The longest entry that fits decides; of two that are equal, the denied one.
#[derive(Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = SpendDestinations)]
pub(crate) struct DestinationsBody {
    /// Beginnings of numbers (`+49`) and hosts of SIP addresses (`sip:pbx.example`) that may be called; where there is an
    /// entry, nothing else may. At most 500.
    #[serde(default)]
    #[schema(max_items = 500, example = json!(["+1", "+49"]))]
    allow: Vec<String>,
    /// Beginnings of numbers and hosts that may not be called. At most 500.
    #[serde(default)]
    #[schema(max_items = 500, example = json!(["+1900"]))]
    deny: Vec<String>,
}

impl DestinationsBody {
    fn parsed(self, fields: &mut Fields) -> Destinations {
        let mut list = |name: &str, texts: Vec<String>| {
            let parse = |(at, text): (usize, String)| {
                fields.keep(&format!("destinations.{name}[{at}]"), text.parse::<Destination>())
            };
            texts.into_iter().enumerate().filter_map(parse).collect()
        };
        Destinations { allow: list("allow", self.allow), deny: list("deny", self.deny) }
    }
}

impl From<&Destinations> for DestinationsBody {
    fn from(destinations: &Destinations) -> Self {
        let list = |list: &[Destination]| list.iter().map(Destination::to_string).collect();
        Self { allow: list(&destinations.allow), deny: list(&destinations.deny) }
    }
}

/// The limits of what calls may spend, and how far they are used.
#[derive(Serialize, ToSchema)]
#[schema(as = SpendLimits)]
pub(crate) struct SpendLimitsView {
    /// What the limits are of.
    scope: SpendScopeView,
    /// Where calls and transfers may go.
    destinations: DestinationsBody,
    /// Highest price of a call's minute, in millionths of the currency; `null`: no limit.
    #[schema(required)]
    max_rate_per_minute: Option<i64>,
    /// What the calls of a day (UTC) may cost, in millionths of the currency; `null`: no limit.
    #[schema(required)]
    daily_spend: Option<i64>,
    /// Calls that may be placed within any minute; `null`: no limit.
    #[schema(required)]
    calls_per_minute: Option<u32>,
    /// Calls that may be placed to one number within any hour; `null`: no limit.
    #[schema(required)]
    calls_per_number: Option<u32>,
    /// What the calls of today (UTC) cost since there are limits, in millionths of the currency. A call counts with an
    /// estimate until it is charged.
    spent_today: i64,
    /// Calls that were placed within the last minute.
    calls_within_a_minute: u32,
    /// API keys and agents that have limits of their own.
    others: Vec<SpendScopeView>,
}

impl SpendLimitsView {
    fn of(scope: SpendScope, standing: &SpendStanding) -> Self {
        let SpendStanding { limits, spent_today, calls_within_a_minute, others, .. } = standing;
        Self {
            scope: scope.into(),
            destinations: (&limits.destinations).into(),
            max_rate_per_minute: limits.max_rate_per_minute,
            daily_spend: limits.daily_spend,
            calls_per_minute: limits.calls_per_minute,
            calls_per_number: limits.calls_per_number,
            spent_today: *spent_today,
            calls_within_a_minute: u32::try_from(*calls_within_a_minute).unwrap_or(u32::MAX),
            others: others.iter().copied().map(SpendScopeView::from).collect(),
        }
    }
}

/// Changes to spend limits; a limit that is left out stays, and `null` lifts it.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SpendPatch {
    /// Where calls and transfers may go: takes the place of both lists. Empty lists allow everything.
    #[schema(nullable = false)]
    destinations: Option<DestinationsBody>,
    /// Highest price of a call's minute, in millionths of the currency; `null`: no limit.
    #[serde(default, deserialize_with = "nullable")]
    #[schema(value_type = Option<i64>, minimum = 0, maximum = 1_000_000_000_000_000_i64)]
    max_rate_per_minute: Option<Option<i64>>,
    /// What the calls of a day (UTC) may cost, in millionths of the currency; `null`: no limit.
    #[serde(default, deserialize_with = "nullable")]
    #[schema(value_type = Option<i64>, minimum = 0, maximum = 1_000_000_000_000_000_i64)]
    daily_spend: Option<Option<i64>>,
    /// Calls that may be placed within any minute; `null`: no limit.
    #[serde(default, deserialize_with = "nullable")]
    #[schema(value_type = Option<u32>, maximum = 10_000)]
    calls_per_minute: Option<Option<u32>>,
    /// Calls that may be placed to one number within any hour, which ends loops; `null`: no limit.
    #[serde(default, deserialize_with = "nullable")]
    #[schema(value_type = Option<u32>, maximum = 10_000)]
    calls_per_number: Option<Option<u32>>,
}

/// What the query asks for the limits of. Answers 422 when the client has no such key or agent.
async fn scope(backend: &Backend, caller: &Principal, mut query: Query) -> Result<SpendScope, ApiError> {
    let key = query.take::<EdgeId<ApiKeyId>>("key_id").map(|id| id.0);
    let agent = query.take::<EdgeId<AgentId>>("agent_id").map(|id| id.0);
    query.finish()?;
    let (scope, field, noun) = match (key, agent) {
        (None, None) => return Ok(SpendScope::Client),
        (Some(_), Some(_)) => {
            return Err(ApiError::invalid("agent_id", "invalid", "give a key or an agent, not both"));
        }
        (Some(key), None) => {
            let stored = backend.views.one::<ApiKeys>(caller.client, key).await;
            if stored.map_err(ApiError::unavailable)?.is_some() {
                return Ok(SpendScope::Key(key));
            }
            (SpendScope::Key(key), "key_id", "key")
        }
        (None, Some(agent)) => {
            match backend.conversations.agent(caller.client, agent).await {
                Ok(_) => return Ok(SpendScope::Agent(agent)),
                Err(ConversationError::UnknownAgent) => {}
                Err(error) => return Err(ApiError::unavailable(error)),
            }
            (SpendScope::Agent(agent), "agent_id", "agent")
        }
    };
    // the limits of what is gone can still be lifted
    let all = backend.billing.guards.standing(caller.client, SpendScope::Client).await;
    match all.map_err(not_admitted)?.others.contains(&scope) {
        true => Ok(scope),
        false => Err(ApiError::invalid(field, "unknown", format!("there is no such {noun}"))),
    }
}

async fn shown(backend: &Backend, caller: &Principal, scope: SpendScope) -> Result<Answer, ApiError> {
    let standing = backend.billing.guards.standing(caller.client, scope).await.map_err(not_admitted)?;
    let used = format!("{}-{}", standing.spent_today, standing.calls_within_a_minute);
    Ok(Answer::data(&SpendLimitsView::of(scope, &standing)).etag_of(standing.version, &used))
}

/// Get the limits of what calls may spend, and how far they are used.
///
/// Those of the client, or with `key_id` or `agent_id` those of an API key or an agent. All that fit hold for a call: its
/// client's, its key's and its agent's.
#[utoipa::path(get, path = "/api/v1/limits/spend", tag = "billing", operation_id = "getSpendLimits",
    params(("key_id" = Option<String>, Query, description = "API key whose limits are wanted: `key_…`"),
        ("agent_id" = Option<String>, Query, description = "Agent whose limits are wanted: `agt_…`")),
    responses((status = 200, description = "The limits", body = Enveloped<SpendLimitsView>), Problem))]
#[get("/limits/spend")]
pub(crate) async fn get_spend_limits(
    caller: Caller<BillingRead>,
    query: Query,
    backend: web::Data<Backend>,
) -> Result<Answer, ApiError> {
    let scope = scope(&backend, &caller, query).await?;
    shown(&backend, &caller, scope).await
}

/// Change the limits of what calls may spend.
///
/// Those of the client, or with `key_id` or `agent_id` those of an API key or an agent. They hold for calls that are placed
/// and for transfers from now on, on other nodes within a second. Calls under way go on. Calls that come in are not
/// refused, but what they cost counts.
#[utoipa::path(patch, path = "/api/v1/limits/spend", tag = "billing", operation_id = "patchSpendLimits",
    params(("key_id" = Option<String>, Query, description = "API key whose limits are changed: `key_…`"),
        ("agent_id" = Option<String>, Query, description = "Agent whose limits are changed: `agt_…`"),
        ("If-Match" = Option<String>, Header,
            description = "Expected `ETag` of the limits, else 412; not checked, if left out")),
    request_body = SpendPatch,
    responses((status = 200, description = "The limits after the change",
        body = Enveloped<SpendLimitsView>), Problem))]
#[patch("/limits/spend")]
pub(crate) async fn patch_spend_limits(
    caller: Caller<BillingWrite>,
    query: Query,
    if_match: IfMatch,
    body: JsonBody<SpendPatch>,
    ip: ClientIp,
    request: RequestContext,
    backend: web::Data<Backend>,
) -> Result<Answer, ApiError> {
    let scope = scope(&backend, &caller, query).await?;
    let mut fields = Fields::default();
    let SpendPatch { destinations, max_rate_per_minute, daily_spend, calls_per_minute, calls_per_number } =
        body.value;
    let destinations = destinations.map(|lists| lists.parsed(&mut fields));
    fields.finish()?;
    let patch = SpendLimitsPatch {
        destinations,
        max_rate_per_minute,
        daily_spend,
        calls_per_minute,
        calls_per_number,
    };
    let id = SpendLimitsId::of(caller.client);
    let only_at = only_at(&*backend.runtime.store, &caller, &id.stream(), Some(&if_match)).await?;
    if only_at.is_some_and(|version| version != Version::NONE) {
        // limits that were never set have no version that could be meant
        let standing = backend.billing.guards.standing(caller.client, scope).await.map_err(not_admitted)?;
        if standing.version == Version::NONE {
            if_match.check(Version::NONE)?;
        }
    }
    let now = backend.runtime.clock.now();
    let command = SpendLimitsCommand::Change { scope, patch, origin: ip.origin(), now };
    let context = context(&caller, &request, id.0);
    let receipt = backend.billing.guards.change(command, &context, only_at).await.map_err(problem)?;
    if let Some(position) = receipt.position {
        backend.caught_up(position).await;
    }
    Ok(shown(&backend, &caller, scope).await?.written_at(receipt.position))
}
