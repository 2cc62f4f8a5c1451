//! REST endpoints of phone numbers, one file each.

pub mod create;
pub mod delete;
pub mod events;
pub mod get;
pub mod list;
pub mod patch;
mod resource;
mod route;
