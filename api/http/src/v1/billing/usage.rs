//! Endpoint that shows what calls cost in a period.

use actix_web::{HttpResponse, get, web};
use chrono::{DateTime, TimeDelta};
use domain::billing::Component;
use domain::ids::AgentId;
use projections::billing::{Spending, SpendingBy};
use projections::calls::MoneyView;
use serde::Serialize;
use utoipa::ToSchema;

use super::balance::account;
use super::money::money;
use crate::auth::Caller;
use crate::auth::permissions::BillingRead;
use crate::backend::Backend;
use crate::problem::{ApiError, Problem};
use crate::{Accepts, Enveloped, Query};

/// Longest period that a query may cover.
const LONGEST: TimeDelta = TimeDelta::days(5 * 366);

/// What calls cost: charges and their corrections, by the time they were posted.
#[derive(Serialize, ToSchema)]
#[schema(as = UsageLine)]
pub(crate) struct UsageView {
    /// Day in UTC (`2026-05-01`), when grouped by `day`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, format = Date)]
    day: Option<String>,
    /// Agent of the calls, when grouped by `agent`: TypeID `agt_…`; `null`: calls without an agent.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    agent_id: Option<Option<String>>,
    /// Part of the cost, when grouped by `component`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, value_type = Option<projections::words::CostComponent>)]
    component: Option<&'static str>,
    /// Calls that were charged.
    calls: u64,
    /// What those calls cost.
    amount: MoneyView,
}

fn line(spending: &Spending, by: SpendingBy, currency: &str) -> UsageView {
    let day = spending.day.and_then(|day| DateTime::from_timestamp(day * 86_400, 0));
    let agent = spending.agent.map(|agent| AgentId(agent).to_string());
    UsageView {
        day: day.map(|day| day.date_naive().to_string()),
        agent_id: (by == SpendingBy::Agent).then_some(agent),
        component: None,
        calls: spending.calls,
        amount: money(spending.components.iter().sum(), currency),
    }
}

fn by_component(spending: &Spending, currency: &str) -> Vec<UsageView> {
    let parts = Component::ALL.iter().zip(spending.components).filter(|(_, amount)| *amount != 0);
    let part = |(component, amount): (&Component, i64)| UsageView {
        day: None,
        agent_id: None,
        component: Some(component.as_str()),
        calls: spending.calls,
        amount: money(amount, currency),
    };
    parts.map(part).collect()
}

/// Get what calls cost in a period.
///
/// Without `group_by` in one sum. With `Accept: text/csv` the answer has one line for each group.
#[utoipa::path(get, path = "/api/v1/billing/usage", tag = "billing", operation_id = "getUsage",
    params(
        ("from" = Option<String>, Query,
            description = "Start of the period (RFC 3339); 30 days before `to`, if left out"),
        ("to" = Option<String>, Query, description = "End of the period (RFC 3339); now, if left out"),
        ("group_by" = Option<String>, Query, description = "`day`, `agent` or `component`")),
    responses((status = 200, description = "What calls cost",
        content((Enveloped<Vec<UsageView>> = "application/json"), (String = "text/csv"))), Problem))]
#[get("/billing/usage")]
pub(crate) async fn get_usage(
    caller: Caller<BillingRead>,
    mut query: Query,
    accepts: Accepts,
    backend: web::Data<Backend>,
) -> Result<HttpResponse, ApiError> {
    let to = query.time("to").unwrap_or_else(|| backend.runtime.clock.now());
    let from = query.time("from");
    let from = from.unwrap_or_else(|| to.checked_sub_signed(TimeDelta::days(30)).unwrap_or(to));
    if from >= to {
        query.fault("from", "must be before `to`");
    } else if to - from > LONGEST {
        query.fault("from", "must be at most five years before `to`");
    }
    let group = query.text("group_by");
    let by = match group.as_deref() {
        None | Some("component") => SpendingBy::Nothing,
        Some("day") => SpendingBy::Day,
        Some("agent") => SpendingBy::Agent,
        Some(_) => {
            query.fault("group_by", "give day, agent or component");
            SpendingBy::Nothing
        }
    };
    query.finish()?;
    let spending = backend.views.spending(caller.client, (from, to), by).await;
    let spending = spending.map_err(ApiError::unavailable)?;
    let account = account(&backend, caller.client).await?;
    let currency = account.map_or_else(|| "USD".to_owned(), |account| account.currency.to_string());
    let lines: Vec<UsageView> = match group.as_deref() {
        Some("component") => spending.iter().flat_map(|all| by_component(all, &currency)).collect(),
        _ => spending.iter().map(|one| line(one, by, &currency)).collect(),
    };
    accepts.table(["day", "agent_id", "component", "calls", "amount_micros", "currency"], &lines, |line| {
        [
            line.day.clone().unwrap_or_default(),
            line.agent_id.clone().flatten().unwrap_or_default(),
            line.component.unwrap_or_default().to_owned(),
            line.calls.to_string(),
            line.amount.amount_micros.to_string(),
            line.amount.currency.clone(),
        ]
    })
}
