//! A running node: its start as a list of steps, and its stop.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::ServerHandle;
use actors::conversation::ConversationService;
use adapters::event_store::EventLog;
use adapters::keys::KeysDb;
use adapters::outbox::SqlOutbox;
use adapters::read_models::SqlViews;
use adapters::seals::SealsDb;
use adapters::trace::context as trace_context;
use anyhow::Context as _;
use api_http::backend::ShowKey;
use api_http::limits::UsageWriter;
use api_http::meters::Meters;
use projections::runner::{self, Runner};
use projections::store::ViewStore;
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinHandle};
use tokio_util::sync::CancellationToken;

use super::serve::{Started, serve, take_address};
use super::stores::Stores;
use super::{audit, calls, conversations, directories, knowledge, matching, memories, outbox, serve, stores};
use crate::config::Config;
use crate::edges::{self, Edges};
use crate::files::{embedded_files, settle_all};
use crate::shutdown::{Ended, Shutdown};
use crate::store_watch::StoreWatch;

#[derive(Debug)]
pub struct Node {
    /// The address on which it listens.
    pub address: SocketAddr,
    log: EventLog,
    keys: KeysDb,
    seals: SealsDb,
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
    views: Arc<SqlViews>,
    failed: watch::Receiver<Option<String>>,
    files: Vec<(&'static str, PathBuf)>,
}

impl Node {
    /// Starts everything; returns once requests are served. Passes the owner key of an empty log to `show`. Fails
    /// when a store cannot be used or the address is taken.
    pub async fn start(config: &Config, edges: Edges, meters: Meters, show: ShowKey) -> anyhow::Result<Self> {
        // before anything is written: a start on a taken address leaves nothing behind
        let socket = take_address(config)?;
        let [stop, draining, appended] = [(); 3].map(|()| CancellationToken::new());
        let mut tasks = Vec::new();

        let stores = stores::check(config, edges, show).await?;
        let loaded = directories::load(config, &stores, &mut tasks, &stop).await?;
        let bound = socket.local_addr().context("the socket has no address")?;
        let ultravox = edges::ultravox(config, stores.secret("ultravox callbacks").await?, bound);
        let known = (&loaded.directories, loaded.gate.clone(), ultravox);
        let actors = calls::start(config, &stores, known, &mut tasks, &stop).await?;
        let memories = memories::start(config, &stores, &mut tasks, &stop)?;
        let passages = knowledge::knowledge(&stores, &memories);
        let known = (&memories, &passages);
        let conversations =
            conversations::start(config, &stores, &loaded.directories, known, &mut tasks, &stop)?;
        let uploads = stores.uploads().await?;
        let documents = knowledge::deps(config, &stores, &passages, &uploads);
        let used = (&conversations, &memories, &uploads, documents);
        let webhooks = outbox::start(config, &stores, &actors, used, &mut tasks, &stop);
        matching::start(&stores, &actors, &mut tasks, &stop);
        let audit = audit::start(config, &stores, &actors, &memories, &mut tasks, &stop, &appended);
        let failed = watch_stores(config, &stores, &mut tasks, &stop).await?;
        let idempotency = serve::idempotency(&stores, &mut tasks, &stop, &appended).await?;

        // the first request may use the bootstrap's key, so the directories must know it
        let head = stores.runtime.store.head().await.context("cannot read the log")?;
        loaded.directories.wait_for(head).await;
        // views that are far behind catch up at full speed, so they start last
        let runner = project(&stores);
        let (usage, progress) = (loaded.usage.clone(), runner.progress());
        let privacy = audit.privacy;
        let talks = conversations.clone();
        let started = Started {
            loaded,
            actors,
            conversations: talks,
            knowledge: passages,
            memories,
            webhooks,
            privacy,
            uploads,
            progress,
        };
        let backend = serve::backend(config, &stores, started, &stop).await?;
        let authenticator = serve::authenticator(config, &stores, &backend, &mut tasks, &stop).await?;
        let readiness = serve::readiness(&stores, audit.health, draining.clone());
        let served = (readiness, meters, draining.clone());
        let (address, server) = serve(config, socket, backend, authenticator, idempotency, served)?;
        Ok(Self {
            address,
            log: stores.edges.log,
            keys: stores.edges.keys,
            seals: stores.edges.seals,
            runner,
            usage,
            conversations,
            stop,
            draining,
            grace: config.http.shutdown_grace,
            server: server.handle(),
            tasks,
            sealing: (audit.sealing, appended),
            serving: tokio::spawn(server),
            work: stores.work,
            views: stores.views,
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
        let mut shutdown = Shutdown::new();
        // streams to clients would delay the server's end for ever
        self.stop.cancel();
        let (grace, server) = (self.grace + Duration::from_secs(1), self.server);
        shutdown.within(grace, "requests", server.stop(true)).await;
        shutdown.in_time("answers of models", self.conversations.finish()).await;
        if let Some(Ok(Err(error))) = shutdown.in_time("server", self.serving).await {
            tracing::error!(%error, "the server ended with an error");
        }
        let hands: Vec<_> = self.tasks.iter().map(JoinHandle::abort_handle).collect();
        let ended = shutdown.in_time("components", futures::future::join_all(self.tasks)).await;
        for error in ended.into_iter().flatten().filter_map(Result::err) {
            tracing::error!(%error, "a component ended abnormally");
        }
        hands.iter().for_each(AbortHandle::abort);
        shutdown.in_time("use of keys", self.usage.finish()).await;
        // no task appends any more, so the last event is sealed, too
        let (sealing, appended) = self.sealing;
        let sealer = sealing.abort_handle();
        appended.cancel();
        if let Some(Err(error)) = shutdown.in_time("sealer", sealing).await {
            tracing::error!(%error, "the sealer ended abnormally");
        }
        sealer.abort();
        shutdown.in_time("views", self.runner.stop()).await;
        shutdown.in_time("outbox, timers and deliveries", self.work.close()).await;
        shutdown.in_time("store of the views", self.views.close()).await;
        shutdown.in_time("keys", self.keys.close()).await;
        shutdown.in_time("seals", self.seals.close()).await;
        shutdown.in_time("event log", self.log.close()).await;
        shutdown.in_time("files", settle_all(&self.files)).await;
        shutdown.ended()
    }
}

/// Starts the projections, which build the views.
fn project(stores: &Stores) -> Runner {
    let trace =
        runner::TraceHooks { recording: trace_context::is_exporting, adopt: trace_context::set_parent };
    runner::start(stores.projections.clone(), runner::Settings { trace, ..runner::Settings::default() })
}

/// Watches the files of the stores; the answer is told once the node cannot continue with them.
async fn watch_stores(
    config: &Config,
    stores: &Stores,
    tasks: &mut Vec<JoinHandle<()>>,
    stop: &CancellationToken,
) -> anyhow::Result<watch::Receiver<Option<String>>> {
    let (failing, failed) = watch::channel(None);
    let edges = &stores.edges;
    let watched = StoreWatch::new(config, (&edges.log, &edges.keys, &edges.seals)).await?;
    tasks.push(tokio::spawn(watched.run(stores.runtime.clock.clone(), failing, stop.clone())));
    Ok(failed)
}
