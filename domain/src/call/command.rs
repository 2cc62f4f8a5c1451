//! What clients, carriers, timers and the outbox may ask of a call, and why it refuses.

use std::collections::BTreeMap;

use uuid::Uuid;

use super::event::{CallMetadata, RecordingNotStored, RecordingRemoved, RecordingStored};
use super::report::{CarrierReport, LegRef, LegRole};
use super::terms::{EndReason, EndedBy, Fault, Status};
use crate::agent::AgentRuntime;
use crate::envelope::Time;
use crate::ids::{AgentId, CallId, CustomerId, IvrSessionId, MenuId, NumberId};
use crate::number::Route;
use crate::phone::Party;

/// Longest text that can be spoken at once, in characters; Telnyx takes no more.
pub const MAX_SPEECH_CHARS: usize = 3000;
/// Most DTMF keys one command may send.
pub const MAX_DTMF_DIGITS: usize = 64;
/// Most entries in a call's metadata.
pub const MAX_METADATA_KEYS: usize = 50;
/// Largest metadata, as JSON, in bytes.
pub const MAX_METADATA_BYTES: usize = 16 * 1024;
/// Allowed ring timeouts, in milliseconds (what Telnyx allows).
pub const RING_TIMEOUT_MS: std::ops::RangeInclusive<u64> = 5_000..=600_000;
/// Allowed limits on a call's duration, in milliseconds (what Telnyx allows, and at least a minute).
pub const MAX_DURATION_MS: std::ops::RangeInclusive<u64> = 60_000..=14_400_000;

/// Route of the called number, looked up before the report reaches the call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Routing {
    pub number_id: NumberId,
    pub route: Route,
    /// Whether the client's credit covers the call. Without cover it is refused.
    pub covered: bool,
}

/// A client's request for an outbound call.
#[derive(Debug, Clone)]
pub struct Queue {
    /// Id of the command; also the effect id of the dial towards the carrier.
    pub id: Uuid,
    /// Called party: E.164 or a SIP URI.
    pub to: Party,
    /// Caller id to show; `None`: the node's default.
    pub from: Option<Party>,
    /// Agent that talks once the call is answered; not used when `menu_id` is set.
    pub agent_id: Option<AgentId>,
    /// IVR menu to play once the call is answered.
    pub menu_id: Option<MenuId>,
    pub metadata: CallMetadata,
    /// The customer that the call is with; `None`: found by the number.
    pub customer_id: Option<CustomerId>,
    /// Limit from the answer on, within [`MAX_DURATION_MS`].
    pub max_duration_ms: u64,
    /// Limit on the ringing, within [`RING_TIMEOUT_MS`].
    pub ring_timeout_ms: u64,
    /// Whether to record from the answer on.
    pub record: bool,
    /// What talks on it; a hosted runtime needs the agent.
    pub runtime: AgentRuntime,
    pub now: Time,
}

/// A prompt to speak and DTMF keys to collect, for an IVR session.
#[derive(Debug, Clone, PartialEq)]
pub struct GatherOrder {
    pub id: Uuid,
    /// IVR session that asks for the keys.
    pub session: IvrSessionId,
    /// Prompt; the call cuts it at [`MAX_SPEECH_CHARS`] characters.
    pub text: String,
    /// The gather ends after so many keys.
    pub max_digits: u32,
    /// Key that ends the entry early, for example `#`.
    pub terminator: Option<char>,
    /// Whether the keys are secret; then only their number is stored.
    pub secret: bool,
    /// Longest wait for the first key.
    pub timeout_ms: u64,
    /// Longest wait for each further key.
    pub inter_digit_timeout_ms: u64,
    pub now: Time,
}

/// A timer of a call, of its IVR session or of its conversation. At most one of each kind runs at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Timer {
    /// Nobody answered the call in time.
    Ring,
    /// The call reached its longest duration.
    MaxDuration,
    /// The farewell should be over: the call hangs up without the carrier's webhook about it.
    Farewell,
    /// What the IVR session waits for is overdue.
    Ivr,
    /// The conversation publishes the updates it held back.
    Update,
    /// Nobody used the uploaded file in time.
    Unused,
    /// The memory's time is over.
    Expiry,
}

impl Timer {
    /// Name as stored, for example `max_duration`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Timer::Ring => "ring",
            Timer::MaxDuration => "max_duration",
            Timer::Farewell => "farewell",
            Timer::Ivr => "ivr",
            Timer::Update => "update",
            Timer::Unused => "unused",
            Timer::Expiry => "expiry",
        }
    }

    /// Reads a stored name; `None` for an unknown one.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        use Timer::{Expiry, Farewell, Ivr, MaxDuration, Ring, Unused, Update};
        [Ring, MaxDuration, Farewell, Ivr, Update, Unused, Expiry]
            .into_iter()
            .find(|timer| timer.as_str() == name)
    }
}

/// Result of a command to the carrier.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The carrier accepted the command.
    Accepted,
    /// The command failed, and the outbox will not try it again.
    Failed {
        /// The carrier's error code, or our own such as `unreachable`.
        code: String,
        /// Whether the carrier says the call is over.
        gone: bool,
    },
}

