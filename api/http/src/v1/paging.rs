//! Paging and filters of lists that views answer.

use std::fmt::Display;
use std::str::FromStr;

use domain::ports::StoreUnavailable;
use projections::page::{Cursor as Place, FieldFilter, FieldValue, Page, PageRequest};
use utoipa::IntoParams;
use utoipa::openapi::schema::Type;

use crate::problem::ApiError;
use crate::{Answer, Cursor, Order, Paging, Query};

/// Paging parameters of every list of the API.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "only described here: `Query` reads it")]
pub(crate) struct PageParams {
    /// Whether to count all matching entries and answer the total.
    include_total: Option<bool>,
    /// Most entries on a page: 1 to 200, 50 by default.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<u32>,
    /// `next_cursor` of the page before; the first page, if left out.
    cursor: Option<String>,
    /// Order by creation: `asc` or `desc`.
    order: Option<String>,
}

/// Paging parameters of what happened to one resource: events, messages, the lines of a transcript.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "only described here: `Query` reads it")]
pub(crate) struct HistoryParams {
    /// Most entries on a page: 1 to 200, 50 by default.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<u32>,
    /// `next_cursor` of the page before; the first page, if left out.
    cursor: Option<String>,
    /// Oldest first (`asc`, the default) or newest first (`desc`).
    order: Option<String>,
}

/// Filters of a list by the time of creation.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "only described here: `Query` reads it")]
pub(crate) struct CreatedParams {
    /// Only what was created after this time (RFC 3339).
    created_after: Option<String>,
    /// Only what was created before this time (RFC 3339).
    created_before: Option<String>,
}

/// A filter of a list: the query parameter, and the field of the resource it compares with.
pub(crate) struct Filter {
    name: &'static str,
    path: &'static str,
    read: Read,
    description: &'static str,
}

/// How to read a filter's value.
enum Read {
    Flag,
    Word(Vec<&'static str>),
    /// Converts the value to the text that resources show, or says what would be right.
    Parsed(fn(&str) -> Result<String, String>),
}

impl Filter {
    /// Filters by a field of the same name that is `true` or `false`.
    pub(super) const fn flag(name: &'static str) -> Self {
        Self { name, path: name, read: Read::Flag, description: "" }
    }

    /// Filters by a field of the same name that is one of these words.
    pub(super) const fn word(name: &'static str, words: Vec<&'static str>) -> Self {
        Self { name, path: name, read: Read::Word(words), description: "" }
    }

    /// Filters by a field of the same name that is an id.
    pub(super) const fn id<T: FromStr<Err: Display> + Display>(name: &'static str) -> Self {
        Self::parsed(name, |text| match text.parse::<T>() {
            Ok(id) => Ok(id.to_string()),
            Err(error) => Err(error.to_string()),
        })
    }

    /// Filters by a field of the same name, whose text `read` makes from the parameter's value.
    pub(super) const fn parsed(name: &'static str, read: fn(&str) -> Result<String, String>) -> Self {
        Self { name, path: name, read: Read::Parsed(read), description: "" }
    }

    /// Compares with the field at this path instead.
    pub(super) fn at(self, path: &'static str) -> Self {
        Self { path, ..self }
    }

    /// Describes the filter in the OpenAPI document.
    pub(super) fn says(self, description: &'static str) -> Self {
        Self { description, ..self }
    }

    /// Name, description and type of its parameter.
    pub(super) fn described(&self) -> (&'static str, &'static str, Type) {
        let kind = if matches!(self.read, Read::Flag) { Type::Boolean } else { Type::String };
        (self.name, self.description, kind)
    }

    fn take(&self, query: &mut Query) -> Option<FieldFilter> {
        let text = query.text(self.name)?;
        let value = match (&self.read, text.as_str()) {
            (Read::Flag, "true") => Ok(FieldValue::Flag(true)),
            (Read::Flag, "false") => Ok(FieldValue::Flag(false)),
            (Read::Flag, _) => Err("give true or false".to_owned()),
            (Read::Word(words), word) if words.contains(&word) => Ok(FieldValue::Text(text)),
            (Read::Word(words), _) => Err(format!("give one of {}", words.join(", "))),
            (Read::Parsed(read), text) => read(text).map(FieldValue::Text),
        };
        match value {
            Ok(value) => Some(FieldFilter { path: self.path, value }),
            Err(advice) => {
                query.fault(self.name, &advice);
                None
            }
        }
    }
}

/// Reads filters, paging and creation times from the query. Answers 422 for an invalid parameter.
pub(super) fn filtered(
    mut query: Query,
    filters: impl IntoIterator<Item = Filter>,
) -> Result<PageRequest, ApiError> {
    let fields = filters.into_iter().filter_map(|filter| filter.take(&mut query)).collect();
    let (created_after, created_before) = (query.time("created_after"), query.time("created_before"));
    let with_total = query.flag("include_total");
    let paging = query.paging();
    query.finish()?;
    Ok(PageRequest { created_after, created_before, fields, ..request(&paging, with_total)? })
}

/// Answers a list; the caller has already taken its filters from the query. Answers 422 for an invalid parameter,
/// 503 when the views do not answer.
pub(super) async fn list(
    query: Query,
    read: impl AsyncFnOnce(PageRequest) -> Result<Page, StoreUnavailable>,
) -> Result<Answer, ApiError> {
    answer(&page(query, read).await?)
}

/// Reads the page that a query asks for.
pub(super) async fn page(
    mut query: Query,
    read: impl AsyncFnOnce(PageRequest) -> Result<Page, StoreUnavailable>,
) -> Result<Page, ApiError> {
    let with_total = query.flag("include_total");
    let paging = query.paging();
    query.finish()?;
    read(request(&paging, with_total)?).await.map_err(ApiError::unavailable)
}

/// Converts the query's paging to the views' form. Answers 422 for a cursor that this node did not issue.
pub(super) fn request(paging: &Paging, with_total: bool) -> Result<PageRequest, ApiError> {
    let after = paging.cursor.as_ref().map(Cursor::read::<String>).transpose()?;
    let place = after.map(|text| text.parse::<Place>()).transpose();
    let after = place.map_err(|error| ApiError::invalid("cursor", "invalid", error.to_string()))?;
    let (limit, order) = (paging.limit as u32, order(paging.order));
    Ok(PageRequest { limit, after, order, with_total, ..PageRequest::default() })
}

pub(super) fn order(order: Order) -> projections::page::Order {
    match order {
        Order::Ascending => projections::page::Order::Asc,
        Order::Descending => projections::page::Order::Desc,
    }
}

/// Answers a page, with its cursor and, if counted, its total.
pub(super) fn answer(page: &Page) -> Result<Answer, ApiError> {
    let next = page.next.map(|place| Cursor::after(&place.to_string())).transpose()?;
    let answer = Answer::json_list(&page.items, next);
    Ok(match page.total {
        Some(total) => answer.total(total),
        None => answer,
    })
}
