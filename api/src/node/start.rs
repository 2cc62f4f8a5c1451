//! Wires the node, top to bottom.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::{Server, ServerHandle};
use actix_web::middleware::{Compress, Condition, from_fn};
use actix_web::{App, HttpServer, web};
use actors::call::{Calls, CallsOptions};
use actors::carrier::CarrierInbox;
use actors::conversation::{ConversationDeps, ConversationOptions, ConversationService, Voice};
use actors::ivr::{IvrDriver, IvrNewsChannel, IvrSessions, MenuLibrary};
use actors::outbox::{OutboxDeps, OutboxOptions};
use actors::privacy::{PrivacyDeps, PrivacyOptions};
use actors::sealer::{HistoryHealth, Prover, SealOptions, SealedLog, SealerDeps};
use actors::webhooks::{DeliveryDeps, DeliverySender, WebhookOptions};
use actors::{Runtime, TraceHooks};
use adapters::event_store::EventLog;
use adapters::keys::{KeysDb, SqlIdempotency};
use adapters::llm::{Catalogue, Gateway};
use adapters::outbox::SqlOutbox;
use adapters::privacy::{EncryptingEventStore, ErasureTargets, SealedSnapshots};
use adapters::read_models::SqlViews;
use adapters::seals::SealsDb;
use adapters::telephony::telnyx::WebhookVerifier;
use adapters::tools::HttpTools;
use anyhow::Context as _;
use domain::envelope::{Position, Time};
use domain::ids::{ClientId, MenuId, NumberId};
use domain::phone::E164;
use domain::ports::event_store::EventStore;
use domain::ports::outbox::OutboxStore;
use domain::ports::vault::Vault;
use domain::webhook::schedule::Schedule;
use projections::Queries;
use projections::runner::{self, Progress, Runner};
use projections::store::ViewStore;
use projections::webhooks::Publisher;
use tokio::net::TcpSocket;
use tokio::sync::{Semaphore, watch};
use tokio::task::{AbortHandle, JoinHandle};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::belonging::{self, Stores};
use super::bootstrap::{DEFAULT_CLIENT, ShowKey, bootstrap};
use super::call_board::{CallBoards, ShownCalls};
use super::call_feed::CallFeed;
use super::carriers::ClientCarriers;
use super::directories::{Directories, Identity};
use super::edges::Edges;
use super::farewell::{Ended, Farewell};
use super::files::{embedded_files, settle_all};
use super::forget::forget_expired_keys;
use super::history::{erase_again, must_stand};
use super::identity_provider::{self, KeySource};
use super::llms::{ClientModels, patience};
use super::log_key::LogKey;
use super::notes::Notes;
use super::readiness::{self, Writable};
use super::store_watch::StoreWatch;
use super::unique_names::UniqueNames;
use super::webhooks::Webhooks;
use crate::config::Config;
use crate::http::auth::{Authenticator, Passwords, Tokens};
use crate::http::client_ip::TrustedProxies;
use crate::http::cors::cors;
use crate::http::middleware::{Admission, AdmissionLimits, Edge, Idempotency, Paced, manners};
use crate::http::system::{Readiness, Running};
use crate::http::{Bodies, BodyLimit, BodyShapes, Streams, console, docs, system, v1};
use crate::limits::{Gate, Rate, Rates, UsageWriter, exchange, watch_storage};
use crate::telemetry::{Meters, trace_context};

/// The shortest retention of deliveries, longer than any delivery is attempted.
const SHORTEST_RETENTION: Duration = Duration::from_secs(7 * 24 * 3600);

/// Connections that may wait to be accepted.
const WAITING_CONNECTIONS: u32 = 1_024;

/// The shortest interval; without one a stream would send nothing but comments.
const SHORTEST_KEEP_ALIVE: Duration = Duration::from_millis(10);

