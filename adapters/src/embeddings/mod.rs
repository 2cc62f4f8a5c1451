//! Embeddings: a provider that is built in, and two protocols over HTTP, behind one service.
//!
//! Other modules only use [`EmbeddingService`]. It keeps to the port's limits and the client's budget, remembers vectors
//! by the hash of what they were made of, asks providers in batches and leaves those alone that keep failing. Keys and
//! addresses are those of the language models' [accounts](crate::llm::Accounts).

mod budget;
mod cache;
mod hashed;
mod protocol;
mod service;

pub use hashed::{HASHED_MODEL, hashed};
pub use service::{EmbeddingOptions, EmbeddingService};
