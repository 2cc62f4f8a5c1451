//! The gateway to all providers: credentials, replaced model names, circuit breakers, and fallback
//! to the next model.

use std::collections::HashMap;
use std::fmt;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Instant;

use async_trait::async_trait;
use domain::conversation::{Finish, PassedOver, has_words};
use domain::ids::ClientId;
use domain::model::{ModelRef, Provider};
use domain::ports::clock::Clock;
use domain::ports::llm::{
    Answering, BreakerWord, ChatEvent, ChatEvents, ChatProvider, ChatRequest, Completion, LanguageModels,
    LlmFailure, ModelStatus, ProviderStatus, Unanswered,
};
use lru::LruCache;
use parking_lot::Mutex;

use super::anthropic::Anthropic;
use super::catalogue::Catalogue;
use super::client::{HttpChat, Patience};
use super::dialect::Dialect;
use super::google::Google;
use super::health::Health;
use super::openai::{Family, OpenAi};
use super::scripted::Scripted;
use crate::webhooks::Guard;

/// Accounts whose HTTP clients are cached.
const READY_ACCOUNTS: NonZeroUsize = NonZeroUsize::new(1_000).unwrap();
/// Models whose health is cached.
const KNOWN_MODELS: NonZeroUsize = NonZeroUsize::new(10_000).unwrap();

/// A provider's API key. `Debug` hides it.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct LlmKey(String);

impl LlmKey {
    pub fn new(key: impl Into<String>) -> Self {
        Self(key.into())
    }

    pub(super) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for LlmKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LlmKey(…)")
    }
}

/// Credentials and address of a provider.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Account {
    pub provider: Provider,
    /// The API key; empty where the provider needs none.
    pub key: LlmKey,
    /// Base URL of the API.
    pub base: String,
    /// Whether the account belongs to the client; then its address must be a public one.
    pub own: bool,
    /// The model for requests that name none; `None` when the account does not say.
    pub default_model: Option<String>,
}

/// Looks up the accounts of clients.
#[async_trait]
pub trait Accounts: fmt::Debug + Send + Sync {
    /// The accounts that a client may use, its own first; at most one for each provider. Fails when they cannot be
    /// looked up at the moment.
    async fn of(&self, client: ClientId) -> Result<Vec<Account>, LlmFailure>;
}

/// The provider behind an account, reached through `http`.
#[must_use]
pub fn connect(
    account: &Account,
    http: reqwest::Client,
    patience: Patience,
    clock: Arc<dyn Clock>,
) -> Arc<dyn ChatProvider> {
    fn over<D: Dialect>(
        dialect: D,
        account: &Account,
        (http, patience, clock): (reqwest::Client, Patience, Arc<dyn Clock>),
    ) -> Arc<dyn ChatProvider> {
        let name = account.provider.as_str();
        Arc::new(
            HttpChat::new(dialect, http, &account.base, account.key.clone(), patience, clock).named(name),
        )
    }
    let with = (http, patience, clock);
    match account.provider {
        Provider::Scripted => Arc::new(Scripted),
        Provider::Groq => over(OpenAi(Family::Groq), account, with),
        Provider::Openai => over(OpenAi(Family::OpenAi), account, with),
        Provider::OpenaiCompatible => over(OpenAi(Family::Compatible), account, with),
        Provider::Anthropic => over(Anthropic, account, with),
        Provider::Google => over(Google, account, with),
    }
}

/// A model as reached by a client's own account, or by the node's (`None`).
type Patient = (Option<ClientId>, ModelRef);

/// All providers behind one interface.
pub struct Gateway {
    accounts: Arc<dyn Accounts>,
    catalogue: Catalogue,
    clock: Arc<dyn Clock>,
    patience: Patience,
    /// For the node's own accounts, at any address that the operator configured.
    http: reqwest::Client,
    /// For clients' own accounts; connects to public addresses only.
    guarded: reqwest::Client,
    guard: Guard,
    ready: Mutex<LruCache<Account, Arc<dyn ChatProvider>>>,
    health: Mutex<LruCache<Patient, Arc<Health>>>,
    warned: Mutex<HashMap<ModelRef, ()>>,
}

