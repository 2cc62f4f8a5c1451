//! `voxledger simulate`: plays the carrier against a running node.
//!
//! It places inbound calls, has the node place outbound ones over REST, performs both, and finally compares the
//! node's record of every call with what really happened on the line.

mod args;
mod demo_menus;
mod expect;
mod node;
mod plan;
mod play;
mod progress;
mod report;
mod settings;

use std::net::TcpListener;
use std::process::ExitCode;
use std::sync::Arc;

use actix::System;
use adapters::clock::SystemClock;
use adapters::telephony::fake_telnyx::FakeTelnyx;
use anyhow::Context as _;
use tokio_util::sync::CancellationToken;

pub use self::args::{SimulateArgs, Traffic};
pub(super) use self::node::NodeApi;
pub(super) use self::plan::{OUR_NUMBER, callees};
pub(super) use self::play::{Stage, play};
pub(super) use self::report::report;
pub(super) use self::settings::CarrierSettings;
use super::serve::runtime;
use crate::out::put;
use api_node::until_told_to_stop;

/// Plays the carrier until all calls are over, and compares. Fails when the node cannot be reached, or does
/// not know this carrier.
pub fn run(args: &SimulateArgs) -> anyhow::Result<ExitCode> {
    let listener = TcpListener::bind(args.listen)
        .with_context(|| format!("cannot listen on {}; give --listen another address", args.listen))?;
    let settings = CarrierSettings::at(listener.local_addr()?);
    if args.settings {
        put!("{}", settings.as_environment());
        return Ok(ExitCode::SUCCESS);
    }
    let key = args.key().context("give an API key of the node with --key or VOXLEDGER_BOOTSTRAP_KEY")?;
    System::with_tokio_rt(runtime).block_on(async {
        let node = NodeApi::new(&args.url, key)?;
        let config = args.traffic.carrier(&settings, &node.webhook_url());
        let fake = FakeTelnyx::start_on(listener, config, Arc::new(SystemClock)).await?;
        let stage = Stage { node: &node, fake: &fake, settings: &settings, chatty: false };
        let played = play(&stage, &args.traffic, &told_to_stop()).await;
        let ledger = fake.shutdown().await;
        let outcome = played?;
        put!("{}", report(&outcome, &ledger));
        Ok(if outcome.is_as_expected() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    })
}

/// A token that is cancelled once the process is asked to stop.
pub(super) fn told_to_stop() -> CancellationToken {
    let stop = CancellationToken::new();
    let told = stop.clone();
    tokio::spawn(async move {
        // without signal handlers the simulation must not run on as if no signal could come
        let _ = until_told_to_stop().await;
        told.cancel();
    });
    stop
}
