//! Chooses an engine by its address.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

use async_trait::async_trait;
use domain::envelope::{Position, Recorded};
use domain::ports::StoreUnavailable;
use domain::ports::event_store::{EventStore, LogTable, ReadError, Unreadable};
use domain::ports::log_target::LogTarget;

use super::kurrent::SCHEMES;
use super::{
    KurrentAddress, KurrentEventStore, KurrentLogTarget, OpenError, PostgresEventStore, PostgresLogTarget,
    RecentEvents, SqliteEventStore, SqliteLogTarget, SqliteSettings, WriterLimits,
};
use crate::database::{BadAddress, Database};

/// Address of the log: `sqlite:PATH`, `postgres://…`, `kurrentdb://…` or `esdb://…`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// A database whose `events` table is the log.
    Database(Database),
    /// Streams of a KurrentDB database.
    Kurrent(Box<KurrentAddress>),
}

impl FromStr for Target {
    type Err = OpenError;

    fn from_str(address: &str) -> Result<Self, OpenError> {
        let scheme = address.split_once(':').map_or("", |(scheme, _)| scheme);
        let scheme = scheme.strip_suffix("+discover").unwrap_or(scheme);
        if SCHEMES.contains(&scheme) {
            return address.parse().map(|address| Self::Kurrent(Box::new(address)));
        }
        address.parse().map(Self::Database).map_err(|error| {
            OpenError::Target(match error {
                BadAddress::Form => "the address of a log must be sqlite:PATH, \
                                     postgres://user:password@host/database or kurrentdb://user:password@host:port"
                    .to_owned(),
                BadAddress::Postgres(_) => error.to_string(),
            })
        })
    }
}

impl fmt::Display for Target {
    /// The address without user, password and parameters.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Database(Database::Sqlite(path)) => write!(f, "sqlite:{}", path.display()),
            Self::Database(Database::Postgres(url)) => url.fmt(f),
            Self::Kurrent(address) => address.fmt(f),
        }
    }
}

impl Target {
    /// Opens the log for another one to be copied into, and creates what is missing. Fails as the engine's own `open`.
    pub async fn open_for_copy(&self) -> Result<Box<dyn LogTarget>, OpenError> {
        Ok(match self {
            Self::Database(Database::Sqlite(path)) => Box::new(SqliteLogTarget::open(path).await?),
            Self::Database(Database::Postgres(url)) => Box::new(PostgresLogTarget::open(url).await?),
            Self::Kurrent(address) => Box::new(KurrentLogTarget::open(address).await?),
        })
    }

    #[must_use]
    pub fn sqlite(path: impl Into<PathBuf>) -> Self {
        Self::Database(Database::Sqlite(path.into()))
    }

    /// Lets an engine of which each node keeps a replica do so in a file of this folder.
    #[must_use]
    pub fn with_replica_in(self, folder: &Path) -> Self {
        match self {
            Self::Kurrent(address) => Self::Kurrent(Box::new(address.with_replica_in(folder))),
            database @ Self::Database(_) => database,
        }
    }
}

/// An open log of one of the engines.
#[derive(Debug, Clone)]
pub enum EventLog {
    Sqlite(Arc<SqliteEventStore>),
    Postgres(Arc<PostgresEventStore>),
    Kurrent(Arc<KurrentEventStore>),
}

impl EventLog {
    /// Opens the log for writing and brings its schema up to date. Fails as the engine's own `open`.
    pub async fn open(target: &Target) -> Result<Self, OpenError> {
        Self::open_with(target, WriterLimits::default()).await
    }

    /// Opens the log with the operator's limits. Fails as [`EventLog::open`].
    pub async fn open_with(target: &Target, writer: WriterLimits) -> Result<Self, OpenError> {
        match target {
            Target::Database(Database::Sqlite(path)) => {
                let settings = SqliteSettings { writer, ..SqliteSettings::default() };
                Ok(Self::Sqlite(Arc::new(SqliteEventStore::open(path, &settings).await?)))
            }
            Target::Database(Database::Postgres(url)) => {
                Ok(Self::Postgres(Arc::new(PostgresEventStore::open_with(url, writer).await?)))
            }
            Target::Kurrent(address) => {
                Ok(Self::Kurrent(Arc::new(KurrentEventStore::open_with(address, writer).await?)))
            }
        }
    }

