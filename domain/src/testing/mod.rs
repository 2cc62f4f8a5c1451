//! What tests of any crate need: time and ids they control, scenarios (given, when, then), fixtures for calls and
//! menus, time zone files, and in-memory stores for work, idempotency keys, the tree and its newest head.

pub mod calls;
#[cfg(feature = "conformance")]
pub mod clock;
pub mod head_keeper;
pub mod idempotency;
pub mod ids;
pub mod ivr;
pub mod outbox;
pub mod scenario;
pub mod seals;
pub mod zones;
