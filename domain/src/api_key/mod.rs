//! An API key: what a program signs in with. Only its SHA-256 is ever stored.

mod event;
mod rules;
#[cfg(test)]
mod tests;
mod usage;

pub use event::{
    ApiKeyCreated, ApiKeyDeleted, ApiKeyEvent, ApiKeyRevoked, ApiKeyRotated, ApiKeyUpdated, KeyTerms,
};
pub use rules::{ApiKey, ApiKeyCommand, ApiKeyRefusal, KeyPatch, MAX_OVERLAP};
pub use usage::{ApiKeyUsed, KeyUsage, KeyUsageEvent};
