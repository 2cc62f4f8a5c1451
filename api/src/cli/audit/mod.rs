//! `voxledger audit`: history.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::config_args::StoreArgs;

/// Flags of `audit`.
#[derive(Debug, Clone, Args)]
pub struct AuditArgs {
    /// What to do.
    #[command(subcommand)]
    pub action: AuditAction,
    /// Where history and views are.
    #[command(flatten)]
    pub stores: StoreArgs,
}

/// What to do with history.
#[derive(Debug, Clone, Subcommand)]
pub enum AuditAction {
    /// Check the whole log: positions, versions, what can be read.
    Verify,
    /// Write history to a file.
    Export {
        /// The file to write.
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
    /// Check an export without a node.
    VerifyExport {
        /// The file to check.
        file: PathBuf,
    },
    /// Tell a resource's history, step by step.
    Replay {
        /// Its id (`call_…`) or its stream.
        id: String,
    },
}
