//! REST endpoints of IVR menus, one file each.

mod body;
pub mod create;
pub mod delete;
pub mod events;
pub mod get;
pub mod lint;
pub mod list;
pub mod patch;
pub(in super::super) mod references;
mod resource;
pub mod simulate;
