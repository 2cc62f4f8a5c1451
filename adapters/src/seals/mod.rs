//! The Merkle tree and its signed heads in SQLite or PostgreSQL, and the witnesses of those heads.

mod db;
mod store;
mod witness;

pub use db::{OpenSealsError, SealsDb};
pub use witness::{FileWitness, HttpWitness};
