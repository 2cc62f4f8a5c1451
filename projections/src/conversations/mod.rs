//! The views of conversations and of their messages.

mod counted;
mod list;
mod messages;
mod passages;
mod queries;
#[cfg(test)]
mod tests;

pub use list::{ConversationRow, ConversationView, Conversations};
pub(crate) use list::{SENTIMENTS, STATUSES};
pub use messages::{MessagePart, MessageRow, MessageView, Messages, ToolCallView, UnansweredView};
pub use passages::{PassageView, RetrievedView};
pub use queries::{ConversationFilter, ConversationQueries};
