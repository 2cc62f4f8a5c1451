//! What can happen to a session. These shapes are stored for ever: see `wire` before changing one.

use chrono::serde::ts_microseconds as micros;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::super::action::{Action, Collect, Webhook};
use crate::call::terms::EndReason;
use crate::envelope::Time;
use crate::ids::{AgentId, CallId, IvrSessionId, MenuId};
use crate::personal::Personal;
use crate::phone::Party;
use crate::wire::events;

events! {
    /// A fact of a session's life.
    pub enum SessionEvent {
        /// A caller came.
        Started(SessionStarted) = "ivr_session.started" v 1,
        /// A menu was entered.
        MenuEntered(MenuEntered) = "ivr_session.menu_entered" v 1,
        /// The caller is asked for keys.
        Prompted(Prompted) = "ivr_session.prompted" v 1,
        /// Keys came that are no whole entry yet.
        DigitsHeard(DigitsHeard) = "ivr_session.digits_heard" v 1,
        /// An entry, a silence or a wish was understood, or not.
        StepTaken(StepTaken) = "ivr_session.step_taken" v 1,
        /// Digits are being collected.
        CollectBegan(CollectBegan) = "ivr_session.collect_began" v 1,
        /// Digits were collected.
        Collected(Collected) = "ivr_session.collected" v 1,
        /// The client's own system is to be asked.
        WebhookRequested(WebhookRequested) = "ivr_session.webhook_requested" v 1,
        /// It answered, or did not.
        WebhookAnswered(WebhookAnswered) = "ivr_session.webhook_answered" v 1,
        /// The call is to be handed to another party.
        TransferRequested(TransferAsked) = "ivr_session.transfer_requested" v 1,
        /// The other party could not be reached.
        TransferFailed(TransferMissed) = "ivr_session.transfer_failed" v 1,
        /// The way is over.
        Ended(SessionEnded) = "ivr_session.ended" v 1,
    }
}

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

        impl std::str::FromStr for $name {
            type Err = crate::call::terms::UnknownWord;

            fn from_str(word: &str) -> Result<Self, Self::Err> {
                match word { $($word => Ok($name::$variant),)* _ => Err(crate::call::terms::UnknownWord) }
            }
        }
    )*};
}

words! {
    /// Where a session stands.
    SessionStatus {
        /// Under way.
        Active = "active",
        /// The caller got where the menus lead.
        Completed = "completed",
        /// The caller hung up in a menu.
        Abandoned = "abandoned",
        /// Too many wrong entries, silences or turns.
        Exhausted = "exhausted",
    }

    /// How a menu was come to.
    Via {
        /// It is the first one.
        Start = "start",
        /// A key led there.
        Submenu = "submenu",
        /// Back from another one.
        Back = "back",
        /// To the first one.
        Main = "main",
    }

    /// Why the caller hears what they hear.
    PromptKind {
        /// The menu was entered.
        Menu = "menu",
        /// It is played again because the caller wants to hear it.
        Repeat = "repeat",
        /// A text was to be said before it.
        Say = "say",
        /// What was keyed was wrong.
        Invalid = "invalid",
        /// Nothing was keyed.
        Silence = "silence",
        /// Digits are asked for.
        Collect = "collect",
        /// Something did not work out, and the menu goes on.
        Resumed = "resumed",
    }

    /// What was heard.
    Heard {
        /// Keys that mean something.
        Matched = "matched",
        /// Keys that do not.
        Invalid = "invalid",
        /// Nothing.
        Silence = "silence",
        /// A wish to go back, over REST.
        Back = "back",
        /// The menu could not be played.
        Failure = "failure",
    }

    /// From where it was heard.
    HeardFrom {
        /// The carrier.
        Carrier = "carrier",
        /// REST.
        Api = "api",
        /// A timer.
        Timer = "timer",
    }

    /// What ran out.
    Clock {
        /// The time for the first key.
        NoInput = "no_input",
        /// The time for the next key.
        InterDigit = "inter_digit",
    }

    /// What came of asking the client's own system.
    WebhookOutcome {
        /// It answered.
        Answered = "answered",
        /// It answered with an error, could not be reached, or was not understood.
        Failed = "failed",
        /// It took too long.
        TimedOut = "timed_out",
    }

    /// Why a session is over.
    EndCause {
        /// The menus led to an end.
        Menu = "menu",
        /// Too many wrong entries.
        Invalid = "too_many_invalid",
        /// Too many silences.
        Silence = "no_input",
        /// Too many turns.
        Turns = "too_many_turns",
        /// The caller hung up.
        HangUp = "caller_hangup",
        /// The call ended for another reason.
        CallEnded = "call_ended",
        /// Somebody ended it over REST.
        Api = "api",
    }
}

