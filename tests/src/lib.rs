//! What journeys, crash tests and benches share: the real `voxledger` binary as a child process, a client for
//! its REST API, signed carrier webhooks, a world with a fake carrier in it, and a load generator.

pub mod balancer;
pub mod client;
pub mod collector;
pub mod contract;
pub mod faketime;
pub mod folders;
pub mod history;
pub mod installation;
pub mod llm_server;
pub mod load;
pub mod python;
pub mod random;
pub mod receiver;
pub mod server;
pub mod sse;
pub mod tool_server;
pub mod until;
pub mod webhook;
pub mod wire;
pub mod world;
