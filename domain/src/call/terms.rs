//! The closed sets of values that describe a call, as they stand in events and in the API.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The text names no value of the set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a word of this set")]
pub struct UnknownWord;

macro_rules! words {
    ($($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $word:literal,)* })*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum $name { $($(#[$vdoc])* #[serde(rename = $word)] $variant,)* }

        impl $name {
            /// All values of the set.
            pub const ALL: &'static [$name] = &[$($name::$variant,)*];

            /// Name as stored and shown in the API.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $($name::$variant => $word,)* }
            }
        }

        impl FromStr for $name {
            type Err = UnknownWord;

            fn from_str(word: &str) -> Result<Self, UnknownWord> {
                match word { $($word => Ok($name::$variant),)* _ => Err(UnknownWord) }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }
    )*};
}

words! {
    /// Who began the call.
    Direction {
        /// Somebody called one of our numbers.
        Inbound = "inbound",
        /// We called somebody for a client.
        Outbound = "outbound",
    }

    /// Where a call stands. `ended` and `failed` are terminal.
    Status {
        /// Accepted, not yet sent to the carrier.
        Queued = "queued",
        /// The carrier is dialling, or is being asked to.
        Dialing = "dialing",
        /// The carrier's answer to the dial was lost; we are reconciling.
        DialUnknown = "dial_unknown",
        /// The other side is being alerted.
        Ringing = "ringing",
        /// The call was answered.
        InProgress = "in_progress",
        /// Over after it connected.
        Ended = "ended",
        /// Never connected, or broken by a fault.
        Failed = "failed",
    }

    /// Why a call is over.
    EndReason {
        /// The person at the other end hung up.
        CallerHangup = "caller_hangup",
        /// The agent on the call hung up.
        AgentHangup = "agent_hangup",
        /// Somebody asked for it over REST.
        ApiHangup = "api_hangup",
        /// An IVR menu came to its end.
        IvrCompleted = "ivr_completed",
        /// The call was handed to another party.
        Transferred = "transferred",
        /// The called side was busy.
        Busy = "busy",
        /// Nobody answered in time.
        NoAnswer = "no_answer",
        /// The called side, a network or we refused the call.
        Rejected = "rejected",
        /// The call was given up before the answer.
        Cancelled = "cancelled",
        /// The called number does not exist.
        InvalidNumber = "invalid_number",
        /// An answering machine took the call.
        Voicemail = "voicemail",
        /// The call reached its longest duration.
        MaxDuration = "max_duration",
        /// Nobody spoke for too long.
        SilenceTimeout = "silence_timeout",
        /// The caller pressed no key in the menus.
        IvrNoInput = "ivr_no_input",
        /// The caller pressed too many wrong keys.
        IvrTooManyInvalid = "ivr_too_many_invalid",
        /// The carrier never took up the dial.
        DialTimeout = "dial_timeout",
        /// The client's credit is used up.
        InsufficientCredits = "insufficient_credits",
        /// Too many calls ran at once.
        ConcurrencyLimit = "concurrency_limit",
        /// The carrier caused the failure.
        ProviderError = "provider_error",
        /// The node that carried the media was lost.
        MediaLost = "media_lost",
        /// Our platform caused the failure.
        PlatformError = "platform_error",
        /// Its leg turned out to belong to another call, which goes on under its own id.
        Merged = "merged",
        /// The reason is not known.
        Unknown = "unknown",
    }

    /// Who ended a call.
    EndedBy {
        /// The person at the other end.
        Caller = "caller",
        /// The agent on the call.
        Agent = "agent",
        /// A user or program of the client's.
        Operator = "operator",
        /// A node: a timer, a route or an IVR menu.
        System = "system",
        /// The carrier of the call.
        Provider = "provider",
        /// It is not known who.
        Unknown = "unknown",
    }

    /// Whose fault an end is.
    Fault {
        /// It is nobody's fault.
        None = "none",
        /// The client's settings caused it.
        CallerConfig = "caller_config",
        /// The carrier caused the end.
        Provider = "provider",
        /// Our platform caused the end.
        Platform = "platform",
    }

    /// Who or what took the call.
    AnsweredBy {
        /// A person took the call.
        Human = "human",
        /// An answering machine took the call.
        Machine = "machine",
        /// A fax took the call.
        Fax = "fax",
        /// The carrier could not tell; treated as a person.
        NotSure = "not_sure",
    }

    /// Where a call's recording stands.
    RecordingStatus {
        /// Nobody asked for a recording.
        None = "none",
        /// The recording is running.
        Recording = "recording",
        /// The recording can be fetched.
        Available = "available",
        /// The recording was lost.
        Failed = "failed",
    }

    /// Encoding of a recording.
    RecordingFormat {
        /// MPEG-1 Audio Layer III.
        Mp3 = "mp3",
        /// PCM in a RIFF container.
        Wav = "wav",
    }

    /// Who keeps the file of a recording.
    RecordingStorage {
        /// Nobody: there is no recording, it failed, or its file was removed.
        None = "none",
        /// The carrier keeps it, for as long as it pleases.
        Provider = "provider",
        /// The object store keeps it.
        Stored = "stored",
    }

    /// Why the file of a recording will never be in the object store.
    LostBecause {
        /// The carrier did not hand it out for a day.
        NeverAppeared = "never_appeared",
        /// The carrier refuses to hand it out.
        Refused = "refused",
        /// The carrier's address leads to a place that may not be reached.
        Unreachable = "unreachable",
        /// It has more bytes than the node accepts.
        TooLarge = "too_large",
        /// It holds no sound, whatever its type says.
        NotSound = "not_sound",
        /// The call's content is not kept.
        NotRetained = "not_retained",
    }

    /// Why a stored file was removed.
    RemovedBecause {
        /// The person on the call was erased.
        Erased = "erased",
    }

    /// Who said a line of a transcript.
    Speaker {
        /// The person at the other end.
        Caller = "caller",
        /// The agent, or the text we had spoken.
        Agent = "agent",
        /// The platform, neither of the two parties.
        System = "system",
    }

    /// What a line of a transcript is.
    LineKind {
        /// Something that somebody said.
        Utterance = "utterance",
        /// A key pressed or sent.
        Dtmf = "dtmf",
        /// A tool an agent called.
        ToolCall = "tool_call",
        /// What the tool answered.
        ToolResult = "tool_result",
    }

    /// Which way the transcribed sound went.
    TranscriptTrack {
        /// From the other end to us.
        Inbound = "inbound",
        /// From us to the other end.
        Outbound = "outbound",
    }

    /// How a piece of speech came to its end.
    SpeechOutcome {
        /// The text was spoken to its end.
        Completed = "completed",
        /// Cut short by the end of the call.
        CallHangup = "call_hangup",
        /// Cut short for another reason.
        Cancelled = "cancelled",
    }

    /// What a carrier was asked to do.
    CommandKind {
        /// Place an outbound call.
        Dial = "dial",
        /// Take an inbound call.
        Answer = "answer",
        /// Refuse an inbound call.
        Reject = "reject",
        /// End a leg of the call.
        HangUp = "hangup",
        /// Speak a text on the leg.
        Speak = "speak",
        /// Hand the call to another party.
        Transfer = "transfer",
        /// Send DTMF keys on the leg.
        SendDtmf = "send_dtmf",
        /// Record the call from now on.
        StartRecording = "start_recording",
        /// Speak a prompt and take keys.
        Gather = "gather",
        /// Have what the other end says transcribed.
        Transcribe = "transcribe",
    }
}

impl Status {
    /// Whether the call is over for good.
    #[must_use]
    pub const fn is_terminal(self) -> bool {
        matches!(self, Status::Ended | Status::Failed)
    }
}
