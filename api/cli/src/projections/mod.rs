//! `voxledger projections`: lists, rebuilds and repairs views.

mod list;
mod rebuild;
mod skip;

use std::sync::Arc;

use adapters::clock::SystemClock;
use adapters::event_store::EventLog;
use adapters::ids::RandomIds;
use clap::{Args, Subcommand};
use domain::ports::ids::Ids as _;
use projections::runner::Deps;

use super::config_args::StoreArgs;
use super::serve::runtime;
use super::stores;
use api_node::config::Config;
use api_node::{open_log, open_private, open_views};

/// Flags of the command `projections`.
#[derive(Debug, Clone, Args)]
pub struct ProjectionsArgs {
    /// What to do with the views.
    #[command(subcommand)]
    pub action: ProjectionsAction,
    /// Where the log, the views and the settings are.
    #[command(flatten)]
    pub stores: StoreArgs,
}

/// Commands about views. All of them work beside running nodes.
#[derive(Debug, Clone, Subcommand)]
pub enum ProjectionsAction {
    /// List the views with their position, lag and stall reason.
    List {
        /// Print the list as JSON.
        #[arg(long)]
        json: bool,
    },
    /// Rebuild a view from the log beside the old one, compare both, then switch.
    Rebuild {
        /// Name of the view, as `list` shows it.
        #[arg(required_unless_present = "all")]
        name: Option<String>,
        /// Rebuild every view, one after the other.
        #[arg(long, conflicts_with = "name")]
        all: bool,
    },
    /// Skip the one event that a view is stalled at, now and in every later rebuild.
    Skip {
        /// Name of the view, as `list` shows it.
        name: String,
        /// Position of the event, as `list` shows it.
        position: u64,
        /// Also skip an event that the view is not stalled at, but a rebuild cannot read.
        #[arg(long)]
        force: bool,
    },
}

/// Runs the subcommand. Fails when a store cannot be used, or there is no such view.
pub fn run(args: &ProjectionsArgs) -> anyhow::Result<()> {
    let config = args.stores.load(&[])?;
    runtime().block_on(async {
        let (log, deps) = connect(&config).await?;
        let done = match &args.action {
            ProjectionsAction::List { json } => list::list(&deps, *json).await,
            ProjectionsAction::Rebuild { name, .. } => {
                rebuild::rebuild(&config, &deps, name.as_deref()).await
            }
            ProjectionsAction::Skip { name, position, force } => {
                skip::skip(&deps, name, *position, *force).await
            }
        };
        log.close().await;
        done
    })
}

/// Opens the log for reading, and the views without migrating them, since a node may be running.
async fn connect(config: &Config) -> anyhow::Result<(EventLog, Deps)> {
    stores::must_be_current(&stores::log(config)?).await?;
    stores::must_be_current(&stores::views(config)?).await?;
    let log = open_log(config, true).await?;
    let (private, vault) = open_private(config, &log, true).await?;
    let deps = Deps {
        log: Arc::new(private.redacted()),
        views: Arc::new(open_views(config, &vault).await?),
        clock: Arc::new(SystemClock),
        owner: RandomIds.next().to_string(),
    };
    Ok((log, deps))
}

/// The name of the view as the runner knows it; fails for unknown names.
fn known(name: &str) -> anyhow::Result<&'static str> {
    let names = projections::runner::projection_names();
    let found = names.iter().find(|known| **known == name).copied();
    found.ok_or_else(|| anyhow::anyhow!("there is no view `{name}`; there are {}", names.join(", ")))
}
