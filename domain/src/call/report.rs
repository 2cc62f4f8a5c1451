//! What a carrier reports about a call, in our own terms: one webhook, whoever sent it.

use std::fmt;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::terms::{AnsweredBy, Direction, RecordingFormat, SpeechOutcome, TranscriptTrack};
use crate::envelope::Time;
use crate::ids::{CallId, ClientId};
use crate::money::Money;
use crate::personal::Personal;
use crate::phone::Party;

/// The carrier's names for a leg. Opaque text; none of it is personal.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct LegRef {
    /// What commands to the carrier name the leg by; missing in a few webhooks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub control_id: Option<String>,
    /// The leg itself.
    pub leg_id: String,
    /// What ties legs of one session together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_id: Option<String>,
    /// The carrier's application the leg belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connection_id: Option<String>,
}

/// Which leg of a call is spoken of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LegRole {
    /// The caller's leg, or the one we dialled.
    Main,
    /// The leg a transfer placed.
    TransferTarget,
}

/// What we hand the carrier with a command and get back with every later webhook of the leg.
///
/// It names the call even when the carrier's answer to the dial was lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LegTag {
    /// Whose call it is.
    pub client: ClientId,
    /// The call.
    pub call: CallId,
    /// Which of its legs.
    pub role: LegRole,
}

/// One webhook of a carrier about a leg. `Debug` leaves the body out: it names parties and holds what was said.
#[derive(Clone, PartialEq)]
pub struct CarrierReport {
    /// `telnyx`, ….
    pub provider: String,
    /// The carrier's id of this event: the same on every attempt to deliver it.
    pub event_id: String,
    /// The carrier's own name of what happened, for example `call.hangup`.
    pub event_type: String,
    /// When it happened, by the carrier's clock.
    pub occurred_at: Time,
    /// Which leg.
    pub leg: LegRef,
    /// Our tag, if the webhook carried one.
    pub tag: Option<LegTag>,
    /// The gather the leg was last told to do, if the webhook says so.
    pub ask: Option<Uuid>,
    /// The calling party, where the webhook says it.
    pub from: Option<Party>,
    /// The called party, where the webhook says it.
    pub to: Option<Party>,
    /// What happened, in our terms.
    pub fact: CarrierFact,
    /// The webhook's body as received.
    pub raw: Vec<u8>,
}

impl fmt::Debug for CarrierReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CarrierReport")
            .field("provider", &self.provider)
            .field("event_id", &self.event_id)
            .field("event_type", &self.event_type)
            .field("occurred_at", &self.occurred_at)
            .field("leg", &self.leg)
            .field("tag", &self.tag)
            .field("fact", &self.fact)
            .finish_non_exhaustive()
    }
}

/// What happened on a leg.
#[derive(Debug, Clone, PartialEq)]
pub enum CarrierFact {
    /// The leg exists and is ringing, or is being set up.
    Initiated {
        /// From the carrier's point of view.
        direction: Direction,
    },
    /// The leg was answered.
    Answered,
    /// The leg was connected to another one.
    Bridged,
    /// The leg is over.
    HungUp(HangUp),
    /// Speech was started.
    SpeechStarted,
    /// Speech is over.
    SpeechEnded(SpeechOutcome),
    /// A key was pressed.
    Dtmf(Personal<char>),
    /// A gather command is over: digits may be partial or empty.
    Gathered {
        /// What was pressed.
        digits: Personal<String>,
        /// The carrier's status: `valid`, `invalid`, `timeout`, `call_hangup`, ….
        status: String,
    },
    /// A human or a machine answered, as far as the carrier can tell.
    AnsweredBy(AnsweredBy),
    /// A recording can be fetched.
    RecordingSaved(RecordingSaved),
    /// A recording was lost.
    RecordingFailed {
        /// The carrier's reason.
        reason: String,
    },
    /// Something was said.
    Transcribed(Transcribed),
    /// What the call cost.
    Cost(Money),
    /// Something this version gives no meaning: recorded, and nothing follows from it.
    Noted,
}

/// How a leg ended, in the carrier's words and in ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HangUp {
    /// What it means.
    pub cause: HangUpCause,
    /// Which side of the leg ended it.
    pub source: HangUpSource,
    /// The carrier's own word.
    pub provider_code: String,
    /// The SIP status (RFC 3261 §21), if the carrier named one in 100–699.
    pub sip_code: Option<u16>,
}

/// Why a leg ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HangUpCause {
    /// Ended after it was answered.
    Normal,
    /// The calling side gave up before the answer.
    Cancelled,
    /// The called side is busy.
    Busy,
    /// Nobody answered in time.
    NoAnswer,
    /// The carrier's limit on the leg's duration was reached.
    TimeLimit,
    /// Refused by the called side, by a carrier, or by us.
    Rejected,
    /// No such destination.
    NotFound,
    /// The carrier does not say, or says something new.
    Unspecified,
}

/// Which SIP side ended a leg.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HangUpSource {
    /// The calling side.
    Caller,
    /// The called side.
    Callee,
    /// Not said.
    Unknown,
}

/// Where a recording is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordingSaved {
    /// The carrier's id of it.
    pub recording_id: Option<String>,
    /// Where it can be fetched for a while; it holds a secret.
    pub url: Option<Personal<String>>,
    /// What it is encoded as.
    pub format: Option<RecordingFormat>,
    /// When recording began.
    pub started_at: Option<Time>,
    /// When recording ended.
    pub ended_at: Option<Time>,
    /// Until when [`RecordingSaved::url`] works, if it expires.
    pub url_expires_at: Option<Time>,
}

/// Something said, turned to text by the carrier.
#[derive(Debug, Clone, PartialEq)]
pub struct Transcribed {
    /// What was said.
    pub text: Personal<String>,
    /// 0 to 1000 thousandths of certainty.
    pub confidence_permille: Option<u16>,
    /// Whether the words will still change.
    pub is_final: bool,
    /// Who said it.
    pub track: TranscriptTrack,
}
