//! REST endpoints of API keys, one file each.

pub mod create;
pub mod delete;
pub mod events;
pub mod get;
pub mod list;
pub mod patch;
mod reach;
mod resource;
pub mod revoke;
pub mod rotate;
pub mod stats;
