//! REST endpoints of a client's accounts with providers, one file each.

mod account;
pub mod events;
pub mod get;
pub mod list;
pub mod patch;
pub mod remove;
