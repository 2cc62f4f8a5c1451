//! Clients, an endpoint a file.

pub mod create;
pub mod events;
pub mod get;
pub mod list;
pub mod patch;
mod resource;
