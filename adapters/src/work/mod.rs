//! Work that follows from the log: the outbox of effects, the timers, deliveries of webhooks, and the leases of who
//! does it. It stands in a database of its own beside the log, so that calls are driven while the views are away.

mod changes;
mod cleaning;
mod deliveries;
mod delivery_changes;
mod delivery_queries;
mod followers;
mod outbox;
mod snapshots;

use domain::ports::StoreUnavailable;
use uuid::Uuid;

use crate::database::{Database, Part};
use crate::sql::db::Db;
use crate::sql::leases::{OF_WORK, leases_in};
use crate::sql::{OpenDbError, PostgresSettings};

pub(crate) use snapshots::SealedSnapshot;

/// The outbox, the timers, deliveries and their leases in one database. Cheap to clone.
#[derive(Debug, Clone)]
pub struct SqlWork {
    db: Db,
}

leases_in!(SqlWork, OF_WORK);

impl SqlWork {
    /// Opens the store wherever `database` says, creating what is missing.
    ///
    /// # Errors
    /// When the database cannot be opened or its schema not be changed.
    pub async fn open(database: &Database) -> Result<Self, OpenDbError> {
        let db = Db::at(database, Part::Work, PostgresSettings::default())?;
        db.ready().await?;
        Ok(Self { db })
    }

    /// The log this work follows from; `None` while it has taken in no event.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn log_id(&self) -> Result<Option<Uuid>, StoreUnavailable> {
        self.db.log_id().await
    }

    /// Ties the store to a log, now or as soon as it can be reached; from then on it is of use for that log only.
    ///
    /// # Errors
    /// When the store cannot be written, or belongs to another log ([`OtherLog`](crate::sql::OtherLog)).
    pub async fn follow_log(&self, log: Uuid) -> Result<(), OpenDbError> {
        Ok(self.db.follow_log(log).await?)
    }

    /// Writes, and has it flushed.
    ///
    /// # Errors
    /// When that does not succeed: the disk is full, the file or the server gone.
    pub async fn probe(&self) -> Result<(), StoreUnavailable> {
        self.db.probe().await
    }

    /// Closes the connections.
    pub async fn close(&self) {
        self.db.close().await;
    }
}
