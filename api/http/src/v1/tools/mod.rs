//! REST endpoints of agents' tools, one file each.

pub(super) mod body;
pub(super) mod create;
pub(super) mod patch;
pub(super) mod resource;
pub(super) mod rotate;

pub(crate) use resource::ToolResource;
