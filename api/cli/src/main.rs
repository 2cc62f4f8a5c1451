//! The `voxledger` binary: the command line, a file for each command with its arguments.

#![warn(clippy::print_stdout, clippy::print_stderr)]

mod audit;
mod backup;
mod client;
mod command;
mod config_args;
mod demo;
mod doctor;
mod keys;
mod log;
mod migrate;
mod offline;
mod openapi;
mod out;
mod parse_document;
mod projections;
mod serve;
mod simulate;
mod stores;
mod table;

use std::process::ExitCode;

use anyhow::Context as _;
use clap::Parser as _;
use command::{Cli, Command};

/// Features of the crate: `no_thp`, because with huge pages an idle node held 50 MB more. Not `override`, by which SQLite
/// would use it, too: a process that also preloads a library (libfaketime) crashes at start.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let done = run(Cli::parse().command);
    let done = done.and_then(|code| out::finish().map(|()| code).context("not everything could be printed"));
    done.unwrap_or_else(|error| {
        out::complain(format_args!("{}", adapters::database::chain_in_words(error.as_ref())));
        ExitCode::FAILURE
    })
}

fn run(command: Command) -> anyhow::Result<ExitCode> {
    let done = |()| ExitCode::SUCCESS;
    match command {
        Command::Serve(args) => serve::run(&args).map(done),
        Command::Demo(args) => demo::run(&args),
        Command::Simulate(args) => simulate::run(&args),
        Command::Migrate(args) => migrate::run(&args).map(done),
        Command::Projections(args) => projections::run(&args).map(done),
        Command::Audit(args) => audit::run(&args),
        Command::Openapi => openapi::run().map(done),
        Command::Doctor(args) => doctor::run(&args),
        Command::Backup(args) => backup::backup(&args).map(done),
        Command::Restore(args) => backup::restore(&args).map(done),
        Command::Client(args) => client::run(&args).map(done),
        Command::Keys(args) => keys::run(&args),
        Command::Log(args) => log::run(&args),
        Command::ParseDocument(args) => parse_document::run(&args).map(done),
    }
}
