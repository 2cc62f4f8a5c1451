//! What may be asked of a call, by clients, carriers, timers and the outbox; and why it is refused.

use std::collections::BTreeMap;

use uuid::Uuid;

use super::event::CallMetadata;
use super::report::{CarrierReport, LegRef, LegRole};
use super::terms::{EndReason, EndedBy, Fault, Status};
use crate::envelope::Time;
use crate::ids::{AgentId, IvrSessionId, MenuId, NumberId};
use crate::number::Route;
use crate::phone::Party;

/// Longest text that can be spoken at once, in characters; Telnyx takes no more.
pub const MAX_SPEECH_CHARS: usize = 3000;
/// Most keys that can be sent at once.
pub const MAX_DTMF_DIGITS: usize = 64;
/// Most entries in a call's metadata.
pub const MAX_METADATA_KEYS: usize = 50;
/// Largest metadata, as JSON, in bytes.
pub const MAX_METADATA_BYTES: usize = 16 * 1024;
/// Allowed ring timeouts, in milliseconds (what Telnyx allows).
pub const RING_TIMEOUT_MS: std::ops::RangeInclusive<u64> = 5_000..=600_000;
/// Allowed limits on a call's duration, in milliseconds (what Telnyx allows, and at least a minute).
pub const MAX_DURATION_MS: std::ops::RangeInclusive<u64> = 60_000..=14_400_000;

/// Where the called number sends its calls, looked up before the report reaches the call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Routing {
    /// The called number.
    pub number_id: NumberId,
    /// Its route.
    pub route: Route,
}

/// A call a client asks for.
#[derive(Debug, Clone)]
pub struct Queue {
    /// Names the command, and the dial towards the carrier.
    pub id: Uuid,
    /// Whom to call: E.164 or a SIP URI.
    pub to: Party,
    /// As whom.
    pub from: Option<Party>,
    /// Who is to talk.
    pub agent_id: Option<AgentId>,
    /// Which menu is to be played.
    pub menu_id: Option<MenuId>,
    /// The client's own data.
    pub metadata: CallMetadata,
    /// See [`MAX_DURATION_MS`].
    pub max_duration_ms: u64,
    /// See [`RING_TIMEOUT_MS`].
    pub ring_timeout_ms: u64,
    /// Whether to record from the answer on.
    pub record: bool,
    /// Now.
    pub now: Time,
}

/// A prompt to speak and keys to take.
#[derive(Debug, Clone, PartialEq)]
pub struct GatherOrder {
    /// Names the command.
    pub id: Uuid,
    /// The session that asks.
    pub session: IvrSessionId,
    /// 1 to [`MAX_SPEECH_CHARS`] characters.
    pub text: String,
    /// Most keys.
    pub max_digits: u32,
    /// The key that ends them before.
    pub terminator: Option<char>,
    /// Whether the keys are kept from everybody.
    pub secret: bool,
    /// How long to wait for the first key.
    pub timeout_ms: u64,
    /// How long to wait for the next one.
    pub inter_digit_timeout_ms: u64,
    /// Now.
    pub now: Time,
}

/// A timer of a call, of the session in the menus, or of a conversation. Each kind runs at most once at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Timer {
    /// Nobody answered.
    Ring,
    /// The call has lasted long enough.
    MaxDuration,
    /// The last words are overdue.
    Farewell,
    /// A session's own: whatever it waits for is overdue.
    Ivr,
    /// A conversation's own: clients are to hear how it stands.
    Update,
}

impl Timer {
    /// The name as stored.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Timer::Ring => "ring",
            Timer::MaxDuration => "max_duration",
            Timer::Farewell => "farewell",
            Timer::Ivr => "ivr",
            Timer::Update => "update",
        }
    }

    /// Reads a stored name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [Timer::Ring, Timer::MaxDuration, Timer::Farewell, Timer::Ivr, Timer::Update]
            .into_iter()
            .find(|timer| timer.as_str() == name)
    }
}

/// What became of an effect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The carrier accepted the command.
    Accepted,
    /// It did not, and will not be asked again.
    Failed {
        /// The carrier's code, or our word.
        code: String,
        /// Whether the carrier says the call is over.
        gone: bool,
    },
}

