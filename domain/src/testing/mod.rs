//! What tests of any crate need of the rules: time and ids they can steer, scenarios told as given, when, then,
//! calls to tell them about, files of time zones, and work, idempotency keys, a tree and its newest head kept in
//! memory.

pub mod calls;
#[cfg(feature = "conformance")]
pub mod clock;
pub mod head_keeper;
pub mod idempotency;
pub mod ids;
pub mod ivr;
pub mod scenario;
pub mod seals;
pub mod work;
pub mod zones;
