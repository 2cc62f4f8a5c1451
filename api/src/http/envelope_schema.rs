//! The envelope as the OpenAPI document shows it: `body = Enveloped<Call>`, `body = Listed<Call>`.

use serde::Serialize;
use utoipa::ToSchema;

/// A success.
#[derive(Debug, Serialize, ToSchema)]
pub struct Enveloped<T> {
    /// What was asked for.
    pub data: T,
    /// About this answer.
    pub meta: Meta,
}

/// A page of a list.
#[derive(Debug, Serialize, ToSchema)]
pub struct Listed<T> {
    /// The items, newest first unless asked otherwise.
    pub data: Vec<T>,
    /// About this answer and what comes after it.
    pub meta: ListMeta,
}

/// About an answer.
#[derive(Debug, Serialize, ToSchema)]
pub struct Meta {
    /// The request, to be named in a report.
    pub request_id: String,
    /// On writes: the position in the log that was reached.
    #[schema(minimum = 1)]
    pub position: Option<u64>,
    /// `true` on a change of `url` to another scheme, host or port that dropped stored headers or credentials: give
    /// them again. Absent otherwise.
    pub secrets_dropped: Option<bool>,
}

/// About a page.
#[derive(Debug, Serialize, ToSchema)]
pub struct ListMeta {
    /// The request, to be named in a report.
    pub request_id: String,
    /// Whether there are more items.
    pub has_more: bool,
    /// Send it as `cursor` to go on; `null` at the end.
    #[schema(required = true)]
    pub next_cursor: Option<String>,
    /// How many there are in all, when `include_total=true` was asked.
    pub total: Option<u64>,
}
