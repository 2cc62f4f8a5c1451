//! Every adapter against its port, one test binary.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that fails panics")]

mod database;
mod documents;
mod embeddings;
mod erasures;
mod event_store;
mod head_keeper;
mod idempotency;
mod keys;
mod log_copy;
mod objects;
mod outbox;
mod privacy;
mod read_models;
mod recordings;
mod seals;
mod shared_limits;
mod snapshots;
mod telnyx;
mod tools;
mod vector_index;
mod webhook_sender;
