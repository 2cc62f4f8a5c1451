//! `voxledger serve`: the node.

use clap::Args;

use super::config_args::StoreArgs;
use crate::config::{Config, ConfigError};

/// Flags of `serve`.
#[derive(Debug, Clone, Default, Args)]
pub struct ServeArgs {
    /// Address of the API; port 0 picks a free one.
    #[arg(long, value_name = "ADDRESS")]
    pub bind: Option<String>,
    /// Where history and views are.
    #[command(flatten)]
    pub stores: StoreArgs,
}

impl ServeArgs {
    /// The configuration with these flags on top.
    ///
    /// # Errors
    /// [`ConfigError`], which names the setting at fault.
    pub fn config(&self) -> Result<Config, ConfigError> {
        self.stores.load(&[("bind", self.bind.as_ref())])
    }
}
