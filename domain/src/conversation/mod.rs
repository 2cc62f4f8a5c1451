//! A conversation: what was said, turn by turn, on a call or in a chat.
//!
//! [`ConversationCommand`] → `decide` → [`ConversationEvent`]s → `evolve` → [`Conversation`].
//!
//! ```text
//!  started ─▶ message_added (user) ─▶ turn_started ─▶ tools_called ─▶ function_executed … ─┐
//!                  ▲                       │  ▲                                            │
//!                  │                       │  └───────── at most so many rounds ───────────┘
//!                  │                       ▼
//!                  └─── turn_completed │ turn_failed │ turn_cancelled
//!  ended: nothing is said any more
//! ```
//!
//! - One turn at a time; the message it answers names it. The next message fails a turn whose node died.
//! - A [window](Conversation::window) of tokens holds the latest messages in memory. A
//!   [summary](Conversation::summary) covers what fell out of it, and the log keeps all of it.

mod command;
mod decide;
mod event;
mod prompt;
mod speech;
mod state;
#[cfg(test)]
mod tests;

pub use command::{
    Completed, ConversationCommand, ConversationRefusal, Executed, MAX_CONTENT, MAX_METADATA, Said,
    ToolRound, UPDATES_APART,
};
pub use decide::content_fault;
pub use event::*;
pub use prompt::Prompt;
pub use speech::{has_speech, has_words, speech_text};
pub use state::{Conversation, OpenTurn, Remembered, WINDOW_LIMIT};
