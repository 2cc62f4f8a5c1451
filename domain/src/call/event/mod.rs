//! What can happen to a call. These shapes are stored for ever: see `wire` before changing one.

mod end;
mod led;
mod leg;
mod talk;

use std::collections::BTreeMap;

pub use self::end::*;
pub use self::led::*;
pub use self::leg::*;
pub use self::talk::*;
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
        /// The carrier told, late, how a call ended whose leg was found gone without a word.
        EndExplained(EndExplained) = "call.end_explained" v 1,
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
