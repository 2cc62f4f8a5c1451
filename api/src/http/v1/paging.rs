//! Pages of views, as the edge asks for and answers them.

use projections::page::{Cursor as Place, Page, PageRequest};

use crate::http::{Answer, Cursor, Order, Paging};
use crate::problem::ApiError;

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
