//! The work store: outbox of effects, timers, webhook deliveries, and their leases, all derived from the log. It is
//! a database of its own, so that calls are driven while the views are unavailable.

mod changes;
mod cleaning;
mod deliveries;
mod delivery_changes;
mod delivery_queries;
mod effects;
mod followers;
mod snapshots;

use std::sync::Arc;

use domain::ports::StoreUnavailable;
use domain::ports::event_store::EventStore;
use uuid::Uuid;

use crate::database::{Database, Part};
use crate::sql::db::Db;
use crate::sql::leases::{OF_WORK, leases_in};
use crate::sql::{OpenDbError, PostgresSettings};

pub(crate) use snapshots::SealedSnapshot;

/// The outbox, the timers, deliveries and their leases in one database. Cheap to clone.
#[derive(Debug, Clone)]
pub struct SqlOutbox {
    db: Db,
}

leases_in!(SqlOutbox, OF_WORK);

impl SqlOutbox {
    /// Opens the store at the address `database`, creating what is missing. Fails when the database cannot
    /// be opened or migrated.
    pub async fn open(database: &Database) -> Result<Self, OpenDbError> {
        let db = Db::at(database, Part::Work, PostgresSettings::default())?;
        db.ready().await?;
        Ok(Self { db })
    }

    /// Id of the log that this store follows; `None` while it has applied no event. Fails when the
    /// store cannot be read.
    pub async fn log_id(&self) -> Result<Option<Uuid>, StoreUnavailable> {
        self.db.log_id().await
    }

    /// From now on this node has leases only while it can read `log`, so that work goes to a node that can.
    pub fn lease_with(&self, log: Arc<dyn EventStore>) {
        self.db.lease_with(log);
    }

    /// Ties the store to a log, now or as soon as it can be reached; from then on it accepts only that log. Fails
    /// when the store cannot be written, or belongs to another log ([`OtherLog`](crate::sql::OtherLog)).
    pub async fn follow_log(&self, log: Uuid) -> Result<(), OpenDbError> {
        Ok(self.db.follow_log(log).await?)
    }

    /// Proves that the store accepts writes: writes and flushes. Fails when the disk is full, or the file or
    /// the server is gone.
    pub async fn probe(&self) -> Result<(), StoreUnavailable> {
        self.db.probe().await
    }

    pub async fn close(&self) {
        self.db.close().await;
    }
}
