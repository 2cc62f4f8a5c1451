//! Command-line arguments of a simulation.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::time::Duration;

use adapters::telephony::telnyx::ApiKey;
use clap::Args;
use simulator::fake_telnyx::{CarrierFaults, FakeConfig, Pace};
use simulator::{CarrierSettings, Traffic};

use api_node::config::Secret;

/// Environment variable with the API key; a node may have been bootstrapped with it.
const KEY_VARIABLE: &str = "VOXLEDGER_BOOTSTRAP_KEY";
/// Approximate number of records (webhooks and commands) that the carrier keeps for each call.
const RECORDS_A_CALL: usize = 24;
/// The fewest records that the carrier keeps.
const RECORDS: usize = 100_000;

/// Flags of the command `simulate`.
#[derive(Debug, Clone, Args)]
pub struct SimulateArgs {
    /// Base URL of the node.
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:9011")]
    pub url: String,
    /// Address of the carrier's own API, to which the node sends commands.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:9012")]
    pub listen: SocketAddr,
    /// API key of the node, used to create the called numbers and to look calls up;
    /// better given as VOXLEDGER_BOOTSTRAP_KEY.
    #[arg(long, value_name = "KEY", value_parser = secret)]
    pub key: Option<Secret>,
    /// Print the settings that a node needs to work with this carrier, and stop.
    #[arg(long)]
    pub settings: bool,
    /// The calls to place.
    #[command(flatten)]
    pub traffic: TrafficArgs,
}

impl SimulateArgs {
    /// The API key, from the flag or the environment.
    #[must_use]
    pub fn key(&self) -> Option<Secret> {
        let from_environment = || std::env::var(KEY_VARIABLE).ok().filter(|key| !key.trim().is_empty());
        self.key.clone().or_else(|| from_environment().map(Secret::new))
    }
}

/// Number, speed and faults of the calls to place.
#[derive(Debug, Clone, Args)]
pub struct TrafficArgs {
    /// How many calls to place [default: 100; demo: 20].
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub calls: Option<u32>,
    /// New calls per second [default: 10; demo: 2].
    #[arg(long, value_name = "PER_SECOND", value_parser = rate)]
    pub rate: Option<f64>,
    /// Duration of pauses and speech as a share of real time; 0 means none [default: 0; demo: 0.5].
    #[arg(long, value_name = "FACTOR", value_parser = factor)]
    pub pace: Option<f64>,
    /// The same as --pace 1.
    #[arg(long, conflicts_with = "pace")]
    pub realtime: bool,
    /// Seed of all random decisions; the same seed places the same calls.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// How long the node may take, in seconds, to show the end of every call; a dial whose answer was lost takes
    /// most of a minute.
    #[arg(long, value_name = "SECONDS", default_value_t = 90)]
    pub patience: u64,
    /// Share of webhooks sent twice, as carriers do.
    #[arg(long, value_name = "SHARE", num_args = 0..=1, require_equals = true, default_missing_value = "0.1",
        value_parser = share)]
    pub duplicate: Option<f64>,
    /// Share of webhooks that arrive after the next one of their call.
    #[arg(long, value_name = "SHARE", num_args = 0..=1, require_equals = true, default_missing_value = "0.1",
        value_parser = share)]
    pub shuffle: Option<f64>,
    /// Share of webhooks that arrive late.
    #[arg(long, value_name = "SHARE", num_args = 0..=1, require_equals = true, default_missing_value = "0.1",
        value_parser = share)]
    pub delay: Option<f64>,
    /// Share of webhooks that are never sent; the outcome of their calls is not compared.
    #[arg(long, value_name = "SHARE", num_args = 0..=1, require_equals = true, default_missing_value = "0.01",
        value_parser = share)]
    pub lose: Option<f64>,
    /// Share of commands that are carried out without an answer.
    #[arg(long, value_name = "SHARE", num_args = 0..=1, require_equals = true, default_missing_value = "0.05",
        value_parser = share)]
    pub drop_answers: Option<f64>,
    /// Share of commands answered 500 or 429, and carried out when they are repeated.
    #[arg(long, value_name = "SHARE", num_args = 0..=1, require_equals = true, default_missing_value = "0.05",
        value_parser = share)]
    pub refuse: Option<f64>,
    /// Share of webhooks with an unknown type or unknown fields.
    #[arg(long, value_name = "SHARE", num_args = 0..=1, require_equals = true, default_missing_value = "0.1",
        value_parser = share)]
    pub unknown: Option<f64>,
    /// Share of webhooks that name their leg by only one of its two ids.
    #[arg(long, value_name = "SHARE", num_args = 0..=1, require_equals = true, default_missing_value = "0.1",
        value_parser = share)]
    pub one_name: Option<f64>,
    /// Inject every fault that a node must tolerate: all of the above except lost webhooks.
    #[arg(long)]
    pub chaos: bool,
}

