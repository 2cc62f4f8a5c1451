//! The accounts with language model providers: a client's own, or the node's.

use std::fmt;
use std::num::NonZeroUsize;
use std::sync::Arc;

use actors::{Runtime, Session};
use adapters::llm::{Account, Accounts, LlmKey, Patience};
use async_trait::async_trait;
use domain::envelope::Version;
use domain::ids::ClientId;
use domain::model::Provider;
use domain::ports::llm::LlmFailure;
use domain::ports::vault::Vault;
use domain::provider::{ProviderAccount, ProviderKind, account_stream};
use lru::LruCache;
use parking_lot::Mutex;

use crate::config::{Config, Secret};
use api_http::backend::{llm_settings, secret_place};

/// The most clients whose accounts are cached.
const READY_CLIENTS: NonZeroUsize = NonZeroUsize::new(1_000).unwrap();

/// The node's own accounts, in the order in which they are used when a request names no model. The scripted one
/// always exists, and comes last.
pub fn own_accounts(config: &Config) -> Vec<Account> {
    let account = |provider, key: &Option<Secret>, base: &str| {
        let key = LlmKey::new(key.as_ref()?.reveal());
        Some(Account { provider, key, base: base.to_owned(), own: false, default_model: None })
    };
    let compatible = config.openai_compatible.api_base.as_ref().map(|base| Account {
        provider: Provider::OpenaiCompatible,
        key: LlmKey::new(config.openai_compatible.api_key.as_ref().map_or("", |key| key.reveal())),
        base: base.as_str().to_owned(),
        own: false,
        default_model: config.openai_compatible.model.clone(),
    });
    let scripted = Account {
        provider: Provider::Scripted,
        key: LlmKey::new(""),
        base: String::new(),
        own: false,
        default_model: None,
    };
    [
        account(Provider::Groq, &config.groq.api_key, config.groq.api_base.as_str()),
        account(Provider::Openai, &config.openai.api_key, config.openai.api_base.as_str()),
        account(Provider::Anthropic, &config.anthropic.api_key, config.anthropic.api_base.as_str()),
        account(Provider::Google, &config.google.api_key, config.google.api_base.as_str()),
        compatible,
        Some(scripted),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// Time limits for providers, from the configuration.
pub fn patience(config: &Config) -> Patience {
    Patience {
        first_token: config.llm.first_token_timeout,
        between: config.llm.token_timeout,
        total: config.llm.answer_timeout,
        ..Patience::default()
    }
}

/// The base URL of a provider for accounts that name none.
fn base_of(config: &[(Provider, String)], provider: Provider) -> Option<&String> {
    config.iter().find(|(known, _)| *known == provider).map(|(_, base)| base)
}

/// The accounts of clients, and the node's.
pub struct ClientModels {
    runtime: Runtime,
    vault: Arc<dyn Vault>,
    own: Vec<Account>,
    bases: Vec<(Provider, String)>,
    ready: Mutex<LruCache<ClientId, (Version, Account)>>,
}

impl fmt::Debug for ClientModels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientModels").field("own", &self.own.len()).finish_non_exhaustive()
    }
}

impl ClientModels {
    pub fn new(runtime: Runtime, vault: Arc<dyn Vault>, config: &Config) -> Self {
        let bases = [
            (Provider::Groq, config.groq.api_base.as_str()),
            (Provider::Openai, config.openai.api_base.as_str()),
            (Provider::Anthropic, config.anthropic.api_base.as_str()),
            (Provider::Google, config.google.api_base.as_str()),
        ];
        let bases = bases.map(|(provider, base)| (provider, base.to_owned())).into();
        let ready = Mutex::new(LruCache::new(READY_CLIENTS));
        Self { runtime, vault, own: own_accounts(config), bases, ready }
    }

    /// The client's own account, if it has one. Reads its few events each time, so that a change applies at once.
    async fn of_client(&self, client: ClientId) -> Result<Option<Account>, LlmFailure> {
        let unavailable = |error: String| LlmFailure::Transport(error);
        let stream = account_stream(client, ProviderKind::Llm);
        let mut session = Session::<ProviderAccount>::new(self.runtime.clone(), stream);
        session.refresh().await.map_err(|error| unavailable(error.to_string()))?;
        let Some((terms, sealed)) = session.state().current() else { return Ok(None) };
        let Some(provider) = Provider::from_name(&terms.provider) else { return Ok(None) };
        let known = self.ready.lock().get(&client).cloned();
        if let Some((_, account)) = known.filter(|(version, _)| *version == session.version()) {
            return Ok(Some(account));
        }
        let place = secret_place(client, ProviderKind::Llm);
        let key =
            self.vault.open(client, &place, sealed).await.map_err(|error| unavailable(error.to_string()))?;
        let key = String::from_utf8(key).map_err(|_| LlmFailure::Credentials)?;
        let given = terms.settings.get(llm_settings::BASE_URL);
        let Some(base) = given.or_else(|| base_of(&self.bases, provider)) else { return Ok(None) };
        let account = Account {
            provider,
            key: LlmKey::new(key),
            base: base.clone(),
            // an address that the operator configured is trusted like the operator's own account
            own: given.is_some() || provider == Provider::OpenaiCompatible,
            default_model: terms.settings.get(llm_settings::MODEL).cloned(),
        };
        let ready = (session.version(), account.clone());
        self.ready.lock().put(client, ready);
        Ok(Some(account))
    }
}

#[async_trait]
impl Accounts for ClientModels {
    async fn of(&self, client: ClientId) -> Result<Vec<Account>, LlmFailure> {
        let theirs = self.of_client(client).await?;
        let others = self
            .own
            .iter()
            .filter(|own| theirs.as_ref().is_none_or(|theirs| theirs.provider != own.provider));
        Ok(theirs.iter().chain(others).cloned().collect())
    }
}
