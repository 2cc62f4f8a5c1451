//! Technologies behind the ports of Voxledger: a folder for each port, a file for each technology.

pub mod backup;
pub mod clock;
pub mod database;
pub mod documents;
pub mod embeddings;
pub mod event_store;
pub mod fairness;
pub mod files;
mod hex;
pub mod http;
pub mod hubspot;
pub mod ids;
pub mod ivr_webhook;
pub mod keys;
pub mod llm;
pub mod log_copy;
pub mod objects;
pub mod outbox;
pub mod privacy;
pub mod read_models;
pub mod recordings;
pub mod seals;
pub mod sql;
pub mod stripe;
pub mod telephony;
pub mod tools;
pub mod trace;
pub mod ultravox;
pub mod vector_index;
pub mod webhooks;
pub mod zoneinfo;

#[cfg(feature = "testing")]
pub mod testing;
