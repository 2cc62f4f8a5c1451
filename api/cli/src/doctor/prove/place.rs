//! Where the suite works: apart from everything that the store holds.

use std::path::Path;

use adapters::database::{Database, ScratchSchema, SecretUrl};
use adapters::event_store::{EventLog, Target};
use adapters::files::with_companions;
use adapters::ids::RandomIds;
use anyhow::Context as _;
use conformance::event_store::{Faults, Subject};
use domain::ports::ids::Ids as _;
use parking_lot::Mutex;
use tempfile::TempDir;
use uuid::Uuid;

/// What everything that is made here is named.
const NAME: &str = "voxledger_prove";

/// A place of its own beside what an address names. Every case gets a fresh store in it.
#[derive(Debug)]
pub(super) enum Place {
    /// A folder beside the file, removed at the end.
    Folder(TempDir),
    /// A schema of the database, made for each case and dropped after it.
    Schema { database: SecretUrl, id: Uuid, open: Mutex<Option<ScratchSchema>> },
    /// Streams with a prefix of their own, which stay.
    Prefix { address: String, prefix: String },
}

/// A store without events.
#[derive(Debug)]
pub(super) struct Fresh {
    pub(super) log: EventLog,
    pub(super) subject: Subject,
}

impl Place {
    /// A place beside the store at `address`. Fails when a folder is missing or cannot be written.
    pub(super) fn beside(target: &Target, address: &str) -> anyhow::Result<Self> {
        let id = RandomIds.next();
        Ok(match target {
            Target::Database(Database::Sqlite(path)) => {
                let parent = path.parent().filter(|folder| !folder.as_os_str().is_empty());
                let parent = parent.unwrap_or(Path::new("."));
                let folder = tempfile::Builder::new().prefix(".voxledger-prove-").tempdir_in(parent);
                Self::Folder(folder.with_context(|| {
                    format!("cannot make a folder in {}; name a place that exists", parent.display())
                })?)
            }
            Target::Database(Database::Postgres(url)) => {
                Self::Schema { database: url.clone(), id, open: Mutex::default() }
            }
            Target::Kurrent(_) => {
                Self::Prefix { address: address.to_owned(), prefix: format!("{NAME}_{}_", id.simple()) }
            }
        })
    }

    /// Says where that is, and what becomes of it.
    pub(super) fn words(&self) -> String {
        match self {
            Self::Folder(folder) => {
                format!("the folder {}, which is removed at the end", folder.path().display())
            }
            Self::Schema { id, .. } => {
                format!("the schema {NAME}_{}, which is dropped at the end", id.simple())
            }
            Self::Prefix { prefix, .. } => format!("streams that begin with {prefix}, which stay"),
        }
    }

    /// What is left for the operator to remove.
    pub(super) fn left(&self) -> Option<String> {
        match self {
            Self::Folder(_) => None,
            Self::Schema { open, .. } => {
                open.lock().as_ref().map(|schema| format!("the schema {} is left: drop it", schema.name()))
            }
            Self::Prefix { prefix, .. } => Some(format!(
                "the streams that begin with {prefix} are left: delete them with KurrentDB's own tools, and scavenge"
            )),
        }
    }

    /// An empty store for the case with this number.
    pub(super) async fn fresh(&self, n: usize) -> anyhow::Result<Fresh> {
        let target = match self {
            Self::Folder(folder) => Target::sqlite(file(folder, n)),
            Self::Schema { database, id, open } => {
                let schema = ScratchSchema::create(database, NAME, *id).await.with_context(|| {
                    "cannot make a schema; the role needs CREATE on the database, or name an empty database of its own"
                })?;
                let url = schema.url();
                *open.lock() = Some(schema);
                Target::Database(Database::Postgres(url))
            }
            Self::Prefix { address, prefix } => {
                let join = if address.contains('?') { '&' } else { '?' };
                // of two prefixes in an address the last one counts
                format!("{address}{join}streamPrefix={prefix}{n}.").parse()?
            }
        };
        let log = match EventLog::open(&target).await {
            Ok(log) => log,
            Err(error) => {
                self.clear(n).await?;
                return Err(error.into());
            }
        };
        let subject = Subject { store: log.store(), faults: Faults::default(), keep: Box::new(()) };
        Ok(Fresh { log, subject })
    }

    /// Removes what the case with this number made. Fails when it cannot be removed; the error names it.
    pub(super) async fn clear(&self, n: usize) -> anyhow::Result<()> {
        match self {
            Self::Folder(folder) => {
                for path in with_companions(&file(folder, n)) {
                    std::fs::remove_file(&path)
                        .with_context(|| format!("cannot remove {}", path.display()))?;
                }
            }
            Self::Schema { open, .. } => {
                let schema = open.lock().take();
                if let Some(schema) = schema
                    && let Err(error) = schema.drop().await
                {
                    let name = schema.name().to_owned();
                    *open.lock() = Some(schema);
                    return Err(anyhow::Error::new(error).context(format!("cannot drop the schema {name}")));
                }
            }
            Self::Prefix { .. } => {}
        }
        Ok(())
    }
}

fn file(folder: &TempDir, n: usize) -> std::path::PathBuf {
    folder.path().join(format!("{n}.db"))
}
