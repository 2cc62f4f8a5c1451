//! Endpoint that reports how an API key is used.

use actix_web::{get, web};
use domain::ids::ApiKeyId;
use serde::Serialize;
use utoipa::ToSchema;

use crate::auth::Caller;
use crate::auth::permissions::KeysRead;
use crate::backend::Backend;
use crate::problem::{ApiError, Problem};
use crate::{Answer, Enveloped, PathId};

/// Usage figures of an API key. The node updates them every few seconds.
#[derive(Serialize, ToSchema)]
pub(crate) struct ApiKeyStats {
    /// Number of requests so far.
    usage_count: u64,
    /// Requests left of the quota; `null` without a quota.
    quota_remaining: Option<u64>,
    /// Requests per UTC day, oldest first; the last 90 days on which the key was used.
    by_day: Vec<DayUse>,
    /// Requests per endpoint, the most used first.
    by_endpoint: Vec<EndpointUse>,
}

/// Usage on one day.
#[derive(Serialize, ToSchema)]
pub(crate) struct DayUse {
    /// The day in UTC, as `YYYY-MM-DD`.
    #[schema(value_type = String, format = Date, example = "2026-01-31")]
    date: String,
    /// Number of requests on this day.
    count: u64,
}

/// Usage of one endpoint.
#[derive(Serialize, ToSchema)]
pub(crate) struct EndpointUse {
    /// Method and path template of the endpoint.
    #[schema(example = "GET /api/v1/calls/{id}")]
    endpoint: String,
    /// Number of requests to this endpoint.
    count: u64,
}

/// Get how an API key is used.
///
/// The number of requests in all, by day and by endpoint, and what is left of the quota.
#[utoipa::path(get, path = "/api/v1/auth/api-keys/{id}/stats", tag = "api keys", operation_id = "getApiKeyStats",
    params(("id" = String, Path, description = "Id of the API key: `key_…`")),
    responses((status = 200, description = "How often the API key was used",
        body = Enveloped<ApiKeyStats>), Problem))]
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
