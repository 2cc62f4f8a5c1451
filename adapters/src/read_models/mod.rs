//! The read models in SQLite or PostgreSQL: one implementation, [`SqlViews`].
//!
//! The SQL is the same for both wherever the dialects agree; `table` defines how rows of any view are
//! written, loaded and compared.

mod api_keys;
mod audit_log;
mod billing;
mod blind;
mod calls;
mod checkpoints;
mod clients;
mod conversations;
mod customers;
mod documents;
mod erasure;
mod group_commit;
mod ivr;
mod knowledge;
mod matches;
mod memories;
mod rollups;
mod rows;
mod said;
mod table;
mod transcripts;
mod users;

use std::path::Path;
use std::sync::Arc;

use domain::ports::StoreUnavailable;
use domain::ports::event_store::EventStore;
use uuid::Uuid;

use self::blind::Blind;
use self::group_commit::GroupCommit;
use self::rows::Statements;
use crate::database::{Database, Part, SecretUrl};
use crate::sql::db::Db;
use crate::sql::leases::{OF_VIEWS, leases_in};
pub use crate::sql::{OpenDbError, PostgresSettings};

/// The views in one database. Cheap to clone.
#[derive(Debug, Clone)]
pub struct SqlViews {
    db: Db,
    statements: Arc<Statements>,
    blind: Blind,
    group: Arc<GroupCommit>,
}

leases_in!(SqlViews, OF_VIEWS);

impl SqlViews {
    /// Opens the views at the address `database`, creating what is missing. Fails when the database cannot be
    /// opened or its schema cannot be migrated.
    pub async fn open(database: &Database) -> Result<Self, OpenDbError> {
        Self::open_with(database, PostgresSettings::default()).await
    }

    /// Opens the views in a file. The caller ensures that only one process runs projections and migrates
    /// the schema: the holder of the event log's lock. Another process may query, skip an event, and
    /// rebuild. Fails as [`SqlViews::open`].
    pub async fn open_sqlite(path: &Path) -> Result<Self, OpenDbError> {
        Self::open(&Database::Sqlite(path.to_owned())).await
    }

    /// Opens the views on a server. Several nodes may do so. Fails as [`SqlViews::open`].
    pub async fn open_postgres(url: &SecretUrl, settings: PostgresSettings) -> Result<Self, OpenDbError> {
        Self::open_with(&Database::Postgres(url.clone()), settings).await
    }

    async fn open_with(database: &Database, settings: PostgresSettings) -> Result<Self, OpenDbError> {
        let views = Self::at_with(database, settings)?;
        views.ready().await?;
        Ok(views)
    }

    /// The views at an address, not opened yet: the first query opens them, so that a node can start while its
    /// views are unreachable. Fails when the address cannot be parsed.
    pub fn at(database: &Database) -> Result<Self, OpenDbError> {
        Self::at_with(database, PostgresSettings::default())
    }

    fn at_with(database: &Database, settings: PostgresSettings) -> Result<Self, OpenDbError> {
        let db = Db::at(database, Part::Views, settings)?;
        let statements = Arc::new(Statements::new(db.dialect()));
        Ok(Self { db, statements, blind: Blind::default(), group: Arc::default() })
    }

    /// Connects to the database and migrates its schema. Fails when the database cannot be opened or migrated.
    pub async fn ready(&self) -> Result<(), OpenDbError> {
        Ok(self.db.ready().await?)
    }

    /// Sets the `key` of the blind index. It must stay the same: rows indexed with another key are not found.
    #[must_use]
    pub fn with_blind_index(self, key: [u8; 32]) -> Self {
        Self { blind: Blind::new(key), ..self }
    }

    /// Id of the log that these views follow; `None` while they have applied no event. Fails when the
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

    /// The database, for what is kept beside the views.
    pub(crate) fn db(&self) -> &Db {
        &self.db
    }

    pub async fn close(&self) {
        self.db.close().await;
    }
}
