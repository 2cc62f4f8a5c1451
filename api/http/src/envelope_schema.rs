//! Schemas of the envelope for the OpenAPI document: `body = Enveloped<Call>`, `body = Listed<Call>`.

use serde::Serialize;
use utoipa::ToSchema;

/// A successful answer of the API.
#[derive(Debug, Serialize, ToSchema)]
pub struct Enveloped<T> {
    /// Result of the request.
    pub data: T,
    /// Information about this answer.
    pub meta: Meta,
}

/// A page of a list.
#[derive(Debug, Serialize, ToSchema)]
pub struct Listed<T> {
    /// Items of the page, newest first unless `order` says otherwise.
    pub data: Vec<T>,
    /// Information about this page and the next one.
    pub meta: ListMeta,
}

/// Information about a successful answer.
#[derive(Debug, Serialize, ToSchema)]
pub struct Meta {
    /// Id of the request, to name in a report.
    pub request_id: String,
    /// On writes: log position that the write reached.
    #[schema(minimum = 1)]
    pub position: Option<u64>,
    /// `true` when a change of `url` to another scheme, host or port dropped stored headers or credentials: send
    /// them again. Absent otherwise.
    pub secrets_dropped: Option<bool>,
}

/// Information about a page of a list.
#[derive(Debug, Serialize, ToSchema)]
pub struct ListMeta {
    /// Id of the request, to name in a report.
    pub request_id: String,
    /// Whether there are more items after this page.
    pub has_more: bool,
    /// Send it as `cursor` to get the next page; `null` on the last page.
    #[schema(required = true)]
    pub next_cursor: Option<String>,
    /// On a customer's timeline: numbers of the customer that link no calls, because other customers have them, too.
    /// Absent on all other lists.
    #[schema(nullable = false)]
    pub shared_phones: Option<Vec<String>>,
    /// `true` when a search by meaning could not embed the query, and found by words alone. Absent otherwise.
    #[schema(nullable = false)]
    pub words_only: Option<bool>,
    /// Number of all matching items, when the request has `include_total=true`.
    pub total: Option<u64>,
    /// On writes: log position that the write reached.
    #[schema(minimum = 1)]
    pub position: Option<u64>,
}
