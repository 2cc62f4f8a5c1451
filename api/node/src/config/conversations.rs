//! Settings of conversations.

use std::num::NonZeroUsize;
use std::time::Duration;

use super::setting::section;

section! {
    /// Limits and behaviour of conversations.
    pub struct ConversationsConfig {
        /// How much of a conversation a model receives in full, in estimated tokens; older messages are summed
        /// up. At most 20000.
        window_tokens: NonZeroUsize = "conversations.window_tokens", "6000";
        /// Answers given at the same time.
        turns: NonZeroUsize = "conversations.turns", "2000";
        /// How often a stream that waits for a model sends a comment, so that no proxy closes it.
        keep_alive: Duration = "conversations.keep_alive_ms", "10000";
        /// Have models judge the sentiment of what is said; a list of words does it where there is no model, or
        /// if this is `false`.
        model_sentiment: bool = "conversations.model_sentiment", "true";
    }
}
