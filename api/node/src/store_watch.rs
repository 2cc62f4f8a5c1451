//! Stops a node whose log or keys are removed or replaced: whatever it acknowledged from then on would be lost.
//!
//! Before it stops it copies what its open connections still see, so that an operator can restore it.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use adapters::database::{Database, OpenFile};
use adapters::event_store::EventLog;
use adapters::keys::KeysDb;
use adapters::seals::SealsDb;
use anyhow::Context as _;
use domain::envelope::Position;
use domain::ports::clock::Clock;
use domain::ports::event_store::EventStore;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::edges::{keys_database, log_database, seals_database};
use crate::config::Config;

/// Interval between two checks of the stores.
const EVERY: Duration = Duration::from_secs(1);

/// The stores that cannot be derived again, with the files they were opened as.
#[derive(Debug)]
pub struct StoreWatch {
    log: EventLog,
    keys: KeysDb,
    seals: SealsDb,
    files: Vec<OpenFile>,
    /// Folder for the rescued copies.
    folder: PathBuf,
    head: Position,
}

impl StoreWatch {
    /// Remembers the files as they are now. Fails when one is already missing.
    pub async fn new(
        config: &Config,
        (log, keys, seals): (&EventLog, &KeysDb, &SealsDb),
    ) -> anyhow::Result<Self> {
        let databases = [log_database(config)?, Some(keys_database(config)?), Some(seals_database(config)?)];
        let mut files = Vec::new();
        for database in databases.into_iter().flatten() {
            if let Database::Sqlite(path) = database {
                files.push(OpenFile::at(&path).with_context(|| format!("cannot find {}", path.display()))?);
            }
        }
        let head = log.store().head().await.context("cannot read the log")?;
        let folder = config.storage.data_dir.clone();
        Ok(Self { log: log.clone(), keys: keys.clone(), seals: seals.clone(), files, folder, head })
    }

    /// Checks until `stop`. Sends what is wrong to `failed` once, after copying the stores.
    pub async fn run(
        mut self,
        clock: Arc<dyn Clock>,
        failed: watch::Sender<Option<String>>,
        stop: CancellationToken,
    ) {
        let log = self.log.store();
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = clock.sleep_until(clock.now() + EVERY) => {}
            }
            let lost: Vec<_> = self.files.iter().filter_map(|file| file.check().err()).collect();
            let fault = match lost.first() {
                Some(lost) => Some(format!("{lost}; {}", self.rescue().await)),
                None => self.rewound(&*log).await,
            };
            if let Some(fault) = fault {
                tracing::error!(fault, "the node stops: what it acknowledges could be lost");
                failed.send_replace(Some(fault));
                return;
            }
        }
    }

    /// The message for a log on a server that became shorter, because an older copy replaced it.
    async fn rewound(&mut self, log: &dyn EventStore) -> Option<String> {
        // an unreadable log says nothing about its end
        let head = log.head().await.ok()?;
        let before = self.head;
        self.head = head.max(before);
        (head < before).then(|| {
            format!(
                "the log ends at {head} and ended at {before}: an older copy was put in its place; start the node \
                 again, which drops what was derived from the events that are gone"
            )
        })
    }

    /// Copies the stores as their open connections see them; answers where to.
    async fn rescue(&self) -> String {
        let folder = self.folder.join("rescued");
        if let Err(error) = make_private(&folder) {
            return format!("no copy could be made in {}: {error}", folder.display());
        }
        let copies = [
            ("events.db", self.log.rescue(&folder.join("events.db")).await),
            ("events.seals.db", self.seals.rescue(&folder.join("events.seals.db")).await),
            ("keys.db", self.keys.rescue(&folder.join("keys.db")).await),
        ];
        let mut said = Vec::new();
        for (name, copied) in copies {
            match copied {
                Ok(()) => said.push(format!("{name} was copied")),
                Err(error) => said.push(format!("{name} was not copied ({error})")),
            }
        }
        format!(
            "in {}: {}; put back what is missing and start the node again",
            folder.display(),
            said.join(", ")
        )
    }
}

fn make_private(folder: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)
}
