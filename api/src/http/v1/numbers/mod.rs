//! Numbers, an endpoint a file.

mod answer;
pub mod create;
pub mod delete;
pub mod events;
pub mod get;
pub mod list;
pub mod patch;
mod route;
