//! What journeys, crash tests and benches share: the real `voxledger` binary as a child process, a client for
//! its REST API, signed carrier webhooks, and a load generator.

pub mod client;
pub mod load;
pub mod server;
pub mod webhook;
