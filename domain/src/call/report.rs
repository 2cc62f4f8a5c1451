//! What a carrier reports about a call, in our own terms: one webhook, whichever carrier sent it.

use std::fmt;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::terms::{AnsweredBy, Direction, RecordingFormat, SpeechOutcome, TranscriptTrack};
use crate::envelope::Time;
use crate::ids::{CallId, ClientId};
use crate::money::Money;
use crate::personal::Personal;
use crate::phone::Party;

/// The carrier's ids of a leg: opaque text, none of it personal.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct LegRef {
    /// Id that commands to the carrier use; missing in a few webhooks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub control_id: Option<String>,
    /// Id of the leg itself.
    pub leg_id: String,
    /// Id that all legs of one session share.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_id: Option<String>,
    /// The carrier's application the leg belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connection_id: Option<String>,
}

/// Which leg of a call is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LegRole {
    /// The caller's leg, or the one we dialled.
    Main,
    /// The leg that a transfer placed.
    TransferTarget,
}

/// Tag that we send with a command; the carrier returns it with every later webhook of the leg.
///
/// It names the call even when the carrier's answer to the dial was lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LegTag {
    pub client: ClientId,
    pub call: CallId,
    pub role: LegRole,
}

/// One webhook of a carrier about a leg. `Debug` leaves the body out: it names parties and holds what was said.
#[derive(Clone, PartialEq)]
pub struct CarrierReport {
    /// Carrier's name, for example `telnyx`.
    pub provider: String,
    /// The carrier's id of this event: the same on every attempt to deliver it.
    pub event_id: String,
    /// The carrier's own name of what happened, for example `call.hangup`.
    pub event_type: String,
    /// When it happened, by the carrier's clock.
    pub occurred_at: Time,
    pub leg: LegRef,
    /// Our tag, if the webhook carried one.
    pub tag: Option<LegTag>,
    /// Gather the leg was last asked for, if the webhook names it.
    pub ask: Option<Uuid>,
    /// The calling party, where the webhook says it.
    pub from: Option<Party>,
    /// The called party, where the webhook says it.
    pub to: Option<Party>,
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
        /// Direction as the carrier reports it.
        direction: Direction,
    },
    Answered,
    /// The leg was connected to another one.
    Bridged,
    HungUp(HangUp),
    SpeechStarted,
    SpeechEnded(SpeechOutcome),
    /// The other end pressed a key.
    Dtmf(Personal<char>),
    /// A gather command is over: digits may be partial or empty.
    Gathered {
        digits: Personal<String>,
        /// The carrier's status: `valid`, `invalid`, `timeout`, `call_hangup`, ….
        status: String,
    },
    /// A human or a machine answered, as far as the carrier can tell.
    AnsweredBy(AnsweredBy),
    /// A recording is ready to be fetched.
    RecordingSaved(RecordingSaved),
    /// A recording failed at the carrier.
    RecordingFailed {
        /// Why, in the carrier's words.
        reason: String,
    },
    /// The carrier transcribed something that was said.
    Transcribed(Transcribed),
    /// What the carrier charges for the leg.
    Cost(Money),
    /// All that a hosted voice runtime knows of the call by now.
    Hosted(Box<HostedCall>),
    /// This version gives it no meaning: it is recorded, and nothing follows from it.
    Noted,
}

/// A call as a hosted voice runtime shows it at one moment. A later one knows at least as much.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct HostedCall {
    /// Whether the runtime placed it; otherwise somebody called there.
    pub outbound: bool,
    /// When the other end was connected, by the runtime's clock; `None` while it is not, or if it never was.
    pub joined_at: Option<Time>,
    /// When and how it ended.
    pub ended: Option<(Time, HangUp)>,
    /// What the runtime bills; `None` until that is final.
    pub billed: Option<RuntimeBill>,
    /// Whether the runtime says that all that was said can be read.
    pub messages_final: bool,
}

/// What a hosted voice runtime bills for a call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuntimeBill {
    /// Billed duration of the conversation, in milliseconds.
    pub duration_ms: u64,
    /// Billed duration of its SIP leg, in milliseconds, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sip_ms: Option<u64>,
    /// The runtime's own word for it, for example `BILLING_STATUS_BILLED`.
    pub status: String,
}

impl RuntimeBill {
    /// Whether it was given back, which nothing changes any more.
    #[must_use]
    pub fn is_refund(&self) -> bool {
        self.status.ends_with("_REFUNDED")
    }
}

/// How a leg ended, in the carrier's words and in ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HangUp {
    pub cause: HangUpCause,
    /// Which side of the leg ended it.
    pub source: HangUpSource,
    /// The carrier's own cause, for example `normal_clearing`.
    pub provider_code: String,
    /// The SIP status (RFC 3261 §21), if the carrier named one in 100–699.
    pub sip_code: Option<u16>,
}

/// Why a leg ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HangUpCause {
    /// The leg ended after it was answered.
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
    /// The called destination does not exist.
    NotFound,
    /// The agent of a hosted voice runtime hung up.
    AgentHungUp,
    /// The provider failed, or lost the connection.
    Broken,
    /// The carrier does not say, or says something new.
    Unspecified,
}

/// Which SIP side ended a leg.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HangUpSource {
    /// The side that called.
    Caller,
    /// The side that was called.
    Callee,
    /// The carrier does not say.
    Unknown,
}

/// A finished recording at the carrier.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordingSaved {
    /// The carrier's id of the recording.
    pub recording_id: Option<String>,
    /// Temporary download address; it holds a secret.
    pub url: Option<Personal<String>>,
    pub format: Option<RecordingFormat>,
    pub started_at: Option<Time>,
    pub ended_at: Option<Time>,
    /// When [`RecordingSaved::url`] expires; `None` where the carrier does not say.
    pub url_expires_at: Option<Time>,
    /// 2 where each party has a channel of its own; `None` where the carrier does not say.
    pub channels: Option<u8>,
}

/// Where a carrier keeps the file of a recording, for now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundRecording {
    /// Temporary download address; it holds a secret.
    pub url: Personal<String>,
}

/// A piece of speech that the carrier transcribed.
#[derive(Debug, Clone, PartialEq)]
pub struct Transcribed {
    pub text: Personal<String>,
    /// The carrier's certainty in thousandths, 0 to 1000.
    pub confidence_permille: Option<u16>,
    /// Whether the words are final; others may still change.
    pub is_final: bool,
    /// Which side of the call said it.
    pub track: TranscriptTrack,
}
