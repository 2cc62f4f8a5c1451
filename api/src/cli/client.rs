//! `voxledger client`: clients, for operators.

use std::sync::Arc;

use actors::{Runtime, TraceHooks};
use adapters::clock::SystemClock;
use adapters::ids::RandomIds;
use clap::{Args, Subcommand};
use domain::envelope::Actor;
use domain::ports::ids::Ids as _;
use serde_json::json;

use super::config_args::StoreArgs;
use super::serve::runtime;
use super::stores;
use crate::node::{create_client, open_log, open_private};

/// Flags of `client`.
#[derive(Debug, Clone, Args)]
pub struct ClientArgs {
    /// What to do.
    #[command(subcommand)]
    pub action: ClientAction,
    /// Where history and views are.
    #[command(flatten)]
    pub stores: StoreArgs,
}

/// What to do with clients.
#[derive(Debug, Clone, Subcommand)]
pub enum ClientAction {
    /// Create a client and print its owner API key, once.
    Create {
        /// The company's name, 1 to 200 characters.
        name: String,
        /// Print it as JSON.
        #[arg(long)]
        json: bool,
    },
}

/// Creates a client.
///
/// # Errors
/// When the log cannot be written: an embedded one only while no node runs.
pub fn run(args: &ClientArgs) -> anyhow::Result<()> {
    let config = args.stores.load(&[])?;
    let ClientAction::Create { name, json } = &args.action;
    runtime().block_on(async {
        let log_store = stores::log(&config)?;
        anyhow::ensure!(
            !(matches!(log_store.database, Some(adapters::database::Database::Sqlite(_)))
                && stores::node_is_running(&config)),
            "a node is writing the event store {}, and an embedded one has one writer; stop the node, run this \
            again, and start it",
            log_store.shown
        );
        let log = open_log(&config, false).await?;
        let runtime = Runtime {
            store: Arc::new(open_private(&config, &log, false).await?.0),
            clock: Arc::new(SystemClock),
            ids: Arc::new(RandomIds),
            node: RandomIds.next().to_string().into(),
            trace: TraceHooks::default(),
        };
        let created = create_client(&runtime, name, (Actor::System("client create".to_owned()), None)).await;
        log.close().await;
        let (client, key_id, key, _) = created?;
        if *json {
            let created = json!({
                "id": client.to_string(), "name": name.trim(), "key_id": key_id.to_string(),
                "plain_key": key.reveal(),
            });
            println!("{created}");
        } else {
            println!("client  {client}\nkey     {key_id}, owner of everything the client has");
            println!("        {}\n        shown only now", key.reveal());
        }
        Ok(())
    })
}
