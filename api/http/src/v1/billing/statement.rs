//! Endpoint with the statement of a month: sums as JSON or as a page to print, every transaction as CSV.

use actix_web::http::header::{Accept, Header as _, VARY};
use actix_web::{HttpRequest, HttpResponse, Responder as _, get, web};
use bytes::Bytes;
use chrono::TimeDelta;
use domain::billing::Component;
use domain::envelope::Time;
use domain::ids::ClientId;
use projections::billing::{SpendingBy, TransactionFilter, TransactionView};
use projections::calls::MoneyView;
use projections::edge::format_time;
use projections::page::{Cursor, MAX_PAGE, Order, PageRequest};
use serde::Serialize;
use utoipa::ToSchema;

use super::super::text::harmless;
use super::balance::account;
use super::money::money;
use super::month::Month;
use super::statement_html;
use crate::auth::Caller;
use crate::auth::permissions::BillingRead;
use crate::backend::Backend;
use crate::problem::{ApiError, Problem};
use crate::{Answer, Enveloped, Query};

/// The sums of a month. `opening` and all `totals` add up to `closing`.
#[derive(Serialize, ToSchema)]
#[schema(as = Statement)]
pub(crate) struct StatementView {
    /// Month of the statement.
    #[schema(example = "2026-05")]
    pub(super) month: String,
    /// Time zone of the month, of the IANA database.
    pub(super) timezone: String,
    /// Begin of the month.
    #[serde(with = "projections::edge::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    pub(super) from: Time,
    /// End of the month; not included.
    #[serde(with = "projections::edge::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    pub(super) to: Time,
    /// Credit at its begin, kept credit included.
    pub(super) opening: MoneyView,
    /// Credit at its end, kept credit included.
    pub(super) closing: MoneyView,
    /// Number of the transactions in it.
    pub(super) transactions: u64,
    /// What the transactions of each kind add up to.
    pub(super) totals: Vec<KindTotal>,
    /// What calls cost, by part.
    pub(super) components: Vec<ComponentTotal>,
}

/// What the transactions of a kind add up to.
#[derive(Serialize, ToSchema)]
pub(crate) struct KindTotal {
    /// Kind of the transactions.
    #[schema(value_type = projections::words::TransactionKind)]
    pub(super) kind: &'static str,
    /// Number of the transactions in it.
    pub(super) count: u64,
    /// How much they grew the credit; negative when they shrank it.
    pub(super) amount: MoneyView,
}

/// What a part of all calls cost.
#[derive(Serialize, ToSchema)]
pub(crate) struct ComponentTotal {
    /// Part of the cost.
    #[schema(value_type = projections::words::CostComponent)]
    pub(super) component: &'static str,
    /// What that part cost.
    pub(super) amount: MoneyView,
}

/// Get the statement of a month.
///
/// As JSON its sums, with `Accept: text/html` as a page to print; with `Accept: text/csv` one line for each transaction,
/// oldest first, whose amounts add up to them.
#[utoipa::path(get, path = "/api/v1/billing/statements/{month}", tag = "billing", operation_id = "getStatement",
    params(("month" = String, Path, description = "Month of the statement, such as `2026-05`"),
        ("timezone" = Option<String>, Query,
            description = "Time zone of the month (IANA), such as `Europe/Berlin`; UTC, if left out")),
    responses((status = 200, description = "The statement",
        content((Enveloped<StatementView> = "application/json"), (String = "text/csv"), (String = "text/html"))),
        Problem))]
#[get("/billing/statements/{month}")]
pub(crate) async fn get_statement(
    caller: Caller<BillingRead>,
    month: web::Path<String>,
    mut query: Query,
    http: HttpRequest,
    backend: web::Data<Backend>,
) -> Result<HttpResponse, ApiError> {
    let parsed = month.parse::<Month>().map_err(|()| ApiError::not_found("month"))?;
    let zone = query.text("timezone").and_then(|name| {
        let found = backend.menus.zones().find(&name);
        if found.is_none() {
            query.fault("timezone", "give a time zone of the IANA database, such as Europe/Berlin");
        }
        found.map(|zone| (name, zone))
    });
    query.finish()?;
    let period = parsed.period(zone.as_ref().map(|(_, zone)| zone));
    let wanted = wanted(&http);
    if wanted == "text/csv" {
        return Ok(as_csv(backend, &caller, period));
    }
    let timezone = zone.map_or_else(|| "UTC".to_owned(), |(name, _)| name);
    let statement = statement(&backend, caller.client, period, (month.into_inner(), timezone)).await?;
    if wanted == "text/html" {
        return statement_html::page(&statement);
    }
    let mut response = Answer::data(&statement).respond_to(&http);
    response.headers_mut().append(VARY, actix_web::http::header::HeaderValue::from_static("accept"));
    Ok(response)
}