/// Dependencies of the API's handlers.
#[derive(Debug, Clone)]
pub struct Backend {
    /// The log, clock and ids for commands.
    pub runtime: Runtime,
    /// Actors of live calls.
    pub calls: Calls,
    /// Actors of live IVR sessions.
    pub sessions: IvrSessions,
    /// The menus of all clients.
    pub menus: Arc<MenuLibrary>,
    /// Open streams, counted for each client.
    pub streams: Arc<Streams>,
    /// How long a session is shown after its end.
    pub session_retention: Duration,
    /// The service that holds conversations.
    pub conversations: ConversationService,
    /// How often a stream that waits for a model sends a comment.
    pub keep_alive: Duration,
    /// Handles the carriers' webhooks.
    pub inbox: CarrierInbox,
    /// Queries of the views.
    pub views: Arc<dyn Queries>,
    /// Encrypts the secrets of clients.
    pub vault: Arc<dyn Vault>,
    /// Hashes and checks passwords.
    pub passwords: Passwords,
    /// Writes events that no answer waits for.
    pub notes: Notes,
    /// Reserves unique values, such as email addresses.
    pub claims: UniqueNames,
    /// How long a write waits for the views.
    pub read_your_writes: Duration,
    /// How far back the audit log is shown.
    pub audit_retention: Duration,
    /// Verifies webhooks of the node's own account with Telnyx; without a key they are all refused.
    pub telnyx: Option<Arc<WebhookVerifier>>,
    /// The clients' own accounts with carriers.
    pub carriers: Arc<ClientCarriers>,
    /// The log, with the keys of personal data.
    pub private: EncryptingEventStore,
    /// Dependencies of erasure and export.
    pub privacy: PrivacyDeps,
    /// Dependencies of webhooks to clients.
    pub webhooks: Webhooks,
    /// Id of the log, which is part of every leaf of the Merkle tree.
    pub log_id: Uuid,
    /// Creates proofs of history.
    pub prover: Prover,
    /// The key that signs heads of the log.
    pub log_key: LogKey,
    /// Limits the number of concurrent exports.
    pub exports: Arc<Semaphore>,
    /// Cancelled when the node stops; streams to clients end with it.
    pub stop: CancellationToken,
    /// Rate limits and quotas.
    pub gate: Arc<Gate>,
    /// Publishes which calls change, while somebody watches.
    pub call_feed: CallFeed,
    /// Renders the streams of all calls.
    pub call_boards: CallBoards,
    progress: Progress,
    directories: Directories,
}

impl Backend {
    /// Waits, for a bounded time, until the views show the event at `position`; answers whether they do.
    pub async fn caught_up(&self, position: Position) -> bool {
        // waiting is no work: it must not occupy a place of running requests
        crate::http::context::leave();
        let views = self.progress.wait_for(position, self.read_your_writes);
        let known = tokio::time::timeout(self.read_your_writes, self.directories.wait_for(position));
        let (views, known) = tokio::join!(views, known);
        views && known.is_ok()
    }

    /// Waits, for a bounded time, until this node's directories include `position`; answers whether they do.
    pub async fn knows(&self, position: Position) -> bool {
        let known = self.directories.wait_for(position);
        tokio::time::timeout(self.read_your_writes, known).await.is_ok()
    }

    /// Current keys and users, and their rights.
    pub(crate) fn identity(&self) -> &Identity {
        &self.directories.identity
    }

    /// Sessions that ended before this time are not shown.
    #[must_use]
    pub fn sessions_since(&self) -> Time {
        self.runtime.clock.now() - self.session_retention
    }

    /// Whether the client may call from this number; `has_account` says that its calls go through its own account.
    #[must_use]
    pub fn may_call_as(&self, client: ClientId, has_account: bool, number: &E164) -> bool {
        self.directories.numbers.may_call_as(client, has_account, number)
    }

    /// A number of the client whose calls go to the menu.
    #[must_use]
    pub fn number_leading_to(&self, client: ClientId, menu: MenuId) -> Option<NumberId> {
        self.directories.numbers.leading_to(client, menu)
    }
}

