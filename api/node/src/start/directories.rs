//! Loads what every request needs to know into memory: keys, users, numbers, menus, agents, limits.

use std::sync::Arc;

use api_http::backend::Directories;
use api_http::limits::{Gate, Rate, Rates, UsageWriter, exchange, watch_storage};
use domain::envelope::Position;
use projections::runner;
use projections::store::ViewStore;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::stores::Stores;
use crate::config::Config;

/// The directories, and the limits that follow them.
pub(super) struct Loaded {
    pub(super) directories: Directories,
    pub(super) gate: Arc<Gate>,
    pub(super) usage: Arc<UsageWriter>,
}

/// Loads the directories from the views, or from the log alone while the views are away, and follows
/// the log from there.
pub(super) async fn load(
    config: &Config,
    stores: &Stores,
    tasks: &mut Vec<JoinHandle<()>>,
    stop: &CancellationToken,
) -> anyhow::Result<Loaded> {
    let (runtime, zones) = (&stores.runtime, &stores.edges.zones);
    let rates = Rates {
        key_an_hour: config.limits.key_requests_per_hour.get(),
        client: Rate::per_minute(config.limits.client_requests_per_minute.get()),
        login: Rate::per_minute(config.limits.logins_per_minute.get()),
    };
    let gate = Arc::new(Gate::new(runtime.clock.clone(), rates, stores.secret("logins").await?));
    let known = all_views_hold(&*stores.views).await;
    let loaded = Directories::load(&*stores.views, runtime, zones, gate.clone(), known).await;
    let (directories, known) = match loaded {
        Ok(directories) => (directories, known),
        Err(error) => {
            tracing::error!(%error, "the views are away: keys, numbers and menus are read from the log");
            (Directories::empty(runtime, zones, gate.clone()), Position::START)
        }
    };
    let usage = Arc::new(UsageWriter::new(runtime.clone(), gate.clone()));
    let clock = runtime.clock.clone();
    tasks.extend([
        tokio::spawn(directories.clone().follow(runtime.clone(), known, stop.clone())),
        tokio::spawn(usage.clone().run(config.limits.usage_flush, stop.clone())),
        tokio::spawn(watch_storage(gate.clone(), stores.views.clone(), clock.clone(), stop.clone())),
    ]);
    if let Some(shared) = stores.edges.keys.shared_buckets() {
        tasks.push(tokio::spawn(exchange(gate.clone(), shared, clock, stop.clone())));
    }
    tracing::debug!(%known, "the directories are loaded");
    Ok(Loaded { directories, gate, usage })
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
