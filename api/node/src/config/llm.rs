//! Time limits for language model providers.

use std::time::Duration;

use super::setting::section;

section! {
    /// Time limits for language models.
    pub struct LlmConfig {
        /// How long a model may take to begin an answer, before the next one of the agent's list is asked.
        first_token_timeout: Duration = "llm.first_token_timeout_ms", "10000";
        /// How long an answer may pause between two pieces.
        token_timeout: Duration = "llm.token_timeout_ms", "10000";
        /// How long a whole answer may take.
        answer_timeout: Duration = "llm.answer_timeout_ms", "90000";
    }
}
