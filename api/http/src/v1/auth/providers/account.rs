//! Public form of a provider account, and its session.

use actors::Session;
use domain::ids::ClientId;
use domain::provider::{AccountTerms, ProviderAccount, ProviderKind, ProviderRefusal, account_stream};
use projections::words;
use serde::Serialize;
use std::collections::BTreeMap;
use utoipa::ToSchema;

use super::super::super::commands::{AsProblem, problem};
use crate::backend::Backend;
use crate::problem::ApiError;

/// An account with a provider. Its API key is never shown, except for the last 4 characters.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Account {
    /// Kind of provider: `tts`, `stt`, `llm`, `telephony`, `embeddings`, `crm` or `runtime`.
    #[schema(value_type = words::ProviderKind)]
    kind: &'static str,
    /// Name of the provider, such as `telnyx` or `groq`.
    #[schema(example = "telnyx")]
    provider: String,
    /// Last 4 characters of its API key.
    #[schema(example = "9fA2")]
    key_last4: String,
    /// Further settings of the account, such as `connection_id` or `base_url`.
    settings: BTreeMap<String, String>,
    /// Version of the account's stream; also its `ETag`.
    version: u64,
}

impl Account {
    pub(super) fn of(kind: ProviderKind, terms: &AccountTerms, version: u64) -> Self {
        Self {
            kind: kind.as_str(),
            provider: terms.provider.clone(),
            key_last4: terms.key_last4.clone(),
            settings: terms.settings.clone(),
            version,
        }
    }
}

/// Reads the kind from a path. Answers 404 when it is unknown.
pub(super) fn kind(text: &str) -> Result<ProviderKind, ApiError> {
    ProviderKind::from_name(text).ok_or_else(|| ApiError::not_found("kind of provider"))
}

/// A session on the client's account stream, read to its end.
pub(super) async fn session(
    backend: &Backend,
    client: ClientId,
    kind: ProviderKind,
) -> Result<Session<ProviderAccount>, ApiError> {
    let mut session = Session::new(backend.runtime.clone(), account_stream(client, kind));
    session.refresh().await.map_err(problem)?;
    Ok(session)
}

impl AsProblem for ProviderRefusal {
    const KIND: &'static str = "account";

    fn as_problem(&self) -> ApiError {
        let field = match self {
            ProviderRefusal::Unknown => return ApiError::not_found(Self::KIND),
            ProviderRefusal::Provider => "provider",
            ProviderRefusal::ApiKey => "api_key",
            ProviderRefusal::Settings => "settings",
        };
        ApiError::invalid(field, "invalid", self.to_string())
    }
}
