//! The `voxledger` binary.

use std::io;
use std::process::ExitCode;

use api::cli::{
    Cli, Command, audit, backup, client, demo, doctor, keys, migrate, openapi, projections, serve, simulate,
};
use clap::Parser as _;

fn main() -> ExitCode {
    match run(Cli::parse().command) {
        Ok(code) => code,
        // whoever reads what we print has read enough, as `head` does
        Err(error) if is_closed_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("voxledger: {}", adapters::database::chain_in_words(error.as_ref()));
            ExitCode::FAILURE
        }
    }
}

fn is_closed_pipe(error: &anyhow::Error) -> bool {
    let kind = error.downcast_ref::<io::Error>().map(io::Error::kind);
    kind == Some(io::ErrorKind::BrokenPipe)
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
    }
}
