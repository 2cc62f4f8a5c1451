//! A voice agent: its prompt, models, tools, greeting and voice.
//!
//! Every change makes another version, numbered by the stream's version. Conversations run the version that was
//! deployed last, or the newest one while none was deployed.

mod event;
mod rules;
mod runtime;
pub mod sync;
#[cfg(test)]
mod tests;

pub use event::{AgentCreated, AgentDeployed, AgentEvent, AgentMemory, AgentTerms, AgentUpdated};
pub use rules::{
    Agent, AgentCommand, AgentPatch, AgentRefusal, DEFAULT_APOLOGY, MAX_FALLBACK, MAX_GREETING, MAX_MEMORIES,
    MAX_NAME, MAX_OUTPUT_TOKENS, MAX_SYSTEM_PROMPT, MAX_TEMPERATURE_PERMILLE, MAX_TOOLS,
};
pub use runtime::AgentRuntime;
