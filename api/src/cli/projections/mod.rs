//! `voxledger projections`: the views.

use clap::{Args, Subcommand};

use super::config_args::StoreArgs;

/// Flags of `projections`.
#[derive(Debug, Clone, Args)]
pub struct ProjectionsArgs {
    /// What to do.
    #[command(subcommand)]
    pub action: ProjectionsAction,
    /// Where history and views are.
    #[command(flatten)]
    pub stores: StoreArgs,
}

/// What to do with views.
#[derive(Debug, Clone, Subcommand)]
pub enum ProjectionsAction {
    /// List them with their position, lag and stall reason.
    List,
    /// Build a view anew from the log beside the old one, then switch.
    Rebuild {
        /// Its name, as `list` shows it.
        name: String,
    },
    /// Pass over the one event a view is stalled at.
    Skip {
        /// The view's name, as `list` shows it.
        name: String,
        /// Position of the event, as `list` shows it.
        position: u64,
    },
}
