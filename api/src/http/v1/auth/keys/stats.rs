//! How a key is used.

use actix_web::{get, web};
use domain::ids::ApiKeyId;
use serde::Serialize;
use utoipa::ToSchema;

use crate::http::auth::Caller;
use crate::http::auth::permissions::KeysRead;
use crate::http::{Answer, Enveloped, PathId};
use crate::node::Backend;
use crate::problem::{ApiError, Problem};

/// How a key is used. The figures are told every few seconds.
#[derive(Serialize, ToSchema)]
pub(crate) struct ApiKeyStats {
    /// Requests so far.
    usage_count: u64,
    /// Requests left; `null` without a quota.
    quota_remaining: Option<u64>,
    /// By day, UTC, oldest first; the last 90 days on which it was used.
    by_day: Vec<DayUse>,
    /// By endpoint, the most used first.
    by_endpoint: Vec<EndpointUse>,
}

/// A day.
#[derive(Serialize, ToSchema)]
pub(crate) struct DayUse {
    /// The day.
    #[schema(value_type = String, format = Date, example = "2026-01-31")]
    date: String,
    /// Requests on it.
    count: u64,
}

/// An endpoint.
#[derive(Serialize, ToSchema)]
pub(crate) struct EndpointUse {
    /// Method and path.
    #[schema(example = "GET /api/v1/calls/{id}")]
    endpoint: String,
    /// Requests to it.
    count: u64,
}

/// Get how an API key is used.
///
/// How often in all, by day and by endpoint, and what is left of its quota.
#[utoipa::path(get, path = "/api/v1/auth/api-keys/{id}/stats", tag = "api keys", operation_id = "getApiKeyStats",
    params(("id" = String, Path, description = "The key")),
    responses((status = 200, description = "Its use", body = Enveloped<ApiKeyStats>), Problem))]
#[get("/auth/api-keys/{id}/stats")]
pub(crate) async fn get_api_key_stats(
    caller: Caller<KeysRead>,
    PathId(id): PathId<ApiKeyId>,
    backend: web::Data<Backend>,
) -> Result<Answer, ApiError> {
    let row = backend.views.api_key_row(caller.client, id).await.map_err(ApiError::unavailable)?;
    let row = row.ok_or_else(|| ApiError::not_found("API key"))?;
    let usage_count = row.view.usage_count;
    let mut by_endpoint: Vec<_> = row.inner.by_endpoint.into_iter().collect();
    by_endpoint.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    Ok(Answer::data(&ApiKeyStats {
        usage_count,
        quota_remaining: row.view.usage_quota.map(|quota| quota.saturating_sub(usage_count)),
        by_day: row.inner.by_day.into_iter().map(|(date, count)| DayUse { date, count }).collect(),
        by_endpoint: by_endpoint
            .into_iter()
            .map(|(endpoint, count)| EndpointUse { endpoint, count })
            .collect(),
    }))
}
