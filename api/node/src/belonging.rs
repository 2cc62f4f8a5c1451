//! Checks that all stores belong to one log, and that none is ahead of it.
//!
//! Views and work are derived from the log: data from another history is dropped and derived again. Keys cannot be
//! derived, and a log cannot be guessed: where these do not fit, the node refuses to start and says what to do.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use adapters::database::Database;
use adapters::keys::KeysDb;
use adapters::outbox::SqlOutbox;
use adapters::read_models::SqlViews;
use adapters::sql::OpenDbError;
use anyhow::Context as _;
use domain::envelope::Position;
use domain::ports::event_store::EventStore;
use projections::runner::{Deps, drop_other_history};
use uuid::Uuid;

use super::edges::keys_database;
use crate::config::Config;

/// The stores that must fit the log.
#[derive(Debug, Clone, Copy)]
pub struct Stores<'a> {
    pub keys: &'a KeysDb,
    pub work: &'a SqlOutbox,
    pub views: &'a SqlViews,
}

/// The id of the log, which is that of its first event. `None` while the log is empty.
pub async fn log_id(log: &dyn EventStore) -> anyhow::Result<Option<Uuid>> {
    let first = log.read_all(Position::START, 1).await.context("cannot read the log")?;
    Ok(first.first().map(domain::merkle::log_id))
}

/// Fails when the log has events and the file with its keys is gone: new keys would decrypt none of them.
pub async fn keys_are_there(config: &Config, log: Option<Uuid>) -> anyhow::Result<()> {
    let (Some(log), Database::Sqlite(path)) = (log, keys_database(config)?) else { return Ok(()) };
    anyhow::ensure!(
        path.exists(),
        "the key store {} is missing, and log {log} has events that only its keys open; put the newest copy of the \
         key store there, or set VOXLEDGER_KEY_STORE to where it is",
        path.display()
    );
    Ok(())
}

/// Fails when a store belongs to another log, or holds no keys while the log has events. Unreachable views are
/// checked when they come back.
pub async fn check(log: Option<Uuid>, stores: &Stores<'_>) -> anyhow::Result<()> {
    let of_keys = stores.keys.log_id().await.context("cannot read the key store")?;
    let of_work = stores.work.log_id().await.context("cannot read the outbox")?;
    let of_views = stores.views.log_id().await.ok().flatten();
    let found = [("key store", of_keys), ("store of the outbox", of_work), ("read models", of_views)];
    let Some(log) = log else {
        for (name, id) in found {
            if let Some(id) = id {
                anyhow::bail!(
                    "the event store is empty, but the {name} belongs to log {id}; put that log back, \
                     set VOXLEDGER_EVENT_STORE to where it is, or begin anew in an empty \
                     data folder"
                );
            }
        }
        return Ok(());
    };
    anyhow::ensure!(
        !stores.keys.is_empty().await.context("cannot read the key store")?,
        "the key store is empty, and log {log} has events that only its keys open; put the newest copy of the key \
         store there, or set VOXLEDGER_KEY_STORE to where it is"
    );
    for (name, id) in found {
        if let Some(id) = id.filter(|id| *id != log) {
            anyhow::bail!("{}", other_log(name, id, log));
        }
    }
    Ok(())
}

fn other_log(name: &str, found: Uuid, log: Uuid) -> String {
    let remedy = match name {
        "key store" => "put the key store of this log there",
        _ => {
            "set another place for it; or, if it is of no use any more, delete it: it is made again from the log"
        }
    };
    format!("the {name} belongs to log {found}, but the event store is log {log}; {remedy}")
}

/// Ties every store to the log, which has its first event by now.
pub async fn tie(log: &dyn EventStore, stores: &Stores<'_>) -> anyhow::Result<()> {
    let log = log_id(log).await?.context("the log has no first event")?;
    stores.keys.tie_to_log(log).await.context("cannot write the key store")?;
    follow("store of the outbox", stores.work.follow_log(log).await)?;
    match stores.views.follow_log(log).await {
        Err(error) if error.other_log().is_none() => {
            let error = &error as &dyn std::error::Error;
            tracing::error!(error, "the views are away; calls are driven without them");
            Ok(())
        }
        tied => follow("read models", tied),
    }
}

fn follow(name: &str, tied: Result<(), OpenDbError>) -> anyhow::Result<()> {
    match tied {
        Ok(()) => Ok(()),
        Err(error) => match error.other_log() {
            Some(other) => anyhow::bail!("{}", other_log(name, other.found, other.expected)),
            None => Err(anyhow::Error::new(error).context(format!("cannot write the {name}"))),
        },
    }
}

/// Resets every view that holds events which are not in the log, before anything reads it.
pub async fn heal_views(deps: &Deps) {
    match drop_other_history(deps).await {
        Ok(dropped) if dropped.is_empty() => {}
        Ok(dropped) => tracing::error!(
            views = dropped.join(", "),
            "views held events that are not in the log, as after a restore of the log alone: they are made anew"
        ),
        // each view checks itself again before it goes on
        Err(error) => {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "the views could not be compared with the log"
            );
        }
    }
}

/// Removes a damaged file of a store that can be derived from the log; does nothing on a server. Fails when the
/// file cannot be removed.
pub fn remove_damaged(name: &str, database: &Database, error: &OpenDbError) -> anyhow::Result<bool> {
    let Database::Sqlite(path) = database else { return Ok(false) };
    tracing::error!(
        store = name,
        path = %path.display(),
        error = error as &dyn std::error::Error,
        "the file is damaged; it is made anew from the log"
    );
    for file in [path.clone(), beside(path, "-wal"), beside(path, "-shm")] {
        match fs::remove_file(&file) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(error).with_context(|| format!("cannot remove {}", file.display()));
            }
            _ => {}
        }
    }
    Ok(true)
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}
