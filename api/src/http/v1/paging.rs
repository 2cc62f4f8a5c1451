//! Pages of views, as the edge asks for and answers them.

use domain::ports::StoreUnavailable;
use projections::page::{Cursor as Place, Page, PageRequest};
use utoipa::IntoParams;

use crate::http::{Answer, Cursor, Order, Paging, Query};
use crate::problem::ApiError;

/// What every list of the API can be asked.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "only described here: `Query` reads it")]
pub(crate) struct PageParams {
    /// Count all that fit.
    include_total: Option<bool>,
    /// 50 by default.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<u32>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
    /// `asc` or `desc`.
    order: Option<String>,
}

/// Answers a list; its filters, if it has any, are taken from the query before.
///
/// # Errors
/// 422 for what cannot be asked, 503 when the views do not answer.
pub(super) async fn list(
    mut query: Query,
    read: impl AsyncFnOnce(PageRequest) -> Result<Page, StoreUnavailable>,
) -> Result<Answer, ApiError> {
    let with_total = query.flag("include_total");
    let paging = query.paging();
    query.finish()?;
    let page = read(request(&paging, with_total)?).await;
    answer(&page.map_err(ApiError::unavailable)?)
}

/// The view's form of what the client asked for.
///
/// # Errors
/// When the cursor is none of ours.
pub(super) fn request(paging: &Paging, with_total: bool) -> Result<PageRequest, ApiError> {
    let after = paging.cursor.as_ref().map(Cursor::read::<String>).transpose()?;
    let place = after.map(|text| text.parse::<Place>()).transpose();
    let after = place.map_err(|error| ApiError::invalid("cursor", "invalid", error.to_string()))?;
    Ok(PageRequest { limit: paging.limit as u32, after, order: order(paging.order), with_total })
}

/// The view's word for an order.
pub(super) fn order(order: Order) -> projections::page::Order {
    match order {
        Order::Ascending => projections::page::Order::Asc,
        Order::Descending => projections::page::Order::Desc,
    }
}

/// The answer to a list.
///
/// # Errors
/// When the cursor cannot be written.
pub(super) fn answer(page: &Page) -> Result<Answer, ApiError> {
    let next = page.next.map(|place| Cursor::after(&place.to_string())).transpose()?;
    let answer = Answer::json_list(&page.items, next);
    Ok(match page.total {
        Some(total) => answer.total(total),
        None => answer,
    })
}
