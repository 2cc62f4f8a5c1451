//! The closed sets of words a call is described by, as they stand in events and at the edge.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The text is not one of the words of a closed set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a word of this set")]
pub struct UnknownWord;

macro_rules! words {
    ($($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $word:literal,)* })*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum $name { $($(#[$vdoc])* #[serde(rename = $word)] $variant,)* }

        impl $name {
            /// Every word of the set.
            pub const ALL: &'static [$name] = &[$($name::$variant,)*];

            /// The word as stored and shown.
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
        /// We called somebody.
        Outbound = "outbound",
    }

    /// Where a call stands. `ended` and `failed` are terminal.
    Status {
        /// Accepted, not yet sent to the carrier.
        Queued = "queued",
        /// The carrier is being asked.
        Dialing = "dialing",
        /// The dial was sent and its answer lost; being reconciled.
        DialUnknown = "dial_unknown",
        /// The other side is being alerted.
        Ringing = "ringing",
        /// Answered.
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
        /// The agent hung up.
        AgentHangup = "agent_hangup",
        /// Somebody asked for it over REST.
        ApiHangup = "api_hangup",
        /// An IVR menu came to its end.
        IvrCompleted = "ivr_completed",
        /// Handed to another party.
        Transferred = "transferred",
        /// The called side was busy.
        Busy = "busy",
        /// Nobody answered.
        NoAnswer = "no_answer",
        /// Refused.
        Rejected = "rejected",
        /// Given up before the answer.
        Cancelled = "cancelled",
        /// No such number.
        InvalidNumber = "invalid_number",
        /// A machine answered.
        Voicemail = "voicemail",
        /// The limit on the call's duration.
        MaxDuration = "max_duration",
        /// Nobody spoke.
        SilenceTimeout = "silence_timeout",
        /// Nobody pressed a key.
        IvrNoInput = "ivr_no_input",
        /// Too many wrong keys.
        IvrTooManyInvalid = "ivr_too_many_invalid",
        /// The carrier never took up the dial.
        DialTimeout = "dial_timeout",
        /// The client's credit is used up.
        InsufficientCredits = "insufficient_credits",
        /// Too many calls at once.
        ConcurrencyLimit = "concurrency_limit",
        /// The carrier failed.
        ProviderError = "provider_error",
        /// The node that carried the media was lost.
        MediaLost = "media_lost",
        /// We failed.
        PlatformError = "platform_error",
        /// Not known.
        Unknown = "unknown",
    }

    /// Who ended a call.
    EndedBy {
        /// The person at the other end.
        Caller = "caller",
        /// The agent.
        Agent = "agent",
        /// A user or program of the client's.
        Operator = "operator",
        /// The node.
        System = "system",
        /// The carrier.
        Provider = "provider",
        /// Not known.
        Unknown = "unknown",
    }

    /// Whose fault an end is.
    Fault {
        /// Nobody's.
        None = "none",
        /// The client's settings.
        CallerConfig = "caller_config",
        /// The carrier's.
        Provider = "provider",
        /// Ours.
        Platform = "platform",
    }

    /// Who or what took the call.
    AnsweredBy {
        /// A person.
        Human = "human",
        /// An answering machine.
        Machine = "machine",
        /// A fax.
        Fax = "fax",
        /// The carrier could not tell; to be treated as a person.
        NotSure = "not_sure",
    }

    /// Where a call's recording stands.
    RecordingStatus {
        /// Never asked for.
        None = "none",
        /// Running.
        Recording = "recording",
        /// Can be fetched.
        Available = "available",
        /// Lost.
        Failed = "failed",
    }

    /// Encoding of a recording.
    RecordingFormat {
        /// MPEG layer 3.
        Mp3 = "mp3",
        /// PCM in RIFF.
        Wav = "wav",
    }

    /// Who said a line of a transcript.
    Speaker {
        /// The person at the other end.
        Caller = "caller",
        /// The agent, or the text we had spoken.
        Agent = "agent",
        /// The platform.
        System = "system",
    }

    /// What a line of a transcript is.
    LineKind {
        /// Something said.
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
        /// Spoken to its end.
        Completed = "completed",
        /// Cut short by the end of the call.
        CallHangup = "call_hangup",
        /// Cut short for another reason.
        Cancelled = "cancelled",
    }

    /// What a carrier was asked to do.
    CommandKind {
        /// Place a call.
        Dial = "dial",
        /// Take an inbound call.
        Answer = "answer",
        /// Refuse an inbound call.
        Reject = "reject",
        /// End a leg.
        HangUp = "hangup",
        /// Speak a text.
        Speak = "speak",
        /// Hand the call to another party.
        Transfer = "transfer",
        /// Send keys.
        SendDtmf = "send_dtmf",
        /// Record.
        StartRecording = "start_recording",
        /// Speak a prompt and take keys.
        Gather = "gather",
        /// Have what the other end says transcribed.
        Transcribe = "transcribe",
    }
}

impl Status {
    /// Whether nothing can bring the call back.
    #[must_use]
    pub const fn is_terminal(self) -> bool {
        matches!(self, Status::Ended | Status::Failed)
    }
}
