//! REST endpoints of users, one file each.

pub mod create;
mod password;
pub mod patch;
mod reach;
mod resource;

pub(super) use password::open_password;
pub(crate) use resource::UserResource;
