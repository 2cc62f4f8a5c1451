//! Endpoints with the prices: reading those in force and to come, and setting a list.

use actix_web::{get, put, web};
use actors::Session;
use domain::billing::price_book::{PriceBook, PriceBookCommand, PriceBookRefusal, PricesSet};
use domain::billing::{Component, Currency, Price, Rounding, Unit};
use domain::envelope::Time;
use domain::ids::{ClientId, PriceBookId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::super::commands::{AsProblem, context, problem};
use crate::auth::Caller;
use crate::auth::permissions::{BillingRead, BillingWrite};
use crate::backend::Backend;
use crate::problem::{ApiError, Code, Fields, Problem};
use crate::{Answer, EdgeId, Enveloped, JsonBody, Query, RequestContext};

impl AsProblem for PriceBookRefusal {
    const KIND: &'static str = "price book";

    fn as_problem(&self) -> ApiError {
        let field = match self {
            PriceBookRefusal::Past => "effective_from".to_owned(),
            PriceBookRefusal::OtherCurrency(_) => "currency".to_owned(),
            PriceBookRefusal::TooMany | PriceBookRefusal::TooManyLists => "prices".to_owned(),
            PriceBookRefusal::Repeated(at) => format!("prices[{at}]"),
            PriceBookRefusal::Price(at, fault) => {
                return ApiError::invalid(format!("prices[{at}].{}", fault.field), "invalid", fault.advice);
            }
        };
        ApiError::invalid(field, "invalid", self.to_string())
    }
}

fn one() -> u64 {
    1
}

/// What so many units of something cost.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Price)]
pub(crate) struct PriceBody {
    /// Part of the cost.
    #[schema(value_type = projections::words::CostComponent)]
    component: Component,
    /// Provider that it is of; any, if left out.
    #[serde(default)]
    #[schema(example = "telnyx", max_length = 200)]
    provider: Option<String>,
    /// Model that it is of; any, if left out.
    #[serde(default)]
    #[schema(max_length = 200)]
    model: Option<String>,
    /// What is counted. A price of `cost` is a markup on what the carrier itself charges: 1.2 for each 1.
    #[schema(value_type = projections::words::PriceUnit)]
    unit: Unit,
    /// Number of units that the price is for: 60 seconds make it a price of a minute.
    #[serde(default = "one")]
    #[schema(minimum = 1, maximum = 1_000_000_000)]
    per: u64,
    /// Price of so many units, in millionths of the currency.
    #[schema(minimum = 0, maximum = 1_000_000_000_000_i64, example = 12_000)]
    price: i64,
    /// Quantities are rounded up to a multiple of it: 6 for six-second increments.
    #[serde(default = "one")]
    #[schema(minimum = 1, maximum = 1_000_000_000)]
    increment: u64,
    /// The least quantity that is charged, where there is any.
    #[serde(default)]
    #[schema(maximum = 1_000_000_000)]
    minimum: u64,
    /// How an amount becomes a whole number of millionths.
    #[serde(default)]
    #[schema(value_type = projections::words::PriceRounding)]
    rounding: Rounding,
}

impl From<PriceBody> for Price {
    fn from(body: PriceBody) -> Self {
        let PriceBody { component, provider, model, unit, per, price, increment, minimum, rounding } = body;
        Self { component, provider, model, unit, per, price, increment, minimum, rounding }
    }
}

impl From<&Price> for PriceBody {
    fn from(price: &Price) -> Self {
        let Price { component, provider, model, unit, per, price, increment, minimum, rounding } =
            price.clone();
        Self { component, provider, model, unit, per, price, increment, minimum, rounding }
    }
}

/// A list of prices, which holds from a moment until the next one.
#[derive(Serialize, ToSchema)]
#[schema(as = PriceList)]
pub(crate) struct PriceListView {
    /// Client whose own prices they are: TypeID `cli_…`; `null`: everybody's.
    #[schema(required)]
    client_id: Option<String>,
    /// Currency of the prices as an ISO 4217 code.
    #[schema(example = "USD")]
    currency: String,
    /// From then on they hold.
    #[serde(with = "projections::edge::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    effective_from: Time,
    /// All prices of the list.
    prices: Vec<PriceBody>,
}

impl From<&PricesSet> for PriceListView {
    fn from(list: &PricesSet) -> Self {
        Self {
            client_id: list.client.map(|client| client.to_string()),
            currency: list.currency.to_string(),
            effective_from: list.effective_from,
            prices: list.prices.iter().map(PriceBody::from).collect(),
        }
    }
}

/// Prices that are to be set.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewPrices {
    /// Id of the client whose own prices they are: `cli_…`; everybody's, if left out.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    client_id: Option<EdgeId<ClientId>>,
    /// Currency as an ISO 4217 code; all prices of a node have the same one.
    #[schema(example = "USD")]
    currency: String,
    /// When they begin to hold (RFC 3339); now, if left out. Never in the past.
    #[serde(default)]
    #[schema(format = DateTime)]
    effective_from: Option<String>,
    /// All prices of the list: at most 200. An empty list has a client pay everybody's prices again.
    #[schema(max_items = 200)]
    prices: Vec<PriceBody>,
}

