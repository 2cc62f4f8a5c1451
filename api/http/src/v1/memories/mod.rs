//! REST endpoints of what is remembered of customers, one file each.

mod body;
pub mod context;
pub mod create;
pub mod delete;
pub mod list;
pub mod patch;
mod resource;

pub(crate) use resource::MemoryResource;