/// A command for a call. Where a variant has an `id`, the call handles each id once;
/// a repeat changes nothing.
#[derive(Debug, Clone)]
pub enum CallCommand {
    /// A carrier's webhook about the call.
    Report {
        report: Box<CarrierReport>,
        /// Leg the webhook is about.
        role: LegRole,
        /// Route of the called number; `None` when the number is not ours.
        routing: Option<Routing>,
    },
    /// Queue an outbound call for the client.
    Queue(Box<Queue>),
    HangUp {
        id: Uuid,
        /// Becomes the call's end reason.
        reason: EndReason,
        by: EndedBy,
        now: Time,
    },
    Say {
        id: Uuid,
        /// 1 to [`MAX_SPEECH_CHARS`] characters.
        text: String,
        now: Time,
    },
    /// Hand the call to another party.
    Transfer {
        id: Uuid,
        /// E.164 or a SIP URI.
        to: Party,
        now: Time,
    },
    SendDtmf {
        id: Uuid,
        /// 1 to [`MAX_DTMF_DIGITS`] of `0-9 A-D * # w W`; `w` and `W` are pauses.
        digits: String,
        now: Time,
    },
    /// Replace all of the client's metadata on the call.
    SetMetadata {
        id: Uuid,
        metadata: CallMetadata,
        now: Time,
    },
    /// Start an IVR session on the call.
    StartIvr {
        /// Id of the session to start.
        session: IvrSessionId,
        /// Menu the session begins in.
        menu: MenuId,
        now: Time,
    },
    /// Hand the call to an agent; without one the call only speaks the default greeting.
    StartAgent {
        id: Uuid,
        agent: Option<AgentId>,
        now: Time,
    },
    Gather(Box<GatherOrder>),
    /// Speak a farewell, then end the call.
    Conclude {
        id: Uuid,
        /// `None`: end the call at once.
        farewell: Option<String>,
        /// Becomes the call's end reason.
        reason: EndReason,
        by: EndedBy,
        now: Time,
    },
    /// The outbox is about to ask the carrier to dial.
    StartDial {
        effect_id: Uuid,
        now: Time,
    },
    /// The dial certainly did not reach the carrier.
    PostponeDial {
        effect_id: Uuid,
        now: Time,
    },
    /// The answer to the dial was lost.
    LoseDial {
        effect_id: Uuid,
        now: Time,
    },
    /// The carrier has the call: it accepted the dial, or reconciliation found the call there.
    AcceptDial {
        effect_id: Uuid,
        /// Carrier's name, for example `telnyx`.
        provider: String,
        leg: LegRef,
        now: Time,
    },
    /// The carrier refused the dial, or the lost dial never showed up there.
    FailDial {
        effect_id: Uuid,
        reason: EndReason,
        fault: Fault,
        /// The carrier's error code, or our own.
        code: String,
        now: Time,
    },
    /// The outbox finished a command to the carrier.
    Settle {
        effect_id: Uuid,
        outcome: Outcome,
        /// How often the outbox asked the carrier.
        attempts: u32,
        now: Time,
    },
    /// The outbox stored the file of a recording.
    StoreRecording(Box<RecordingStored>),
    /// The outbox cannot store the file of a recording, and will not try again.
    GiveUpRecording(RecordingNotStored),
    /// A stored file was removed from the object store.
    RemoveRecording(RecordingRemoved),
    TimerFired {
        timer: Timer,
        now: Time,
    },
    /// The carrier says that the leg is over, but its webhook about that did not come.
    LegLost {
        now: Time,
    },
    /// The call's leg is known to be a leg of another call. Afterwards the call takes no new webhooks.
    MergeInto {
        into: CallId,
        /// Which leg of that call it is.
        role: LegRole,
        now: Time,
    },
}

/// Why a call refuses a command.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CallRefusal {
    #[error("the call does not exist")]
    Unknown,
    #[error("the call exists already")]
    Exists,
    #[error("a call that is {status} cannot {command}")]
    WrongStatus {
        status: Status,
        /// Verb for the error text, for example `transfer`.
        command: &'static str,
    },
    #[error("the call is being transferred already")]
    TransferUnderWay,
    /// The call has or had an IVR session.
    #[error("the call has a session in the menus already")]
    IvrUnderWay,
    /// Fields at fault, each with what would be right.
    #[error("the command has invalid fields")]
    Invalid(BTreeMap<&'static str, &'static str>),
    /// The outbox asks for an effect that is settled or unknown; there is nothing to do.
    #[error("the effect is settled")]
    Settled,
    /// The call was merged into another one, which takes the webhooks of its leg.
    #[error("the call was merged into {into}")]
    Merged {
        into: CallId,
        /// Which leg of that call it was.
        role: LegRole,
    },
    /// The call is one of ours, and goes on by itself.
    #[error("only a call that began with a leg of unknown origin is merged")]
    NotForeign,
}