fn lists(book: &PriceBook, client: Option<ClientId>, now: Time) -> Vec<PriceListView> {
    let own = client.map(|client| book.from(Some(client), now)).unwrap_or_default();
    book.from(None, now).into_iter().chain(own).map(PriceListView::from).collect()
}

/// List the prices in force and to come.
///
/// First everybody's, then your own, which come before them. The platform's administrator may ask for those of a client.
#[utoipa::path(get, path = "/api/v1/billing/prices", tag = "billing", operation_id = "getPrices",
    params(("client_id" = Option<String>, Query, description = "Client whose prices are wanted: `cli_…`")),
    responses((status = 200, description = "Lists of prices", body = Enveloped<Vec<PriceListView>>), Problem))]
#[get("/billing/prices")]
pub(crate) async fn get_prices(
    caller: Caller<BillingRead>,
    mut query: Query,
    backend: web::Data<Backend>,
) -> Result<Answer, ApiError> {
    let wanted = query.take::<EdgeId<ClientId>>("client_id").map(|id| id.0);
    query.finish()?;
    let client = wanted.unwrap_or(caller.client);
    if client != caller.client && !caller.platform {
        return Err(ApiError::not_found("client"));
    }
    let book = backend.billing.prices.newest().await.map_err(problem)?;
    Ok(Answer::data(&lists(&book, Some(client), backend.runtime.clock.now())))
}

/// Set everybody's prices, or those of a client.
///
/// Only for the platform's administrator. The list holds in place of the one before, from `effective_from` on. Calls that
/// ended before keep their prices.
#[utoipa::path(put, path = "/api/v1/billing/prices", tag = "billing", operation_id = "putPrices",
    request_body = NewPrices,
    responses((status = 200, description = "Lists in force and to come",
        body = Enveloped<Vec<PriceListView>>), Problem))]
#[put("/billing/prices")]
pub(crate) async fn put_prices(
    caller: Caller<BillingWrite>,
    body: JsonBody<NewPrices>,
    request: RequestContext,
    backend: web::Data<Backend>,
) -> Result<Answer, ApiError> {
    if !caller.platform {
        return Err(ApiError::new(Code::PlatformOnly, "only the platform's administrator sets prices"));
    }
    let NewPrices { client_id, currency, effective_from, prices } = body.value;
    let client = client_id.map(|id| id.0);
    if client.is_some_and(|client| !backend.identity().has_client(client)) {
        return Err(ApiError::invalid("client_id", "unknown", "there is no such client"));
    }
    let mut fields = Fields::default();
    let currency: Option<Currency> = fields.keep("currency", currency.parse());
    let effective_from = effective_from.and_then(|text| {
        let time = chrono::DateTime::parse_from_rfc3339(&text).map(|time| time.to_utc());
        fields.keep("effective_from", time)
    });
    fields.finish()?;
    let Some(currency) = currency else { return Err(ApiError::malformed_request("no currency")) };
    let now = backend.runtime.clock.now();
    let prices = prices.into_iter().map(Price::from).collect();
    let set = PriceBookCommand::Set { client, currency, prices, effective_from, now };
    let mut session = Session::<PriceBook>::new(backend.runtime.clone(), PriceBookId::OF_NODE.stream());
    let context = context(&caller, &request, PriceBookId::OF_NODE.0);
    let receipt = session.execute(&set, &context, None).await.map_err(problem)?;
    if let Some(position) = receipt.position {
        // calls that are placed from now on are estimated by them
        backend.billing.prices.newest().await.map_err(problem)?;
        backend.caught_up(position).await;
    }
    Ok(Answer::data(&lists(session.state(), client, now)).written_at(receipt.position))
}
