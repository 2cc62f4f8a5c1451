//! `voxledger migrate`: changes or shows the schema of the stores.

use adapters::database::{Database, grant_appending, migrate_down, migrate_up};
use anyhow::Context as _;
use clap::{Args, Subcommand};

use super::config_args::StoreArgs;
use super::serve::runtime;
use super::stores::{self, Store};
use super::table::table;
use crate::out::{put, say};
use api_node::config::Config;

/// Flags of the command `migrate`.
#[derive(Debug, Clone, Args)]
pub struct MigrateArgs {
    /// What to do with the schema.
    #[command(subcommand)]
    pub action: MigrateAction,
    /// Where the log, the views and the settings are.
    #[command(flatten)]
    pub stores: StoreArgs,
}

/// Commands about the schema of the stores.
#[derive(Debug, Clone, Subcommand)]
pub enum MigrateAction {
    /// Apply the missing migrations; a node does so, too, when it starts.
    Up,
    /// Revert the newest migration: of the views first, of keys and log only once they are gone and empty.
    /// Stop all nodes before.
    Down,
    /// Show which migrations are applied.
    Status,
    /// On PostgreSQL: let a role append to the log and its tree, and change nothing of them. The owner of these
    /// tables runs it after `up`; from then on the nodes connect as ROLE.
    Grant {
        /// The PostgreSQL role that the nodes connect as.
        role: String,
    },
}

/// Runs the subcommand. Fails when a store cannot be reached or migrated.
pub fn run(args: &MigrateArgs) -> anyhow::Result<()> {
    let config = args.stores.load(&[])?;
    runtime().block_on(async {
        let stores = [
            stores::log(&config)?,
            stores::keys(&config)?,
            stores::seals(&config)?,
            stores::work(&config)?,
            stores::views(&config)?,
        ];
        match &args.action {
            MigrateAction::Up => up(&config, &stores).await?,
            MigrateAction::Down => down(&config, &stores).await?,
            MigrateAction::Status => {}
            MigrateAction::Grant { role } => return grant(&stores[0], &stores[3], role).await,
        }
        put!("{}", status(&stores).await?);
        Ok(())
    })
}

async fn up(config: &Config, stores: &[Store]) -> anyhow::Result<()> {
    for store in stores {
        let Some(database) = &store.database else { continue };
        if store.migrations().await?.iter().all(|step| step.applied) {
            continue;
        }
        must_be_stopped(config)?;
        if let Database::Sqlite(path) = database
            && let Some(folder) = path.parent()
        {
            adapters::files::create_private_folder(folder)
                .with_context(|| format!("cannot create the folder {}", folder.display()))?;
        }
        let done = migrate_up(database, store.part).await;
        done.with_context(|| format!("cannot bring the {} up to date", store.name()))?;
    }
    Ok(())
}

async fn grant(log: &Store, work: &Store, role: &str) -> anyhow::Result<()> {
    let Some(database @ Database::Postgres(_)) = &log.database else {
        anyhow::bail!("only a log in PostgreSQL knows of roles; this one is {}", log.shown);
    };
    anyhow::ensure!(
        work.database.as_ref() != Some(database),
        "outbox, timers and deliveries are kept in the log's database, where {role} could not change them; give them \
         a database that {role} owns (VOXLEDGER_WORK_STORE), then run `voxledger migrate up` and this again",
    );
    let granted = grant_appending(database, role).await;
    granted.with_context(|| format!("cannot give {role} its rights; connect as the owner of the tables"))?;
    say!("{role} can append to the log in {}, and change nothing of it", log.shown);
    Ok(())
}

async fn down(config: &Config, stores: &[Store]) -> anyhow::Result<()> {
    must_be_stopped(config)?;
    for store in stores.iter().rev() {
        let Some(database) = &store.database else { continue };
        if store.migrations().await?.iter().any(|step| step.applied) {
            let done = migrate_down(database, store.part, 1).await;
            return done.with_context(|| format!("cannot take back a step of the {}", store.name()));
        }
    }
    Ok(())
}

fn must_be_stopped(config: &Config) -> anyhow::Result<()> {
    anyhow::ensure!(
        !(stores::is_embedded(config) && stores::node_is_running(config)),
        "a node uses these stores; stop it first"
    );
    Ok(())
}

async fn status(stores: &[Store]) -> anyhow::Result<String> {
    let mut rows = Vec::new();
    for store in stores {
        let row = |step: String, state: &str| {
            [store.name().to_owned(), store.shown.clone(), step, state.to_owned()]
        };
        if store.database.is_none() {
            rows.push(row(String::new(), "has no schema of ours"));
        }
        for step in store.migrations().await? {
            let state = match (step.applied, step.known) {
                (true, true) => "done",
                (false, _) => "to do",
                (true, false) => "done, unknown to this version",
            };
            rows.push(row(format!("{:04} {}", step.version, step.description), state));
        }
    }
    Ok(format!("{}\n", table(["store", "where", "step", "state"], rows)))
}
