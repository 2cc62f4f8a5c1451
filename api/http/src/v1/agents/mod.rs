//! REST endpoints of agents, one file each.

pub(super) mod body;
pub(super) mod create;
pub(super) mod deploy;
pub(super) mod patch;
pub(super) mod resource;

pub(crate) use resource::AgentResource;
