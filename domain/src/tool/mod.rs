//! A tool: a function of a client's own system that an agent can call over HTTP.

mod event;
mod rules;
#[cfg(test)]
mod tests;

pub use event::{
    AuthKind, ToolAuth, ToolCreated, ToolDeleted, ToolEvent, ToolMethod, ToolTerms, ToolUpdated,
};
pub use rules::{
    MAX_DESCRIPTION, MAX_PARAMETERS, MAX_URL, TIMEOUT_MS, Tool, ToolCommand, ToolPatch, ToolRefusal,
};
