//! What clients, carriers, timers and the call may ask of a session, and why it refuses.

use std::sync::Arc;

use uuid::Uuid;

use super::super::action::Action;
use super::super::book::Book;
use super::event::WebhookOutcome;
use crate::envelope::Time;
use crate::ids::{CallId, IvrSessionId, MenuId};
use crate::personal::Personal;

/// Keys that were pressed, or only their number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Keyed {
    Plain(Personal<String>),
    /// Number of keys that are secret.
    Masked(u32),
}

/// Where an input comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// The carrier, in answer to an ask.
    Carrier { ask: Uuid },
    /// The REST API, for whatever is asked now.
    Api,
}

/// Result of asking the client's webhook.
#[derive(Debug, Clone, PartialEq)]
pub struct StepAnswer {
    pub outcome: WebhookOutcome,
    /// HTTP status, if there was an answer.
    pub status: Option<u16>,
    /// Action that the webhook asks for; `None`: the menu goes on.
    pub action: Option<Action>,
}

/// What became of an order to the call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answered {
    /// The other party is on the line.
    Connected,
    /// It failed; the call goes on.
    Failed,
    /// The call is over.
    Gone,
}

/// A command for an IVR session. `id` names the command or the webhook behind it; the session handles each id
/// once. `book` holds the menus: those that the session entered in its versions, others in their newest.
#[derive(Debug, Clone)]
pub enum SessionCommand {
    /// A caller enters the first menu.
    Start {
        session: IvrSessionId,
        id: Uuid,
        menu: MenuId,
        /// Call the session is to drive, if any.
        call: Option<CallId>,
        /// The client's own id of the session.
        external_id: Option<String>,
        book: Arc<Book>,
        now: Time,
    },
    /// The caller pressed keys.
    Input {
        id: Uuid,
        keyed: Keyed,
        /// Whether the keys are the whole entry: they include earlier ones, and no more will come.
        whole: bool,
        source: Source,
        book: Arc<Book>,
        now: Time,
    },
    /// The caller pressed nothing, or nothing more.
    Silence { id: Uuid, source: Source, book: Arc<Book>, now: Time },
    /// The timer of the session ran out.
    TimerFired {
        /// End of the wait that the timer was set for, as recorded by the fact that set it; a timer
        /// for another wait is ignored. The session trusts the timer that the time has come: clocks
        /// may have jumped meanwhile.
        set_for: Time,
        /// Keys that the call heard meanwhile, in case the webhook about them is lost.
        heard: Option<Keyed>,
        book: Arc<Book>,
        now: Time,
    },
    /// Return to the previous menu.
    Back { id: Uuid, book: Arc<Book>, now: Time },
    /// A client ends the session.
    End { now: Time },
    /// The client's webhook answered, failed or timed out.
    WebhookAnswered { ask: Uuid, answer: StepAnswer, book: Arc<Book>, now: Time },
    /// The call carried out an order, or could not.
    CallAnswered { id: Uuid, ask: Uuid, answer: Answered, book: Arc<Book>, now: Time },
    CallEnded {
        id: Uuid,
        /// Whether the other side hung up.
        by_caller: bool,
        now: Time,
    },
}

/// Why a session refuses a command.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SessionRefusal {
    #[error("the session does not exist")]
    Unknown,
    #[error("the session exists already")]
    Exists,
    #[error("the session has ended")]
    Ended,
    /// Holds what the session waits for instead.
    #[error("the session is not waiting for keys but for {0}")]
    Busy(&'static str),
    #[error("there is no such menu")]
    NoMenu,
    #[error("must be 1 to 128 of 0-9 A-D * #")]
    NotKeys,
    /// The menus were looked up in other versions than the session is in: look again.
    #[error("the menus were looked up before the session went on")]
    OtherVersion,
}
