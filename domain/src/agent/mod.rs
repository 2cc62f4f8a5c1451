//! An agent: who talks, with which model, what it may use, and how it begins.
//!
//! Every change makes another version; the version of the stream names it. Conversations run the version that was
//! last deployed, or the newest one while none was.

mod event;
mod rules;
#[cfg(test)]
mod tests;

pub use event::{AgentCreated, AgentDeployed, AgentEvent, AgentTerms, AgentUpdated};
pub use rules::{
    Agent, AgentCommand, AgentPatch, AgentRefusal, DEFAULT_APOLOGY, MAX_FALLBACK, MAX_GREETING, MAX_NAME,
    MAX_OUTPUT_TOKENS, MAX_SYSTEM_PROMPT, MAX_TEMPERATURE_PERMILLE, MAX_TOOLS,
};