impl fmt::Debug for Gateway {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gateway").field("patience", &self.patience).finish_non_exhaustive()
    }
}

impl Gateway {
    /// A gateway to the providers that `accounts` has credentials for, and to the scripted one. Fails when TLS
    /// cannot be set up.
    pub fn new(
        accounts: Arc<dyn Accounts>,
        catalogue: Catalogue,
        guard: Guard,
        patience: Patience,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, reqwest::Error> {
        let client = || {
            crate::http::client()
                .connect_timeout(patience.connect)
                .redirect(reqwest::redirect::Policy::none())
                .tcp_nodelay(true)
                .user_agent(concat!("voxledger/", env!("CARGO_PKG_VERSION")))
        };
        Ok(Self {
            accounts,
            catalogue,
            clock,
            patience,
            http: client().build()?,
            guarded: client().no_proxy().dns_resolver(Arc::new(guard.clone())).build()?,
            guard,
            ready: Mutex::new(LruCache::new(READY_ACCOUNTS)),
            health: Mutex::new(LruCache::new(KNOWN_MODELS)),
            warned: Mutex::default(),
        })
    }

    /// The provider behind an account, from the cache or new.
    fn provider(&self, account: &Account) -> Result<Arc<dyn ChatProvider>, LlmFailure> {
        if let Some(ready) = self.ready.lock().get(account) {
            return Ok(ready.clone());
        }
        let http = if account.own { self.guarded.clone() } else { self.http.clone() };
        if account.own && self.guard.url(&account.base).is_err() {
            return Err(LlmFailure::BadRequest("the account's address may not be reached".to_owned()));
        }
        let made = connect(account, http, self.patience, self.clock.clone());
        self.ready.lock().put(account.clone(), made.clone());
        Ok(made)
    }

    fn health(&self, client: ClientId, account: &Account, model: &ModelRef) -> Arc<Health> {
        let patient = (account.own.then_some(client), model.clone());
        self.health.lock().get_or_insert(patient, || Arc::new(Health::new())).clone()
    }

    /// The model to call: the given one, or its successor.
    fn served(&self, model: &ModelRef) -> ModelRef {
        let Some(successor) = self.catalogue.successor(model) else { return model.clone() };
        if self.warned.lock().insert(model.clone(), ()).is_none() {
            tracing::warn!(old = %model, new = %successor, "the provider serves this model no more; its successor is asked");
        }
        successor
    }

    /// Tries the models one after the other until `ask` gets an answer.
    async fn first<A: Ask>(
        &self,
        client: ClientId,
        models: &[ModelRef],
        ask: A,
        request: &ChatRequest,
    ) -> Result<Got<A::Answer>, Unanswered> {
        let accounts = match self.accounts.of(client).await {
            Ok(accounts) => accounts,
            Err(failure) => return Err(Unanswered { failure, passed_over: vec![] }),
        };
        let mut passed_over = Vec::new();
        let mut last = LlmFailure::UnknownModel;
        for wanted in models {
            let model = self.served(wanted);
            let began = Instant::now();
            let done = self.one(client, &accounts, &model, &ask, request).await;
            let outcome = done.as_ref().map_or_else(|failure| failure.fault().as_str(), |_| "answered");
            let provider = model.provider.as_str();
            metrics::counter!(domain::metrics::LLM_REQUESTS, "provider" => provider, "outcome" => outcome)
                .increment(1);
            match done {
                Ok((answer, health)) => {
                    metrics::histogram!(domain::metrics::LLM_FIRST_TOKEN_SECONDS, "provider" => provider)
                        .record(began.elapsed());
                    return Ok(Got { by: model, passed_over, answer, health });
                }
                Err(failure) => {
                    if !matches!(failure, LlmFailure::NotConfigured(_)) {
                        tracing::info!(%model, error = &failure as &dyn std::error::Error, "a model did not answer");
                    }
                    passed_over.push(PassedOver { model, fault: failure.fault() });
                    last = failure;
                }
            }
        }
        Err(Unanswered { failure: last, passed_over })
    }

    async fn one<A: Ask>(
        &self,
        client: ClientId,
        accounts: &[Account],
        model: &ModelRef,
        ask: &A,
        request: &ChatRequest,
    ) -> Result<(A::Answer, Arc<Health>), LlmFailure> {
        let account = accounts.iter().find(|account| account.provider == model.provider);
        let account = account.ok_or(LlmFailure::NotConfigured(model.provider))?;
        let provider = self.provider(account)?;
        let health = self.health(client, account, model);
        if let Some(rest) = health.rest(self.clock.monotonic()) {
            return Err(rest);
        }
        let permit = health.breaker.admit(self.clock.monotonic()).map_err(|_| LlmFailure::CircuitOpen)?;
        let answer = ask.ask(&*provider, &model.model, request).await;
        let now = self.clock.monotonic();
        match &answer {
            Err(failure) if failure.is_sickness() => permit.failure(now),
            _ => permit.success(now),
        }
        match &answer {
            Ok(_) => health.forget(),
            Err(failure) => health.note(failure, now),
        }
        answer.map(|answer| (answer, health.clone()))
    }
}

/// An answer with the model that gave it.
struct Got<T> {
    by: ModelRef,
    passed_over: Vec<PassedOver>,
    answer: T,
    health: Arc<Health>,
}

/// A way to request an answer: streamed or whole.
#[async_trait]
trait Ask: Sync {
    type Answer: Send;

