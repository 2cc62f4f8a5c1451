//! The `voxledger` binary.

use std::process::ExitCode;

use api::cli::{Cli, Command, openapi};
use clap::Parser as _;

fn main() -> ExitCode {
    match run(Cli::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("voxledger: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Openapi => openapi::run(),
        other => anyhow::bail!("`{}` is not part of this build yet", other.name()),
    }
}
