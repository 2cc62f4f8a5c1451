//! `voxledger serve`: runs the node.

use std::io::{self, Write as _};
use std::time::Duration;

use actix::System;
use clap::Args;

use super::config_args::StoreArgs;
use super::out::{complain, say};
use api_http::auth::PlainKey;
use api_node::config::{Config, ConfigError};
use api_node::telemetry::Telemetry;
use api_node::{Asked, Edges, Ended, Node, hold_data_dir, keep_others_out, until_told_to_stop};

/// How long after its own time limits a hanging shutdown is aborted.
const LAST_RESORT: Duration = Duration::from_secs(20);

/// Flags of the command `serve`.
#[derive(Debug, Clone, Default, Args)]
pub struct ServeArgs {
    /// Address of the API; port 0 picks a free one.
    #[arg(long, value_name = "ADDRESS")]
    pub bind: Option<String>,
    /// Where the log, the views and the settings are.
    #[command(flatten)]
    pub stores: StoreArgs,
}

impl ServeArgs {
    /// The configuration, overridden by these flags. The error names the setting at fault.
    pub fn config(&self) -> Result<Config, ConfigError> {
        self.stores.load(&[("bind", self.bind.as_ref())])
    }
}

/// Runs the node until it is told to stop. Fails when it cannot start.
pub fn run(args: &ServeArgs) -> anyhow::Result<()> {
    let config = args.config()?;
    let _data_dir = hold_data_dir(&config.storage.data_dir)?;
    let telemetry = Telemetry::start(&config.telemetry)?;
    keep_others_out(&config);
    System::with_tokio_rt(runtime).block_on(async {
        let edges = Edges::connect(&config).await?;
        let node = Node::start(&config, edges, telemetry.meters(), show_owner_key).await?;
        announce(&node);
        let (drain, fault) = tokio::select! {
            asked = until_told_to_stop() => match asked? {
                Asked::Politely => (config.http.drain, None),
                Asked::Now => (Duration::ZERO, None),
            },
            fault = node.failed() => (Duration::ZERO, Some(fault)),
        };
        tracing::info!(?drain, "stopping");
        exit_after(drain + config.http.shutdown_grace + LAST_RESORT);
        // a second signal cuts the shutdown short
        let ended = tokio::select! {
            ended = node.stop(drain) => Some(ended),
            again = until_told_to_stop() => again.map(|_| None)?,
        };
        match (fault, ended) {
            (Some(fault), _) => Err(anyhow::anyhow!(fault)),
            (None, Some(Ended::CutShort)) => Err(anyhow::anyhow!(
                "stopped before everything was finished; nothing that was acknowledged is lost, and the next start goes on from it"
            )),
            (None, _) => Ok(()),
        }
    })
}

/// Ends the process after `limit`, in case a thread hangs in a store.
fn exit_after(limit: Duration) {
    std::thread::spawn(move || {
        std::thread::sleep(limit);
        complain(format_args!("still not stopped after {limit:?}: exiting"));
        std::process::exit(1);
    });
}

/// The tokio runtime of stores, views and effects. Requests and actors have threads of their own.
pub(super) fn runtime() -> tokio::runtime::Runtime {
    match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            complain(format_args!("cannot start threads: {error}"));
            std::process::exit(1)
        }
    }
}

/// Shows a new owner key: once, and never in the log output. Fails when standard output cannot be written, so that
/// nobody saw the key; then the node does not start with it.
pub(super) fn show_owner_key(key: &PlainKey) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "owner API key of client `default`, shown only now: {}", key.reveal())?;
    out.flush()
}

/// Prints the address on which the node listens.
fn announce(node: &Node) {
    say!("listening on http://{}", node.address);
}
