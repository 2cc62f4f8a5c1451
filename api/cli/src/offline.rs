//! Opens the log for commands that write to it without a node.

use std::sync::Arc;

use actors::{Runtime, TraceHooks};
use adapters::clock::SystemClock;
use adapters::database::Database;
use adapters::event_store::EventLog;
use adapters::ids::RandomIds;
use domain::ports::clock::Clock as _;
use domain::ports::ids::Ids as _;

use super::stores;
use api_node::config::Config;
use api_node::{must_stand, open_log, open_private, open_seals, sealed_log};

/// Opens the log for a command that writes to it; the caller closes it. Fails when the log cannot be used: an
/// embedded one only while no node runs.
pub(super) async fn open_for_writing(config: &Config) -> anyhow::Result<(Runtime, EventLog)> {
    let store = stores::log(config)?;
    let embedded = matches!(store.database, Some(Database::Sqlite(_)));
    anyhow::ensure!(
        !(embedded && stores::node_is_running(config)),
        "a node is writing the event store {}, and an embedded one has one writer; stop the node, run this again, and \
        start it",
        store.shown
    );
    let log = open_log(config, false).await?;
    let (private, vault) = open_private(config, &log, false).await?;
    let seals = open_seals(config).await?;
    must_stand(&sealed_log(&log, &seals, &vault).await?, SystemClock.now()).await?;
    seals.close().await;
    let runtime = Runtime {
        store: Arc::new(private),
        clock: Arc::new(SystemClock),
        ids: Arc::new(RandomIds),
        node: RandomIds.next().to_string().into(),
        trace: TraceHooks::default(),
        snapshots: None,
    };
    Ok((runtime, log))
}
