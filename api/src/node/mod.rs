//! The composition root: the edges are chosen, everything is wired once, and stopped in order.

mod bootstrap;
mod directories;
mod edges;
mod lifecycle;
mod readiness;
mod start;

pub use bootstrap::{Bootstrapped, DEFAULT_CLIENT};
pub use edges::Edges;
pub use lifecycle::{hold_data_dir, until_told_to_stop};
pub use start::{Backend, Node};
