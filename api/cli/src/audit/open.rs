//! The stores of an audit, opened for reading only, beside running nodes.

use adapters::event_store::EventLog;
use adapters::seals::SealsDb;
use anyhow::Context as _;

use crate::stores;
use api_node::config::Config;
use api_node::{open_log, seals_database};

/// The log and its Merkle tree.
#[derive(Debug)]
pub(super) struct Audited {
    pub(super) log: EventLog,
    pub(super) seals: SealsDb,
}

impl Audited {
    pub(super) async fn close(&self) {
        self.seals.close().await;
        self.log.close().await;
    }
}

/// Opens the stores as they are; creates nothing.
pub(super) async fn open(config: &Config) -> anyhow::Result<Audited> {
    stores::must_be_current(&stores::log(config)?).await?;
    stores::must_be_current(&stores::seals(config)?).await?;
    let log = open_log(config, true).await?;
    let seals = SealsDb::open_read_only(&seals_database(config)?).await.context("cannot open the seals")?;
    Ok(Audited { log, seals })
}
