//! One leg as the switch knows it: its ids, its phase, and the commands it has received.

use std::collections::HashMap;
use std::sync::Arc;

use chrono::TimeDelta;
use domain::envelope::Time;
use parking_lot::{Mutex, MutexGuard};
use serde_json::{Map, Value, json};
use tokio::sync::mpsc;

use super::chance::SeededRandom;
use super::notice::timestamp;
use super::orders::Order;
use super::outbox::Fate;

/// How long a command id is recognised as a repeat.
pub(super) const REPEAT_WINDOW: TimeDelta = TimeDelta::seconds(60);

/// An event that a leg's task handles.
#[derive(Debug)]
pub(super) enum Input {
    Order(Order),
    /// The leg was connected to another one: the given leg, or (`None`) the leg of its own transfer,
    /// which it knows already.
    Bridged(Option<Arc<Leg>>),
    /// The leg at the other end of a transfer ended.
    PartnerOver {
        /// Whether the two legs were connected before.
        bridged: bool,
    },
}

#[derive(Debug)]
pub(super) struct Leg {
    pub number: u64,
    pub control_id: String,
    pub leg_id: Arc<str>,
    pub session_id: String,
    pub connection_id: String,
    pub from: String,
    pub to: String,
    pub incoming: bool,
    pub transfer_target: bool,
    pub started_at: Time,
    pub inbox: mpsc::Sender<Input>,
    pub fate: Arc<Fate>,
    pub state: Mutex<LegState>,
}

#[derive(Debug)]
pub(super) struct LegState {
    pub phase: Phase,
    pub answered_at: Option<Time>,
    pub ended_at: Option<Time>,
    pub client_state: Option<String>,
    pub webhook_url: Option<Arc<str>>,
    pub commands: CommandIds,
    /// Effects asked for so far, each with its command id.
    pub asked: HashMap<String, Option<String>>,
    pub random: SeededRandom,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    Ringing,
    Answered,
    Over,
}

/// The command ids received for one leg, or for the account.
#[derive(Debug, Default)]
pub(super) struct CommandIds(HashMap<String, Seen>);

#[derive(Debug, Clone, Copy)]
enum Seen {
    /// The command was carried out at this time.
    Done(Time),
    /// The fake disturbed the command on purpose at this time, and will carry out its repeat.
    Disturbed(Time),
}

/// Above this number of ids, expired ones are removed.
const SWEEP_ABOVE: usize = 4096;

impl CommandIds {
    /// Whether the command was carried out within the window.
    pub fn is_repeat(&self, id: &str, now: Time) -> bool {
        matches!(self.0.get(id), Some(Seen::Done(at)) if now - *at < REPEAT_WINDOW)
    }

    /// Whether the command was disturbed before.
    pub fn was_disturbed(&self, id: &str) -> bool {
        matches!(self.0.get(id), Some(Seen::Disturbed(_)))
    }

    pub fn done(&mut self, id: &str, now: Time) {
        self.put(id, Seen::Done(now), now);
    }

    pub fn disturbed(&mut self, id: &str, now: Time) {
        self.put(id, Seen::Disturbed(now), now);
    }

    fn put(&mut self, id: &str, seen: Seen, now: Time) {
        if self.0.len() > SWEEP_ABOVE {
            self.0.retain(|_, seen| {
                let (Seen::Done(at) | Seen::Disturbed(at)) = seen;
                now - *at < REPEAT_WINDOW
            });
        }
        self.0.insert(id.to_owned(), seen);
    }
}

impl Leg {
    pub fn lock(&self) -> MutexGuard<'_, LegState> {
        self.state.lock()
    }

    /// The fields that every payload about the leg has; `parties` adds `from` and `to`.
    pub fn payload(&self, parties: bool) -> Map<String, Value> {
        let mut payload = Map::new();
        payload.insert("call_control_id".to_owned(), self.control_id.as_str().into());
        payload.insert("call_leg_id".to_owned(), (*self.leg_id).into());
        payload.insert("call_session_id".to_owned(), self.session_id.as_str().into());
        payload.insert("connection_id".to_owned(), self.connection_id.as_str().into());
        payload.insert("client_state".to_owned(), self.lock().client_state.clone().into());
        if parties {
            payload.insert("from".to_owned(), self.from.as_str().into());
            payload.insert("to".to_owned(), self.to.as_str().into());
        }
        payload
    }

    /// The leg as `GET /calls/{id}` and the list of active calls show it.
    pub fn resource(&self, now: Time) -> Value {
        let state = self.lock();
        let seconds =
            state.answered_at.map_or(0, |from| (state.ended_at.unwrap_or(now) - from).num_seconds());
        json!({
            "record_type": "call",
            "call_control_id": self.control_id,
            "call_leg_id": &*self.leg_id,
            "call_session_id": self.session_id,
            "client_state": state.client_state,
            "is_alive": state.phase != Phase::Over,
            "call_duration": seconds,
            "start_time": timestamp(self.started_at),
            "end_time": state.ended_at.map(timestamp),
        })
    }
}
