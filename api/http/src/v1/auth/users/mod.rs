//! REST endpoints of users, one file each.

pub mod create;
pub mod delete;
pub mod events;
pub mod get;
pub mod list;
mod password;
pub mod patch;
mod reach;
mod resource;

pub(super) use password::open_password;
pub(super) use resource::UserResource;
