//! How the generic resource code reads API keys and answers their refusals.

use super::super::super::paging::Filter;
use super::super::owners::leave_an_owner;
use super::reach::covers_key;
use crate::auth::Principal;
use crate::auth::permissions::KeysWrite;
use crate::backend::Backend;
use domain::api_key::ApiKeyCommand;
use domain::api_key::{ApiKey, ApiKeyRefusal};
use domain::envelope::Time;
use domain::ids::ApiKeyId;
use domain::origin::Origin;
use projections::api_keys::{ApiKeyView, ApiKeys};
use serde::Serialize;
use utoipa::ToSchema;

use super::super::super::commands::AsProblem;
use super::super::super::recipe::{Delete, Recipe, Wording};
use super::super::super::resource::Resource;
use crate::auth::permissions::KeysRead;
use crate::problem::ApiError;

#[derive(Debug)]
pub(crate) struct KeyResource;

impl Resource for KeyResource {
    type Id = ApiKeyId;
    type Rules = ApiKey;
    type View = ApiKeys;
}

impl Recipe for KeyResource {
    type Read = KeysRead;

    const WORDING: Wording = Wording {
        path: "/auth/api-keys",
        tag: "api keys",
        operation: "ApiKey",
        one: "an API key",
        noun: "API key",
        many: "API keys",
        about_list: "Without their secrets, revoked keys included.",
    };

    fn filters() -> Vec<Filter> {
        vec![Filter::flag("enabled").says("`true`: only enabled ones; `false`: only disabled ones")]
    }
}

impl Delete for KeyResource {
    type Write = KeysWrite;

    const SUMMARY: &'static str = "Delete an API key.";
    const ABOUT: &'static str = "The key stops working and is no longer listed.";

    fn command(origin: Origin, now: Time) -> ApiKeyCommand {
        ApiKeyCommand::Delete { origin, now }
    }

    async fn check(backend: &Backend, caller: &Principal, id: ApiKeyId) -> Result<(), ApiError> {
        covers_key(backend, caller, id)?;
        leave_an_owner(backend, caller, id.0).await
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
