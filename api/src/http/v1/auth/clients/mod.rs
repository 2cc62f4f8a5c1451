//! Clients, an endpoint a file.

pub mod create;
pub mod list;
