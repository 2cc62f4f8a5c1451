//! How a call ends, and what is known of it afterwards.

use chrono::serde::ts_microseconds as micros;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::CallMetadata;
use crate::call::report::{LegRole, RuntimeBill};
use crate::call::terms::{EndReason, EndedBy, Fault};
use crate::envelope::Time;
use crate::ids::CallId;
use crate::money::Money;
use crate::personal::Personal;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HangUpRequested {
    pub effect_id: Uuid,
    /// Becomes the call's end reason.
    pub reason: EndReason,
    pub by: EndedBy,
    #[serde(with = "micros")]
    pub at: Time,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HangUpPlanned {
    /// Id the hang-up command will get.
    pub effect_id: Uuid,
    /// Speech effect that must end first.
    pub after: Uuid,
    /// Becomes the call's end reason.
    pub reason: EndReason,
    pub by: EndedBy,
    /// Latest moment of the hang-up, should no webhook about the speech come.
    #[serde(with = "micros")]
    pub overdue_at: Time,
    #[serde(with = "micros")]
    pub at: Time,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Ended {
    pub reason: EndReason,
    pub ended_by: EndedBy,
    pub fault: Fault,
    /// Whether the end itself shows that the call had connected.
    pub connected: bool,
    /// The carrier's own cause, for example `normal_clearing`.
    pub provider_code: Option<String>,
    /// SIP status (RFC 3261 §21), if the carrier named one.
    pub sip_code: Option<u16>,
    #[serde(with = "micros")]
    pub at: Time,
}

/// The end as late reports of the carrier explain it; replaces an [`Ended`] that did not know of them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EndCorrected(pub Ended);

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Merged {
    /// The call that goes on.
    pub into: CallId,
    /// Which leg of that call this one was.
    pub leg_role: LegRole,
    #[serde(with = "micros")]
    pub at: Time,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CostRecorded {
    /// The carrier's charges so far, summed over all legs of the call.
    pub cost: Money,
    /// Leg whose charge this fact adds.
    pub leg_id: String,
    #[serde(with = "micros")]
    pub at: Time,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RuntimeBilled {
    /// Name of the runtime, for example `ultravox`.
    pub provider: String,
    pub bill: RuntimeBill,
    #[serde(with = "micros")]
    pub at: Time,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MetadataChanged {
    /// Id of the command that changed it.
    pub command_id: Uuid,
    /// Replaces all earlier metadata.
    pub metadata: Personal<CallMetadata>,
    #[serde(with = "micros")]
    pub at: Time,
}
