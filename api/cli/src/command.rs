//! The command line's commands.

use clap::{Parser, Subcommand};

use super::{
    audit::AuditArgs, backup::BackupArgs, backup::RestoreArgs, client::ClientArgs, demo::DemoArgs,
    doctor::DoctorArgs, keys::KeysArgs, log::LogArgs, migrate::MigrateArgs,
    parse_document::ParseDocumentArgs, projections::ProjectionsArgs, serve::ServeArgs,
    simulate::SimulateArgs,
};

/// The self-hosted control plane for voice-AI telephony.
///
/// Settings come from defaults, `voxledger.toml`, `VOXLEDGER_…` variables and flags, the later ones winning.
#[derive(Debug, Parser)]
#[command(name = "voxledger", version, arg_required_else_help = true)]
pub struct Cli {
    /// Which command to run.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands of the program.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the node: API, actors, projections, deliveries, timers.
    Serve(ServeArgs),
    /// Try it with no account anywhere: a fresh node and a simulated carrier.
    Demo(DemoArgs),
    /// Act as the carrier against a running node, and compare what it does with what it should.
    Simulate(SimulateArgs),
    /// Change or show the schema of the stores.
    Migrate(MigrateArgs),
    /// List, rebuild or repair the views.
    Projections(ProjectionsArgs),
    /// Replay, verify or export history.
    Audit(AuditArgs),
    /// Print the OpenAPI document.
    Openapi,
    /// Check the configuration and everything else that the node needs.
    Doctor(DoctorArgs),
    /// Copy log, seals and keys into a folder, also beside a running node.
    Backup(BackupArgs),
    /// Put a backup in place while no node runs.
    Restore(RestoreArgs),
    /// Manage clients without the API.
    Client(ClientArgs),
    /// Replace the master key or a lost owner key, or move the key store.
    Keys(KeysArgs),
    /// Copy the log to another engine or place.
    Log(LogArgs),
    /// Read a document for a node that does not trust it.
    #[command(name = adapters::documents::COMMAND, hide = true)]
    ParseDocument(ParseDocumentArgs),
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_well_formed_and_every_flag_has_a_help_text() {
        let mut command = Cli::command();
        command.build();
        command.clone().debug_assert();
        let mut open = vec![command];
        while let Some(command) = open.pop() {
            for arg in command.get_arguments() {
                assert!(arg.get_help().is_some(), "{} --{}", command.get_name(), arg.get_id());
            }
            open.extend(command.get_subcommands().cloned());
        }
    }

    #[test]
    fn flags_of_serve_become_settings() {
        let cli =
            Cli::try_parse_from(["voxledger", "serve", "--bind", "127.0.0.1:0", "--data-dir", "d"]).unwrap();
        let Command::Serve(args) = cli.command else { panic!("not serve") };
        let config = args.config().unwrap();
        assert_eq!(config.http.bind.port(), 0);
        assert_eq!(config.storage.data_dir.to_str(), Some("d"));
    }
}
