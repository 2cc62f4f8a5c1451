//! Views in SQLite or PostgreSQL: one implementation, [`SqlViews`].
//!
//! The SQL is the same for both wherever the dialects agree; `table` says how rows of any view are written, loaded and
//! compared.

mod agents;
mod api_keys;
mod audit_log;
mod blind;
mod calls;
mod checkpoints;
mod clients;
mod conversations;
mod documents;
mod erasure;
mod ivr;
mod numbers;
mod rows;
mod said;
mod table;
mod tallies;
mod transcripts;
mod users;
mod webhooks;

use std::path::Path;
use std::sync::Arc;

use domain::ports::StoreUnavailable;
use uuid::Uuid;

use self::blind::Blind;
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
}

leases_in!(SqlViews, OF_VIEWS);

impl SqlViews {
    /// Opens the views wherever `database` says, creating what is missing.
    ///
    /// # Errors
    /// When the database cannot be opened or its schema not be changed.
    pub async fn open(database: &Database) -> Result<Self, OpenDbError> {
        Self::open_with(database, PostgresSettings::default()).await
    }

    /// The same in a file. The caller sees to it that one process alone runs projections and changes the schema: whoever
    /// holds the lock of the event log. Another may look, have an event skipped, and rebuild.
    ///
    /// # Errors
    /// As [`SqlViews::open`].
    pub async fn open_sqlite(path: &Path) -> Result<Self, OpenDbError> {
        Self::open(&Database::Sqlite(path.to_owned())).await
    }

    /// The same on a server. Several nodes may do so.
    ///
    /// # Errors
    /// As [`SqlViews::open`].
    pub async fn open_postgres(url: &SecretUrl, settings: PostgresSettings) -> Result<Self, OpenDbError> {
        Self::open_with(&Database::Postgres(url.clone()), settings).await
    }

    async fn open_with(database: &Database, settings: PostgresSettings) -> Result<Self, OpenDbError> {
        let views = Self::at_with(database, settings)?;
        views.ready().await?;
        Ok(views)
    }

    /// The views at an address. Nothing is opened: whatever asks first does so, so that a node can start while its views
    /// are away.
    ///
    /// # Errors
    /// When the address cannot be read.
    pub fn at(database: &Database) -> Result<Self, OpenDbError> {
        Self::at_with(database, PostgresSettings::default())
    }

    fn at_with(database: &Database, settings: PostgresSettings) -> Result<Self, OpenDbError> {
        let db = Db::at(database, Part::Views, settings)?;
        let statements = Arc::new(Statements::new(db.dialect()));
        Ok(Self { db, statements, blind: Blind::default() })
    }

    /// Reaches the database and brings its schema up to date.
    ///
    /// # Errors
    /// When the database cannot be opened or its schema not be changed.
    pub async fn ready(&self) -> Result<(), OpenDbError> {
        Ok(self.db.ready().await?)
    }

    /// The same views; what rows are searched by is hashed with `key`. It must stay the same: rows are not found by
    /// the hashes of another one.
    #[must_use]
    pub fn with_blind_index(self, key: [u8; 32]) -> Self {
        Self { blind: Blind::new(key), ..self }
    }

    /// The log these views follow from; `None` while they have taken in no event.
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
