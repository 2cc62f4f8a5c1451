//! Settings of the fake.

use std::fmt;
use std::time::Duration;

use adapters::telephony::telnyx::ApiKey;

/// Settings of a fake Telnyx.
#[derive(Clone)]
pub struct FakeConfig {
    /// Address that receives webhooks: the application's `webhook_event_url`.
    pub webhook_url: String,
    /// Address that receives a webhook after two failures; `None` for no failover.
    pub failover_url: Option<String>,
    /// Port of the fake's own API on 127.0.0.1; 0 picks a free one.
    pub port: u16,
    /// Seed of all random decisions.
    pub seed: u64,
    /// The API key that commands must present.
    pub api_key: ApiKey,
    /// The application (connection) that calls belong to.
    pub connection_id: String,
    /// Seed of the Ed25519 key that signs webhooks.
    pub signing_seed: [u8; 32],
    /// Faults to inject, with their probabilities.
    pub mischief: CarrierFaults,
    /// Speed of scripts and speech.
    pub pace: Pace,
    /// The most webhook requests in flight at once.
    pub max_in_flight: usize,
    /// The most calls in progress at once; placing another one waits.
    pub max_calls: usize,
    /// How long the fake waits for the answer to a webhook.
    pub webhook_timeout: Duration,
    /// The most attempts to deliver a webhook.
    pub attempts: u32,
    /// Pause after the first failed attempt; it doubles with each.
    pub retry_backoff: Duration,
    /// How long a caller waits for an action of the server before giving up. Not scaled by `pace`.
    pub patience: Duration,
    /// Whether callers are transcribed without a command for it, which the real Telnyx never does.
    pub transcribe_unasked: bool,
    /// Whether the fake sends `call.cost` (`call_cost_in_webhooks`).
    pub cost: bool,
    /// Frames of 26 ms and 104 bytes in every MP3 that was recorded.
    pub recorded_frames: usize,
    /// How often the file of a recording is asked for in vain before it is there.
    pub recordings_late: u32,
    /// The most records of each kind in the ledger; older ones are dropped, totals are not.
    pub ledger_capacity: usize,
}

impl fmt::Debug for FakeConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FakeConfig")
            .field("webhook_url", &self.webhook_url)
            .field("port", &self.port)
            .field("seed", &self.seed)
            .field("mischief", &self.mischief)
            .field("pace", &self.pace)
            .finish_non_exhaustive()
    }
}

impl FakeConfig {
    /// A carrier without faults at full speed.
    #[must_use]
    pub fn new(webhook_url: impl Into<String>) -> Self {
        Self {
            webhook_url: webhook_url.into(),
            failover_url: None,
            port: 0,
            seed: 0,
            api_key: ApiKey::new("KEYfake"),
            connection_id: "1900000000000000001".to_owned(),
            signing_seed: *b"a fake carrier's not secret seed",
            mischief: CarrierFaults::NONE,
            pace: Pace::FULL,
            max_in_flight: 64,
            max_calls: 1000,
            webhook_timeout: Duration::from_secs(2),
            attempts: 5,
            retry_backoff: Duration::from_millis(500),
            patience: Duration::from_secs(15),
            transcribe_unasked: true,
            cost: true,
            recorded_frames: 38,
            recordings_late: 0,
            ledger_capacity: 100_000,
        }
    }
}

/// Faults to inject, each with a probability from 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CarrierFaults {
    /// A webhook is delivered twice.
    pub duplicate: f64,
    /// A webhook arrives after the next one of its leg.
    pub shuffle: f64,
    /// A webhook is late by up to [`CarrierFaults::delay_by`].
    pub delay: f64,
    /// The longest delay of a late webhook. Not scaled by the pace.
    pub delay_by: Duration,
    /// A webhook is never sent.
    pub lose: f64,
    /// The fake carries a command out and closes the connection instead of answering.
    pub drop_response: f64,
    /// The fake answers 500 and does not carry the command out; it carries its repeat out.
    pub server_error: f64,
    /// The fake answers 429 and does not carry the command out; it carries its repeat out.
    pub rate_limit: f64,
    /// The webhook arrives before the answer to the command that caused it.
    pub webhook_first: f64,
    /// The answer to a command comes [`CarrierFaults::late_by`] later, while the webhooks that it caused go out.
    pub late_answer: f64,
    /// How late such an answer is. Not scaled by the pace.
    pub late_by: Duration,
    /// The fake inserts an event of an unknown type.
    pub unknown_event: f64,
    /// A webhook has additional unknown fields.
    pub unknown_field: f64,
    /// A webhook has no `client_state` although the leg has one.
    pub missing_client_state: f64,
    /// A webhook's `client_state` is null although the leg has one.
    pub null_client_state: f64,
    /// A webhook names its leg by only one of its two ids, as some of Telnyx's own examples do; the first webhook
    /// always by the id that commands take.
    pub one_name: f64,
}

impl CarrierFaults {
    /// No fault at all.
    pub const NONE: Self = Self {
        duplicate: 0.0,
        shuffle: 0.0,
        delay: 0.0,
        delay_by: Duration::from_millis(50),
        lose: 0.0,
        drop_response: 0.0,
        server_error: 0.0,
        rate_limit: 0.0,
        webhook_first: 0.0,
        late_answer: 0.0,
        late_by: Duration::from_millis(200),
        unknown_event: 0.0,
        unknown_field: 0.0,
        missing_client_state: 0.0,
        null_client_state: 0.0,
        one_name: 0.0,
    };

    /// Every fault that a server must tolerate without a call ending differently: all but lost
    /// webhooks and stripped state.
    pub const BEARABLE: Self = Self {
        duplicate: 0.1,
        shuffle: 0.1,
        delay: 0.1,
        drop_response: 0.05,
        server_error: 0.05,
        rate_limit: 0.02,
        webhook_first: 0.1,
        unknown_event: 0.02,
        unknown_field: 0.1,
        ..Self::NONE
    };
}

/// How long the pauses of a script and the speech of a call really take, as a factor.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pace(f64);

impl Pace {
    /// No pauses at all.
    pub const FULL: Self = Self(0.0);
    /// Pauses in real time.
    pub const REAL: Self = Self(1.0);

    /// Pauses `factor` times as long; 0.1 is ten times as fast. Negative and non-finite factors count as 0.
    #[must_use]
    pub fn scaled(factor: f64) -> Self {
        Self(if factor.is_finite() { factor.clamp(0.0, 100.0) } else { 0.0 })
    }

    pub(super) fn of(self, duration: Duration) -> Duration {
        duration.mul_f64(self.0)
    }
}
