//! What the carrier reported of a call, and how it was reached: from its first webhook to who answered.

use chrono::serde::{ts_microseconds as micros, ts_microseconds_option as micros_option};
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;
use uuid::Uuid;

use super::CallMetadata;
use crate::agent::AgentRuntime;
use crate::call::report::{LegRef, LegRole};
use crate::call::terms::{AnsweredBy, Direction};
use crate::envelope::Time;
use crate::ids::{AgentId, CustomerId, MenuId, NumberId};
use crate::number::Route;
use crate::personal::Personal;
use crate::phone::Party;

/// What the call made of a carrier's webhook.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Disposition {
    /// Other facts follow from it.
    Applied,
    /// It came too late to change anything.
    Late,
    /// The call only records it: this version concludes nothing from it.
    Noted,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CarrierEventReceived {
    /// Carrier's name, for example `telnyx`.
    pub provider: String,
    /// The carrier's id of the event, the same on every attempt.
    pub event_id: String,
    /// The carrier's event name, for example `call.hangup`.
    pub event_type: String,
    /// When it happened, by the carrier's clock.
    #[serde(with = "micros")]
    pub occurred_at: Time,
    pub disposition: Disposition,
    /// Leg the webhook is about.
    pub leg_role: LegRole,
    /// Webhook body as received; erased where it tells of secret keys.
    pub raw: Personal<ByteBuf>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Received {
    /// Carrier's name, for example `telnyx`.
    pub provider: String,
    pub leg: LegRef,
    /// Direction the carrier reports. Where it reports none: inbound, unless the leg carries our tag.
    pub direction: Direction,
    /// The calling party, if known.
    pub from: Option<Personal<Party>>,
    /// The called party, if known.
    pub to: Option<Personal<Party>>,
    /// Called number, if it is one of ours.
    pub number_id: Option<NumberId>,
    /// Route of that number; `None` for a number that is not ours.
    pub route: Option<Route>,
    /// When the leg appeared, by the carrier's clock.
    #[serde(with = "micros")]
    pub at: Time,
    /// When we stop waiting for an answer.
    #[serde(with = "micros")]
    pub ring_until: Time,
    /// Whether another application controls the leg: we neither placed it nor were offered it. We keep its
    /// history and send it no commands, unless a client asks for one.
    #[serde(default, skip_serializing_if = "is_false")]
    pub foreign: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
const fn is_false(value: &bool) -> bool {
    !*value
}

/// Everything known about the leg by now, not only what is new.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LegIdentified {
    pub leg: LegRef,
    pub direction: Direction,
    /// The calling party, if known.
    pub from: Option<Personal<Party>>,
    /// The called party, if known.
    pub to: Option<Personal<Party>>,
    /// Called number, if it is one of ours.
    pub number_id: Option<NumberId>,
    /// Route of that number; `None` for a number that is not ours.
    pub route: Option<Route>,
    /// When a leg that we did not place appeared; earlier than [`Received::at`] if webhooks overtook each
    /// other. `None` for a leg we dialled.
    #[serde(with = "micros_option", default)]
    pub appeared_at: Option<Time>,
    /// As [`Received::foreign`], by what is known now.
    #[serde(default, skip_serializing_if = "is_false")]
    pub foreign: bool,
    #[serde(with = "micros")]
    pub at: Time,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Queued {
    /// Id of the command; also the effect id of the dial.
    pub command_id: Uuid,
    pub to: Personal<Party>,
    /// Caller id to show; `None`: the node's default.
    pub from: Option<Personal<Party>>,
    /// Agent that talks once the call is answered; not used when `menu_id` is set.
    pub agent_id: Option<AgentId>,
    /// IVR menu to play once the call is answered.
    pub menu_id: Option<MenuId>,
    pub metadata: Personal<CallMetadata>,
    /// The customer that the call is with, where the client named one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub customer_id: Option<CustomerId>,
    /// Limit from the answer on.
    pub max_duration_ms: u64,
    /// Limit on the ringing, from the dial on.
    pub ring_timeout_ms: u64,
    /// Whether to record from the answer on.
    pub record: bool,
    /// What talks on it.
    #[serde(default, skip_serializing_if = "AgentRuntime::is_carrier")]
    pub runtime: AgentRuntime,
    /// When the client asked for the call.
    #[serde(with = "micros")]
    pub at: Time,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DialStarted {
    pub effect_id: Uuid,
    #[serde(with = "micros")]
    pub at: Time,
    /// When we stop waiting for an answer.
    #[serde(with = "micros")]
    pub ring_until: Time,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DialPostponed {
    pub effect_id: Uuid,
    #[serde(with = "micros")]
    pub at: Time,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DialUnknown {
    pub effect_id: Uuid,
    /// When we gave up on the carrier's answer.
    #[serde(with = "micros")]
    pub at: Time,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DialAccepted {
    pub effect_id: Uuid,
    /// Carrier's name, for example `telnyx`.
    pub provider: String,
    pub leg: LegRef,
    #[serde(with = "micros")]
    pub at: Time,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Ringing {
    #[serde(with = "micros")]
    pub at: Time,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Answered {
    #[serde(with = "micros")]
    pub at: Time,
    /// When the call reaches its longest duration, or its end if that is known already and earlier.
    #[serde(with = "micros")]
    pub ends_by: Time,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AnswererDetected {
    pub answered_by: AnsweredBy,
    #[serde(with = "micros")]
    pub at: Time,
}
