//! Endpoint that reports all figures of a period.

use actix_web::{HttpResponse, get, web};
use chrono::TimeDelta;
use domain::ids::AgentId;
use projections::analytics::{Overview, OverviewTallies, Period};
use projections::rollup::Counted;

use super::ask::{period, rollups};
use crate::auth::Caller;
use crate::auth::permissions::AnalyticsRead;
use crate::backend::Backend;
use crate::problem::{ApiError, Problem};
use crate::{Accepts, EdgeId, Enveloped, Query};

/// Get an overview of a period.
///
/// Figures of calls, menus, conversations, webhooks and cost, in whole hours: `from` is rounded down and `to` up.
/// The counts are exact. With `Accept: text/csv` the answer has one line for each figure.
#[utoipa::path(get, path = "/api/v1/analytics/overview", tag = "analytics", operation_id = "getAnalyticsOverview",
    params(
        ("from" = Option<String>, Query,
            description = "Start of the period (RFC 3339); 24 hours before `to`, if left out"),
        ("to" = Option<String>, Query, description = "End of the period (RFC 3339); now, if left out"),
        ("agent_id" = Option<String>, Query, description = "Only calls and conversations of this agent: `agt_…`")),
    responses((status = 200, description = "The figures of the period",
        content((Enveloped<Overview> = "application/json"), (String = "text/csv"))), Problem))]
#[get("/analytics/overview")]
pub(crate) async fn get_analytics_overview(
    caller: Caller<AnalyticsRead>,
    mut query: Query,
    accepts: Accepts,
    backend: web::Data<Backend>,
) -> Result<HttpResponse, ApiError> {
    let (from, to) = period(&mut query, backend.runtime.clock.now(), TimeDelta::days(1));
    let agent: Option<EdgeId<AgentId>> = query.take("agent_id");
    query.finish()?;
    let period = Period::between(from, to).ok_or_else(|| ApiError::internal("a time without length"))?;
    let (client, ranges) = (caller.client, period.ranges());
    let agent = agent.map(|agent| agent.0.0);
    let of = |counted, subject, sketches| rollups(&backend, client, (counted, subject), sketches, &ranges);
    let rollups = OverviewTallies {
        calls: of(Counted::Calls, agent, true).await?,
        ivr: of(Counted::Ivr, None, false).await?,
        conversations: of(Counted::Conversations, agent, false).await?,
        webhooks: of(Counted::Webhooks, None, true).await?,
    };
    accepts.figures(&Overview::of(period, &rollups))
}
