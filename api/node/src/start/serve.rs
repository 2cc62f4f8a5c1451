//! Builds the API's server, and begins to serve.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::Server;
use actix_web::middleware::{Compress, Condition, from_fn};
use actix_web::{App, HttpServer, web};
use actors::conversation::ConversationService;
use actors::knowledge::Knowledge;
use actors::memory::MemoryService;
use actors::privacy::PrivacyDeps;
use actors::sealer::{HistoryHealth, Prover};
use actors::uploads::Uploads;
use adapters::keys::SqlIdempotency;
use anyhow::Context as _;
use api_http::auth::{Authenticator, Passwords, Tokens};
use api_http::backend::{
    Backend, CallBoards, LogKey, Notes, ObjectAccess, Payments, ShownCalls, UniqueNames, Webhooks,
};
use api_http::client_ip::TrustedProxies;
use api_http::cors::cors;
use api_http::meters::Meters;
use api_http::middleware::{Admission, AdmissionLimits, Edge, Idempotency, Paced, manners};
use api_http::system::{Readiness, Running};
use api_http::{Bodies, BodyLimit, BodyShapes, Streams, console, docs, system, v1};
use projections::runner::Progress;
use tokio::net::TcpSocket;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::calls::CallActors;
use super::directories::Loaded;
use super::stores::Stores;
use crate::config::Config;
use crate::forget::forget_expired_keys;
use crate::identity_provider::{self, KeySource};
use crate::readiness::{self, Writable};

/// Connections that may wait to be accepted.
const WAITING_CONNECTIONS: u32 = 1_024;

/// The shortest interval; without one a stream would send nothing but comments.
const SHORTEST_KEEP_ALIVE: Duration = Duration::from_millis(10);

/// Binds the address of the API. It accepts no connection before the node listens.
pub(super) fn take_address(config: &Config) -> anyhow::Result<TcpSocket> {
    let address = config.http.bind;
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    socket.set_reuseaddr(true)?;
    let taken = socket.bind(address);
    taken.with_context(|| format!("cannot listen on {address}; give --bind another address"))?;
    Ok(socket)
}

/// What the steps before have started, for the handlers.
pub(super) struct Started {
    pub(super) loaded: Loaded,
    pub(super) actors: CallActors,
    pub(super) conversations: ConversationService,
    pub(super) knowledge: Knowledge,
    pub(super) memories: MemoryService,
    pub(super) webhooks: Webhooks,
    pub(super) privacy: PrivacyDeps,
    pub(super) uploads: Uploads,
    pub(super) progress: Progress,
}

/// The dependencies of the handlers.
pub(super) async fn backend(
    config: &Config,
    stores: &Stores,
    started: Started,
    stop: &CancellationToken,
) -> anyhow::Result<Backend> {
    let Started { loaded, actors, conversations, knowledge, memories, webhooks, privacy, uploads, progress } =
        started;
    let shown_calls = ShownCalls { views: stores.views.clone(), progress: progress.clone() };
    Ok(Backend {
        calls: actors.calls,
        conversations,
        memories,
        keep_alive: config.conversations.keep_alive.max(SHORTEST_KEEP_ALIVE),
        inbox: actors.inbox,
        views: stores.views.clone(),
        claims: UniqueNames::new(stores.runtime.clone(), stores.secret("claims").await?),
        passwords: Passwords::default(),
        notes: Notes::default(),
        vault: stores.edges.vault.clone(),
        read_your_writes: config.http.read_your_writes,
        audit_retention: config.audit.retention.duration(),
        session_retention: config.ivr.session_retention.duration(),
        sessions: actors.sessions,
        menus: loaded.directories.menus.clone(),
        streams: Streams::new(config.limits.streams_per_client.get() as usize),
        telnyx: config.telnyx.public_key.clone().map(Arc::new),
        carriers: actors.carriers,
        ultravox: actors.ultravox,
        private: stores.edges.private.clone(),
        privacy,
        webhooks,
        log_id: stores.log_id,
        prover: Prover::new(stores.sealed.seals.clone()),
        log_key: LogKey::new(stores.sealed.secret),
        objects: ObjectAccess {
            store: stores.edges.objects.clone(),
            signer: uploads.signer.clone(),
            uploads,
        },
        knowledge,
        document_bytes: config.documents.max_bytes.get() as u64,
        exports: v1::export_places(),
        stop: stop.clone(),
        gate: loaded.gate,
        call_boards: CallBoards::new(actors.feed.clone(), Arc::new(shown_calls), stop.clone()),
        call_feed: actors.feed,
        billing: actors.billing,
        payments: stores
            .edges
            .payments
            .clone()
            .map(|provider| Payments { provider, webhook_secrets: webhook_secrets(config) }),
        progress,
        directories: loaded.directories,
        runtime: stores.runtime.clone(),
    })
}

