//! What can happen to a call. These shapes are stored for ever: see `wire` before changing one.
//!
//! `at` is when the fact happened: by the carrier's clock where a webhook reported it, else by ours.
//! `effect_id` names a command to the carrier; it is the same on every attempt, so that the carrier
//! can drop a repeat.

mod end;
mod file;
mod led;
mod leg;
mod talk;

use std::collections::BTreeMap;

pub use self::end::*;
pub use self::file::*;
pub use self::led::*;
pub use self::leg::*;
pub use self::talk::*;
use crate::wire::events;

/// The client's own data on a call: text keys, any JSON.
pub type CallMetadata = BTreeMap<String, serde_json::Value>;

events! {
    /// A stored fact of a call.
    pub enum CallEvent {
        /// The call took in a carrier's webhook, whether or not other facts follow from it.
        CarrierEventReceived(CarrierEventReceived) = "call.carrier_event_received" v 1,
        /// A webhook reported a leg that we did not place: a call begins.
        Received(Received) = "call.received" v 1,
        /// A webhook told more about the leg: its parties, direction, route or ids.
        LegIdentified(LegIdentified) = "call.leg_identified" v 1,
        /// A client asked for an outbound call.
        Queued(Queued) = "call.queued" v 1,
        /// We are about to ask the carrier to dial. Stands before every dial request.
        DialStarted(DialStarted) = "call.dial_started" v 1,
        /// The dial certainly did not reach the carrier, and may be sent again.
        DialPostponed(DialPostponed) = "call.dial_postponed" v 1,
        /// The carrier's answer to the dial was lost; the call may or may not exist there.
        DialUnknown(DialUnknown) = "call.dial_unknown" v 1,
        /// The carrier has the call.
        DialAccepted(DialAccepted) = "call.dial_accepted" v 1,
        /// The other side is being alerted.
        Ringing(Ringing) = "call.ringing" v 1,
        /// The call was answered.
        Answered(Answered) = "call.answered" v 1,
        /// The carrier detected who answered: a person, a machine or a fax.
        AnswererDetected(AnswererDetected) = "call.answerer_detected" v 1,
        /// We decided to take the inbound call.
        AnswerRequested(EffectRequested) = "call.answer_requested" v 1,
        /// We decided to refuse the inbound call.
        RejectRequested(RejectRequested) = "call.reject_requested" v 1,
        /// Somebody asked to end the call.
        HangUpRequested(HangUpRequested) = "call.hangup_requested" v 1,
        /// A text is to be spoken on the call.
        SpeechRequested(SpeechRequested) = "call.speech_requested" v 1,
        /// The carrier stopped speaking a text.
        SpeechEnded(SpeechEnded) = "call.speech_ended" v 1,
        /// The call is to be handed to another party.
        TransferRequested(TransferRequested) = "call.transfer_requested" v 1,
        /// The other party and the caller are connected.
        TransferConnected(TransferConnected) = "call.transfer_connected" v 1,
        /// The other party could not be reached; the call goes on.
        TransferFailed(TransferFailed) = "call.transfer_failed" v 1,
        /// DTMF keys are to be sent.
        DtmfRequested(DtmfRequested) = "call.dtmf_requested" v 1,
        /// The other end pressed a key.
        DtmfReceived(DtmfReceived) = "call.dtmf_received" v 1,
        /// The carrier ended a gather command.
        DigitsGathered(DigitsGathered) = "call.digits_gathered" v 1,
        /// The carrier transcribed something that was said.
        LineTranscribed(LineTranscribed) = "call.line_transcribed" v 1,
        /// The call is to be recorded.
        RecordingRequested(RecordingRequested) = "call.recording_requested" v 1,
        /// A recording is ready to be fetched.
        RecordingSaved(RecordingAvailable) = "call.recording_saved" v 1,
        /// A recording failed at the carrier.
        RecordingFailed(RecordingLost) = "call.recording_failed" v 1,
        /// The file of a recording is in the object store.
        RecordingStored(RecordingStored) = "call.recording_stored" v 1,
        /// The file of a recording could not be fetched, and nobody tries again.
        RecordingNotStored(RecordingNotStored) = "call.recording_not_stored" v 1,
        /// The file of a recording was removed from the object store.
        RecordingRemoved(RecordingRemoved) = "call.recording_removed" v 1,
        /// The carrier accepted a command.
        CommandAccepted(CommandAccepted) = "call.command_accepted" v 1,
        /// The carrier did not carry out a command, and the outbox will not try again.
        CommandFailed(CommandFailed) = "call.command_failed" v 1,
        /// The carrier reported what a leg cost.
        CostRecorded(CostRecorded) = "call.cost_recorded" v 1,
        /// The hosted voice runtime reported what it bills; a later report replaces it.
        RuntimeBilled(RuntimeBilled) = "call.runtime_billed" v 1,
        /// What was said is to be read from the hosted voice runtime, now that it is final.
        TranscriptRequested(TranscriptRequested) = "call.transcript_requested" v 1,
        /// The client replaced its metadata on the call.
        MetadataChanged(MetadataChanged) = "call.metadata_changed" v 1,
        /// Its leg belongs to another call, which takes over what the carrier reported of it.
        Merged(Merged) = "call.merged" v 1,
        /// The call is over.
        Ended(Ended) = "call.ended" v 1,
        /// What the carrier reported late explains how the call ended.
        EndCorrected(EndCorrected) = "call.end_explained" v 1,
        /// An IVR session is to start on the call.
        IvrSessionRequested(IvrSessionRequested) = "call.ivr_session_requested" v 1,
        /// The carrier is to speak a prompt and collect keys.
        GatherRequested(GatherRequested) = "call.gather_requested" v 1,
        /// Something happened that the IVR session waits for.
        IvrNotified(IvrNotified) = "call.ivr_notified" v 1,
        /// The call will end once the current speech is over.
        HangUpPlanned(HangUpPlanned) = "call.hangup_planned" v 1,
        /// The carrier is to transcribe what the other end says.
        TranscriptionRequested(TranscriptionRequested) = "call.transcription_requested" v 1,
        /// An agent is to talk on the call.
        AgentRequested(AgentRequested) = "call.agent_requested" v 1,
        /// The other end spoke or pressed a key, or the call ended: the conversation must be notified.
        ConversationNotified(ConversationNotified) = "call.conversation_notified" v 1,
    }
}
