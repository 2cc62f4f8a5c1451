//! Ports in memory, for tests: a clock they set, and stores of work, idempotency keys, the Merkle tree
//! and its newest head.

pub mod call_records;
pub mod clock;
pub mod head_keeper;
pub mod idempotency;
pub mod outbox;
pub mod seals;
