//! The stores of a node, as commands outside of the node see them.

use adapters::database::{Database, MigrationStatus, Part, migration_status, newer_schema};
use anyhow::Context as _;

use api_node::config::{Config, EventStoreUrl, ReadModelsUrl};
use api_node::{
    data_dir_is_held, is_locked, keys_database, log_database, seals_database, views_database, work_database,
};

/// A store with its database.
#[derive(Debug)]
pub(super) struct Store {
    pub part: Part,
    /// The database's address without its password.
    pub shown: String,
    /// `None` where this program does not manage the schema.
    pub database: Option<Database>,
}

impl Store {
    /// Name of the store: `log`, `views`, `work`, `keys` or `seals`.
    pub fn name(&self) -> &'static str {
        match self.part {
            Part::Log => "log",
            Part::Views => "views",
            Part::Work => "work",
            Part::Keys => "keys",
            Part::Seals => "seals",
        }
    }

    /// The store's migrations; empty where this program does not manage the schema. Fails when the
    /// database cannot be reached.
    pub async fn migrations(&self) -> anyhow::Result<Vec<MigrationStatus>> {
        match &self.database {
            Some(database) => migration_status(database, self.part)
                .await
                .with_context(|| format!("cannot look at the {} in {}", self.name(), self.shown)),
            None => Ok(Vec::new()),
        }
    }
}

/// The log. Fails when its address cannot be parsed.
pub(super) fn log(config: &Config) -> anyhow::Result<Store> {
    let database = log_database(config).context("event_store")?;
    let shown = database.as_ref().map_or_else(|| config.storage.event_store().to_string(), shown);
    Ok(Store { part: Part::Log, shown, database })
}

/// The views. Fails when their address cannot be parsed.
pub(super) fn views(config: &Config) -> anyhow::Result<Store> {
    let database = views_database(config).context("read_models")?;
    Ok(Store { part: Part::Views, shown: shown(&database), database: Some(database) })
}

/// The work store. Fails when its address cannot be parsed.
pub(super) fn work(config: &Config) -> anyhow::Result<Store> {
    let database = work_database(config).context("work_store")?;
    Ok(Store { part: Part::Work, shown: shown(&database), database: Some(database) })
}

/// The key store. Fails when its address cannot be parsed.
pub(super) fn keys(config: &Config) -> anyhow::Result<Store> {
    let database = keys_database(config).context("key_store")?;
    Ok(Store { part: Part::Keys, shown: shown(&database), database: Some(database) })
}

/// The store of the Merkle tree. Fails when the log's address cannot be parsed.
pub(super) fn seals(config: &Config) -> anyhow::Result<Store> {
    let database = seals_database(config).context("event_store")?;
    Ok(Store { part: Part::Seals, shown: shown(&database), database: Some(database) })
}

fn shown(database: &Database) -> String {
    match database {
        Database::Sqlite(path) => format!("sqlite:{}", path.display()),
        Database::Postgres(url) => url.to_string(),
    }
}

/// Checks, without changing it, that a store exists with the newest schema. The error says what to do.
pub(super) async fn must_be_current(store: &Store) -> anyhow::Result<()> {
    let migrations = store.migrations().await?;
    let name = store.name();
    if let Some(words) = newer_schema(&migrations) {
        anyhow::bail!("the {name} in {}: {words}", store.shown);
    }
    anyhow::ensure!(
        migrations.iter().all(|step| step.applied),
        "there is no up-to-date schema for the {name} in {}; check the settings, or run `voxledger migrate up`",
        store.shown
    );
    Ok(())
}

/// Whether a node is running on embedded stores of this configuration.
pub(super) fn node_is_running(config: &Config) -> bool {
    let log_is_written = match config.storage.event_store() {
        EventStoreUrl::Sqlite(path) => {
            let mut lock = path.into_os_string();
            lock.push(".lock");
            is_locked(lock.as_ref())
        }
        _ => false,
    };
    log_is_written || data_dir_is_held(&config.storage.data_dir)
}

/// Whether the log is a file, which only one process may write.
pub(super) fn is_embedded(config: &Config) -> bool {
    matches!(config.storage.event_store(), EventStoreUrl::Sqlite(_))
        || matches!(config.storage.read_models(), ReadModelsUrl::Sqlite(_))
}
