//! REST endpoints of IVR menus, one file each.

mod body;
pub mod create;
pub mod delete;
pub mod lint;
pub mod patch;
pub(in super::super) mod references;
mod resource;
pub mod simulate;

pub(crate) use resource::MenuResource;
