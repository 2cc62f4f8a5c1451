//! REST endpoints of API keys, one file each.

pub mod create;
pub mod patch;
mod reach;
mod resource;
pub mod revoke;
pub mod rotate;
pub mod stats;

pub(crate) use resource::KeyResource;
