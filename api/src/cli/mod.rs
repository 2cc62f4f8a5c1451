//! The command line: a file for each command, with its arguments.

pub mod audit;
pub mod backup;
pub mod client;
mod command;
mod config_args;
pub mod demo;
pub mod doctor;
pub mod keys;
pub mod migrate;
mod offline;
pub mod openapi;
pub mod out;
pub mod projections;
pub mod serve;
pub mod simulate;
mod stores;
mod table;
mod webhook_receiver;

pub use command::{Cli, Command};
pub use config_args::StoreArgs;
