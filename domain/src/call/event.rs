//! What can happen to a call. These shapes are stored for ever: see `wire` before changing one.

use std::collections::BTreeMap;

use chrono::serde::{ts_microseconds as micros, ts_microseconds_option as micros_option};
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;
use uuid::Uuid;

use super::report::{LegRef, LegRole};
use super::terms::{
    AnsweredBy, CommandKind, Direction, EndReason, EndedBy, Fault, RecordingFormat, Speaker, SpeechOutcome,
};
use crate::envelope::Time;
use crate::ids::{AgentId, ConversationId, IvrSessionId, MenuId, NumberId};
use crate::money::Money;
use crate::number::Route;
use crate::personal::Personal;
use crate::phone::Party;
use crate::wire::events;

/// The client's own data on a call: text keys, any JSON.
pub type CallMetadata = BTreeMap<String, serde_json::Value>;

events! {
    /// A fact of a call's life.
    pub enum CallEvent {
        /// A carrier's webhook about the call was taken, whether or not anything followed from it.
        CarrierEventReceived(CarrierEventReceived) = "call.carrier_event_received" v 1,
        /// The carrier told of a leg we did not place.
        Received(Received) = "call.received" v 1,
        /// The carrier told more of a leg than we knew: who its parties are, where it goes, what it is called.
        LegIdentified(LegIdentified) = "call.leg_identified" v 1,
        /// A client asked for a call.
        Queued(Queued) = "call.queued" v 1,
        /// The carrier is about to be asked to dial. Stands before every such request.
        DialStarted(DialStarted) = "call.dial_started" v 1,
        /// The request certainly did not reach the carrier.
        DialPostponed(DialPostponed) = "call.dial_postponed" v 1,
        /// The carrier's answer was lost; the call may or may not exist there.
        DialUnknown(DialUnknown) = "call.dial_unknown" v 1,
        /// The carrier has the call.
        DialAccepted(DialAccepted) = "call.dial_accepted" v 1,
        /// The other side is being alerted.
        Ringing(Ringing) = "call.ringing" v 1,
        /// The call was answered.
        Answered(Answered) = "call.answered" v 1,
        /// A human or a machine took it.
        AnswererDetected(AnswererDetected) = "call.answerer_detected" v 1,
        /// We want to take the call.
        AnswerRequested(EffectRequested) = "call.answer_requested" v 1,
        /// We want to refuse the call.
        RejectRequested(RejectRequested) = "call.reject_requested" v 1,
        /// Somebody wants the call to end.
        HangUpRequested(HangUpRequested) = "call.hangup_requested" v 1,
        /// Something is to be said.
        SpeechRequested(SpeechRequested) = "call.speech_requested" v 1,
        /// Speech is over.
        SpeechEnded(SpeechEnded) = "call.speech_ended" v 1,
        /// The call is to be handed to another party.
        TransferRequested(TransferRequested) = "call.transfer_requested" v 1,
        /// The other party and the caller are connected.
        TransferConnected(TransferConnected) = "call.transfer_connected" v 1,
        /// The other party could not be reached; the call goes on.
        TransferFailed(TransferFailed) = "call.transfer_failed" v 1,
        /// Keys are to be sent.
        DtmfRequested(DtmfRequested) = "call.dtmf_requested" v 1,
        /// A key was pressed.
        DtmfReceived(DtmfReceived) = "call.dtmf_received" v 1,
        /// A gather command came to its end.
        DigitsGathered(DigitsGathered) = "call.digits_gathered" v 1,
        /// Something was said.
        LineTranscribed(LineTranscribed) = "call.line_transcribed" v 1,
        /// The call is to be recorded.
        RecordingRequested(RecordingRequested) = "call.recording_requested" v 1,
        /// A recording can be fetched.
        RecordingSaved(RecordingAvailable) = "call.recording_saved" v 1,
        /// A recording was lost.
        RecordingFailed(RecordingLost) = "call.recording_failed" v 1,
        /// The carrier accepted a command.
        CommandAccepted(CommandAccepted) = "call.command_accepted" v 1,
        /// The carrier did not do what it was asked, and will not be asked again.
        CommandFailed(CommandFailed) = "call.command_failed" v 1,
        /// What the carrier charged.
        CostRecorded(CostRecorded) = "call.cost_recorded" v 1,
        /// The client's own data was replaced.
        MetadataChanged(MetadataChanged) = "call.metadata_changed" v 1,
        /// The call is over.
        Ended(Ended) = "call.ended" v 1,
        /// The call is to be led through menus.
        IvrSessionRequested(IvrSessionRequested) = "call.ivr_session_requested" v 1,
        /// A prompt is to be spoken and keys taken.
        GatherRequested(GatherRequested) = "call.gather_requested" v 1,
        /// Something happened that the session in the menus waits for.
        IvrNotified(IvrNotified) = "call.ivr_notified" v 1,
        /// The call is to end once what is being said is over.
        HangUpPlanned(HangUpPlanned) = "call.hangup_planned" v 1,
        /// What the other end says is to be transcribed.
        TranscriptionRequested(TranscriptionRequested) = "call.transcription_requested" v 1,
        /// An agent is to talk.
        AgentRequested(AgentRequested) = "call.agent_requested" v 1,
        /// Something was said or keyed, or the call ended: its conversation has to hear of it.
        ConversationNotified(ConversationNotified) = "call.conversation_notified" v 1,
    }
}

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

