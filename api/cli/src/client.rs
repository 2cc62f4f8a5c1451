//! `voxledger client`: manages clients, for operators.

use clap::{Args, Subcommand};
use domain::envelope::Actor;
use domain::origin::Origin;
use serde_json::json;

use super::config_args::StoreArgs;
use super::offline::open_for_writing;
use super::serve::runtime;
use crate::out::say;
use api_http::backend::{Asker, create_client};

/// Flags of the command `client`.
#[derive(Debug, Clone, Args)]
pub struct ClientArgs {
    /// What to do with clients.
    #[command(subcommand)]
    pub action: ClientAction,
    /// Where the log, the views and the settings are.
    #[command(flatten)]
    pub stores: StoreArgs,
}

/// Commands about clients, for operators.
#[derive(Debug, Clone, Subcommand)]
pub enum ClientAction {
    /// Create a client and print its owner API key, once.
    Create {
        /// The company's name, 1 to 200 characters.
        name: String,
        /// Print the result as JSON.
        #[arg(long)]
        json: bool,
    },
}

/// Runs the subcommand. Fails when the log cannot be written: an embedded one only while no node runs.
pub fn run(args: &ClientArgs) -> anyhow::Result<()> {
    let config = args.stores.load(&[])?;
    let ClientAction::Create { name, json } = &args.action;
    runtime().block_on(async {
        let (runtime, log) = open_for_writing(&config).await?;
        let by = Asker {
            actor: Actor::System("client create".to_owned()),
            request_id: None,
            origin: Origin::default(),
        };
        let created = create_client(&runtime, name, by).await;
        log.close().await;
        let (client, key_id, key, _) = created?;
        if *json {
            let created = json!({
                "id": client.to_string(), "name": name.trim(), "key_id": key_id.to_string(),
                "plain_key": key.reveal(),
            });
            say!("{created}");
        } else {
            say!("client  {client}\nkey     {key_id}, owner of everything the client has");
            say!("        {}\n        shown only now", key.reveal());
        }
        Ok(())
    })
}
