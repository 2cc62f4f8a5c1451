//! `voxledger doctor`: is everything there that the node needs.

use clap::Args;

use super::config_args::StoreArgs;

/// Flags of `doctor`.
#[derive(Debug, Clone, Args)]
pub struct DoctorArgs {
    /// Where history and views are.
    #[command(flatten)]
    pub stores: StoreArgs,
}
