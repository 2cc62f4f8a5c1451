//! A menu: its prompts, its keys, and where they lead. Every edit makes a new version.

mod event;
mod rules;
mod terms;
#[cfg(test)]
mod tests;
mod validate;

pub use event::{MenuCreated, MenuDeleted, MenuEvent, MenuUpdated};
pub use rules::{Menu, MenuCommand, MenuRefusal};
pub use terms::{
    DEFAULT_INTER_DIGIT_MS, DEFAULT_INVALID_PROMPT, DEFAULT_RETRIES, DEFAULT_TIMEOUT_MS,
    DEFAULT_TIMEOUT_PROMPT, Globals, Item, MenuPatch, MenuTerms,
};
pub use validate::{FieldFault, action_faults, faults};