    /// Opens the log for reading only, beside a node that writes it. The schema is left as it is. Fails as
    /// the engine's own `open_read_only`.
    pub async fn open_read_only(target: &Target) -> Result<Self, OpenError> {
        match target {
            Target::Database(Database::Sqlite(path)) => {
                Ok(Self::Sqlite(Arc::new(SqliteEventStore::open_read_only(path).await?)))
            }
            Target::Database(Database::Postgres(url)) => {
                Ok(Self::Postgres(Arc::new(PostgresEventStore::open_read_only(url).await?)))
            }
            Target::Kurrent(address) => {
                Ok(Self::Kurrent(Arc::new(KurrentEventStore::open_read_only(address).await?)))
            }
        }
    }

    /// The log as an [`EventStore`].
    #[must_use]
    pub fn store(&self) -> Arc<dyn EventStore> {
        match self {
            Self::Sqlite(store) => Arc::clone(store) as Arc<dyn EventStore>,
            Self::Postgres(store) => Arc::clone(store) as Arc<dyn EventStore>,
            Self::Kurrent(store) => Arc::clone(store) as Arc<dyn EventStore>,
        }
    }

    /// The log for a node with many projections and process managers: reads of other nodes' events are shared by
    /// all of them. An embedded log has its own recent events in memory anyway, and one in KurrentDB those of all nodes.
    #[must_use]
    pub fn for_followers(&self) -> Arc<dyn EventStore> {
        match self {
            Self::Sqlite(_) | Self::Kurrent(_) => self.store(),
            Self::Postgres(_) => Arc::new(RecentEvents::new(self.store())),
        }
    }

    /// Proves that the log accepts writes: writes and flushes, or in KurrentDB asks the leader. Fails when the disk is
    /// full, or the file or the server is gone.
    pub async fn probe(&self) -> Result<(), StoreUnavailable> {
        match self {
            Self::Sqlite(store) => store.probe().await.map_err(|error| error.to_string()),
            Self::Postgres(store) => store.probe().await.map_err(|error| error.to_string()),
            Self::Kurrent(store) => store.probe().await.map_err(|error| error.to_string()),
        }
        .map_err(StoreUnavailable)
    }

    /// Copies an embedded log as its open connections see it to a new file, even after its own file was removed.
    /// Fails when no connection is open any more, or the copy cannot be written.
    pub async fn rescue(&self, to: &Path) -> Result<(), StoreUnavailable> {
        match self {
            Self::Sqlite(store) => {
                store.rescue(to).await.map_err(|error| StoreUnavailable(error.to_string()))
            }
            Self::Postgres(_) | Self::Kurrent(_) => {
                Err(StoreUnavailable("the log is on a server".to_owned()))
            }
        }
    }

    /// Writes the queued appends, then releases the store.
    pub async fn close(&self) {
        match self {
            Self::Sqlite(store) => store.close().await,
            Self::Postgres(store) => store.close().await,
            Self::Kurrent(store) => store.close().await,
        }
    }
}

#[async_trait]
impl LogTable for EventLog {
    async fn rows(
        &self,
        after: Position,
        upto: Position,
        limit: usize,
    ) -> Result<Vec<Result<Recorded, Unreadable>>, ReadError> {
        match self {
            Self::Sqlite(store) => store.rows(after, upto, limit).await,
            Self::Postgres(store) => store.rows(after, upto, limit).await,
            Self::Kurrent(store) => store.rows(after, upto, limit).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_names_its_engine() {
        assert_eq!("sqlite:data/events.db".parse::<Target>().unwrap(), Target::sqlite("data/events.db"));
        assert_eq!("sqlite:///var/events.db".parse::<Target>().unwrap(), Target::sqlite("/var/events.db"));
        let postgres = "postgres://voxledger:secret@db/log".parse::<Target>().unwrap();
        assert!(matches!(postgres, Target::Database(Database::Postgres(_))));
        assert!(!format!("{postgres:?}").contains("secret"));
    }

    #[test]
    fn every_scheme_of_kurrentdb_names_it_and_no_password_is_shown() {
        for scheme in ["kurrentdb", "kurrentdb+discover", "kurrent", "kdb", "esdb", "esdb+discover"] {
            let target = format!("{scheme}://ops:secret@cluster:2113?tls=true").parse::<Target>().unwrap();
            assert!(matches!(target, Target::Kurrent(_)), "{target:?}");
            assert!(!format!("{target:?}").contains("secret"));
        }
    }

    #[test]
    fn an_address_of_no_engine_says_what_it_should_be() {
        for address in ["", "mysql://x", "events.db", "sqlite:", "sqlite::memory:"] {
            let error = address.parse::<Target>().unwrap_err().to_string();
            assert!(error.contains("sqlite:PATH"), "{error}");
        }
    }
}