/// See [`CallEvent::CarrierEventReceived`].
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

/// See [`CallEvent::Received`].
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
}

/// See [`CallEvent::LegIdentified`]. All that is known by now, not only what is new.
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
    /// When we were told.
    #[serde(with = "micros")]
    pub at: Time,
}

/// See [`CallEvent::Queued`].
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

/// See [`CallEvent::DialStarted`].
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

/// See [`CallEvent::DialPostponed`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DialPostponed {
    /// The dial.
    pub effect_id: Uuid,
    /// When.
    #[serde(with = "micros")]
    pub at: Time,
}

/// See [`CallEvent::DialUnknown`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DialUnknown {
    /// The dial.
    pub effect_id: Uuid,
    /// When the answer was given up.
    #[serde(with = "micros")]
    pub at: Time,
}

/// See [`CallEvent::DialAccepted`].
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

/// See [`CallEvent::Ringing`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Ringing {
    /// When.
    #[serde(with = "micros")]
    pub at: Time,
}

/// See [`CallEvent::Answered`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Answered {
    /// When.
    #[serde(with = "micros")]
    pub at: Time,
    /// When the call has lasted long enough; no later than its end, should that be known already.
    #[serde(with = "micros")]
    pub ends_by: Time,
}

/// See [`CallEvent::AnswererDetected`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AnswererDetected {
    /// Who or what.
    pub answered_by: AnsweredBy,
    /// When.
    #[serde(with = "micros")]
    pub at: Time,
}

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

/// See [`CallEvent::RejectRequested`].
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

/// See [`CallEvent::HangUpRequested`].
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

/// See [`CallEvent::SpeechRequested`].
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

/// See [`CallEvent::SpeechEnded`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SpeechEnded {
    /// How.
    pub outcome: SpeechOutcome,
    /// When.
    #[serde(with = "micros")]
    pub at: Time,
}

/// See [`CallEvent::TransferRequested`].
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

/// See [`CallEvent::TransferConnected`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TransferConnected {
    /// When.
    #[serde(with = "micros")]
    pub at: Time,
}

/// See [`CallEvent::TransferFailed`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TransferFailed {
    /// The carrier's word.
    pub provider_code: String,
    /// When.
    #[serde(with = "micros")]
    pub at: Time,
}

/// See [`CallEvent::DtmfRequested`].
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

/// See [`CallEvent::DtmfReceived`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DtmfReceived {
    /// Its line of the transcript, from 1.
    pub seq: u32,
    /// The key; erased where keys are secret.
    pub digit: Personal<char>,
    /// The gather it belongs to, if one is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gather: Option<Uuid>,
    /// When.
    #[serde(with = "micros")]
    pub at: Time,
}