/// The secrets that sign the payment provider's webhooks. A blank at an end would be a copying mistake.
fn webhook_secrets(config: &Config) -> Arc<[String]> {
    let secrets = config.stripe.webhook_secret.as_ref().map_or("", |secret| secret.reveal());
    secrets.split(',').map(str::trim).filter(|secret| !secret.is_empty()).map(str::to_owned).collect()
}

/// Who may do what: keys and users of the log, access tokens, and identities of another provider.
pub(super) async fn authenticator(
    config: &Config,
    stores: &Stores,
    backend: &Backend,
    tasks: &mut Vec<JoinHandle<()>>,
    stop: &CancellationToken,
) -> anyhow::Result<Authenticator> {
    let clock = stores.runtime.clock.clone();
    let tokens = Arc::new(Tokens::new(stores.secret("access tokens").await?, clock.clone()));
    let guests = identity_provider::guests(&config.identity_provider, &clock);
    let source = KeySource::new(&config.identity_provider, clock.clone())?;
    if let (Some(guests), Some(source)) = (&guests, source) {
        tasks.push(tokio::spawn(source.follow(guests.clone(), stop.clone())));
    }
    Ok(Authenticator { directory: backend.directories.identity.clone(), tokens, guests, clock })
}

/// The store of idempotency keys. Requests in progress are finished after the stop: until `appended` their keys
/// belong to this node. Fails when the key store cannot be written.
pub(super) async fn idempotency(
    stores: &Stores,
    tasks: &mut Vec<JoinHandle<()>>,
    stop: &CancellationToken,
    appended: &CancellationToken,
) -> anyhow::Result<Idempotency> {
    let (runtime, keys) = (&stores.runtime, &stores.edges.keys);
    let over = appended.clone().cancelled_owned();
    let presence = keys.present(runtime.ids.next(), runtime.clock.clone(), over).await;
    let idempotency = Idempotency {
        keys: Arc::new(SqlIdempotency::new(keys.clone()).of_node(presence)),
        vault: stores.edges.vault.clone(),
        clock: runtime.clock.clone(),
        ids: runtime.ids.clone(),
    };
    if keys.is_exclusive() {
        // an earlier process of this node died during these requests
        let given_back = idempotency.keys.release_all().await.context("cannot write the key store")?;
        tracing::debug!(given_back, "requests that were under way may be repeated");
    }
    let forgetting = forget_expired_keys(idempotency.keys.clone(), runtime.clock.clone(), stop.clone());
    tasks.push(tokio::spawn(forgetting));
    Ok(idempotency)
}

/// What `GET /readyz` checks; not ready once `draining` is cancelled.
pub(super) fn readiness(
    stores: &Stores,
    health: Arc<HistoryHealth>,
    draining: CancellationToken,
) -> Readiness {
    let (runtime, edges) = (&stores.runtime, &stores.edges);
    let views = readiness::Views::new(runtime.store.clone(), stores.views.clone(), runtime.clock.clone());
    let checks = Readiness::new(vec![
        Box::new(Writable::new("event_store", edges.log.clone())),
        Box::new(Writable::new("key_store", edges.keys.clone())),
        Box::new(Writable::new("seals", edges.seals.clone())),
        Box::new(views),
        Box::new(Writable::new("outbox", (*stores.work).clone())),
        Box::new(readiness::History(health)),
    ]);
    checks.until(draining)
}

/// Serves on `socket`. Fails when the address was taken meanwhile.
pub(super) fn serve(
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
    let origins = config.http.cors_origins.clone().map(|origins| origins.0);
    let mut server = HttpServer::new(move || {
        App::new()
            .wrap(Paced)
            .wrap(newcomers.clone())
            .wrap(Compress::default())
            .wrap(from_fn(manners))
            .wrap(Condition::new(origins.is_some(), origins.as_deref().map(cors).unwrap_or_default()))
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
    tracing::debug!(%address, "the API is served");
    Ok((address, server.listen(listener)?.run()))
}
