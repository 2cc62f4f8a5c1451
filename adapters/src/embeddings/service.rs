//! All providers of embeddings behind the port.

use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use domain::ids::ClientId;
use domain::model::Provider;
use domain::ports::clock::Clock;
use domain::ports::embeddings::{
    Embedding, EmbeddingFailure, EmbeddingModel, EmbeddingProvider, EmbeddingTask, Embeddings,
    MAX_EMBEDDED_BYTES, MAX_EMBEDDED_TEXTS,
};
use domain::ports::llm::LlmFailure;
use lru::LruCache;
use parking_lot::Mutex;

use super::budget::Budget;
use super::cache::{Cache, ContentHash, content_hash};
use super::hashed::{HASHED_MODEL, hashed};
use super::protocol::{BATCH, request, vectors};
use crate::llm::{Account, Accounts, Dialect, Family, Google, Health, HttpChat, OpenAi, Patience};
use crate::webhooks::Guard;

/// Models whose health is remembered.
const KNOWN_MODELS: NonZeroUsize = NonZeroUsize::new(1_000).unwrap();

/// Settings of the service.
#[derive(Debug, Clone)]
pub struct EmbeddingOptions {
    /// The model where nobody names one.
    pub model: EmbeddingModel,
    /// Texts that each client may have embedded a minute, those from the cache and the built-in ones not counted.
    pub texts_per_minute: u32,
    /// Memory for vectors that were made before, in bytes.
    pub cache_bytes: usize,
    /// Longest time of a request to a provider, its repeats included.
    pub timeout: Duration,
}

impl Default for EmbeddingOptions {
    fn default() -> Self {
        Self {
            model: EmbeddingModel::new(EmbeddingProvider::Hashed, HASHED_MODEL, 512),
            texts_per_minute: 6_000,
            cache_bytes: 32 << 20,
            timeout: Duration::from_secs(20),
        }
    }
}

/// A model as reached by a client's own account, or by the node's (`None`).
type Reached = (Option<ClientId>, EmbeddingModel);

/// Makes vectors with the accounts of clients and of the node.
#[derive(Debug)]
pub struct EmbeddingService {
    options: EmbeddingOptions,
    accounts: Arc<dyn Accounts>,
    clock: Arc<dyn Clock>,
    /// For the node's own accounts, at any address that the operator configured.
    http: reqwest::Client,
    /// For clients' own accounts; connects to public addresses only.
    guarded: reqwest::Client,
    guard: Guard,
    budget: Budget,
    cache: Cache,
    health: Mutex<LruCache<Reached, Arc<Health>>>,
}