/// See [`SessionEvent::Started`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SessionStarted {
    /// The session.
    pub session: IvrSessionId,
    /// The first menu.
    pub menu: MenuId,
    /// The call it is on, if it drives one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call: Option<CallId>,
    /// The client's own name of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external_id: Option<Personal<String>>,
    /// The command it answers.
    pub cause: Uuid,
    /// When.
    #[serde(with = "micros")]
    pub at: Time,
}

/// See [`SessionEvent::MenuEntered`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MenuEntered {
    /// Which.
    pub menu: MenuId,
    /// In which version; it stays this one.
    pub version: u64,
    /// How.
    pub via: Via,
    /// The way here, the first menu first, this one last.
    pub stack: Vec<MenuId>,
    /// Whether it is open; a menu without hours always is. It stays what it was found to be.
    pub open: bool,
    /// The release of the time zone rules that was decided with, for example `2026f`; nothing for a menu without
    /// hours, and before releases were recorded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zone_data: Option<String>,
    /// When.
    #[serde(with = "micros")]
    pub at: Time,
}

/// See [`SessionEvent::Prompted`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Prompted {
    /// Names the ask; also towards the call.
    pub ask: Uuid,
    /// In which menu.
    pub menu: MenuId,
    /// Why.
    pub kind: PromptKind,
    /// What the caller hears.
    pub text: String,
    /// Most keys of an entry.
    pub max_digits: u32,
    /// The key that ends an entry before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub terminator: Option<char>,
    /// Whether the keys are kept from everybody.
    pub secret: bool,
    /// How long to wait for the first key.
    pub timeout_ms: u64,
    /// How long to wait for the next one.
    pub inter_digit_timeout_ms: u64,
    /// Whether a call is to be told.
    pub live: bool,
    /// When to take it for silence if nobody says anything.
    #[serde(with = "micros")]
    pub no_input_at: Time,
    /// When.
    #[serde(with = "micros")]
    pub at: Time,
}

/// See [`SessionEvent::DigitsHeard`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DigitsHeard {
    /// What told of them.
    pub cause: Uuid,
    /// Which ask they answer.
    pub ask: Uuid,
    /// All keys of the entry so far; nothing of secret ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digits: Option<Personal<String>>,
    /// How many.
    pub length: u32,
    /// When to take them for all there are.
    #[serde(with = "micros")]
    pub complete_at: Time,
    /// When.
    #[serde(with = "micros")]
    pub at: Time,
}

/// See [`SessionEvent::StepTaken`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StepTaken {
    /// The how-manieth turn, from 1.
    pub turn: u32,
    /// What told of it.
    pub cause: Uuid,
    /// In which menu.
    pub menu: MenuId,
    /// In which version.
    pub version: u64,
    /// What was heard.
    pub heard: Heard,
    /// From where.
    pub from: HeardFrom,
    /// The keys; nothing of secret ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input: Option<Personal<String>>,
    /// How many keys.
    pub length: u32,
    /// The option they are, as the menu writes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub matched: Option<String>,
    /// What the option does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action: Option<String>,
    /// The timer that ran out, if one did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timer: Option<Clock>,
    /// Since the caller was asked.
    pub elapsed_ms: u64,
    /// Wrong entries of this visit, this one included.
    pub invalid: u32,
    /// Silences of this visit, this one included.
    pub silent: u32,
    /// When.
    #[serde(with = "micros")]
    pub at: Time,
}