/// What may be asked of a call.
#[derive(Debug, Clone)]
pub enum CallCommand {
    /// A carrier's webhook.
    Report {
        /// The webhook.
        report: Box<CarrierReport>,
        /// Which leg it speaks of.
        role: LegRole,
        /// Where the called number sends its calls, if it is ours.
        routing: Option<Routing>,
    },
    /// Place a call.
    Queue(Box<Queue>),
    /// End the call.
    HangUp {
        /// Names the command.
        id: Uuid,
        /// What the end reason will be.
        reason: EndReason,
        /// Who asks.
        by: EndedBy,
        /// Now.
        now: Time,
    },
    /// Speak a text.
    Say {
        /// Names the command.
        id: Uuid,
        /// 1 to [`MAX_SPEECH_CHARS`] characters.
        text: String,
        /// Now.
        now: Time,
    },
    /// Hand the call to another party.
    Transfer {
        /// Names the command.
        id: Uuid,
        /// E.164 or a SIP URI.
        to: Party,
        /// Now.
        now: Time,
    },
    /// Send keys.
    SendDtmf {
        /// Names the command.
        id: Uuid,
        /// 1 to [`MAX_DTMF_DIGITS`] of `0-9 A-D * # w W`.
        digits: String,
        /// Now.
        now: Time,
    },
    /// Replace the client's own data.
    SetMetadata {
        /// Names the command.
        id: Uuid,
        /// All of it.
        metadata: CallMetadata,
        /// Now.
        now: Time,
    },
    /// Lead the call through menus.
    StartIvr {
        /// The session, which is to begin.
        session: IvrSessionId,
        /// In which menu.
        menu: MenuId,
        /// Now.
        now: Time,
    },
    /// Hand the call to an agent; without one the caller is greeted, and that is all.
    StartAgent {
        /// Names the command.
        id: Uuid,
        /// Which.
        agent: Option<AgentId>,
        /// Now.
        now: Time,
    },
    /// Speak a prompt and take keys.
    Gather(Box<GatherOrder>),
    /// End the call once the last words are said.
    Conclude {
        /// Names the command.
        id: Uuid,
        /// The last words, if there are any.
        farewell: Option<String>,
        /// What the end reason will be.
        reason: EndReason,
        /// Who asks.
        by: EndedBy,
        /// Now.
        now: Time,
    },
    /// The outbox is about to ask the carrier to dial.
    StartDial {
        /// The dial.
        effect_id: Uuid,
        /// Now.
        now: Time,
    },
    /// The dial certainly did not reach the carrier.
    PostponeDial {
        /// The dial.
        effect_id: Uuid,
        /// Now.
        now: Time,
    },
    /// The answer to the dial was lost.
    LoseDial {
        /// The dial.
        effect_id: Uuid,
        /// Now.
        now: Time,
    },
    /// The carrier has the call: it answered, or we found it there.
    AcceptDial {
        /// The dial.
        effect_id: Uuid,
        /// `telnyx`, ….
        provider: String,
        /// The carrier's names of it.
        leg: LegRef,
        /// Now.
        now: Time,
    },
    /// The carrier refused the dial, or the lost dial never showed up there.
    FailDial {
        /// The dial.
        effect_id: Uuid,
        /// What it means.
        reason: EndReason,
        /// Whose fault it is.
        fault: Fault,
        /// The carrier's code, or our word.
        code: String,
        /// Now.
        now: Time,
    },
    /// The outbox is done with a command to the carrier.
    Settle {
        /// The effect.
        effect_id: Uuid,
        /// What became of it.
        outcome: Outcome,
        /// How often it was tried.
        attempts: u32,
        /// Now.
        now: Time,
    },
    /// A timer ran out.
    TimerFired {
        /// Which.
        timer: Timer,
        /// Now.
        now: Time,
    },
    /// The carrier says the leg is over, and its webhook about it did not come.
    LegVanished {
        /// Now.
        now: Time,
    },
}

/// Why a call does not do what was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CallRefusal {
    /// There is no such call.
    #[error("the call does not exist")]
    Unknown,
    /// The stream is already a call.
    #[error("the call exists already")]
    Exists,
    /// Not possible where the call stands.
    #[error("a call that is {status} cannot {command}")]
    WrongStatus {
        /// Where it stands.
        status: Status,
        /// What was asked.
        command: &'static str,
    },
    /// A transfer is under way already.
    #[error("the call is being transferred already")]
    TransferUnderWay,
    /// The call is led through menus already, or was.
    #[error("the call has a session in the menus already")]
    IvrUnderWay,
    /// Fields of the command are at fault.
    #[error("the command has invalid fields")]
    Invalid(BTreeMap<&'static str, &'static str>),
    /// The outbox asks for an effect that is settled or unknown: nothing is to be done.
    #[error("the effect is settled")]
    Settled,
}