#[derive(Debug)]
pub struct Node {
    /// The address on which it listens.
    pub address: SocketAddr,
    log: EventLog,
    keys: KeysDb,
    seals: SealsDb,
    views: Arc<dyn ViewStore>,
    runner: Runner,
    usage: Arc<UsageWriter>,
    conversations: ConversationService,
    stop: CancellationToken,
    draining: CancellationToken,
    grace: Duration,
    server: ServerHandle,
    tasks: Vec<JoinHandle<()>>,
    /// The sealer's task, which ends after everything that appends, and the token that stops it.
    sealing: (JoinHandle<()>, CancellationToken),
    serving: JoinHandle<std::io::Result<()>>,
    work: Arc<SqlOutbox>,
    sql_views: Arc<SqlViews>,
    failed: watch::Receiver<Option<String>>,
    files: Vec<(&'static str, PathBuf)>,
}

impl Node {
    /// Starts everything; returns once requests are served. Passes the owner key of an empty log to `show`. Fails
    /// when a store cannot be used or the address is taken.
    pub async fn start(config: &Config, edges: Edges, meters: Meters, show: ShowKey) -> anyhow::Result<Self> {
        // before anything is written: a start on a taken address leaves nothing behind
        let socket = take_address(config)?;
        let stop = CancellationToken::new();
        let (log, views, work_db) = (edges.log, Arc::new(edges.views), Arc::new(edges.work));
        let private = edges.private;
        let snapshots = SealedSnapshots::new(private.clone(), (*work_db).clone(), edges.clock.clone());
        let runtime = Runtime {
            store: Arc::new(private.clone()),
            snapshots: Some(Arc::new(snapshots)),
            clock: edges.clock,
            node: edges.ids.next().to_string().into(),
            ids: edges.ids,
            trace: TraceHooks {
                recording: trace_context::is_exporting,
                current: trace_context::current_traceparent,
                adopt: trace_context::set_parent,
            },
        };
        let secret = edges.vault.secret(actors::sealer::KEY).await.context("cannot use the vault")?;
        let sealed = SealedLog {
            // the tree covers events as they are stored, encrypted
            log: private.stored(),
            table: Arc::new(log.clone()),
            seals: Arc::new(edges.seals.clone()),
            keeper: edges.keeper,
            secret,
        };
        let kept = must_stand(&sealed, runtime.clock.now()).await?;
        erase_again(&private, &edges.keys, kept).await?;
        bootstrap(&runtime, config.keys.bootstrap_key.as_ref(), show).await?;
        // the bootstrap ensured that there is a first event
        let log_id = belonging::log_id(&*log.store()).await?.context("the log is empty")?;
        belonging::tie(&*log.store(), &Stores { keys: &edges.keys, work: &work_db, views: &views }).await?;

        let views_db = views.clone();
        let (view_store, queries): (Arc<dyn ViewStore>, Arc<dyn Queries>) = (views.clone(), views.clone());
        let deps = runner::Deps {
            log: Arc::new(private.redacted()),
            views: view_store.clone(),
            clock: runtime.clock.clone(),
            owner: runtime.node.to_string(),
        };
        belonging::heal_views(&deps).await;
        let known = all_views_hold(&*view_store).await;
        let rates = Rates {
            key_an_hour: config.limits.key_requests_per_hour.get(),
            client: Rate::per_minute(config.limits.client_requests_per_minute.get()),
            login: Rate::per_minute(config.limits.logins_per_minute.get()),
        };
        let secret = edges.vault.secret("logins").await.context("cannot use the vault")?;
        let gate = Arc::new(Gate::new(runtime.clock.clone(), rates, secret));
        let loaded = Directories::load(&*queries, &runtime, &edges.zones, gate.clone(), known).await;
        let (directories, known) = match loaded {
            Ok(directories) => (directories, known),
            Err(error) => {
                tracing::error!(%error, "the views are away: keys, numbers and menus are read from the log");
                (Directories::empty(&runtime, &edges.zones, gate.clone()), Position::START)
            }
        };
        let trace =
            runner::TraceHooks { recording: trace_context::is_exporting, adopt: trace_context::set_parent };
        let rebuild_deps = deps.clone();
        let options = CallsOptions { idle_after: config.actors.idle, ..CallsOptions::default() };
        let news = IvrNewsChannel::default();
        let calls = Calls::start(runtime.clone(), options, Some(news.of_calls()), stop.clone());
        let observer = Some(news.of_sessions());
        let menus = directories.menus.clone();
        let sessions = IvrSessions::start(runtime.clone(), options, menus, observer, stop.clone());
        let ivr = IvrDriver {
            runtime: runtime.clone(),
            calls: calls.clone(),
            sessions: sessions.clone(),
            webhooks: edges.step_webhooks,
            agents: directories.agents.clone(),
        };
        let (numbers, agents) = (directories.numbers.clone(), directories.agents.clone());
        let inbox = CarrierInbox::new(runtime.clone(), calls.clone(), numbers, agents, DEFAULT_CLIENT);
        let carriers =
            ClientCarriers::new(runtime.clone(), edges.vault.clone(), edges.telephony, edges.telnyx);
        let carriers = Arc::new(carriers);
        let accounts = Arc::new(ClientModels::new(runtime.clone(), edges.vault.clone(), config));
        let catalogue = Catalogue::built_in().context("the list of models cannot be read")?;
        let (guard, clock) = (edges.guard.clone(), runtime.clock.clone());
        let models = Gateway::new(accounts, catalogue, guard, patience(config), clock);
        let conversation_deps = ConversationDeps {
            runtime: runtime.clone(),
            models: Arc::new(models.context("cannot set up TLS")?),
            tools: Arc::new(HttpTools::new(edges.guard.clone()).context("cannot set up TLS")?),
            vault: edges.vault.clone(),
        };
        let talking = ConversationOptions {
            live: options,
            window_tokens: config.conversations.window_tokens.get().min(20_000) as u64,
            turns: config.conversations.turns.get(),
            sole: edges.keys.is_exclusive(),
            judge_by_model: config.conversations.model_sentiment,
            ..ConversationOptions::default()
        };
        let (conversations, mood) =
            ConversationService::start(conversation_deps, talking, None, stop.clone());
        let work: Arc<dyn OutboxStore> = work_db.clone();
        let bench = OutboxDeps {
            runtime: runtime.clone(),
            calls: calls.clone(),
            ivr: ivr.clone(),
            voice: Voice { conversations: conversations.clone(), calls: calls.clone() },
            inbox: inbox.clone(),
            telephony: carriers.clone(),
            store: work.clone(),
            leases: work_db.clone(),
        };
        let schedule = Schedule::new(config.webhooks.retry_schedule.0.clone());
        let delivery_sender =
            DeliverySender::new(runtime.clone(), edges.vault.clone(), edges.webhooks, schedule);
        let delivery_sender = Arc::new(delivery_sender);
        // clients never see content that is not retained
        let shown: Arc<dyn EventStore> = Arc::new(private.redacted());
        let deliveries = DeliveryDeps {
            runtime: Runtime { store: shown.clone(), ..runtime.clone() },
            public: Arc::new(Publisher::new(shown.clone())),
            store: work_db.clone(),
            leases: work_db.clone(),
            delivery_sender: delivery_sender.clone(),
        };
        let health = Arc::new(HistoryHealth::default());
        let (prover, log_key) = (Prover::new(sealed.seals.clone()), LogKey::new(sealed.secret));
        let sealer_deps = SealerDeps {
            runtime: runtime.clone(),
            sealed: sealed.clone(),
            health: health.clone(),
            operator: DEFAULT_CLIENT,
            leases: work_db.clone(),
            witnesses: edges.witnesses,
        };
        let data = ErasureTargets {
            log: private.clone(),
            jobs: edges.keys.privacy_jobs(),
            answers: Arc::new(SqlIdempotency::new(edges.keys.clone())),
            vault: edges.vault.clone(),
            views: (*views).clone(),
            work: (*work_db).clone(),
            rebuild: rebuild_deps,
            alone: edges.keys.is_exclusive(),
            grace: config.privacy.content_grace,
            clock: runtime.clock.clone(),
        };
        let privacy = PrivacyDeps {
            runtime: runtime.clone(),
            data: Arc::new(data),
            telephony: carriers.clone(),
            operator: DEFAULT_CLIENT,
            deliveries: work_db.clone(),
            leases: work_db.clone(),
        };
        let erasing = PrivacyOptions {
            backup_retention: config.privacy.backup_retention.duration(),
            audit_retention: config.audit.retention.duration(),
            attempt_retention: config.webhooks.retention.duration().max(SHORTEST_RETENTION),
            session_retention: config.ivr.session_retention.duration(),
            ..PrivacyOptions::default()
        };
        let webhooks = Webhooks {
            delivery_sender,
            guard: edges.guard,
            deliveries: work_db.clone(),
            store: work_db.clone(),
        };
        let attempts = WebhookOptions {
            concurrency: config.webhooks.concurrency.get(),
            per_endpoint: config.webhooks.endpoint_concurrency.get(),
            ..WebhookOptions::default()
        };
        let effects = OutboxOptions { concurrency: config.actors.effects.get(), ..OutboxOptions::default() };
        let usage = Arc::new(UsageWriter::new(runtime.clone(), gate.clone()));
        // requests in progress are finished after `stop`: until then their idempotency keys belong to this node
        let appended = CancellationToken::new();
        let over = appended.clone().cancelled_owned();
        let presence = edges.keys.present(runtime.ids.next(), runtime.clock.clone(), over).await;
        let idempotency = Idempotency {
            keys: Arc::new(SqlIdempotency::new(edges.keys.clone()).of_node(presence)),
            vault: edges.vault.clone(),
            clock: runtime.clock.clone(),
            ids: runtime.ids.clone(),
        };
        if edges.keys.is_exclusive() {
            // an earlier process of this node died during these requests
            let given_back = idempotency.keys.release_all().await.context("cannot write the key store")?;
            tracing::debug!(given_back, "requests that were under way may be repeated");
        }
        let forgetting = forget_expired_keys(idempotency.keys.clone(), runtime.clock.clone(), stop.clone());
        let feed = CallFeed::new(runtime.store.clone());
        let mut tasks = vec![
            tokio::spawn(forgetting),
            tokio::spawn(feed.clone().run(stop.clone())),
            tokio::spawn(directories.clone().follow(runtime.clone(), known, stop.clone())),
            tokio::spawn(conversations.clone().forget_at(directories.erasures.subscribe(), stop.clone())),
            tokio::spawn(ivr.run(news, stop.clone())),
            tokio::spawn(mood.run(conversations.clone(), stop.clone())),
            tokio::spawn(actors::outbox::run(bench, effects, stop.clone())),
            tokio::spawn(actors::webhooks::run(deliveries, attempts, stop.clone())),
            tokio::spawn(actors::sealer::recheck(
                sealed,
                runtime.clock.clone(),
                health.clone(),
                config.audit.recheck,
                stop.clone(),
            )),
            tokio::spawn(actors::privacy::run(privacy.clone(), erasing, stop.clone())),
            tokio::spawn(usage.clone().run(config.limits.usage_flush, stop.clone())),
            tokio::spawn(watch_storage(gate.clone(), queries.clone(), runtime.clock.clone(), stop.clone())),
        ];
        let (failing, failed) = watch::channel(None);
        let stores = StoreWatch::new(config, (&log, &edges.keys, &edges.seals)).await?;
        tasks.push(tokio::spawn(stores.run(runtime.clock.clone(), failing, stop.clone())));
        if let Some(shared) = edges.keys.shared_buckets() {
            tasks.push(tokio::spawn(exchange(gate.clone(), shared, runtime.clock.clone(), stop.clone())));
        }

        let sealing = actors::sealer::run(sealer_deps, SealOptions::default(), appended.clone());
        let sealing = (tokio::spawn(sealing), appended);
        let readiness = Readiness::new(vec![
            Box::new(Writable::new("event_store", log.clone())),
            Box::new(Writable::new("key_store", edges.keys.clone())),
            Box::new(Writable::new("seals", edges.seals.clone())),
            Box::new(readiness::Views::new(runtime.store.clone(), view_store.clone(), runtime.clock.clone())),
            Box::new(Writable::new("outbox", (*work_db).clone())),
            Box::new(readiness::History(health)),
        ]);
        // the first request may use the bootstrap's key, so the directories must know it
        let head = runtime.store.head().await.context("cannot read the log")?;
        directories.wait_for(head).await;
        // views that are far behind catch up at full speed, so they start last
        let runner = runner::start(deps, runner::Settings { trace, ..runner::Settings::default() });
        let shown_calls = ShownCalls { views: queries.clone(), progress: runner.progress() };
        let backend = Backend {
            calls,
            conversations: conversations.clone(),
            keep_alive: config.conversations.keep_alive.max(SHORTEST_KEEP_ALIVE),
            inbox,
            views: queries,
            claims: UniqueNames::new(
                runtime.clone(),
                edges.vault.secret("claims").await.context("cannot use the vault")?,
            ),
            passwords: Passwords::default(),
            notes: Notes::default(),
            vault: edges.vault,
            read_your_writes: config.http.read_your_writes,
            audit_retention: config.audit.retention.duration(),
            session_retention: config.ivr.session_retention.duration(),
            sessions,
            menus: directories.menus.clone(),
            streams: Streams::new(config.limits.streams_per_client.get() as usize),
            telnyx: config.telnyx.public_key.clone().map(Arc::new),
            carriers,
            private,
            privacy,
            webhooks,
            log_id,
            prover,
            log_key,
            exports: v1::export_places(),
            stop: stop.clone(),
            gate,
            call_boards: CallBoards::new(feed.clone(), Arc::new(shown_calls), stop.clone()),
            call_feed: feed,
            progress: runner.progress(),
            directories: directories.clone(),
            runtime,
        };
        let secret = backend.vault.secret("access tokens").await.context("cannot use the vault")?;
        let tokens = Arc::new(Tokens::new(secret, backend.runtime.clock.clone()));
        let guests = identity_provider::guests(&config.identity_provider, &backend.runtime.clock);
        let source = KeySource::new(&config.identity_provider, backend.runtime.clock.clone())?;
        if let (Some(guests), Some(source)) = (&guests, source) {
            tasks.push(tokio::spawn(source.follow(guests.clone(), stop.clone())));
        }
        let clock = backend.runtime.clock.clone();
        let authenticator = Authenticator { directory: directories.identity, tokens, guests, clock };
        let draining = CancellationToken::new();
        let readiness = readiness.until(draining.clone());
        let served = (readiness, meters, draining.clone());
        let (address, server) = serve(config, socket, backend, authenticator, idempotency, served)?;
        let handle = server.handle();
        let serving = tokio::spawn(server);
        Ok(Self {
            address,
            log,
            keys: edges.keys,
            seals: edges.seals,
            views: view_store,
            runner,
            usage,
            conversations,
            stop,
            draining,
            grace: config.http.shutdown_grace,
            server: handle,
            tasks,
            sealing,
            serving,
            work: work_db,
            sql_views: views_db,
            failed,
            files: embedded_files(config),
        })
    }

