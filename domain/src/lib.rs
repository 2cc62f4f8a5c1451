//! The rules of Voxledger: aggregates, their events and wire form, value types, and the ports around them.
//!
//! This crate refuses to know I/O, clocks, randomness and async runtimes: what a rule needs arrives in its
//! command, and what should happen in the world leaves as data.

pub mod agent;
pub mod aggregate;
pub mod api_key;
pub mod billing;
pub mod call;
pub mod carrier_event;
pub mod client;
pub mod conversation;
pub mod customer;
pub mod envelope;
pub mod history;
pub mod hubspot;
pub mod ids;
pub mod ivr;
pub mod json;
pub mod knowledge;
pub mod leg;
pub mod login;
pub mod media;
pub mod memory;
pub mod merkle;
pub mod metrics;
pub mod model;
pub mod money;
pub mod number;
pub mod object_url;
pub mod origin;
pub mod personal;
pub mod phone;
pub mod ports;
pub mod privacy;
pub mod provider;
pub mod ranking;
pub mod retry_after;
pub mod spend;
mod spoken;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
pub mod tool;
pub mod unique_name;
pub mod upload;
pub mod user;
pub mod web_origin;
pub mod webhook;
pub mod wire;
pub mod zones;
