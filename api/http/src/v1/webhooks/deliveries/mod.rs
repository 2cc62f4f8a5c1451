//! REST endpoints of webhook deliveries, one file each.

pub mod cancel;
pub mod events;
pub mod get;
mod history;
pub mod redeliver;
mod steer;
