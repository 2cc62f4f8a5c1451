//! `voxledger keys`: replaces the master key, recovers from the loss of every owner key, and moves the key store.

mod copy;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use actors::sealer::Unsound;
use adapters::clock::SystemClock;
use adapters::ids::RandomIds;
use adapters::keys::{self, MasterKey};
use anyhow::Context as _;
use clap::{Args, Subcommand};
use domain::ids::ClientId;
use domain::ports::clock::Clock as _;
use domain::ports::ids::Ids as _;
use serde_json::json;

use super::config_args::StoreArgs;
use super::offline::open_for_writing;
use super::serve::runtime;
use super::stores;
use crate::out::say;
use api_http::backend::{DEFAULT_CLIENT, new_owner_key};
use api_node::config::Config;
use api_node::{
    erase_again, keep_newest_head, master_key, open_keys, open_log, open_private, open_seals, sealed_log,
};

/// Exit code of `accept-older` without a flag, when the key store is older than the log.
const OLDER_COPY: u8 = 2;
/// What an operator loses with an older key store.
const OLDER: &str = "\
Put the newest copy of the key store there instead, if there is one.
To go on with this one, for good: secrets and personal data that were sealed under keys made since then are read as
erased, sessions and API keys stay as the log has them, and erasures since then are applied again. Stop all nodes, and
run";

/// Flags of the command `keys`.
#[derive(Debug, Clone, Args)]
pub struct KeysArgs {
    /// What to do with keys.
    #[command(subcommand)]
    pub action: KeysAction,
    /// Where the log, the views and the settings are.
    #[command(flatten)]
    pub stores: StoreArgs,
}

/// Commands about the master key and owner keys.
#[derive(Debug, Clone, Subcommand)]
pub enum KeysAction {
    /// Replace the master key: wrap every key it protects with a new one. Stop all nodes before.
    Rotate {
        /// File of the new key, created when it does not exist. Needed where the master key comes from the
        /// environment or a file of your own; otherwise the file in the data folder is replaced.
        #[arg(long)]
        to: Option<PathBuf>,
    },
    /// Accept a key store that is older than the log. Stop all nodes before.
    ///
    /// Without a flag it prints how old the key store is and the command to type, and exits with 2, or with 0 when
    /// it is not older.
    AcceptOlder {
        /// The last event that the key store knows of, as the command without a flag printed it.
        #[arg(long, value_name = "N")]
        known: Option<u64>,
    },
    /// Copy a key store to another, empty database, for nodes that share it. Stop all nodes before.
    ///
    /// Keys, what is known of erasures, and the answers under idempotency keys, all or nothing.
    Copy {
        /// The key store to copy: sqlite:PATH or postgres://….
        #[arg(long, value_name = "ADDRESS")]
        from: String,
        /// The empty database to copy it to: sqlite:PATH or postgres://….
        #[arg(long, value_name = "ADDRESS")]
        to: String,
    },
    /// Create a new owner API key and print it, once, for when all owner keys are lost. With embedded stores,
    /// stop the node before.
    ResetOwner {
        /// The client to create the key for.
        #[arg(long, value_name = "CLIENT_ID", default_value_t = DEFAULT_CLIENT)]
        client: ClientId,
        /// Print the result as JSON.
        #[arg(long)]
        json: bool,
    },
}

/// Runs the subcommand. Fails when a key file, the key store or the log cannot be used; then the old key stays valid.
pub fn run(args: &KeysArgs) -> anyhow::Result<ExitCode> {
    let config = args.stores.load(&[])?;
    match &args.action {
        KeysAction::Copy { from, to } => runtime().block_on(copy::run(from, to))?,
        KeysAction::Rotate { to } => rotate(&config, to.as_deref())?,
        KeysAction::AcceptOlder { known } => return runtime().block_on(accept_older(&config, *known)),
        KeysAction::ResetOwner { client, json } => reset_owner(&config, *client, *json)?,
    }
    Ok(ExitCode::SUCCESS)
}

