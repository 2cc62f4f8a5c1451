//! Settings of the stores.

use std::fmt;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use super::Secret;
use super::setting::section;
use super::value::Value;

section! {
    /// The event store, the read models and the data folder.
    pub struct StorageConfig {
        /// Folder of embedded stores, key files and local objects.
        data_dir: PathBuf = "data_dir", "./data";
        /// The log: `sqlite:PATH`, `postgres://…`, `kurrentdb://…` (also `esdb://…`); in the data folder when not set.
        event_store: Option<EventStoreUrl> = "event_store", "";
        /// The views: `sqlite:PATH` or `postgres://…`; in the data folder when not set.
        read_models: Option<ReadModelsUrl> = "read_models", "";
        /// Outbox, timers, deliveries and leases: `sqlite:PATH` or `postgres://…`; beside the log when not set.
        work_store: Option<ReadModelsUrl> = "work_store", "";
        /// Encryption and idempotency keys: `sqlite:PATH` or `postgres://…`; beside the log when not set.
        key_store: Option<ReadModelsUrl> = "key_store", "";
        /// Appends that may wait for the writer before more are refused with 503.
        append_queue: NonZeroUsize = "storage.append_queue", "4096";
        /// Most events that one commit may hold.
        append_batch: NonZeroUsize = "storage.append_batch", "512";
    }
}

impl StorageConfig {
    /// The log's address; by default a file in the data folder.
    #[must_use]
    pub fn event_store(&self) -> EventStoreUrl {
        self.event_store.clone().unwrap_or_else(|| EventStoreUrl::Sqlite(self.data_dir.join("events.db")))
    }

    /// The views' address; by default a file in the data folder.
    #[must_use]
    pub fn read_models(&self) -> ReadModelsUrl {
        self.read_models.clone().unwrap_or_else(|| ReadModelsUrl::Sqlite(self.data_dir.join("views.db")))
    }

    /// The work store's address; by default the log's server, or a file beside the log's; for a log in KurrentDB the
    /// views' server, or a file in the data folder. In files it is separate from the views, so that calls are driven
    /// while those are unavailable.
    #[must_use]
    pub fn work_store(&self) -> ReadModelsUrl {
        self.work_store.clone().unwrap_or_else(|| match self.event_store() {
            EventStoreUrl::Sqlite(path) => ReadModelsUrl::Sqlite(path.with_extension("work.db")),
            EventStoreUrl::Postgres(url) => ReadModelsUrl::Postgres(url),
            EventStoreUrl::Kurrent(_) => match self.read_models() {
                ReadModelsUrl::Sqlite(_) => ReadModelsUrl::Sqlite(self.data_dir.join("events.work.db")),
                server @ ReadModelsUrl::Postgres(_) => server,
            },
        })
    }

    /// The key store's address; by default the server of the log or of the views, so that all nodes share the keys,
    /// and without a server a file in the data folder.
    #[must_use]
    pub fn key_store(&self) -> ReadModelsUrl {
        self.key_store.clone().unwrap_or_else(|| match (self.event_store(), self.read_models()) {
            (EventStoreUrl::Postgres(url), _) | (_, ReadModelsUrl::Postgres(url)) => {
                ReadModelsUrl::Postgres(url)
            }
            _ => ReadModelsUrl::Sqlite(self.data_dir.join("keys.db")),
        })
    }

    /// The master key's file in the data folder.
    #[must_use]
    pub fn master_key_file(&self) -> PathBuf {
        self.data_dir.join("master.key")
    }

    /// Moves all stores into `folder`.
    pub(super) fn in_folder(&mut self, folder: &Path) {
        folder.clone_into(&mut self.data_dir);
        self.event_store = None;
        self.read_models = None;
        self.work_store = None;
        self.key_store = None;
    }
}

