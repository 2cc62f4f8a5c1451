//! `voxledger simulate`: plays the carrier against a running node.
//!
//! It places inbound calls, has the node place outbound ones over REST, performs both, and finally compares the
//! node's record of every call with what really happened on the line.

mod args;
mod report;

use std::net::TcpListener;
use std::process::ExitCode;
use std::sync::Arc;

use actix::System;
use adapters::clock::SystemClock;
use anyhow::Context as _;
use simulator::fake_telnyx::FakeTelnyx;
use simulator::{CarrierSettings, NodeApi, Stage, play};
use tokio_util::sync::CancellationToken;

pub use self::args::{SimulateArgs, TrafficArgs};
pub(super) use self::report::report;
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
        let node = NodeApi::new(&args.url, key.reveal())?;
        let config = args.traffic.carrier(&settings, &node.webhook_url());
        let fake = FakeTelnyx::start_on(listener, config, Arc::new(SystemClock)).await?;
        let stage = Stage { node: &node, fake: &fake, settings: &settings, tell: None };
        let played = play(&stage, &args.traffic.traffic(), &told_to_stop()).await;
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

#[cfg(test)]
mod tests {
    use simulator::CarrierSettings;

    #[test]
    fn the_settings_are_those_a_node_has() {
        let known: Vec<_> =
            api_node::config::Config::settings().iter().map(api_node::config::Setting::variable).collect();
        let text = CarrierSettings::at(([127, 0, 0, 1], 9012).into()).as_environment();
        assert_eq!(
            text.lines().count(),
            CarrierSettings::at(([127, 0, 0, 1], 9012).into()).as_settings().len()
        );
        for line in text.lines() {
            let (name, value) = line.strip_prefix("export ").unwrap().split_once('=').unwrap();
            assert!(known.iter().any(|variable| variable == name), "{name}");
            assert!(!value.is_empty() && !value.contains(char::is_whitespace), "{line}");
        }
        assert!(text.contains("http://127.0.0.1:9012/v2"), "{text}");
    }
}
