//! REST endpoints of clients, one file each.

pub mod create;
pub mod events;
pub mod get;
pub mod list;
pub mod patch;
mod resource;

pub(in super::super) use resource::above;
