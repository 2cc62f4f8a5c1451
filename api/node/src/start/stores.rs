//! Checks that the stores belong together, and opens the log for the actors.

use std::sync::Arc;

use actors::sealer::SealedLog;
use actors::uploads::Uploads;
use actors::{Runtime, TraceHooks};
use adapters::outbox::SqlOutbox;
use adapters::privacy::SealedSnapshots;
use adapters::read_models::SqlViews;
use adapters::trace::context as trace_context;
use anyhow::Context as _;
use api_http::backend::{ShowKey, bootstrap};
use domain::object_url::TokenSigner;
use domain::ports::event_store::EventStore;
use projections::runner;
use uuid::Uuid;

use crate::belonging;
use crate::config::Config;
use crate::edges::Edges;
use crate::history::{erase_again, must_stand};

/// The stores, which are known to belong to one log, and what actors and views need of them.
pub(super) struct Stores {
    pub(super) edges: Edges,
    /// The log, clock and ids for commands.
    pub(super) runtime: Runtime,
    /// The log as it is stored, with its seals.
    pub(super) sealed: SealedLog,
    pub(super) log_id: Uuid,
    pub(super) views: Arc<SqlViews>,
    pub(super) work: Arc<SqlOutbox>,
    /// Dependencies of the views' projections.
    pub(super) projections: runner::Deps,
}

impl Stores {
    /// A secret of this node, derived from its master key.
    pub(super) async fn secret(&self, name: &str) -> anyhow::Result<[u8; 32]> {
        self.edges.vault.secret(name).await.context("cannot use the vault")
    }

    /// The uploads into the object store. Fails when the vault cannot be used.
    pub(super) async fn uploads(&self) -> anyhow::Result<Uploads> {
        let signer = TokenSigner::new(self.secret("object urls").await?);
        Ok(Uploads { runtime: self.runtime.clone(), objects: self.edges.objects.clone(), signer })
    }

    /// The log without content that is not retained, as clients may see it.
    pub(super) fn redacted(&self) -> Arc<dyn EventStore> {
        Arc::new(self.edges.private.redacted())
    }
}

/// Compares the stores with each other and the log with its seals, repeats erasures that a restored store has lost,
/// and creates the first client in an empty log. Passes its owner key to `show`. Fails when a store cannot be used or
/// is of another log.
pub(super) async fn check(config: &Config, edges: Edges, show: ShowKey) -> anyhow::Result<Stores> {
    let (views, work) = (Arc::new(edges.views.clone()), Arc::new(edges.work.clone()));
    let snapshots = SealedSnapshots::new(edges.private.clone(), edges.work.clone(), edges.clock.clone());
    let runtime = Runtime {
        store: Arc::new(edges.private.clone()),
        snapshots: Some(Arc::new(snapshots)),
        clock: edges.clock.clone(),
        node: edges.ids.next().to_string().into(),
        ids: edges.ids.clone(),
        trace: TraceHooks {
            recording: trace_context::is_exporting,
            current: trace_context::current_traceparent,
            adopt: trace_context::set_parent,
        },
    };
    let secret = edges.vault.secret(actors::sealer::KEY).await.context("cannot use the vault")?;
    let sealed = SealedLog {
        // the tree covers events as they are stored, encrypted
        log: edges.private.stored(),
        table: Arc::new(edges.log.clone()),
        seals: Arc::new(edges.seals.clone()),
        keeper: edges.keeper.clone(),
        secret,
    };
    let kept = must_stand(&sealed, runtime.clock.now()).await?;
    erase_again(&edges.private, &edges.keys, kept).await?;
    bootstrap(&runtime, config.keys.bootstrap_key.as_ref(), show).await?;
    // the bootstrap ensured that there is a first event
    let log_id = belonging::log_id(&*edges.log.store()).await?.context("the log is empty")?;
    let tied = belonging::Stores { keys: &edges.keys, work: &work, views: &views };
    belonging::tie(&*edges.log.store(), &tied).await?;
    work.lease_with(edges.log.store());
    views.lease_with(edges.log.store());
    let projections = runner::Deps {
        log: Arc::new(edges.private.redacted()),
        views: views.clone(),
        clock: runtime.clock.clone(),
        owner: runtime.node.to_string(),
    };
    belonging::heal_views(&projections).await;
    tracing::debug!(log = %log_id, "the stores belong together");
    Ok(Stores { edges, runtime, sealed, log_id, views, work, projections })
}
