//! REST endpoints of agents, one file each.

pub(super) mod body;
pub(super) mod create;
pub(super) mod deploy;
pub(super) mod patch;
pub(super) mod resource;
pub(super) mod sync;

pub(crate) use resource::AgentResource;