/// See [`CallEvent::DigitsGathered`].
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
    /// When.
    #[serde(with = "micros")]
    pub at: Time,
}

/// See [`CallEvent::LineTranscribed`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LineTranscribed {
    /// Its line of the transcript, from 1.
    pub seq: u32,
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

/// See [`CallEvent::RecordingRequested`].
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

/// See [`CallEvent::RecordingSaved`].
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

/// See [`CallEvent::RecordingFailed`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RecordingLost {
    /// The carrier's reason.
    pub reason: String,
    /// When.
    #[serde(with = "micros")]
    pub at: Time,
}

/// See [`CallEvent::CommandAccepted`].
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

/// See [`CallEvent::CommandFailed`].
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

/// See [`CallEvent::CostRecorded`].
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

/// See [`CallEvent::MetadataChanged`].
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

/// See [`CallEvent::Ended`].
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

/// See [`CallEvent::IvrSessionRequested`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct IvrSessionRequested {
    /// The session that is to begin.
    pub session_id: IvrSessionId,
    /// In which menu.
    pub menu_id: MenuId,
    /// When.
    #[serde(with = "micros")]
    pub at: Time,
}

/// See [`CallEvent::TranscriptionRequested`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TranscriptionRequested {
    /// Names the effect on every attempt.
    pub effect_id: Uuid,
    /// When.
    #[serde(with = "micros")]
    pub at: Time,
}

/// See [`CallEvent::AgentRequested`].
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct AgentRequested {
    /// The conversation that is to begin.
    pub conversation_id: ConversationId,
    /// Who talks.
    pub agent_id: AgentId,
    /// When.
    #[serde(with = "micros")]
    pub at: Time,
}

/// See [`CallEvent::ConversationNotified`].
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ConversationNotified {
    /// Names the news.
    pub id: Uuid,
    /// Which conversation.
    pub conversation_id: ConversationId,
    /// When.
    #[serde(with = "micros")]
    pub at: Time,
}

/// See [`CallEvent::GatherRequested`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GatherRequested {
    /// Names the effect on every attempt.
    pub effect_id: Uuid,
    /// For which session.
    pub session_id: IvrSessionId,
    /// Its line of the transcript, from 1.
    pub seq: u32,
    /// The prompt.
    pub text: Personal<String>,
    /// Most keys.
    pub max_digits: u32,
    /// The key that ends them before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub terminator: Option<char>,
    /// Whether the keys are kept from everybody.
    pub secret: bool,
    /// How long to wait for the first key.
    pub timeout_ms: u64,
    /// How long to wait for the next one.
    pub inter_digit_timeout_ms: u64,
    /// When.
    #[serde(with = "micros")]
    pub at: Time,
}

/// What a session in the menus is told of its call.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum IvrNews {
    /// A gather is over.
    Gathered {
        /// Which.
        ask: Uuid,
        /// The keys; nothing of secret ones.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        digits: Option<Personal<String>>,
        /// How many.
        length: u32,
        /// The carrier's status.
        status: String,
    },
    /// The one key that was asked for was pressed; the carrier's word about the gather is still to come.
    Keyed {
        /// Which gather.
        ask: Uuid,
        /// The key.
        digit: Personal<char>,
    },
    /// The other party is on the line.
    TransferConnected {
        /// Which transfer.
        ask: Uuid,
    },
    /// The other party could not be reached.
    TransferFailed {
        /// Which transfer.
        ask: Uuid,
    },
    /// The carrier did not do what it was asked.
    OrderFailed {
        /// Which order.
        ask: Uuid,
        /// Whether the call is over there.
        gone: bool,
    },
    /// The call is over.
    Ended {
        /// Whether the person at the other end hung up.
        by_caller: bool,
    },
}

/// See [`CallEvent::IvrNotified`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct IvrNotified {
    /// Names the news: told twice, it is none.
    pub id: Uuid,
    /// Which session.
    pub session_id: IvrSessionId,
    /// What happened.
    pub news: IvrNews,
    /// When.
    #[serde(with = "micros")]
    pub at: Time,
}

/// See [`CallEvent::HangUpPlanned`].
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
