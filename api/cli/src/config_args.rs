//! The flags that say where a node keeps its data.

use std::path::PathBuf;

use clap::Args;

use api_node::config::{Config, ConfigError, Sources};

/// Where the log, the views and the settings are.
#[derive(Debug, Clone, Default, Args)]
pub struct StoreArgs {
    /// Configuration file; by default `./voxledger.toml` if it exists.
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Folder of the embedded stores, key files and objects.
    #[arg(long, global = true, value_name = "FOLDER")]
    pub data_dir: Option<String>,
    /// Address of the log: sqlite:PATH, postgres://…, kurrentdb://… or esdb://….
    #[arg(long, global = true, value_name = "URL")]
    pub event_store: Option<String>,
    /// Address of the views: sqlite:PATH or postgres://….
    #[arg(long, global = true, value_name = "URL")]
    pub read_models: Option<String>,
}

impl StoreArgs {
    /// The configuration, overridden by these flags and by `more`. The error names the setting at fault.
    pub fn load(&self, more: &[(&'static str, Option<&String>)]) -> Result<Config, ConfigError> {
        let own = [
            ("data_dir", self.data_dir.as_ref()),
            ("event_store", self.event_store.as_ref()),
            ("read_models", self.read_models.as_ref()),
        ];
        let flags = own.iter().chain(more).filter_map(|(key, value)| Some((*key, (*value)?.clone())));
        Config::load(&Sources::of_process(self.config.clone(), flags.collect()))
    }
}
