//! What is known of a person, erased or handed out: an endpoint a file.

pub mod erase;
pub mod events;
pub mod export;
pub mod get;
mod request;
pub mod result;
pub mod settings;
mod subject;
mod view;
