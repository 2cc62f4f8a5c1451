//! The fake's memory: what it sent, what it was asked, and what it takes to have come of every call.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use domain::call::terms::{Direction, EndReason, Status};
use domain::envelope::Time;
use hdrhistogram::Histogram;
use serde_json::Value;

/// What the server should say of a call in the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expected {
    /// Its status.
    pub status: Status,
    /// Why it is over; `None` where that is the server's own choice, because the server ended it.
    pub end_reason: Option<EndReason>,
    /// False when the server cannot know: a webhook that matters was lost, or never taken.
    pub certain: bool,
}

/// One leg, from its beginning to its end. `Debug` leaves out whom it connected and what was said.
#[derive(Clone)]
pub struct CallRecord {
    /// The carrier's name of the leg that commands use.
    pub control_id: String,
    /// The leg.
    pub leg_id: String,
    /// What ties the legs of a transfer together.
    pub session_id: String,
    /// From the carrier's point of view: inbound legs were placed by a script, outbound ones by the server.
    pub direction: Direction,
    /// Whether a transfer placed the leg.
    pub transfer_target: bool,
    /// The calling party.
    pub from: String,
    /// The called party.
    pub to: String,
    /// What the server last attached to the leg.
    pub client_state: Option<String>,
    /// When it began to ring.
    pub started_at: Time,
    /// When it was answered.
    pub answered_at: Option<Time>,
    /// When it ended.
    pub ended_at: Time,
    /// The carrier's word for why.
    pub hangup_cause: &'static str,
    /// What the server should make of it.
    pub expected: Expected,
    /// What the other end waited for in vain.
    pub unmet: Vec<&'static str>,
    /// What the server had spoken, piece by piece, as far as it began.
    pub spoken: Vec<String>,
    /// Events there were to report.
    pub webhooks: u64,
    /// Of these, lost on purpose.
    pub lost: u64,
    /// Of these, never taken by the server.
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
    /// For example `call.hangup`.
    pub event_type: Arc<str>,
    /// The leg it is about, if any.
    pub leg_id: Option<Arc<str>>,
    /// From 1.
    pub attempt: u32,
    /// The server's answer; none when there was none in time.
    pub status: Option<u16>,
    /// From sending to the answer.
    pub latency: Duration,
    /// When it was sent.
    pub at: Time,
}

/// One command the fake received. `Debug` leaves its body out.
#[derive(Clone)]
pub struct CommandRecord {
    /// When it came.
    pub at: Time,
    /// The leg it named; for a dial, the leg it made.
    pub leg_id: Option<String>,
    /// `dial`, `answer`, `speak`, ….
    pub name: String,
    /// The caller's id of it.
    pub command_id: Option<String>,
    /// Its body.
    pub body: Value,
    /// The answer's status, or 0 when the connection was closed instead.
    pub status: u16,
    /// The code of the first error in the answer.
    pub code: Option<&'static str>,
    /// Ignored as the repeat of a command id.
    pub repeat: bool,
    /// Carried out although the same had been asked before under another command id.
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

/// Counts since the start; nothing is forgotten here.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Totals {
    /// Legs begun.
    pub calls: u64,
    /// Legs over.
    pub ended: u64,
    /// Events there were to report.
    pub webhooks: u64,
    /// Requests sent for them, repeats and duplicates included.
    pub attempts: u64,
    /// Requests answered 2xx.
    pub accepted: u64,
    /// Events sent twice on purpose.
    pub duplicates: u64,
    /// Events put behind a later one on purpose.
    pub shuffled: u64,
    /// Events delayed on purpose.
    pub delayed: u64,
    /// Events lost on purpose.
    pub lost: u64,
    /// Events the server never took.
    pub given_up: u64,
    /// Commands received.
    pub commands: u64,
    /// Of these, repeats of a command id.
    pub repeats: u64,
    /// Of these, refused for a reason (4xx but 429).
    pub refused: u64,
    /// Of these, answered 429 or 500, or with a closed connection, on purpose.
    pub disturbed: u64,
    /// Of these, the same effect asked for again under another command id.
    pub doubled: u64,
}

/// A copy of the fake's memory.
#[derive(Debug, Clone)]
pub struct Ledger {
    /// Counts since the start.
    pub totals: Totals,
    /// Microseconds from sending a webhook to its answer, of the answered ones.
    pub latency: Histogram<u64>,
    /// The latest attempts.
    pub webhooks: Vec<WebhookRecord>,
    /// The latest commands.
    pub commands: Vec<CommandRecord>,
    /// The latest legs that are over.
    pub calls: Vec<CallRecord>,
    /// Records that were dropped to make room.
    pub forgotten: u64,
}

impl Ledger {
    /// The commands of a kind, in the order they came.
    pub fn commands_named<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a CommandRecord> {
        self.commands.iter().filter(move |command| command.name == name)
    }

    /// The first attempts about a leg, in the order they were sent.
    pub fn events_of<'a>(&'a self, leg_id: &'a str) -> impl Iterator<Item = &'a WebhookRecord> {
        self.webhooks.iter().filter(move |hook| hook.attempt == 1 && hook.leg_id.as_deref() == Some(leg_id))
    }
}

/// The memory itself.
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

/// 1 µs to 1 min in two digits.
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
