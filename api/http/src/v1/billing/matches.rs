//! Endpoints of the match with the carrier's records: what it found, what a day came to, and a run at once.

use actix_web::{get, post, web};
use actors::Session;
use domain::billing::matching::{
    MatchCounts, MatchDay, MatchEvent, MatchRan, MatchSchedule, MatchScheduleCommand, MatchScheduleRefusal,
    MatchState,
};
use domain::envelope::{StreamId, Time, Version};
use domain::ids::{BillingMatchScheduleId, ClientId};
use domain::ports::event_store::Direction;
use domain::ports::telephony::Telephony as _;
use domain::wire::DomainEvent as _;
use projections::billing::{MatchFilter, MatchView};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::super::commands::{AsProblem, context, problem};
use super::super::paging::{self, PageParams};
use super::word;
use crate::auth::Caller;
use crate::auth::permissions::{BillingRead, BillingWrite};
use crate::backend::Backend;
use crate::problem::{ApiError, Code, Problem};
use crate::{Answer, Enveloped, JsonBody, Listed, Query, RequestContext};

/// Events that are read at a time.
const PAGE: usize = 200;

impl AsProblem for MatchScheduleRefusal {
    const KIND: &'static str = "match";

    fn as_problem(&self) -> ApiError {
        match self {
            MatchScheduleRefusal::Future | MatchScheduleRefusal::TooOld => {
                ApiError::invalid("date", "invalid", self.to_string())
            }
            MatchScheduleRefusal::TooMany => ApiError::conflict(self.to_string()),
        }
    }
}

/// List the calls that we, the carrier and the ledger do not have alike.
///
/// Newest first unless `order` says otherwise; a call must match all filters. A day is matched some hours after its end,
/// and again on the days after it: what agrees by then is `matched`. Calls that agreed from the beginning are only counted.
#[utoipa::path(get, path = "/api/v1/billing/matches", tag = "billing", operation_id = "listBillingMatches",
    params(
        ("from" = Option<String>, Query, description = "Only calls that began at this time or later (RFC 3339)"),
        ("to" = Option<String>, Query, description = "Only calls that began before this time (RFC 3339)"),
        ("state" = Option<String>, Query, description = "Only this state, such as `theirs_only`"),
        PageParams),
    responses((status = 200, description = "A page of findings", body = Listed<MatchView>), Problem))]
#[get("/billing/matches")]
pub(crate) async fn list_billing_matches(
    caller: Caller<BillingRead>,
    mut query: Query,
    backend: web::Data<Backend>,
) -> Result<Answer, ApiError> {
    let state = query.text("state").and_then(|text| {
        let state = word(MatchState::ALL, MatchState::as_str, &text);
        state.map_err(|advice| query.fault("state", &advice)).ok()
    });
    let filter = MatchFilter { state, from: query.time("from"), to: query.time("to") };
    if filter.from.zip(filter.to).is_some_and(|(from, to)| from >= to) {
        query.fault("from", "must be before `to`");
    }
    paging::list(query, async |page| backend.views.matches(caller.client, filter, &page).await).await
}

/// What a day came to when it was last matched.
#[derive(Serialize, ToSchema)]
#[schema(as = BillingMatchDay)]
pub(crate) struct MatchDayView {
    /// The day in UTC.
    #[schema(format = Date, example = "2026-05-01")]
    date: String,
    /// Name of the carrier, for example `telnyx`.
    provider: String,
    /// When the last run began; `null` before the day was matched.
    #[serde(with = "projections::edge::rfc3339_option")]
    #[schema(value_type = Option<String>, format = DateTime, required)]
    ran_at: Option<Time>,
    /// Calls that all sides have alike.
    matched: u64,
    /// Calls that the carrier has no record of.
    ours_only: u64,
    /// Records of the carrier that no call of yours belongs to.
    theirs_only: u64,
    /// Calls whose seconds or amounts differ.
    differs: u64,
    /// Calls that neither side charges for, such as those that were not answered.
    unbilled: u64,
    /// Calls that had not ended.
    open: u64,
    /// Calls that went through an account or a connection whose records were not read: they are not judged.
    unread: u64,
}

