//! `voxledger simulate`: the carrier's side, played against a running node.

use clap::Args;

/// Flags of `simulate`.
#[derive(Debug, Clone, Args)]
pub struct SimulateArgs {
    /// Where the node is.
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:9011")]
    pub url: String,
    /// The calls to place.
    #[command(flatten)]
    pub traffic: Traffic,
}

/// Calls to place.
#[derive(Debug, Clone, Args)]
pub struct Traffic {
    /// How many calls.
    #[arg(long, default_value_t = 100)]
    pub calls: u32,
    /// New calls a second.
    #[arg(long, default_value_t = 10.0)]
    pub rate: f64,
    /// Seed of everything that is random; the same seed places the same calls.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Send webhooks twice now and then, as carriers do.
    #[arg(long)]
    pub duplicate: bool,
    /// Send webhooks out of order now and then, as carriers do.
    #[arg(long)]
    pub shuffle: bool,
}
