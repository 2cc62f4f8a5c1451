//! REST endpoints of phone numbers, one file each.

pub mod create;
pub mod patch;
mod resource;
mod route;

pub(crate) use resource::NumberResource;