/// Get what a day came to when it was last matched.
///
/// Read from the log itself, so it is never behind. A day that was not matched, or without calls, has counts of zero.
#[utoipa::path(get, path = "/api/v1/billing/matches/{date}", tag = "billing", operation_id = "getBillingMatchDay",
    params(("date" = String, Path, description = "The day in UTC: `2026-05-01`")),
    responses((status = 200, description = "The day", body = Enveloped<MatchDayView>), Problem))]
#[get("/billing/matches/{date}")]
pub(crate) async fn get_billing_match_day(
    caller: Caller<BillingRead>,
    date: web::Path<String>,
    query: Query,
    backend: web::Data<Backend>,
) -> Result<Answer, ApiError> {
    query.finish()?;
    let day: chrono::NaiveDate = date.parse().map_err(|_| ApiError::not_found("match"))?;
    let provider = backend.carriers.provider();
    let stream = MatchDay::id(caller.client, provider, day).stream();
    let ran = last_run(&backend, caller.client, &stream).await?;
    let MatchCounts { matched, ours_only, theirs_only, differs, unbilled, open, unread } =
        ran.as_ref().map(|ran| ran.counts).unwrap_or_default();
    Ok(Answer::data(&MatchDayView {
        date: day.to_string(),
        provider: provider.to_owned(),
        ran_at: ran.map(|ran| ran.at),
        matched,
        ours_only,
        theirs_only,
        differs,
        unbilled,
        open,
        unread,
    }))
}

/// The last run over a client's day. It is read from the end: a day may have as many findings as calls.
async fn last_run(
    backend: &Backend,
    client: ClientId,
    stream: &StreamId,
) -> Result<Option<MatchRan>, ApiError> {
    let log = &backend.runtime.store;
    let mut before = Version::NONE;
    loop {
        let page = log.read_stream(stream, before, Direction::Backwards, PAGE).await;
        let page = page.map_err(ApiError::internal)?;
        let Some(oldest) = page.last() else { return Ok(None) };
        before = oldest.version;
        for event in page.iter().filter(|event| event.client_id == client) {
            let fact = MatchEvent::decode(&event.event_type, event.schema, &event.payload);
            if let MatchEvent::Ran(ran) = fact.map_err(ApiError::internal)? {
                return Ok(Some(ran));
            }
        }
    }
}

/// A day that is to be matched.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewMatch {
    /// The day in UTC, today or at most 400 days ago. Today's calls may have no records yet.
    #[schema(format = Date, example = "2026-05-01", max_length = 10)]
    date: String,
}

/// A run over a day that was asked for.
#[derive(Serialize, ToSchema)]
pub(crate) struct MatchRequested {
    /// The day in UTC.
    #[schema(format = Date, example = "2026-05-01")]
    date: String,
}

/// Match a day now.
///
/// Only for the platform's administrator, as it is done for all clients. The run begins within seconds; that it is done
/// shows in `ran_at` of the day.
#[utoipa::path(post, path = "/api/v1/billing/matches", tag = "billing", operation_id = "createBillingMatch",
    request_body = NewMatch,
    responses((status = 202, description = "The run is to begin", body = Enveloped<MatchRequested>), Problem))]
#[post("/billing/matches")]
pub(crate) async fn create_billing_match(
    caller: Caller<BillingWrite>,
    body: JsonBody<NewMatch>,
    request: RequestContext,
    backend: web::Data<Backend>,
) -> Result<Answer, ApiError> {
    if !caller.platform {
        let advice = "only the platform's administrator has a day matched";
        return Err(ApiError::new(Code::PlatformOnly, advice));
    }
    let date = body.value.date;
    let bad = |_| ApiError::invalid("date", "invalid", "give a day such as 2026-05-01");
    let day = date.parse::<chrono::NaiveDate>().map_err(bad)?;
    let id = BillingMatchScheduleId::OF_NODE;
    let context = context(&caller, &request, id.0);
    let (origin, now) = (context.origin.clone(), backend.runtime.clock.now());
    let mut session = Session::<MatchSchedule>::new(backend.runtime.clone(), id.stream());
    let ask = MatchScheduleCommand::Request { day, origin, now };
    let receipt = session.execute(&ask, &context, None).await.map_err(problem)?;
    let asked = MatchRequested { date: day.to_string() };
    Ok(Answer::data(&asked).accepted().written_at(receipt.position))
}