impl TrafficArgs {
    /// Fills in number, rate and pace of calls where the user gave none.
    pub(crate) fn or(mut self, calls: u32, rate: f64, pace: f64) -> Self {
        self.calls.get_or_insert(calls);
        self.rate.get_or_insert(rate);
        let pace = if self.realtime { 1.0 } else { pace };
        self.pace.get_or_insert(pace);
        self
    }

    /// The calls to place.
    pub(crate) fn traffic(&self) -> Traffic {
        Traffic {
            calls: self.calls.unwrap_or(100),
            rate: self.rate.unwrap_or(10.0),
            pace: self.pace.unwrap_or(if self.realtime { 1.0 } else { 0.0 }),
            seed: self.seed,
            patience: Duration::from_secs(self.patience),
        }
    }

    fn mischief(&self) -> CarrierFaults {
        let mut mischief = if self.chaos { CarrierFaults::BEARABLE } else { CarrierFaults::NONE };
        let set = |slot: &mut f64, share: Option<f64>, of: f64| {
            if let Some(share) = share {
                *slot = share * of;
            }
        };
        set(&mut mischief.duplicate, self.duplicate, 1.0);
        set(&mut mischief.shuffle, self.shuffle, 1.0);
        set(&mut mischief.delay, self.delay, 1.0);
        set(&mut mischief.lose, self.lose, 1.0);
        set(&mut mischief.drop_response, self.drop_answers, 1.0);
        set(&mut mischief.server_error, self.refuse, 0.5);
        set(&mut mischief.rate_limit, self.refuse, 0.5);
        set(&mut mischief.unknown_field, self.unknown, 1.0);
        set(&mut mischief.unknown_event, self.unknown, 0.2);
        set(&mut mischief.one_name, self.one_name, 1.0);
        mischief
    }

    /// Settings of the fake carrier that performs the calls.
    pub(crate) fn carrier(&self, settings: &CarrierSettings, webhook_url: &str) -> FakeConfig {
        let traffic = self.traffic();
        FakeConfig {
            seed: traffic.seed,
            api_key: ApiKey::new(settings.api_key),
            connection_id: settings.connection_id.to_owned(),
            signing_seed: *settings.signing_seed,
            mischief: self.mischief(),
            pace: Pace::scaled(traffic.pace),
            ledger_capacity: (traffic.calls as usize).saturating_mul(RECORDS_A_CALL).max(RECORDS),
            ..FakeConfig::new(webhook_url)
        }
    }
}

fn secret(text: &str) -> Result<Secret, Infallible> {
    Ok(Secret::new(text))
}

fn share(text: &str) -> Result<f64, &'static str> {
    text.parse().ok().filter(|share| (0.0..=1.0).contains(share)).ok_or("give a number from 0 to 1")
}

fn rate(text: &str) -> Result<f64, &'static str> {
    let good = |rate: &f64| (0.01..=100_000.0).contains(rate);
    text.parse().ok().filter(good).ok_or("give a number from 0.01 to 100000")
}

fn factor(text: &str) -> Result<f64, &'static str> {
    text.parse().ok().filter(|factor| (0.0..=100.0).contains(factor)).ok_or("give a number from 0 to 100")
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: SimulateArgs,
    }

    fn parse(flags: &[&str]) -> SimulateArgs {
        Line::try_parse_from([&["simulate"], flags].concat()).unwrap().args
    }

    #[test]
    fn a_switch_without_a_share_has_a_usual_one_and_nothing_goes_wrong_unasked() {
        assert_eq!(parse(&[]).traffic.mischief(), CarrierFaults::NONE);
        let mischief = parse(&["--duplicate", "--shuffle=0.5", "--calls", "3"]).traffic.mischief();
        assert_eq!(mischief, CarrierFaults { duplicate: 0.1, shuffle: 0.5, ..CarrierFaults::NONE });
        let mischief = parse(&["--chaos", "--delay=0"]).traffic.mischief();
        assert_eq!(mischief, CarrierFaults { delay: 0.0, ..CarrierFaults::BEARABLE });
        assert!(Line::try_parse_from(["simulate", "--lose=2"]).is_err());
        assert!(Line::try_parse_from(["simulate", "--rate", "0"]).is_err());
    }

    #[test]
    fn what_the_user_says_wins_over_what_the_command_suggests() {
        let said = parse(&["--calls", "3", "--realtime"]).traffic.or(20, 2.0, 0.5).traffic();
        assert_eq!((said.calls, said.rate, said.pace), (3, 2.0, 1.0));
        assert_eq!(parse(&[]).traffic.traffic().pace, 0.0);
        assert_eq!(parse(&["--rate", "4"]).traffic.traffic().due(6), Duration::from_millis(1500));
    }

    #[test]
    fn debug_does_not_show_the_key() {
        let args = parse(&["--key", "vx_hunter2"]);
        assert!(!format!("{args:?}").contains("hunter2"));
        assert_eq!(args.key().unwrap().reveal(), "vx_hunter2");
    }
}
