//! What can happen to a session. These shapes are stored for ever: see `wire` before changing one.
//!
//! `ask` names what a session waits for, and the command for its call that comes of it. `cause` names the
//! command or the carrier's webhook behind a fact; the session handles each once.

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
    /// A stored fact of a session.
    pub enum SessionEvent {
        /// A caller entered the first menu.
        Started(SessionStarted) = "ivr_session.started" v 1,
        /// The caller entered a menu.
        MenuEntered(MenuEntered) = "ivr_session.menu_entered" v 1,
        /// The caller is asked for keys.
        Prompted(Prompted) = "ivr_session.prompted" v 1,
        /// The caller pressed keys that are not a whole entry yet.
        DigitsHeard(DigitsHeard) = "ivr_session.digits_heard" v 1,
        /// The caller made an entry, was silent, or wished to go back.
        StepTaken(StepTaken) = "ivr_session.step_taken" v 1,
        /// The session begins to collect digits.
        CollectBegan(CollectBegan) = "ivr_session.collect_began" v 1,
        /// The caller entered the digits that were asked for.
        Collected(Collected) = "ivr_session.collected" v 1,
        /// The client's webhook is to be called.
        WebhookRequested(WebhookRequested) = "ivr_session.webhook_requested" v 1,
        /// The client's webhook answered, failed or timed out.
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
            /// All values of the set.
            pub const ALL: &'static [$name] = &[$($name::$variant,)*];

            /// Name as stored and shown in the API.
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
        /// The caller is in the menus.
        Active = "active",
        /// The caller reached an end of the menus, or a client ended the session.
        Completed = "completed",
        /// The call ended while the caller was in a menu.
        Abandoned = "abandoned",
        /// Too many wrong entries, silences or turns.
        Exhausted = "exhausted",
    }

    /// How the caller came to a menu.
    Via {
        /// It is the session's first menu.
        Start = "start",
        /// An action of another menu led there.
        Submenu = "submenu",
        /// The caller went back from another menu.
        Back = "back",
        /// The caller returned to the first menu.
        Main = "main",
    }

    /// Why the caller hears a prompt.
    PromptKind {
        /// The caller entered the menu.
        Menu = "menu",
        /// The menu is played again, as an action asked.
        Repeat = "repeat",
        /// An action spoke a text before the menu.
        Say = "say",
        /// The caller made a wrong entry.
        Invalid = "invalid",
        /// The caller pressed no key.
        Silence = "silence",
        /// The session asks for digits.
        Collect = "collect",
        /// An action failed, and the menu goes on.
        Resumed = "resumed",
    }

    /// How an input was understood.
    Heard {
        /// Keys of the menu, or digits as asked for.
        Matched = "matched",
        /// Keys that mean nothing here.
        Invalid = "invalid",
        /// No key was pressed.
        Silence = "silence",
        /// A request over REST to go back.
        Back = "back",
        /// The carrier could not play the menu.
        Failure = "failure",
    }

    /// Where an input came from.
    HeardFrom {
        /// A webhook of the carrier.
        Carrier = "carrier",
        /// A client over REST.
        Api = "api",
        /// The session's own timer.
        Timer = "timer",
    }

    /// Which wait ran out.
    Clock {
        /// The wait for the first key.
        NoInput = "no_input",
        /// The wait for the next key.
        InterDigit = "inter_digit",
    }

    /// Result of asking the client's webhook.
    WebhookOutcome {
        /// It answered with an action, or without one.
        Answered = "answered",
        /// It answered an error, could not be reached, or sent something we cannot read.
        Failed = "failed",
        /// It did not answer in time.
        TimedOut = "timed_out",
    }

    /// Why a session is over.
    EndCause {
        /// The caller reached an end of the menus.
        Menu = "menu",
        /// The caller made too many wrong entries.
        Invalid = "too_many_invalid",
        /// The caller was silent too often.
        Silence = "no_input",
        /// The session took too many turns.
        Turns = "too_many_turns",
        /// The caller hung up.
        HangUp = "caller_hangup",
        /// The call ended for another reason.
        CallEnded = "call_ended",
        /// A client ended it over REST.
        Api = "api",
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SessionStarted {
    pub session: IvrSessionId,
    pub menu: MenuId,
    /// Call the session drives, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call: Option<CallId>,
    /// The client's own id of the session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external_id: Option<Personal<String>>,
    /// Id of the command that started it.
    pub cause: Uuid,
    #[serde(with = "micros")]
    pub at: Time,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MenuEntered {
    pub menu: MenuId,
    /// Version of the menu, kept for the whole session.
    pub version: u64,
    pub via: Via,
    /// Menus on the way here: the first one first, this one last.
    pub stack: Vec<MenuId>,
    /// Whether the menu was open then; one without hours always is. The session does not check again.
    pub open: bool,
    /// Release of the time zone rules that decided it, for example `2026f`; `None` for a menu without hours,
    /// and in events from before releases were recorded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zone_data: Option<String>,
    #[serde(with = "micros")]
    pub at: Time,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Prompted {
    pub ask: Uuid,
    pub menu: MenuId,
    pub kind: PromptKind,
    /// What the caller hears.
    pub text: String,
    /// The entry ends after so many keys.
    pub max_digits: u32,
    /// Key that ends the entry early, for example `#`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub terminator: Option<char>,
    /// Whether the keys are secret; then only their number is stored.
    pub secret: bool,
    /// Longest wait for the first key.
    pub timeout_ms: u64,
    /// Longest wait for each further key.
    pub inter_digit_timeout_ms: u64,
    /// Whether a call is to carry out the prompt.
    pub live: bool,
    /// When the session counts a silence, should no input come.
    #[serde(with = "micros")]
    pub no_input_at: Time,
    #[serde(with = "micros")]
    pub at: Time,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DigitsHeard {
    pub cause: Uuid,
    pub ask: Uuid,
    /// All keys of the entry so far; `None` when they are secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digits: Option<Personal<String>>,
    /// Number of those keys, also of secret ones.
    pub length: u32,
    /// When the entry counts as whole, should no more keys come.
    #[serde(with = "micros")]
    pub complete_at: Time,
    #[serde(with = "micros")]
    pub at: Time,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StepTaken {
    /// Number of the turn in the session, from 1.
    pub turn: u32,
    pub cause: Uuid,
    pub menu: MenuId,
    pub version: u64,
    pub heard: Heard,
    pub from: HeardFrom,
    /// Keys of the entry; `None` when they are secret or none came.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input: Option<Personal<String>>,
    /// Number of keys, also of secret ones.
    pub length: u32,
    /// Key of the chosen option as the menu writes it, or the name of collected digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub matched: Option<String>,
    /// Name of the action it led to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action: Option<String>,
    /// Wait that ran out, if one did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timer: Option<Clock>,
    /// Time since the caller was asked.
    pub elapsed_ms: u64,
    /// Wrong entries of this visit, with this one.
    pub invalid: u32,
    /// Silences of this visit, with this one.
    pub silent: u32,
    #[serde(with = "micros")]
    pub at: Time,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CollectBegan {
    pub menu: MenuId,
    pub collect: Collect,
    #[serde(with = "micros")]
    pub at: Time,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Collected {
    /// Name the digits are stored under.
    pub name: String,
    /// The digits; `None` when they are secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<Personal<String>>,
    /// Number of digits, also of secret ones.
    pub length: u32,
    pub secret: bool,
    #[serde(with = "micros")]
    pub at: Time,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WebhookRequested {
    pub ask: Uuid,
    pub menu: MenuId,
    pub webhook: Webhook,
    /// When the session stops waiting, even if the node that was to ask died.
    #[serde(with = "micros")]
    pub give_up_at: Time,
    #[serde(with = "micros")]
    pub at: Time,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WebhookAnswered {
    pub ask: Uuid,
    /// Number of the turn in the session, from 1.
    pub turn: u32,
    pub outcome: WebhookOutcome,
    /// HTTP status, if there was an answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// Action that the webhook asks for; `None`: the menu goes on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action: Option<Action>,
    /// Time since the webhook was called.
    pub elapsed_ms: u64,
    #[serde(with = "micros")]
    pub at: Time,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TransferAsked {
    pub ask: Uuid,
    /// Menu the transfer started from.
    pub menu: MenuId,
    pub to: Personal<Party>,
    /// Status the session gets once the other party answers.
    pub status: SessionStatus,
    /// End cause the session gets then.
    pub cause: EndCause,
    /// When the transfer counts as failed, should nobody report on it.
    #[serde(with = "micros")]
    pub give_up_at: Time,
    #[serde(with = "micros")]
    pub at: Time,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TransferMissed {
    pub ask: Uuid,
    /// Number of the turn in the session, from 1.
    pub turn: u32,
    pub cause: Uuid,
    #[serde(with = "micros")]
    pub at: Time,
}

/// Where the session led the caller.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// Name of the action, for example `agent`.
    pub action: String,
    /// Party, agent id or text, depending on the action.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<Personal<String>>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SessionEnded {
    pub status: SessionStatus,
    pub cause: EndCause,
    /// `None` when the call ended first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Outcome>,
    /// Menu the caller was in at the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub menu: Option<MenuId>,
    /// Last words to the caller, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub farewell: Option<String>,
    /// Id of the call's last command; `None` when the call has nothing to do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order: Option<Uuid>,
    /// End reason the call gets; `None` when the session does not end a call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end_reason: Option<EndReason>,
    /// Id of the webhook that reported the end; `None` when the session ended by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub told_by: Option<Uuid>,
    #[serde(with = "micros")]
    pub at: Time,
}

impl SessionEvent {
    /// End of the wait that this fact starts a timer for.
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
    /// Agent that takes over, if the session names one.
    pub(super) fn agent(&self) -> Option<AgentId> {
        let outcome = self.outcome.as_ref().filter(|outcome| outcome.action == "agent")?;
        outcome.target.as_ref()?.reveal()?.parse().ok()
    }
}
