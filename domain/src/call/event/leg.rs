//! What the carrier told of a call, and how it was reached: from its first sign to who answered.

use chrono::serde::{ts_microseconds as micros, ts_microseconds_option as micros_option};
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;
use uuid::Uuid;

use super::CallMetadata;
use crate::call::report::{LegRef, LegRole};
use crate::call::terms::{AnsweredBy, Direction};
use crate::envelope::Time;
use crate::ids::{AgentId, MenuId, NumberId};
use crate::number::Route;
use crate::personal::Personal;
use crate::phone::Party;

/// What became of a carrier's webhook.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Disposition {
    /// Facts follow.
    Applied,
    /// It came when nothing could follow from it any more.
    Late,
    /// It means nothing to this version.
    Noted,
}

/// See [`super::CallEvent::CarrierEventReceived`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CarrierEventReceived {
    /// `telnyx`, ….
    pub provider: String,
    /// The carrier's id of the event, the same on every attempt.
    pub event_id: String,
    /// The carrier's name of it.
    pub event_type: String,
    /// When it happened, by the carrier's clock.
    #[serde(with = "micros")]
    pub occurred_at: Time,
    /// What became of it.
    pub disposition: Disposition,
    /// Which leg it speaks of.
    pub leg_role: LegRole,
    /// The body as received.
    pub raw: Personal<ByteBuf>,
}

/// See [`super::CallEvent::Received`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Received {
    /// `telnyx`, ….
    pub provider: String,
    /// The carrier's names of the leg.
    pub leg: LegRef,
    /// Which way the carrier says it goes; inbound where it does not say.
    pub direction: Direction,
    /// The calling party, if known.
    pub from: Option<Personal<Party>>,
    /// The called party, if known.
    pub to: Option<Personal<Party>>,
    /// The number that was called, if it is one of ours.
    pub number_id: Option<NumberId>,
    /// Where the number sends its calls; nothing for a number that is not ours.
    pub route: Option<Route>,
    /// When the leg appeared.
    #[serde(with = "micros")]
    pub at: Time,
    /// When to give up on an answer.
    #[serde(with = "micros")]
    pub ring_until: Time,
    /// Whether somebody else leads it: we neither placed it nor were asked to take it. It is recorded, and nothing is
    /// done with it.
    #[serde(default, skip_serializing_if = "is_false")]
    pub foreign: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
const fn is_false(value: &bool) -> bool {
    !*value
}

/// See [`super::CallEvent::LegIdentified`]. All that is known by now, not only what is new.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LegIdentified {
    /// The carrier's names of the leg.
    pub leg: LegRef,
    /// Which way it goes.
    pub direction: Direction,
    /// The calling party, if known.
    pub from: Option<Personal<Party>>,
    /// The called party, if known.
    pub to: Option<Personal<Party>>,
    /// The number that was called, if it is one of ours.
    pub number_id: Option<NumberId>,
    /// Where the number sends its calls; nothing for a number that is not ours.
    pub route: Option<Route>,
    /// When a leg we did not place appeared; earlier than [`Received::at`] if webhooks overtook each other.
    #[serde(with = "micros_option", default)]
    pub appeared_at: Option<Time>,
    /// Whether somebody else still leads it; see [`Received::foreign`].
    #[serde(default, skip_serializing_if = "is_false")]
    pub foreign: bool,
    /// When we were told.
    #[serde(with = "micros")]
    pub at: Time,
}

/// See [`super::CallEvent::Queued`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Queued {
    /// The command it answers; names the dial towards the carrier.
    pub command_id: Uuid,
    /// Whom to call.
    pub to: Personal<Party>,
    /// As whom; the node's default if none.
    pub from: Option<Personal<Party>>,
    /// Who is to talk.
    pub agent_id: Option<AgentId>,
    /// Which menu is to be played.
    pub menu_id: Option<MenuId>,
    /// The client's own data.
    pub metadata: Personal<CallMetadata>,
    /// From the answer, in milliseconds.
    pub max_duration_ms: u64,
    /// From the dial, in milliseconds.
    pub ring_timeout_ms: u64,
    /// Whether to record from the answer on.
    pub record: bool,
    /// When it was asked for.
    #[serde(with = "micros")]
    pub at: Time,
}

/// See [`super::CallEvent::DialStarted`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DialStarted {
    /// The dial.
    pub effect_id: Uuid,
    /// When.
    #[serde(with = "micros")]
    pub at: Time,
    /// When to give up on an answer.
    #[serde(with = "micros")]
    pub ring_until: Time,
}

/// See [`super::CallEvent::DialPostponed`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DialPostponed {
    /// The dial.
    pub effect_id: Uuid,
    /// When.
    #[serde(with = "micros")]
    pub at: Time,
}

/// See [`super::CallEvent::DialUnknown`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DialUnknown {
    /// The dial.
    pub effect_id: Uuid,
    /// When the answer was given up.
    #[serde(with = "micros")]
    pub at: Time,
}

/// See [`super::CallEvent::DialAccepted`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DialAccepted {
    /// The dial.
    pub effect_id: Uuid,
    /// `telnyx`, ….
    pub provider: String,
    /// The carrier's names of the leg.
    pub leg: LegRef,
    /// When we knew.
    #[serde(with = "micros")]
    pub at: Time,
}

/// See [`super::CallEvent::Ringing`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Ringing {
    /// When.
    #[serde(with = "micros")]
    pub at: Time,
}

/// See [`super::CallEvent::Answered`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Answered {
    /// When.
    #[serde(with = "micros")]
    pub at: Time,
    /// When the call has lasted long enough; no later than its end, should that be known already.
    #[serde(with = "micros")]
    pub ends_by: Time,
}

/// See [`super::CallEvent::AnswererDetected`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AnswererDetected {
    /// Who or what.
    pub answered_by: AnsweredBy,
    /// When.
    #[serde(with = "micros")]
    pub at: Time,
}
