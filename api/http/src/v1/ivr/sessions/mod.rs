//! REST endpoints of IVR sessions, one file each.

pub mod back;
pub mod create;
pub mod end;
pub mod get;
pub mod input;
pub mod list;
mod resource;
pub mod timeout;

pub(crate) use resource::SessionResource;
