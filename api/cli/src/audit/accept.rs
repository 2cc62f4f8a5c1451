//! `voxledger audit accept-log`: an operator accepts that the log has lost events.

use std::process::ExitCode;
use std::sync::Arc;

use actors::sealer::Accepting;
use adapters::clock::SystemClock;
use adapters::database::Database;
use adapters::ids::RandomIds;
use adapters::seals::SealsDb;
use anyhow::Context as _;
use clap::Args;
use domain::ports::clock::Clock;
use domain::ports::ids::Ids;

use super::FAULTS;
use crate::out::say;
use crate::stores;
use crate::table::count;
use api_http::backend::DEFAULT_CLIENT;
use api_node::config::Config;
use api_node::{log_database, open_log, open_seals, open_vault, sealed_log};

/// Flags of `audit accept-log`.
#[derive(Debug, Clone, Args)]
pub struct AcceptLogArgs {
    /// How many events the log has now, as the command without flags printed it.
    #[arg(long, value_name = "N", requires = "sealed")]
    pub events: Option<u64>,
    /// How many of its events had been sealed, as the command without flags printed it.
    #[arg(long, value_name = "N", requires = "events")]
    pub sealed: Option<u64>,
}

pub(super) async fn run(config: &Config, args: &AcceptLogArgs) -> anyhow::Result<ExitCode> {
    for store in [stores::log(config)?, stores::keys(config)?] {
        stores::must_be_current(&store).await?;
    }
    anyhow::ensure!(
        !(matches!(log_database(config)?, Some(Database::Sqlite(_))) && stores::node_is_running(config)),
        "a node is writing this log; stop it first"
    );
    let log = open_log(config, false).await?;
    let seals = open_seals(config).await?;
    let done = accept(config, args, &log, &seals).await;
    seals.close().await;
    log.close().await;
    done
}

async fn accept(
    config: &Config,
    args: &AcceptLogArgs,
    log: &adapters::event_store::EventLog,
    seals: &SealsDb,
) -> anyhow::Result<ExitCode> {
    let (clock, ids): (Arc<dyn Clock>, Arc<dyn Ids>) = (Arc::new(SystemClock), Arc::new(RandomIds));
    let (_, vault) = open_vault(config, &clock, &ids).await?;
    let sealed = sealed_log(log, seals, &vault).await?;
    if let (Some(events), Some(named)) = (args.events, args.sealed) {
        let by = Accepting { operator: DEFAULT_CLIENT, clock, ids };
        let head = sealed.accept((events, named), &by).await.context("the log was not accepted")?;
        say!(
            "the log is accepted: a new tree covers its {} events, the last of which says so",
            count(head.size)
        );
        say!(
            "the heads and hashes of before are kept in superseded_heads and superseded_tiles, beside the new"
        );
        return Ok(ExitCode::SUCCESS);
    }
    let found = sealed.disagreement(clock.now()).await?;
    let Some(fault) = found.fault else {
        say!("the log is what was sealed: there is nothing to accept");
        return Ok(ExitCode::SUCCESS);
    };
    say!("{:#}", anyhow::Error::new(fault));
    say!("the log has {} events; {} had been sealed", count(found.size), count(found.sealed));
    say!(
        "\nRestore the newest backup of the log instead, if there is one: what is missing here may stand there.\n\
         `voxledger audit verify` names the events that differ.\n\n\
         To give up what is missing or changed, for good: stop all nodes, and run\n\n    \
         voxledger audit accept-log --events {} --sealed {}\n\n\
         The log keeps an event that says so, and auditors will see it. What was sealed before stays as evidence.",
        found.size,
        found.sealed
    );
    Ok(ExitCode::from(FAULTS))
}
