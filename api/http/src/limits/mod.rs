//! Limits of keys, clients and addresses, decided in memory on the request's thread.
//!
//! [`Gate`] comes after authentication: it checks every request against the rate of its key and of its client,
//! counts it against the key's quota, and checks new calls against the client's quotas. It learns limits from the
//! log, and writes usage there every few seconds ([`UsageWriter`]). Nodes on one PostgreSQL exchange their rates
//! once a second ([`exchange`](fn@exchange)). See `docs/adr/0010-limits.md`.

mod buckets;
mod calls;
mod exchange;
mod gate;
mod gcra;
mod limiter;
mod meter;
mod storage;
mod tenants;
mod writer;

pub use calls::{CallQuota, Place};
pub use exchange::exchange;
pub use gate::{Gate, Refusal, Spent};
pub use gcra::{Rate, Standing};
pub use limiter::{Limiter, Rates};
pub use meter::{QuotaExhausted, UsageMeter};
pub use storage::watch_storage;
pub use writer::UsageWriter;