    async fn ask(
        &self,
        provider: &dyn ChatProvider,
        model: &str,
        request: &ChatRequest,
    ) -> Result<Self::Answer, LlmFailure>;
}

/// Requests a streamed answer, up to its first event.
struct Streaming;

#[async_trait]
impl Ask for Streaming {
    type Answer = (Vec<ChatEvent>, Box<dyn ChatEvents>);

    async fn ask(
        &self,
        provider: &dyn ChatProvider,
        model: &str,
        request: &ChatRequest,
    ) -> Result<Self::Answer, LlmFailure> {
        begun(provider.stream(model, request).await?).await
    }
}

/// Requests a whole answer.
struct Whole;

#[async_trait]
impl Ask for Whole {
    type Answer = Completion;

    async fn ask(
        &self,
        provider: &dyn ChatProvider,
        model: &str,
        request: &ChatRequest,
    ) -> Result<Completion, LlmFailure> {
        let whole = provider.complete(model, request).await?;
        match has_words(&whole.text) || !whole.calls.is_empty() {
            true => Ok(whole),
            false => Err(empty(whole.finish)),
        }
    }
}

/// A streamed answer whose first events were read to be sure that it is one.
struct StartedStream {
    first: Vec<ChatEvent>,
    rest: Box<dyn ChatEvents>,
    health: Arc<Health>,
    clock: Arc<dyn Clock>,
}

#[async_trait]
impl ChatEvents for StartedStream {
    async fn next(&mut self) -> Option<Result<ChatEvent, LlmFailure>> {
        if let Some(event) = self.first.pop() {
            return Some(Ok(event));
        }
        let next = self.rest.next().await;
        if let Some(Err(failure)) = &next {
            let now = self.clock.monotonic();
            self.health.note(failure, now);
            if let (true, Ok(permit)) = (failure.is_sickness(), self.health.breaker.admit(now)) {
                permit.failure(now);
            }
        }
        next
    }
}

/// The failure for an answer without text and tool calls.
fn empty(finish: Finish) -> LlmFailure {
    match finish {
        Finish::Refused => LlmFailure::BadRequest("it refuses".to_owned()),
        // its reasoning may have used up all tokens it was allowed
        _ => LlmFailure::Protocol("an empty answer".to_owned()),
    }
}

/// Reads until there is something to deliver: text, or a tool call.
async fn begun(mut events: Box<dyn ChatEvents>) -> Result<(Vec<ChatEvent>, Box<dyn ChatEvents>), LlmFailure> {
    let (mut first, mut words) = (Vec::new(), String::new());
    loop {
        let event =
            events.next().await.unwrap_or_else(|| Err(LlmFailure::Transport("no answer".to_owned())))?;
        let told = match &event {
            ChatEvent::Text(more) => {
                words.push_str(more);
                has_words(&words)
            }
            ChatEvent::ToolCall(_) => true,
            ChatEvent::Finished(finish) => return Err(empty(*finish)),
            ChatEvent::Usage(_) | ChatEvent::Withdrawn(_) => false,
        };
        first.push(event);
        if told {
            first.reverse();
            return Ok((first, events));
        }
    }
}

#[async_trait]
impl LanguageModels for Gateway {
    async fn stream(
        &self,
        client: ClientId,
        models: &[ModelRef],
        request: &ChatRequest,
    ) -> Result<Answering, Unanswered> {
        let got = self.first(client, models, Streaming, request).await?;
        let Got { by, passed_over, answer: (first, rest), health } = got;
        let events = Box::new(StartedStream { first, rest, health, clock: self.clock.clone() });
        Ok(Answering { by, passed_over, events })
    }

