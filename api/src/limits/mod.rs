//! How much keys, clients and addresses may do, decided in memory on the request's thread.
//!
//! [`Gate`] stands behind authentication: it holds every request against the rate of its key and of its client,
//! counts it against the key's quota, and holds new calls against the client's. What it knows it has from the log;
//! what it counts it writes there every few seconds ([`UsageWriter`]). Nodes on one PostgreSQL tell each other of
//! their rates once a second ([`exchange`]). See `docs/adr/0010-limits.md`.

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
