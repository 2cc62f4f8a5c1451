//! Ports: what the rules need from outside, as small traits whose docs are the contract.
//!
//! Each port owns its conformance suite (feature `conformance`); every adapter runs it.

pub mod clock;
pub mod deliveries;
pub mod documents;
pub mod embeddings;
pub mod event_store;
pub mod head_keeper;
pub mod hosted;
pub mod idempotency;
pub mod ids;
pub mod ivr_webhook;
pub mod lease;
pub mod llm;
pub mod log_target;
pub mod matching;
pub mod objects;
pub mod outbox;
pub mod payments;
pub mod privacy;
pub mod recordings;
pub mod seals;
pub mod snapshots;
pub mod telephony;
pub mod tools;
pub mod vault;
pub mod vector_index;
pub mod webhooks;

/// A store of views or work cannot be reached or written.
#[derive(Debug, Clone, thiserror::Error)]
#[error("the store is unavailable: {0}")]
pub struct StoreUnavailable(pub String);
