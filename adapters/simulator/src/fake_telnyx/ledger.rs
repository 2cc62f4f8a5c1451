//! The ledger: which webhooks the fake sent, which commands it received, and what a server should
//! report of every call.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use domain::call::terms::{Direction, EndReason, Status};
use domain::envelope::Time;
use hdrhistogram::Histogram;
use serde_json::Value;

/// What the server should report of a call in the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expected {
    pub status: Status,
    /// Why the call ended; `None` where the server ended it and chooses the reason itself.
    pub end_reason: Option<EndReason>,
    /// False when the server cannot know: a webhook that matters was lost, or never accepted.
    pub certain: bool,
}

/// One leg, from its beginning to its end. `Debug` leaves out phone numbers and speech.
#[derive(Clone)]
pub struct CallRecord {
    /// The leg's `call_control_id`, which commands use.
    pub control_id: String,
    /// The leg's `call_leg_id`, which webhooks name.
    pub leg_id: String,
    /// The `call_session_id` that ties the legs of a transfer together.
    pub session_id: String,
    /// From the carrier's point of view: a script placed inbound legs, the server outbound ones.
    pub direction: Direction,
    /// Whether a transfer placed the leg.
    pub transfer_target: bool,
    pub from: String,
    pub to: String,
    /// The `client_state` that the server last set on the leg.
    pub client_state: Option<String>,
    /// When the leg began to ring.
    pub started_at: Time,
    /// `None` when the leg was never answered.
    pub answered_at: Option<Time>,
    pub ended_at: Time,
    /// The carrier's `hangup_cause`, for example `normal_clearing`.
    pub hangup_cause: &'static str,
    /// What the server should report. For a transfer's leg it says nothing about the call that was transferred.
    pub expected: Expected,
    /// Actions of the server that the other end waited for in vain.
    pub unmet: Vec<&'static str>,
    /// Texts that the server had spoken, piece by piece, as far as they began.
    pub spoken: Vec<String>,
    /// Number of events to report.
    pub webhooks: u64,
    /// Number of these events lost on purpose.
    pub lost: u64,
    /// Number of these events that the server never accepted.
    pub given_up: u64,
}

impl fmt::Debug for CallRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CallRecord")
            .field("leg_id", &self.leg_id)
            .field("direction", &self.direction)
            .field("transfer_target", &self.transfer_target)
            .field("started_at", &self.started_at)
            .field("answered_at", &self.answered_at)
            .field("ended_at", &self.ended_at)
            .field("hangup_cause", &self.hangup_cause)
            .field("expected", &self.expected)
            .field("unmet", &self.unmet)
            .field("webhooks", &self.webhooks)
            .field("lost", &self.lost)
            .field("given_up", &self.given_up)
            .finish_non_exhaustive()
    }
}

/// One attempt to deliver a webhook.
#[derive(Debug, Clone)]
pub struct WebhookRecord {
    /// `data.id`, the same for all attempts and duplicates.
    pub event_id: Arc<str>,
    /// Type of the event, for example `call.hangup`.
    pub event_type: Arc<str>,
    /// The leg that the webhook is about; `None` for none.
    pub leg_id: Option<Arc<str>>,
    /// Number of the attempt, from 1.
    pub attempt: u32,
    /// Status of the server's answer; `None` when no answer came in time.
    pub status: Option<u16>,
    /// Time from sending to the answer.
    pub latency: Duration,
    /// When the attempt was sent.
    pub at: Time,
}

/// One command that the fake received. `Debug` leaves its body out.
#[derive(Clone)]
pub struct CommandRecord {
    /// When the command arrived.
    pub at: Time,
    /// The leg named by the command; for a dial, the new leg.
    pub leg_id: Option<String>,
    /// For example `dial`, `answer` or `speak`.
    pub name: String,
    /// The `command_id` that the server chose.
    pub command_id: Option<String>,
    pub body: Value,
    /// Status of the answer, or 0 when the connection was closed instead.
    pub status: u16,
    /// The code of the first error in the answer.
    pub code: Option<&'static str>,
    /// Whether it was ignored as the repeat of a command id.
    pub repeat: bool,
    /// Whether it was carried out although the same had been asked before under another command id.
    pub doubled: bool,
}

impl fmt::Debug for CommandRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CommandRecord")
            .field("at", &self.at)
            .field("leg_id", &self.leg_id)
            .field("name", &self.name)
            .field("command_id", &self.command_id)
            .field("status", &self.status)
            .field("code", &self.code)
            .field("repeat", &self.repeat)
            .field("doubled", &self.doubled)
            .finish_non_exhaustive()
    }
}