async fn accept_older(config: &Config, known: Option<u64>) -> anyhow::Result<ExitCode> {
    for store in [stores::log(config)?, stores::keys(config)?] {
        stores::must_be_current(&store).await?;
    }
    anyhow::ensure!(!stores::node_is_running(config), "a node uses this key store; stop it first");
    let log = open_log(config, false).await?;
    let (private, vault) = open_private(config, &log, false).await?;
    let (keys, seals) = (open_keys(config).await?, open_seals(config).await?);
    let done = async {
        let sealed = sealed_log(&log, &seals, &vault).await?;
        let kept = sealed.standing(SystemClock.now()).await?.kept;
        let (upto, all) = match sealed.keys_must_be_current(kept).await {
            Ok(()) => {
                say!("the key store is not older than the log: there is nothing to accept");
                return Ok(ExitCode::SUCCESS);
            }
            Err(Unsound::KeysOlder { kept, sealed }) => (kept, sealed),
            Err(error) => return Err(error.into()),
        };
        let Some(known) = known else {
            say!("the key store knows the log up to event {upto}; {all} were sealed: it is an older copy\n");
            say!("{OLDER}\n\n    voxledger keys accept-older --known {upto}");
            return Ok(ExitCode::from(OLDER_COPY));
        };
        anyhow::ensure!(known == upto, "the key store knows the log up to event {upto}; you named {known}");
        let erased = erase_again(&private, &keys, kept).await?;
        keep_newest_head(&sealed).await?;
        say!("the key store is accepted as the one of the log up to event {all}");
        say!("erasures applied again: {} keys, {} jobs that go on", erased.keys, erased.jobs);
        Ok(ExitCode::SUCCESS)
    }
    .await;
    seals.close().await;
    keys.close().await;
    log.close().await;
    done
}

fn reset_owner(config: &Config, client: ClientId, json: bool) -> anyhow::Result<()> {
    runtime().block_on(async {
        let (runtime, log) = open_for_writing(config).await?;
        let made = new_owner_key(&runtime, client).await;
        log.close().await;
        let (id, key) = made?;
        if json {
            let client = client.to_string();
            say!("{}", json!({"client_id": client, "key_id": id.to_string(), "plain_key": key.reveal()}));
        } else {
            say!("key     {id}, owner of everything client {client} has");
            say!("        {}\n        shown only now", key.reveal());
            say!("Keys made before stay as they are: revoke those that others may have.");
        }
        Ok(())
    })
}

fn rotate(config: &Config, to: Option<&Path>) -> anyhow::Result<()> {
    anyhow::ensure!(!stores::node_is_running(config), "a node uses these keys; stop it first");
    let old = master_key(config, &RandomIds)?;
    let own = config.keys.master_key.is_none() && config.keys.master_key_file.is_none();
    match to {
        None if own => in_the_data_folder(config, &old),
        None => anyhow::bail!("the master key is set by you: name the file of the new one with --to"),
        Some(path) => {
            let new = MasterKey::read_or_create(path, || RandomIds.secret())?;
            let count = wrap(config, &old, &new)?;
            say!("{count} keys are wrapped by the new master key {}; start the nodes with", new.id());
            say!("VOXLEDGER_MASTER_KEY_FILE={}", path.display());
            Ok(())
        }
    }
}

/// Replaces the key file in the data folder. The new key is on disk before anything is wrapped with it, and
/// replaces the old file last; after an interruption the same command continues where it stopped.
fn in_the_data_folder(config: &Config, old: &MasterKey) -> anyhow::Result<()> {
    let file = config.storage.master_key_file();
    let next = file.with_extension("key.next");
    let new = MasterKey::read_or_create(&next, || RandomIds.secret())?;
    let count = wrap(config, old, &new)?;
    replace(&next, &file)?;
    say!("{count} keys are wrapped by the new master key {} in {}", new.id(), file.display());
    say!("the old one opens nothing any more but backups made before");
    Ok(())
}

fn replace(next: &Path, file: &Path) -> anyhow::Result<()> {
    fs::rename(next, file).with_context(|| format!("cannot replace {}", file.display()))?;
    if let Some(folder) = file.parent() {
        fs::File::open(folder)?.sync_all()?;
    }
    Ok(())
}

fn wrap(config: &Config, old: &MasterKey, new: &MasterKey) -> anyhow::Result<usize> {
    runtime().block_on(async {
        let db = open_keys(config).await?;
        let count = keys::rotate(&db, old, new, &RandomIds).await;
        db.close().await;
        Ok(count?)
    })
}
