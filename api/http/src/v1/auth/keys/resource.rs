//! How the generic resource code reads API keys and answers their refusals.

use domain::api_key::{ApiKey, ApiKeyRefusal};
use domain::envelope::StreamId;
use domain::ids::{ApiKeyId, ClientId};
use domain::ports::StoreUnavailable;
use projections::Queries;
use projections::api_keys::{ApiKeyView, ApiKeys};
use projections::page::Stored;
use serde::Serialize;
use utoipa::ToSchema;

use super::super::super::commands::AsProblem;
use super::super::super::resource::Resource;
use crate::problem::ApiError;

#[derive(Debug)]
pub(in crate::v1) struct KeyResource;

impl Resource for KeyResource {
    type Id = ApiKeyId;
    type Rules = ApiKey;
    type View = ApiKeys;

    fn stream(id: ApiKeyId) -> StreamId {
        id.stream()
    }

    async fn stored(
        views: &dyn Queries,
        client: ClientId,
        id: ApiKeyId,
    ) -> Result<Option<Stored>, StoreUnavailable> {
        views.api_key(client, id).await
    }
}

impl AsProblem for ApiKeyRefusal {
    const KIND: &'static str = "API key";

    fn as_problem(&self) -> ApiError {
        let field = match self {
            ApiKeyRefusal::Unknown => return ApiError::not_found(Self::KIND),
            ApiKeyRefusal::Exists | ApiKeyRefusal::Revoked => return ApiError::conflict(self.to_string()),
            ApiKeyRefusal::Name => "name",
            ApiKeyRefusal::Scopes => "scopes",
            ApiKeyRefusal::RateLimit => "rate_limit",
            ApiKeyRefusal::UsageQuota => "usage_quota",
            ApiKeyRefusal::Expiry => "expires_in_days",
            ApiKeyRefusal::Overlap => "overlap_seconds",
        };
        ApiError::invalid(field, "invalid", self.to_string())
    }
}

/// An API key together with its plain text.
#[derive(Serialize, ToSchema)]
pub(crate) struct PlainApiKey {
    /// The API key without its secret.
    #[serde(flatten)]
    pub(super) key: ApiKeyView,
    /// Plain text of the key, to authenticate with. Shown only in this answer.
    #[schema(example = "vx_0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefg01234567")]
    pub(super) plain_key: String,
}