    /// The views, for commands that query them while the node runs.
    #[must_use]
    pub fn views(&self) -> Arc<dyn ViewStore> {
        self.views.clone()
    }

    /// Returns when the node cannot continue by itself, because its log or keys were removed or replaced.
    /// Says what to do.
    pub async fn failed(&self) -> String {
        let mut failed = self.failed.clone();
        match failed.wait_for(Option::is_some).await {
            Ok(fault) => fault.clone().unwrap_or_default(),
            // the watch ended with the node
            Err(_) => std::future::pending().await,
        }
    }

    /// Stops in order: not ready for `drain`, so that nobody sends new requests; no new requests, those in progress
    /// finished, effects in progress settled, stores closed, and the files of embedded ones complete by themselves.
    /// Each step has a time limit, whatever the stores do.
    pub async fn stop(self, drain: Duration) -> Ended {
        self.draining.cancel();
        tokio::time::sleep(drain).await;
        let mut farewell = Farewell::new();
        // streams to clients would delay the server's end for ever
        self.stop.cancel();
        let (grace, server) = (self.grace + Duration::from_secs(1), self.server);
        farewell.within(grace, "requests", server.stop(true)).await;
        farewell.in_time("answers of models", self.conversations.finish()).await;
        if let Some(Ok(Err(error))) = farewell.in_time("server", self.serving).await {
            tracing::error!(%error, "the server ended with an error");
        }
        let hands: Vec<_> = self.tasks.iter().map(JoinHandle::abort_handle).collect();
        let ended = farewell.in_time("components", futures::future::join_all(self.tasks)).await;
        for error in ended.into_iter().flatten().filter_map(Result::err) {
            tracing::error!(%error, "a component ended abnormally");
        }
        hands.iter().for_each(AbortHandle::abort);
        farewell.in_time("use of keys", self.usage.finish()).await;
        // no task appends any more, so the last event is sealed, too
        let (sealing, appended) = self.sealing;
        let sealer = sealing.abort_handle();
        appended.cancel();
        if let Some(Err(error)) = farewell.in_time("sealer", sealing).await {
            tracing::error!(%error, "the sealer ended abnormally");
        }
        sealer.abort();
        farewell.in_time("views", self.runner.stop()).await;
        farewell.in_time("outbox, timers and deliveries", self.work.close()).await;
        farewell.in_time("store of the views", self.sql_views.close()).await;
        farewell.in_time("keys", self.keys.close()).await;
        farewell.in_time("seals", self.seals.close()).await;
        farewell.in_time("event log", self.log.close()).await;
        farewell.in_time("files", settle_all(&self.files)).await;
        farewell.ended()
    }
}

/// The newest position that every active view has reached; the beginning while the views are unreachable.
async fn all_views_hold(views: &dyn ViewStore) -> Position {
    let Ok(statuses) = views.statuses().await else { return Position::START };
    let known = |name: &&str| statuses.iter().any(|status| status.name == **name);
    if !runner::projection_names().iter().all(known) {
        return Position::START;
    }
    statuses.iter().map(|status| status.position).min().unwrap_or_default()
}

/// Binds the address of the API. It accepts no connection before the node listens.
fn take_address(config: &Config) -> anyhow::Result<TcpSocket> {
    let address = config.http.bind;
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    socket.set_reuseaddr(true)?;
    let taken = socket.bind(address);
    taken.with_context(|| format!("cannot listen on {address}; give --bind another address"))?;
    Ok(socket)
}

fn serve(
    config: &Config,
    socket: TcpSocket,
    backend: Backend,
    authenticator: Authenticator,
    idempotency: Idempotency,
    (readiness, meters, draining): (Readiness, Meters, CancellationToken),
) -> anyhow::Result<(SocketAddr, Server)> {
    let listener = socket
        .listen(WAITING_CONNECTIONS)
        .with_context(|| format!("cannot listen on {}; give --bind another address", config.http.bind))?
        .into_std()?;
    // inherited by connections: one whose other end reads nothing, whether it is gone or not, is closed
    #[cfg(target_os = "linux")]
    socket2::SockRef::from(&listener).set_tcp_user_timeout(Some(config.http.write_timeout))?;
    let address = listener.local_addr()?;
    let document = docs::document();
    let published = web::Bytes::from(serde_json::to_vec(&docs::published())?);
    let unmatched = web::Data::new(docs::Unmatched::of(&document));
    let shapes = web::Data::new(BodyShapes::of(&document));
    let edge =
        Edge::new(backend.runtime.ids.clone(), config.http.public_url(address)).closing_while(draining);
    let newcomers = backend.directories.newcomers(&backend.runtime);
    let admission = web::Data::new(Admission::new(AdmissionLimits {
        concurrency: config.http.concurrency.get(),
        queue: config.http.queue.get(),
        patience: config.http.queue_wait,
    }));
    let (budget, silence) = (config.http.body_budget.get(), config.http.body_silence);
    let bodies = web::Data::new(Bodies::new(budget, silence, config.http.body_timeout));
    let limit = BodyLimit(config.http.body_limit.get());
    let gate = web::Data::from(backend.gate.clone());
    let (backend, authenticator) = (web::Data::new(backend), web::Data::new(authenticator));
    let proxies = web::Data::new(TrustedProxies(config.http.trusted_proxies));
    let idempotency = web::Data::new(idempotency);
    let (readiness, meters) = (web::Data::new(readiness), web::Data::new(meters));
    let running = web::Data::new(Running::of(backend.menus.zones()));
    let origins = config.http.cors_origins.clone();
    let mut server = HttpServer::new(move || {
        App::new()
            .wrap(Paced)
            .wrap(newcomers.clone())
            .wrap(Compress::default())
            .wrap(from_fn(manners))
            .wrap(Condition::new(origins.is_some(), origins.as_ref().map(cors).unwrap_or_default()))
            .wrap(edge.clone())
            .app_data(backend.clone())
            .app_data(authenticator.clone())
            .app_data(gate.clone())
            .app_data(idempotency.clone())
            .app_data(admission.clone())
            .app_data(readiness.clone())
            .app_data(meters.clone())
            .app_data(running.clone())
            .app_data(proxies.clone())
            .app_data(unmatched.clone())
            .app_data(shapes.clone())
            .app_data(limit)
            .app_data(bodies.clone())
            // before the scope of the API, which would answer 404 to the document inside of it
            .configure(|routes| docs::configure(routes, published.clone()))
            .configure(v1::configure)
            .configure(system::configure)
            .configure(console::configure)
            .default_service(web::to(docs::unmatched))
    })
    .disable_signals()
    // a piece of a stream must not wait until the one before was acknowledged
    .tcp_nodelay(true)
    .keep_alive(config.http.keep_alive)
    .client_request_timeout(config.http.request_timeout)
    .max_connections(config.http.max_connections.get())
    .shutdown_timeout(config.http.shutdown_grace.as_secs());
    if let Some(workers) = config.http.workers {
        server = server.workers(workers.get());
    }
    Ok((address, server.listen(listener)?.run()))
}
