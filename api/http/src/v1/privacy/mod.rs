//! REST endpoints that erase or export what is known of a person, one file each.

pub(super) mod customer;
pub mod erase;
pub mod events;
pub mod export;
pub mod get;
mod request;
pub mod result;
pub mod settings;
mod subject;
mod view;