/// The media type that is wanted first. An unreadable `Accept` counts as none.
fn wanted(http: &HttpRequest) -> String {
    let wanted = Accept::parse(http).ok().and_then(|accept| accept.ranked().into_iter().next());
    wanted.map_or_else(String::new, |first| first.essence_str().to_owned())
}

async fn statement(
    backend: &Backend,
    client: ClientId,
    (from, to): (Time, Time),
    (month, timezone): (String, String),
) -> Result<StatementView, ApiError> {
    let views = &backend.views;
    let opening = views.credit_before(client, from).await.map_err(ApiError::unavailable)?;
    let totals = views.totals(client, (from, to)).await.map_err(ApiError::unavailable)?;
    let spent =
        views.spending(client, (from, to), SpendingBy::Nothing).await.map_err(ApiError::unavailable)?;
    let account = account(backend, client).await?;
    let currency = account.map_or_else(|| "USD".to_owned(), |account| account.currency.to_string());
    let growth: i64 = totals.iter().map(|total| total.amount).sum();
    let of_kind = |total: &projections::billing::Totals| KindTotal {
        kind: total.kind.as_str(),
        count: total.count,
        amount: money(total.amount, &currency),
    };
    let parts = spent.iter().flat_map(|all| Component::ALL.iter().zip(all.components));
    let components = parts.filter(|(_, amount)| *amount != 0).map(|(component, amount)| ComponentTotal {
        component: component.as_str(),
        amount: money(amount, &currency),
    });
    Ok(StatementView {
        month,
        timezone,
        from,
        to,
        opening: money(opening, &currency),
        closing: money(opening.saturating_add(growth), &currency),
        transactions: totals.iter().map(|total| total.count).sum(),
        totals: totals.iter().map(of_kind).collect(),
        components: components.collect(),
    })
}

const COLUMNS: [&str; 9] = [
    "id",
    "at",
    "kind",
    "amount_micros",
    "balance_after_micros",
    "currency",
    "source_type",
    "source_id",
    "reason",
];

/// Streams the transactions page by page: a statement may have hundreds of thousands.
fn as_csv(
    backend: web::Data<Backend>,
    caller: &Caller<BillingRead>,
    (from, to): (Time, Time),
) -> HttpResponse {
    let client = caller.client;
    enum At {
        Header,
        Page(Option<Cursor>),
        Done,
    }
    let lines = futures::stream::try_unfold(At::Header, move |at| {
        let backend = backend.clone();
        async move {
            let after = match at {
                At::Done => return Ok::<_, ApiError>(None),
                At::Header => {
                    let header = csv_of(std::iter::once(COLUMNS.map(str::to_owned)))?;
                    return Ok(Some((header, At::Page(None))));
                }
                At::Page(after) => after,
            };
            let request = PageRequest {
                limit: MAX_PAGE,
                after,
                order: Order::Asc,
                // both bounds are exclusive
                created_after: from.checked_sub_signed(TimeDelta::microseconds(1)),
                created_before: Some(to),
                ..PageRequest::default()
            };
            let page = backend.views.transactions(client, TransactionFilter::default(), &request).await;
            let page = page.map_err(ApiError::unavailable)?;
            let rows: Result<Vec<[String; 9]>, _> = page.items.iter().map(|item| row(item)).collect();
            let text = csv_of(rows.map_err(ApiError::internal)?.into_iter())?;
            let next = page.next.map_or(At::Done, |next| At::Page(Some(next)));
            Ok(Some((text, next)))
        }
    });
    HttpResponse::Ok()
        .content_type("text/csv; charset=utf-8")
        .append_header((VARY, "accept"))
        .streaming(caller.warrant().cuts(lines))
}

fn row(json: &str) -> Result<[String; 9], serde_json::Error> {
    let one: TransactionView = serde_json::from_str(json)?;
    let source = serde_json::to_value(one.source.kind)?;
    let source = source.as_str().unwrap_or_default().to_owned();
    Ok([
        one.id.to_string(),
        format_time(one.at),
        one.kind.as_str().to_owned(),
        one.amount.amount_micros.to_string(),
        one.balance_after.amount_micros.to_string(),
        one.amount.currency,
        source,
        one.source.id,
        harmless(&one.reason.unwrap_or_default()),
    ])
}

fn csv_of(rows: impl Iterator<Item = [String; 9]>) -> Result<Bytes, ApiError> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    for row in rows {
        writer.write_record(row).map_err(ApiError::internal)?;
    }
    let text = writer.into_inner().map_err(|error| ApiError::internal(error.into_error()))?;
    Ok(Bytes::from(text))
}