/// Address of the log. `Display` and `Debug` hide user and password.
#[derive(Clone, PartialEq, Eq)]
pub enum EventStoreUrl {
    Sqlite(PathBuf),
    /// A `postgres://` or `postgresql://` address.
    Postgres(Secret),
    /// A `kurrentdb://` or `esdb://` address, with `+discover` forms.
    Kurrent(Secret),
}

/// Address of the views. `Display` and `Debug` hide user and password.
#[derive(Clone, PartialEq, Eq)]
pub enum ReadModelsUrl {
    Sqlite(PathBuf),
    /// A `postgres://` or `postgresql://` address.
    Postgres(Secret),
}

fn sqlite(text: &str) -> Option<PathBuf> {
    let path = text.strip_prefix("sqlite:")?;
    let path = path.strip_prefix("//").unwrap_or(path);
    // `?mode=memory` and the like would silently become part of a file's name
    (!path.is_empty() && !path.starts_with(':') && !path.contains('?')).then(|| path.into())
}

fn server(text: &str, schemes: &[&str]) -> Option<Secret> {
    let (scheme, rest) = text.split_once("://")?;
    (schemes.contains(&scheme) && !rest.is_empty()).then(|| Secret::new(text))
}

const POSTGRES: &[&str] = &["postgres", "postgresql"];
const KURRENT: &[&str] = &[
    "kurrentdb",
    "kurrentdb+discover",
    "kurrent",
    "kurrent+discover",
    "kdb",
    "kdb+discover",
    "esdb",
    "esdb+discover",
];

impl Value for EventStoreUrl {
    const ACCEPTS: &'static str = "`sqlite:PATH`, `postgres://…`, `kurrentdb://…` or `esdb://…`";
    const SECRET: bool = true;

    fn parse(text: &str) -> Option<Self> {
        sqlite(text)
            .map(Self::Sqlite)
            .or_else(|| server(text, POSTGRES).map(Self::Postgres))
            .or_else(|| server(text, KURRENT).map(Self::Kurrent))
    }
}

impl Value for ReadModelsUrl {
    const ACCEPTS: &'static str = "`sqlite:PATH` or `postgres://…`";
    const SECRET: bool = true;

    fn parse(text: &str) -> Option<Self> {
        sqlite(text).map(Self::Sqlite).or_else(|| server(text, POSTGRES).map(Self::Postgres))
    }
}

impl fmt::Display for EventStoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => write!(f, "sqlite:{}", path.display()),
            Self::Postgres(_) => f.write_str("postgres"),
            Self::Kurrent(_) => f.write_str("kurrentdb"),
        }
    }
}

impl fmt::Display for ReadModelsUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => write!(f, "sqlite:{}", path.display()),
            Self::Postgres(_) => f.write_str("postgres"),
        }
    }
}

impl fmt::Debug for EventStoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Debug for ReadModelsUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_is_named_by_its_scheme_and_never_shows_its_password() {
        assert_eq!(EventStoreUrl::parse("sqlite:a/b.db"), Some(EventStoreUrl::Sqlite("a/b.db".into())));
        assert_eq!(EventStoreUrl::parse("sqlite:///a/b.db"), Some(EventStoreUrl::Sqlite("/a/b.db".into())));
        let postgres = EventStoreUrl::parse("postgres://u:secret@h/db").unwrap();
        assert!(!format!("{postgres} {postgres:?}").contains("secret"));
        for scheme in KURRENT {
            let kurrent = EventStoreUrl::parse(&format!("{scheme}://u:secret@h:2113")).unwrap();
            assert!(matches!(kurrent, EventStoreUrl::Kurrent(_)));
            assert!(!format!("{kurrent} {kurrent:?}").contains("secret"));
        }
        for bad in ["", "sqlite:", "sqlite::memory:", "mysql://h/db", "postgres://", "events.db"] {
            assert!(EventStoreUrl::parse(bad).is_none(), "{bad}");
        }
        assert!(ReadModelsUrl::parse("esdb://h:2113").is_none());
    }
}
