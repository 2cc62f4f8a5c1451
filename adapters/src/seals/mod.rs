//! The Merkle tree and its heads in a database of either kind, and the witnesses of those heads.

mod db;
mod store;
mod witness;

pub use db::{OpenSealsError, SealsDb};
pub use witness::{FileWitness, HttpWitness};