/// See [`SessionEvent::CollectBegan`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CollectBegan {
    /// In which menu.
    pub menu: MenuId,
    /// What is collected.
    pub collect: Collect,
    /// When.
    #[serde(with = "micros")]
    pub at: Time,
}

/// See [`SessionEvent::Collected`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Collected {
    /// Under which name.
    pub name: String,
    /// The digits; nothing of secret ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<Personal<String>>,
    /// How many.
    pub length: u32,
    /// Whether they are kept from everybody.
    pub secret: bool,
    /// When.
    #[serde(with = "micros")]
    pub at: Time,
}

/// See [`SessionEvent::WebhookRequested`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WebhookRequested {
    /// Names the ask and the request.
    pub ask: Uuid,
    /// In which menu.
    pub menu: MenuId,
    /// Who is asked.
    pub webhook: Webhook,
    /// When to take it for too long, whoever was to ask.
    #[serde(with = "micros")]
    pub give_up_at: Time,
    /// When.
    #[serde(with = "micros")]
    pub at: Time,
}

/// See [`SessionEvent::WebhookAnswered`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WebhookAnswered {
    /// Which request.
    pub ask: Uuid,
    /// The how-manieth turn, from 1.
    pub turn: u32,
    /// What came of it.
    pub outcome: WebhookOutcome,
    /// HTTP status, if there was an answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// What it wants to be done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action: Option<Action>,
    /// Since it was asked.
    pub elapsed_ms: u64,
    /// When.
    #[serde(with = "micros")]
    pub at: Time,
}

/// See [`SessionEvent::TransferRequested`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TransferAsked {
    /// Names the ask; also towards the call.
    pub ask: Uuid,
    /// From which menu.
    pub menu: MenuId,
    /// To whom.
    pub to: Personal<Party>,
    /// How the session will have ended once the other party is on the line.
    pub status: SessionStatus,
    /// Why.
    pub cause: EndCause,
    /// When to take it for failed, if nobody says anything.
    #[serde(with = "micros")]
    pub give_up_at: Time,
    /// When.
    #[serde(with = "micros")]
    pub at: Time,
}

/// See [`SessionEvent::TransferFailed`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TransferMissed {
    /// Which transfer.
    pub ask: Uuid,
    /// The how-manieth turn, from 1.
    pub turn: u32,
    /// What told of it.
    pub cause: Uuid,
    /// When.
    #[serde(with = "micros")]
    pub at: Time,
}

/// Where a session led.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// The action's word.
    pub action: String,
    /// A party, an agent or a text, as the action has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<Personal<String>>,
}

/// See [`SessionEvent::Ended`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SessionEnded {
    /// How.
    pub status: SessionStatus,
    /// Why.
    pub cause: EndCause,
    /// Where it led, if it led anywhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Outcome>,
    /// In which menu.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub menu: Option<MenuId>,
    /// What the caller hears last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub farewell: Option<String>,
    /// Names what the call is to do now, if anything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order: Option<Uuid>,
    /// What the call's end reason will be, if it is to end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end_reason: Option<EndReason>,
    /// What told of it, if it was news from outside.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub told_by: Option<Uuid>,
    /// When.
    #[serde(with = "micros")]
    pub at: Time,
}

impl SessionEvent {
    /// When the wait ends that it sets a timer for.
    #[must_use]
    pub const fn waits_until(&self) -> Option<Time> {
        match self {
            Self::Prompted(e) => Some(e.no_input_at),
            Self::DigitsHeard(e) => Some(e.complete_at),
            Self::WebhookRequested(e) => Some(e.give_up_at),
            Self::TransferRequested(e) => Some(e.give_up_at),
            _ => None,
        }
    }
}

impl SessionEnded {
    /// The agent that takes over, if one is named.
    pub(super) fn agent(&self) -> Option<AgentId> {
        let outcome = self.outcome.as_ref().filter(|outcome| outcome.action == "agent")?;
        outcome.target.as_ref()?.reveal()?.parse().ok()
    }
}
