//! `voxledger demo`: a fresh node with sample data, and calls to it.

use clap::Args;

use super::simulate::Traffic;

/// Flags of `demo`.
#[derive(Debug, Clone, Args)]
pub struct DemoArgs {
    /// Address of the API; port 0 picks a free one.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:9011")]
    pub bind: String,
    /// Stop once the calls are over, instead of serving on.
    #[arg(long)]
    pub once: bool,
    /// The calls to place.
    #[command(flatten)]
    pub traffic: Traffic,
}
