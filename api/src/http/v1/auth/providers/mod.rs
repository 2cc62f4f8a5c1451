//! A client's accounts with providers, an endpoint a file.

mod account;
pub mod events;
pub mod get;
pub mod list;
pub mod patch;
pub mod remove;
