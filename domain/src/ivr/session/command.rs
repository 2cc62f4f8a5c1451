//! What may be asked of a session, by clients, carriers, timers and its call; and why it is refused.

use std::sync::Arc;

use uuid::Uuid;

use super::super::action::Action;
use super::super::book::Book;
use super::event::WebhookOutcome;
use crate::envelope::Time;
use crate::ids::{CallId, IvrSessionId, MenuId};
use crate::personal::Personal;

/// Keys, or how many there were.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Keyed {
    /// The keys.
    Plain(Personal<String>),
    /// Secret ones: only their number came through.
    Masked(u32),
}

/// Who says something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// The carrier, about the ask named.
    Carrier {
        /// Which ask it answers.
        ask: Uuid,
    },
    /// REST, about whatever is asked now.
    Api,
}

/// What came of asking the client's own system.
#[derive(Debug, Clone, PartialEq)]
pub struct StepAnswer {
    /// In a word.
    pub outcome: WebhookOutcome,
    /// HTTP status, if there was an answer.
    pub status: Option<u16>,
    /// What it wants to be done.
    pub action: Option<Action>,
}

/// What became of what the call was to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answered {
    /// The other party is on the line.
    Connected,
    /// It did not work; the call goes on.
    Failed,
    /// The call is over.
    Gone,
}

/// What may be asked of a session.
#[derive(Debug, Clone)]
pub enum SessionCommand {
    /// A caller comes.
    Start {
        /// The session.
        session: IvrSessionId,
        /// Names the command.
        id: Uuid,
        /// The first menu.
        menu: MenuId,
        /// The call it is on, if it is to drive one.
        call: Option<CallId>,
        /// The client's own name of it.
        external_id: Option<String>,
        /// The menus.
        book: Arc<Book>,
        /// Now.
        now: Time,
    },
    /// Keys were pressed.
    Input {
        /// Names the command, or the webhook behind it.
        id: Uuid,
        /// The keys.
        keyed: Keyed,
        /// Whether they are the whole entry: no more are to come, and earlier ones are among them.
        whole: bool,
        /// Who says so.
        source: Source,
        /// The menus.
        book: Arc<Book>,
        /// Now.
        now: Time,
    },
    /// The caller keyed nothing, or nothing more.
    Silence {
        /// Names the command, or the webhook behind it.
        id: Uuid,
        /// Who says so.
        source: Source,
        /// The menus.
        book: Arc<Book>,
        /// Now.
        now: Time,
    },
    /// The session's timer ran out.
    TimerFired {
        /// When the wait it was set for was to end, as the fact says that set it: one for another wait is no news.
        /// That the time has come is the timer's word, whatever a clock says that may have jumped meanwhile.
        set_for: Time,
        /// Keys the call heard meanwhile, should the webhook about them be lost.
        heard: Option<Keyed>,
        /// The menus.
        book: Arc<Book>,
        /// Now.
        now: Time,
    },
    /// Go back.
    Back {
        /// Names the command.
        id: Uuid,
        /// The menus.
        book: Arc<Book>,
        /// Now.
        now: Time,
    },
    /// End it.
    End {
        /// Now.
        now: Time,
    },
    /// The client's own system answered.
    WebhookAnswered {
        /// Which request.
        ask: Uuid,
        /// What came of it.
        answer: StepAnswer,
        /// The menus.
        book: Arc<Book>,
        /// Now.
        now: Time,
    },
    /// The call did, or could not do, what it was to do.
    CallAnswered {
        /// Names the webhook or command behind it.
        id: Uuid,
        /// Which ask.
        ask: Uuid,
        /// What became of it.
        answer: Answered,
        /// The menus.
        book: Arc<Book>,
        /// Now.
        now: Time,
    },
    /// The call is over.
    CallEnded {
        /// Names the webhook behind it.
        id: Uuid,
        /// Whether the other side hung up.
        by_caller: bool,
        /// Now.
        now: Time,
    },
}

/// Why a session does not do what was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SessionRefusal {
    /// There is no such session.
    #[error("the session does not exist")]
    Unknown,
    /// The stream is already a session.
    #[error("the session exists already")]
    Exists,
    /// The way is over.
    #[error("the session has ended")]
    Ended,
    /// It does not wait for keys just now.
    #[error("the session is not waiting for keys but for {0}")]
    Busy(&'static str),
    /// There is no such menu.
    #[error("there is no such menu")]
    NoMenu,
    /// What was keyed are no keys.
    #[error("must be 1 to 128 of 0-9 A-D * #")]
    NotKeys,
    /// A menu was looked up in another version than the session is in: look again.
    #[error("the menus were looked up before the session went on")]
    OtherVersion,
}
