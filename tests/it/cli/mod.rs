//! The commands of the binary, run as a user would.

mod audit;
mod bundles;
mod damage;
mod export;
mod history;
mod moving;
mod operators;
mod pipes;
mod projections;
mod prove;
pub mod run;
mod simulate;
mod verify;
