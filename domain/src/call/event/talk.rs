//! What is asked of a call under way, and what came of it: speech, transfers, keys, words, recordings.

use chrono::serde::{ts_microseconds as micros, ts_microseconds_option as micros_option};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::call::terms::{CommandKind, RecordingFormat, Speaker, SpeechOutcome};
use crate::envelope::Time;
use crate::personal::Personal;
use crate::phone::Party;

/// A command to the carrier that needs nothing but a name.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EffectRequested {
    /// Names the effect on every attempt.
    pub effect_id: Uuid,
    /// When.
    #[serde(with = "micros")]
    pub at: Time,
}

/// Why an inbound call is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RejectCause {
    /// The called number is not one of ours.
    UnknownNumber,
    /// The number's route says so.
    Route,
}

/// See [`super::CallEvent::RejectRequested`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RejectRequested {
    /// Names the effect on every attempt.
    pub effect_id: Uuid,
    /// Why.
    pub cause: RejectCause,
    /// When.
    #[serde(with = "micros")]
    pub at: Time,
}

/// See [`super::CallEvent::SpeechRequested`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SpeechRequested {
    /// Names the effect on every attempt.
    pub effect_id: Uuid,
    /// Its line of the transcript, from 1.
    pub seq: u32,
    /// The text.
    pub text: Personal<String>,
    /// When.
    #[serde(with = "micros")]
    pub at: Time,
}

/// See [`super::CallEvent::SpeechEnded`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SpeechEnded {
    /// How.
    pub outcome: SpeechOutcome,
    /// When.
    #[serde(with = "micros")]
    pub at: Time,
}

/// See [`super::CallEvent::TransferRequested`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TransferRequested {
    /// Names the effect on every attempt.
    pub effect_id: Uuid,
    /// To whom.
    pub to: Personal<Party>,
    /// When.
    #[serde(with = "micros")]
    pub at: Time,
}

/// See [`super::CallEvent::TransferConnected`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TransferConnected {
    /// When.
    #[serde(with = "micros")]
    pub at: Time,
}

/// See [`super::CallEvent::TransferFailed`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TransferFailed {
    /// The carrier's word.
    pub provider_code: String,
    /// When.
    #[serde(with = "micros")]
    pub at: Time,
}

/// See [`super::CallEvent::DtmfRequested`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DtmfRequested {
    /// Names the effect on every attempt.
    pub effect_id: Uuid,
    /// Its line of the transcript, from 1.
    pub seq: u32,
    /// The keys.
    pub digits: Personal<String>,
    /// When.
    #[serde(with = "micros")]
    pub at: Time,
}

/// See [`super::CallEvent::DtmfReceived`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DtmfReceived {
    /// Its line of the transcript, from 1.
    pub seq: u32,
    /// Where it was told late: the line it stands before, by when it was said. `None`: where it was told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<u32>,
    /// The key; erased where keys are secret.
    pub digit: Personal<char>,
    /// The gather it belongs to, if one is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gather: Option<Uuid>,
    /// Whether a gather has told of this press before: then it is no line of its own, and `seq` is the last one.
    #[serde(default, skip_serializing_if = "is_false")]
    pub repeated: bool,
    /// When.
    #[serde(with = "micros")]
    pub at: Time,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands a reference in")]
fn is_false(flag: &bool) -> bool {
    !flag
}

/// The keys of a gather that no webhook of their own told of before: a line of the transcript.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GatheredLine {
    /// Its line of the transcript, from 1.
    pub seq: u32,
    /// Where it was told late: the line it stands before, by when it was keyed. `None`: where it was told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<u32>,
    /// The keys; erased where they are secret.
    pub digits: Personal<String>,
}

/// See [`super::CallEvent::DigitsGathered`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DigitsGathered {
    /// The keys; may be empty. Erased where they are secret.
    pub digits: Personal<String>,
    /// The carrier's status.
    pub status: String,
    /// The gather that ended, if it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gather: Option<Uuid>,
    /// How many keys, where they are secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub length: Option<u32>,
    /// What the transcript gains by it; `None` when each key was told of before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<GatheredLine>,
    /// When.
    #[serde(with = "micros")]
    pub at: Time,
}

/// See [`super::CallEvent::LineTranscribed`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LineTranscribed {
    /// Its line of the transcript, from 1.
    pub seq: u32,
    /// Where it was told late: the line it stands before, by when it was said. `None`: where it was told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<u32>,
    /// Who said it.
    pub speaker: Speaker,
    /// What was said.
    pub text: Personal<String>,
    /// 0 to 1000 thousandths of certainty.
    pub confidence_permille: Option<u16>,
    /// When it was heard.
    #[serde(with = "micros")]
    pub at: Time,
}

/// See [`super::CallEvent::TranscriptionRequested`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TranscriptionRequested {
    /// Names the effect on every attempt.
    pub effect_id: Uuid,
    /// When.
    #[serde(with = "micros")]
    pub at: Time,
}

/// See [`super::CallEvent::RecordingRequested`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RecordingRequested {
    /// Names the effect on every attempt.
    pub effect_id: Uuid,
    /// The encoding.
    pub format: RecordingFormat,
    /// When.
    #[serde(with = "micros")]
    pub at: Time,
}

/// See [`super::CallEvent::RecordingSaved`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RecordingAvailable {
    /// The carrier's id of it.
    pub recording_id: Option<String>,
    /// Where the carrier offers it for a while.
    pub url: Option<Personal<String>>,
    /// Until when.
    #[serde(with = "micros_option", default)]
    pub url_expires_at: Option<Time>,
    /// The encoding.
    pub format: Option<RecordingFormat>,
    /// In milliseconds.
    pub duration_ms: Option<u64>,
    /// When we were told.
    #[serde(with = "micros")]
    pub at: Time,
}

/// See [`super::CallEvent::RecordingFailed`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RecordingLost {
    /// The carrier's reason.
    pub reason: String,
    /// When.
    #[serde(with = "micros")]
    pub at: Time,
}

/// See [`super::CallEvent::CommandAccepted`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CommandAccepted {
    /// Which effect.
    pub effect_id: Uuid,
    /// What was asked.
    pub command: CommandKind,
    /// How often it was asked.
    pub attempts: u32,
    /// When.
    #[serde(with = "micros")]
    pub at: Time,
}

/// See [`super::CallEvent::CommandFailed`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CommandFailed {
    /// Which effect.
    pub effect_id: Uuid,
    /// What was asked.
    pub command: CommandKind,
    /// The carrier's code, or our word for why it was given up.
    pub code: String,
    /// Whether the carrier says the call is over.
    pub gone: bool,
    /// How often it was asked.
    pub attempts: u32,
    /// When.
    #[serde(with = "micros")]
    pub at: Time,
}
