//! The `voxledger` binary.

use std::process::ExitCode;

use api::cli::{Cli, Command, demo, openapi, serve, simulate};
use clap::Parser as _;

fn main() -> ExitCode {
    match run(Cli::parse().command) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("voxledger: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> anyhow::Result<ExitCode> {
    let done = |()| ExitCode::SUCCESS;
    match command {
        Command::Serve(args) => serve::run(&args).map(done),
        Command::Demo(args) => demo::run(&args),
        Command::Simulate(args) => simulate::run(&args),
        Command::Openapi => openapi::run().map(done),
        other => anyhow::bail!("`{}` is not part of this build yet", other.name()),
    }
}