    async fn complete(
        &self,
        client: ClientId,
        models: &[ModelRef],
        request: &ChatRequest,
    ) -> Result<(ModelRef, Completion), Unanswered> {
        let got = self.first(client, models, Whole, request).await?;
        Ok((got.by, got.answer))
    }

    async fn default_models(&self, client: ClientId) -> Vec<ModelRef> {
        let accounts = self.accounts.of(client).await.unwrap_or_default();
        let default = |account: &Account| {
            let named = account.default_model.as_ref().map(|model| ModelRef::new(account.provider, model));
            named.or_else(|| self.catalogue.default_of(account.provider))
        };
        accounts.iter().find_map(default).into_iter().collect()
    }

    async fn statuses(&self, client: ClientId) -> Vec<ProviderStatus> {
        let accounts = self.accounts.of(client).await.unwrap_or_default();
        let now = self.clock.monotonic();
        let status = |provider: Provider| {
            let account = accounts.iter().find(|account| account.provider == provider);
            let own = account.filter(|account| account.own).map(|_| client);
            let mut models: Vec<ModelStatus> = Vec::new();
            let health = self.health.lock();
            for known in self.catalogue.models(provider) {
                let health = health.peek(&(own, ModelRef::new(provider, &known.name)));
                models.push(model_status(&known.name, Some(known.context), health, now));
            }
            for ((owner, model), health) in health.iter() {
                let listed = models.iter().any(|known| known.model == model.model);
                if model.provider == provider && *owner == own && !listed {
                    models.push(model_status(&model.model, None, Some(health), now));
                }
            }
            let named = account.and_then(|account| account.default_model.clone());
            let default_model =
                named.or_else(|| self.catalogue.default_of(provider).map(|model| model.model));
            let replaced = self.catalogue.replaced(provider);
            ProviderStatus {
                provider,
                configured: account.is_some(),
                own: own.is_some(),
                default_model,
                models,
                replaced: replaced.map(|(old, new)| (old.to_owned(), new.to_owned())).collect(),
            }
        };
        Provider::ALL.into_iter().map(status).collect()
    }
}

fn model_status(name: &str, context: Option<u64>, health: Option<&Arc<Health>>, now: Instant) -> ModelStatus {
    ModelStatus {
        model: name.to_owned(),
        context,
        breaker: health.map_or(BreakerWord::Closed, |health| health.word(now)),
        last_error: health.and_then(|health| health.last()),
    }
}
