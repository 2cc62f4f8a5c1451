//! What a match finds: a call or a record that the other side has not, or has otherwise.

use chrono::serde::ts_microseconds as micros;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::record::Charge;
use crate::envelope::Time;
use crate::ids::{BillingMatchId, CallId, derive};

macro_rules! states {
    ($($(#[$doc:meta])* $name:ident = $word:literal,)*) => {
        /// How a call and the carrier's records of it agree.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum MatchState { $($(#[$doc])* #[serde(rename = $word)] $name,)* }

        impl MatchState {
            pub const ALL: &'static [MatchState] = &[$(MatchState::$name,)*];

            /// Name as stored and shown, for example `ours_only`.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(MatchState::$name => $word,)* }
            }
        }
    };
}

states! {
    /// It differed once, and agrees now.
    Matched = "matched",
    /// The carrier has no record of our call.
    OursOnly = "ours_only",
    /// We have no call to the carrier's record.
    TheirsOnly = "theirs_only",
    /// Seconds or amounts differ.
    Differs = "differs",
}

/// What we have of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct OurSide {
    /// Seconds from the answer to the end, a begun one counted.
    pub seconds: u32,
    /// What the carrier told us that it charged; `None`: it told nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub charge: Option<Charge>,
}

/// What the carrier has of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct CarrierSide {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seconds: Option<u32>,
    /// Seconds that are charged, in the carrier's steps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub billed_seconds: Option<u32>,
    pub charge: Charge,
}

/// A call or a record that does not agree with the other side.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Finding {
    pub state: MatchState,
    /// Our call; `None` when only the carrier has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call: Option<CallId>,
    /// The carrier's id of the leg, or one made from it where it is no UUID.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leg: Option<Uuid>,
    #[serde(with = "micros")]
    pub began_at: Time,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ours: Option<OurSide>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub carrier: Option<CarrierSide>,
    /// What the ledger has as the carrier's cost; `None`: it has nothing of the call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ledger: Option<Charge>,
    /// Seconds that the carrier has and we have not; negative the other way round. Zero when only amounts differ.
    pub seconds: i64,
    /// Millionths that the carrier has and we, or the ledger, have not; `None` when currencies differ.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub micros: Option<i64>,
}

impl Finding {
    /// Id of the finding: the same whenever the same call or record of that day is found again.
    #[must_use]
    pub fn id(&self, day: BillingMatchId) -> Uuid {
        match (self.call, self.leg) {
            (Some(call), _) => Self::id_of_call(call, day),
            (None, leg) => derive(day.0, &format!("leg:{}", leg.unwrap_or_default())),
        }
    }

    /// Id of a finding of this call.
    #[must_use]
    pub fn id_of_call(call: CallId, day: BillingMatchId) -> Uuid {
        derive(day.0, &call.0.to_string())
    }
}
