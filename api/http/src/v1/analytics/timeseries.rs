//! Endpoint that reports one metric by hour or by day.

use actix_web::{HttpResponse, get, web};
use chrono::TimeDelta;
use projections::analytics::{Grouping, Metric, Point, Range, Series};
use projections::rollup::Span;

use super::ask::{period, rollups};
use crate::auth::Caller;
use crate::auth::permissions::AnalyticsRead;
use crate::backend::Backend;
use crate::problem::{ApiError, Problem};
use crate::{Accepts, Enveloped, Query};

/// Most hours or days of one answer.
const MOST_BUCKETS: u64 = 2_000;

/// Get a metric over time.
///
/// One point for every hour or day (UTC), also where nothing happened; with `group_by` one for every group in each.
/// Calls and conversations count in the hour or day in which they began, menu steps and webhooks in the one in
/// which they happened. `cost` is in millionths of the currency that is its group. With `Accept: text/csv` the
/// answer has one line for each point.
#[utoipa::path(get, path = "/api/v1/analytics/timeseries", tag = "analytics", operation_id = "getAnalyticsTimeseries",
    params(
        ("metric" = Option<String>, Query,
            description = "What to measure: `calls` (the default), `answered`, `failed`, `duration_ms_avg`, `duration_ms_p50`, `duration_ms_p95`, `ivr_entries`, `webhook_attempts`, `webhook_failures`, `conversations`, `tokens` or `cost`"),
        ("interval" = Option<String>, Query,
            description = "Length of a bucket: `hour` (the default) or `day`"),
        ("from" = Option<String>, Query,
            description = "Start of the period (RFC 3339); if left out, 24 hours before `to`, or \
            30 days with the interval `day`"),
        ("to" = Option<String>, Query, description = "End of the period (RFC 3339); now, if left out"),
        ("group_by" = Option<String>, Query,
            description = "One point for each value of this field: `direction`, `status`, `end_reason`, `fault`, `agent`, `menu`, `endpoint`, `error`, `channel` or `kind`; not every metric has every field. Not grouped, if left out")),
    responses((status = 200, description = "The points of the metric, oldest first",
        content((Enveloped<Vec<Point>> = "application/json"), (String = "text/csv"))), Problem))]
#[get("/analytics/timeseries")]
pub(crate) async fn get_analytics_timeseries(
    caller: Caller<AnalyticsRead>,
    query: Query,
    accepts: Accepts,
    backend: web::Data<Backend>,
) -> Result<HttpResponse, ApiError> {
    let series = series(query, &backend)?;
    let (of, sketches) = ((series.metric.counted(), None), series.metric.is_of_sketches());
    let rollups = rollups(&backend, caller.client, of, sketches, &[series.range]).await?;
    let points = series.points(&rollups);
    let row = |point: &Point| {
        let value = point.value.map(|value| value.to_string()).unwrap_or_default();
        [projections::edge::format_time(point.bucket), value, point.group.clone().unwrap_or_default()]
    };
    accepts.table(["bucket", "value", "group"], &points, row)
}

fn series(mut query: Query, backend: &Backend) -> Result<Series, ApiError> {
    let metric = match query.text("metric") {
        Some(word) => one_of(&mut query, "metric", &word, Metric::ALL, Metric::as_str),
        None => Some(Metric::Calls),
    };
    let span =
        query.text("interval").map(|word| one_of(&mut query, "interval", &word, &Span::ALL, Span::as_str));
    let group_by = query
        .text("group_by")
        .map(|word| one_of(&mut query, "group_by", &word, Grouping::ALL, Grouping::as_str));
    let (span, group_by) = (span.flatten().unwrap_or(Span::Hour), group_by.flatten());
    if let (Some(metric), Some(group)) = (metric, group_by)
        && !metric.groupings().contains(&group)
    {
        let can = words(metric.groupings(), Grouping::as_str);
        query.fault("group_by", &format!("{} can be told apart by {can}", metric.as_str()));
    }
    let length = if span == Span::Day { TimeDelta::days(30) } else { TimeDelta::days(1) };
    let (from, to) = period(&mut query, backend.runtime.clock.now(), length);
    let range = Range::covering(span, from, to);
    let series = metric.map(|metric| Series { metric, group_by, range });
    if series.is_some_and(|series| series.buckets() > MOST_BUCKETS) {
        query.fault("from", &format!("ask for at most {MOST_BUCKETS} points at a time, or by day"));
    }
    query.finish()?;
    series.ok_or_else(|| ApiError::internal("a metric that is none"))
}

fn words<T: Copy>(all: &[T], word: fn(T) -> &'static str) -> String {
    all.iter().map(|one| word(*one)).collect::<Vec<_>>().join(", ")
}

fn one_of<T: Copy>(
    query: &mut Query,
    name: &str,
    text: &str,
    all: &[T],
    word: fn(T) -> &'static str,
) -> Option<T> {
    let found = all.iter().copied().find(|one| word(*one) == text);
    if found.is_none() {
        query.fault(name, &format!("must be one of {}", words(all, word)));
    }
    found
}
