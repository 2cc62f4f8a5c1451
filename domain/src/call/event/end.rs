//! How a call ends, and what is known of it afterwards.

use chrono::serde::ts_microseconds as micros;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::CallMetadata;
use crate::call::terms::{EndReason, EndedBy, Fault};
use crate::envelope::Time;
use crate::money::Money;
use crate::personal::Personal;

/// See [`super::CallEvent::HangUpRequested`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HangUpRequested {
    /// Names the effect on every attempt.
    pub effect_id: Uuid,
    /// What the call's end reason will be.
    pub reason: EndReason,
    /// Who wants it.
    pub by: EndedBy,
    /// When.
    #[serde(with = "micros")]
    pub at: Time,
}

/// See [`super::CallEvent::HangUpPlanned`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HangUpPlanned {
    /// Names the hang-up.
    pub effect_id: Uuid,
    /// The speech it waits for.
    pub after: Uuid,
    /// What the call's end reason will be.
    pub reason: EndReason,
    /// Who wants it.
    pub by: EndedBy,
    /// When not to wait any longer.
    #[serde(with = "micros")]
    pub overdue_at: Time,
    /// When.
    #[serde(with = "micros")]
    pub at: Time,
}

/// See [`super::CallEvent::Ended`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Ended {
    /// Why.
    pub reason: EndReason,
    /// By whom.
    pub ended_by: EndedBy,
    /// Whose fault.
    pub fault: Fault,
    /// Whether the end itself shows that the call had connected.
    pub connected: bool,
    /// The carrier's own word.
    pub provider_code: Option<String>,
    /// SIP status (RFC 3261 §21).
    pub sip_code: Option<u16>,
    /// When.
    #[serde(with = "micros")]
    pub at: Time,
}

/// See [`super::CallEvent::EndExplained`]. Takes the place of what [`Ended`] could not know.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EndExplained(pub Ended);

/// See [`super::CallEvent::CostRecorded`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CostRecorded {
    /// The carrier's charges so far: all parts of all legs together.
    pub cost: Money,
    /// The leg whose charge was added.
    pub leg_id: String,
    /// When.
    #[serde(with = "micros")]
    pub at: Time,
}

/// See [`super::CallEvent::MetadataChanged`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MetadataChanged {
    /// The command it answers.
    pub command_id: Uuid,
    /// All of it.
    pub metadata: Personal<CallMetadata>,
    /// When.
    #[serde(with = "micros")]
    pub at: Time,
}
