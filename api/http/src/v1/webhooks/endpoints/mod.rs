//! REST endpoints of webhook endpoints, to which a client's events are delivered.

mod body;
pub mod create;
pub mod deliveries;
pub mod logs;
pub mod patch;
pub mod replay;
pub(in crate::v1) mod resource;
pub mod rotate;
pub mod test;

pub(crate) use resource::EndpointResource;
