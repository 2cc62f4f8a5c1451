//! The endpoints under `/api/v1`, a folder for each resource.

pub mod agents;
pub mod analytics;
pub mod audit;
pub mod auth;
pub mod billing;
pub mod calls;
mod commands;
pub mod conversations;
pub mod customers;
mod folded;
mod history;
pub mod ivr;
pub mod knowledge;
pub mod llm;
pub mod memories;
pub mod numbers;
pub mod objects;
mod paging;
pub mod privacy;
mod recipe;
mod resource;
mod routes;
mod signing;
mod text;
pub mod tools;
pub mod webhooks;

pub use audit::exports::places as export_places;
pub use history::HistoryEvent;
pub use routes::{configure, openapi};
