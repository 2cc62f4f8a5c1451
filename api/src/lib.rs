//! Voxledger's edge and composition root: REST, authentication, OpenAPI, command line, configuration, telemetry.
//!
//! This crate knows all others and wires them together. It decides nothing about calls: handlers translate between
//! HTTP and commands, and the rules live in `domain`.

#![warn(clippy::print_stdout, clippy::print_stderr)]

pub mod cli;
pub mod config;
pub mod http;
pub mod limits;
pub mod node;
pub mod problem;
pub mod telemetry;