impl EmbeddingService {
    /// A service over the accounts of the language models. Fails when TLS cannot be set up.
    pub fn new(
        options: EmbeddingOptions,
        accounts: Arc<dyn Accounts>,
        guard: Guard,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, reqwest::Error> {
        let client = || {
            crate::http::client()
                .connect_timeout(Patience::default().connect)
                .redirect(reqwest::redirect::Policy::none())
                .tcp_nodelay(true)
                .user_agent(concat!("voxledger/", env!("CARGO_PKG_VERSION")))
        };
        Ok(Self {
            budget: Budget::new(options.texts_per_minute),
            cache: Cache::new(options.cache_bytes),
            options,
            accounts,
            clock,
            http: client().build()?,
            guarded: client().no_proxy().dns_resolver(Arc::new(guard.clone())).build()?,
            guard,
            health: Mutex::new(LruCache::new(KNOWN_MODELS)),
        })
    }

    /// Asks a provider for vectors of texts that are not in the cache.
    async fn ask(
        &self,
        client: ClientId,
        model: &EmbeddingModel,
        task: EmbeddingTask,
        texts: &[&str],
    ) -> Result<Vec<Embedding>, EmbeddingFailure> {
        let account = self.account(client, model.provider).await?;
        let now = self.clock.monotonic();
        self.budget.take(client, texts.len(), now).map_err(EmbeddingFailure::Budget)?;
        let reached = (account.own.then_some(client), model.clone());
        let health = self.health.lock().get_or_insert(reached, || Arc::new(Health::new())).clone();
        let mut all = Vec::with_capacity(texts.len());
        for batch in texts.chunks(BATCH) {
            if let Some(rest) = health.rest(self.clock.monotonic()) {
                return Err(rest.into());
            }
            let permit = health.breaker.admit(self.clock.monotonic()).map_err(|_| LlmFailure::CircuitOpen)?;
            let answer = self.batch(&account, model, task, batch).await;
            let now = self.clock.monotonic();
            match &answer {
                Err(EmbeddingFailure::Provider(failure)) => {
                    health.note(failure, now);
                    if failure.is_sickness() { permit.failure(now) } else { permit.success(now) }
                }
                Err(EmbeddingFailure::Count { .. }) => permit.failure(now),
                Err(_) => permit.success(now),
                Ok(_) => {
                    health.forget();
                    permit.success(now);
                }
            }
            all.extend(answer?);
        }
        Ok(all)
    }

    async fn batch(
        &self,
        account: &Account,
        model: &EmbeddingModel,
        task: EmbeddingTask,
        texts: &[&str],
    ) -> Result<Vec<Embedding>, EmbeddingFailure> {
        let (path, body) = request(model, task, texts);
        let name = &model.model;
        let answered = match model.provider {
            EmbeddingProvider::Google => {
                self.chat(Google, account).post("embeddings", name, &path, &body).await?
            }
            EmbeddingProvider::Openai => {
                let chat = self.chat(OpenAi(Family::OpenAi), account);
                chat.post("embeddings", name, &path, &body).await?
            }
            EmbeddingProvider::OpenaiCompatible | EmbeddingProvider::Hashed => {
                let chat = self.chat(OpenAi(Family::Compatible), account);
                chat.post("embeddings", name, &path, &body).await?
            }
        };
        vectors(model, texts.len(), &answered)
    }

    fn chat<D: Dialect>(&self, dialect: D, account: &Account) -> HttpChat<D> {
        let http = if account.own { self.guarded.clone() } else { self.http.clone() };
        let patience = Patience { total: self.options.timeout, ..Patience::default() };
        HttpChat::new(dialect, http, &account.base, account.key.clone(), patience, self.clock.clone())
            .named(account.provider.as_str())
    }

    /// The client's own account with the provider, or the node's.
    async fn account(
        &self,
        client: ClientId,
        provider: EmbeddingProvider,
    ) -> Result<Account, EmbeddingFailure> {
        let wanted = match provider {
            EmbeddingProvider::Google => Provider::Google,
            EmbeddingProvider::Openai => Provider::Openai,
            EmbeddingProvider::OpenaiCompatible => Provider::OpenaiCompatible,
            EmbeddingProvider::Hashed => return Err(EmbeddingFailure::NotConfigured(provider)),
        };
        let accounts = self.accounts.of(client).await?;
        let account = accounts.into_iter().find(|account| account.provider == wanted);
        let account = account.ok_or(EmbeddingFailure::NotConfigured(provider))?;
        if account.own && self.guard.url(&account.base).is_err() {
            return Err(EmbeddingFailure::Refused("the account's address may not be reached"));
        }
        Ok(account)
    }
}

/// Checks a request against the port's limits.
fn check(model: &EmbeddingModel, texts: &[String]) -> Result<(), EmbeddingFailure> {
    if !model.is_valid() {
        return Err(EmbeddingFailure::Refused("the model needs a name and 1 to 4096 dimensions"));
    }
    if model.provider == EmbeddingProvider::Hashed && model.model != HASHED_MODEL {
        return Err(LlmFailure::UnknownModel.into());
    }
    if texts.len() > MAX_EMBEDDED_TEXTS {
        return Err(EmbeddingFailure::Refused("at most 2000 texts at a time"));
    }
    if texts.iter().any(|text| text.len() > MAX_EMBEDDED_BYTES) {
        return Err(EmbeddingFailure::Refused("a text is longer than 8192 bytes: cut it up"));
    }
    if texts.iter().any(|text| text.trim().is_empty()) {
        return Err(EmbeddingFailure::Refused("a text is blank"));
    }
    Ok(())
}

/// How an outcome is counted.
fn outcome<T>(result: &Result<T, EmbeddingFailure>) -> &'static str {
    match result {
        Ok(_) => "embedded",
        Err(EmbeddingFailure::Provider(failure)) => failure.fault().as_str(),
        Err(EmbeddingFailure::NotConfigured(_)) => "not_configured",
        Err(EmbeddingFailure::Refused(_)) => "bad_request",
        Err(EmbeddingFailure::Budget(_)) => "rate_limited",
        Err(EmbeddingFailure::BadVector(_) | EmbeddingFailure::Count { .. }) => "protocol",
    }
}

#[async_trait]
impl Embeddings for EmbeddingService {
    async fn embed(
        &self,
        client: ClientId,
        model: &EmbeddingModel,
        task: EmbeddingTask,
        texts: &[String],
    ) -> Result<Vec<Embedding>, EmbeddingFailure> {
        check(model, texts)?;
        if model.provider == EmbeddingProvider::Hashed {
            return texts.iter().map(|text| Ok(hashed(text, model.dimensions)?)).collect();
        }
        let hashes: Vec<ContentHash> =
            texts.iter().map(|text| content_hash(client, model, task, text)).collect();
        let mut found: Vec<Option<Embedding>> = hashes.iter().map(|hash| self.cache.get(hash)).collect();
        // the same text twice is asked for once
        let mut asked: HashMap<ContentHash, usize> = HashMap::new();
        let mut missing: Vec<&str> = Vec::new();
        for ((hash, text), found) in hashes.iter().zip(texts).zip(&found) {
            if found.is_none() && !asked.contains_key(hash) {
                asked.insert(*hash, missing.len());
                missing.push(text);
            }
        }
        if !missing.is_empty() {
            let made = self.ask(client, model, task, &missing).await;
            let provider = model.provider.as_str();
            metrics::counter!(domain::metrics::EMBEDDING_REQUESTS, "provider" => provider, "outcome" => outcome(&made))
                .increment(1);
            let made = made.inspect_err(|failure| {
                tracing::info!(%model, error = failure as &dyn std::error::Error, "texts were not embedded");
            })?;
            for (hash, found) in hashes.iter().zip(&mut found) {
                if found.is_none() {
                    *found = asked.get(hash).and_then(|place| made.get(*place)).cloned();
                }
            }
            for (hash, place) in asked {
                if let Some(vector) = made.get(place) {
                    self.cache.put(hash, vector.clone());
                }
            }
        }
        let (wanted, got) = (texts.len(), found.iter().flatten().count());
        found.into_iter().collect::<Option<_>>().ok_or(EmbeddingFailure::Count { wanted, got })
    }

    fn default_model(&self) -> EmbeddingModel {
        self.options.model.clone()
    }
}