/// Counts since the start; they include what the ledger has dropped.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Totals {
    /// Number of legs that began.
    pub calls: u64,
    /// Number of legs that ended.
    pub ended: u64,
    /// Number of events to report.
    pub webhooks: u64,
    /// Webhook requests sent, repeats and duplicates included.
    pub attempts: u64,
    /// Webhook requests answered with 2xx.
    pub accepted: u64,
    /// Events sent twice on purpose.
    pub duplicates: u64,
    /// Events sent after a later one on purpose.
    pub shuffled: u64,
    /// Events delayed on purpose.
    pub delayed: u64,
    /// Events lost on purpose.
    pub lost: u64,
    /// Events that the server never accepted.
    pub given_up: u64,
    /// All commands that were received.
    pub commands: u64,
    /// Commands that repeated a command id.
    pub repeats: u64,
    /// Commands refused for a reason (4xx except 429).
    pub refused: u64,
    /// Commands answered 429 or 500, or with a closed connection, on purpose.
    pub disturbed: u64,
    /// Commands that asked for the same effect again under another command id.
    pub doubled: u64,
}

/// A copy of the fake's records.
#[derive(Debug, Clone)]
pub struct Ledger {
    pub totals: Totals,
    /// Microseconds from sending a webhook to its answer, for the answered ones.
    pub latency: Histogram<u64>,
    /// The latest delivery attempts.
    pub webhooks: Vec<WebhookRecord>,
    /// The latest received commands.
    pub commands: Vec<CommandRecord>,
    /// The latest ended legs.
    pub calls: Vec<CallRecord>,
    /// Number of records dropped to make room.
    pub forgotten: u64,
}

impl Ledger {
    /// The commands with this name, in the order they arrived.
    pub fn commands_named<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a CommandRecord> {
        self.commands.iter().filter(move |command| command.name == name)
    }

    /// The first attempts of the webhooks about a leg, in the order they were sent.
    pub fn events_of<'a>(&'a self, leg_id: &'a str) -> impl Iterator<Item = &'a WebhookRecord> {
        self.webhooks.iter().filter(move |hook| hook.attempt == 1 && hook.leg_id.as_deref() == Some(leg_id))
    }
}

/// The ledger that the fake writes.
#[derive(Debug)]
pub(super) struct Book {
    capacity: usize,
    pub totals: Totals,
    latency: Histogram<u64>,
    webhooks: VecDeque<WebhookRecord>,
    commands: VecDeque<CommandRecord>,
    calls: VecDeque<CallRecord>,
    forgotten: u64,
}

/// Range and precision of the latency histogram: 1 µs to 1 min with two significant digits.
const LATENCY_BOUNDS: (u64, u64, u8) = (1, 60_000_000, 2);

impl Book {
    pub fn new(capacity: usize) -> Result<Self, hdrhistogram::CreationError> {
        let (low, high, digits) = LATENCY_BOUNDS;
        Ok(Self {
            capacity: capacity.max(1),
            totals: Totals::default(),
            latency: Histogram::new_with_bounds(low, high, digits)?,
            webhooks: VecDeque::new(),
            commands: VecDeque::new(),
            calls: VecDeque::new(),
            forgotten: 0,
        })
    }

    pub fn webhook(&mut self, record: WebhookRecord) {
        self.totals.attempts += 1;
        self.totals.accepted += u64::from(record.status.is_some_and(|status| (200..300).contains(&status)));
        if record.status.is_some() {
            let micros = u64::try_from(record.latency.as_micros()).unwrap_or(u64::MAX);
            self.latency.saturating_record(micros.max(1));
        }
        self.forgotten += keep(&mut self.webhooks, self.capacity, record);
    }

    pub fn command(&mut self, record: CommandRecord) {
        let totals = &mut self.totals;
        totals.commands += 1;
        totals.repeats += u64::from(record.repeat);
        totals.doubled += u64::from(record.doubled);
        match record.status {
            0 | 429 | 500 => totals.disturbed += 1,
            400..=499 => totals.refused += 1,
            _ => {}
        }
        self.forgotten += keep(&mut self.commands, self.capacity, record);
    }

    pub fn call(&mut self, record: CallRecord) {
        self.totals.ended += 1;
        self.forgotten += keep(&mut self.calls, self.capacity, record);
    }

    pub fn copy(&self) -> Ledger {
        Ledger {
            totals: self.totals,
            latency: self.latency.clone(),
            webhooks: self.webhooks.iter().cloned().collect(),
            commands: self.commands.iter().cloned().collect(),
            calls: self.calls.iter().cloned().collect(),
            forgotten: self.forgotten,
        }
    }
}

fn keep<T>(list: &mut VecDeque<T>, capacity: usize, record: T) -> u64 {
    list.push_back(record);
    if list.len() > capacity {
        list.pop_front();
        return 1;
    }
    0
}
