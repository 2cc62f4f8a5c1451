//! What is asked of a call under way, and what came of it: speech, transfers,
//! keys, transcript lines, recordings.

use chrono::serde::{ts_microseconds as micros, ts_microseconds_option as micros_option};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::call::terms::{CommandKind, RecordingFormat, Speaker, SpeechOutcome};
use crate::envelope::Time;
use crate::personal::Personal;
use crate::phone::Party;

/// A command to the carrier without further data.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EffectRequested {
    pub effect_id: Uuid,
    #[serde(with = "micros")]
    pub at: Time,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TranscriptRequested {
    pub effect_id: Uuid,
    /// Whether the end was seen before the runtime said that everything can be read.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub early: bool,
    #[serde(with = "micros")]
    pub at: Time,
}

/// Why an inbound call is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RejectCause {
    /// The called number is not one of ours.
    UnknownNumber,
    /// The number's route says `reject`.
    Route,
    /// The client's credit does not cover the call.
    NoCredit,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RejectRequested {
    pub effect_id: Uuid,
    pub cause: RejectCause,
    #[serde(with = "micros")]
    pub at: Time,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SpeechRequested {
    pub effect_id: Uuid,
    /// Number of its transcript line, from 1.
    pub seq: u32,
    pub text: Personal<String>,
    #[serde(with = "micros")]
    pub at: Time,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SpeechEnded {
    pub outcome: SpeechOutcome,
    #[serde(with = "micros")]
    pub at: Time,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TransferRequested {
    pub effect_id: Uuid,
    pub to: Personal<Party>,
    #[serde(with = "micros")]
    pub at: Time,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TransferConnected {
    #[serde(with = "micros")]
    pub at: Time,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TransferFailed {
    /// The carrier's error code or hang-up cause.
    pub provider_code: String,
    #[serde(with = "micros")]
    pub at: Time,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DtmfRequested {
    pub effect_id: Uuid,
    /// Number of its transcript line, from 1.
    pub seq: u32,
    /// Keys to send; `w` and `W` are pauses.
    pub digits: Personal<String>,
    #[serde(with = "micros")]
    pub at: Time,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DtmfReceived {
    /// Number of its transcript line, from 1.
    pub seq: u32,
    /// Transcript line that this one precedes, because the carrier reported it late; `None`: it stands in
    /// the order of `seq`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<u32>,
    /// The key; erased where keys are secret.
    pub digit: Personal<char>,
    /// Gather the key belongs to, if one is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gather: Option<Uuid>,
    /// Whether a gather reported this press before. Then it adds no line, and `seq` is the number
    /// of the last line.
    #[serde(default, skip_serializing_if = "is_false")]
    pub repeated: bool,
    #[serde(with = "micros")]
    pub at: Time,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands a reference in")]
fn is_false(flag: &bool) -> bool {
    !flag
}

/// The transcript line of those keys of a gather that no DTMF webhook had reported.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GatheredLine {
    /// Number of its transcript line, from 1.
    pub seq: u32,
    /// Transcript line that this one precedes, because the carrier reported it late; `None`: it stands in
    /// the order of `seq`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<u32>,
    /// The keys; erased where they are secret.
    pub digits: Personal<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DigitsGathered {
    /// May be empty; erased where the keys are secret.
    pub digits: Personal<String>,
    /// The carrier's status, for example `valid` or `timeout`.
    pub status: String,
    /// Gather that ended, if it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gather: Option<Uuid>,
    /// Number of keys where they are secret, else `None`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub length: Option<u32>,
    /// New transcript line; `None` when DTMF webhooks had reported each key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<GatheredLine>,
    #[serde(with = "micros")]
    pub at: Time,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LineTranscribed {
    /// Number of its transcript line, from 1.
    pub seq: u32,
    /// Transcript line that this one precedes, because the carrier reported it late; `None`: it stands in
    /// the order of `seq`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<u32>,
    pub speaker: Speaker,
    pub text: Personal<String>,
    /// The carrier's certainty in thousandths, 0 to 1000.
    pub confidence_permille: Option<u16>,
    #[serde(with = "micros")]
    pub at: Time,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TranscriptionRequested {
    pub effect_id: Uuid,
    #[serde(with = "micros")]
    pub at: Time,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RecordingRequested {
    pub effect_id: Uuid,
    pub format: RecordingFormat,
    #[serde(with = "micros")]
    pub at: Time,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RecordingAvailable {
    /// The carrier's id of the recording.
    pub recording_id: Option<String>,
    /// Temporary download address at the carrier; it holds a secret.
    pub url: Option<Personal<String>>,
    /// When the address expires; `None` where the carrier does not say.
    #[serde(with = "micros_option", default)]
    pub url_expires_at: Option<Time>,
    pub format: Option<RecordingFormat>,
    /// Length of the recording; `None` where the carrier gives no times.
    pub duration_ms: Option<u64>,
    /// 2 where each party has a channel of its own; `None` where the carrier does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channels: Option<u8>,
    #[serde(with = "micros")]
    pub at: Time,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RecordingLost {
    /// Why, in the carrier's words.
    pub reason: String,
    #[serde(with = "micros")]
    pub at: Time,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CommandAccepted {
    pub effect_id: Uuid,
    pub command: CommandKind,
    /// How often the outbox asked the carrier.
    pub attempts: u32,
    #[serde(with = "micros")]
    pub at: Time,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CommandFailed {
    pub effect_id: Uuid,
    pub command: CommandKind,
    /// The carrier's error code, or our own for giving up.
    pub code: String,
    /// Whether the carrier says the call is over.
    pub gone: bool,
    /// How often the outbox asked the carrier.
    pub attempts: u32,
    #[serde(with = "micros")]
    pub at: Time,
}
