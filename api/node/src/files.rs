//! The files of embedded stores: their paths, permissions, and state after a stop.

use std::fs;
use std::path::PathBuf;

use adapters::database::{Database, chain_in_words, settle};
use adapters::files::{is_open_to_others, tighten, with_companions};

use super::edges::{keys_database, log_database, seals_database, views_database, work_database};
use crate::config::Config;

/// Every store that is a file, by its name for operators.
pub fn embedded_files(config: &Config) -> Vec<(&'static str, PathBuf)> {
    let stores = [
        ("log", log_database(config).ok().flatten()),
        ("seals", seals_database(config).ok()),
        ("keys", keys_database(config).ok()),
        ("work", work_database(config).ok()),
        ("views", views_database(config).ok()),
    ];
    let file = |(name, database)| match database {
        Some(Database::Sqlite(path)) => Some((name, path)),
        Some(Database::Postgres(_)) | None => None,
    };
    stores.into_iter().filter_map(file).collect()
}

/// Checkpoints the SQLite journals, so that each file alone holds everything of its store. Called once
/// nobody writes any more.
pub async fn settle_all(files: &[(&'static str, PathBuf)]) {
    for (store, path) in files {
        match settle(path).await {
            Ok(true) => {}
            Ok(false) => tracing::warn!(store, "somebody reads the store: its -wal file still belongs to it"),
            Err(error) => {
                let error = chain_in_words(&error);
                tracing::warn!(
                    store,
                    error,
                    "the journal was not emptied: the -wal file still belongs to the store"
                );
            }
        }
    }
}

/// What other users than the owner may access in the data folder.
#[derive(Debug, Default)]
pub struct OpenToOthers {
    /// Whether the folder itself is accessible.
    pub folder: bool,
    /// Whether the folder holds only the node's files; only then may the node restrict it without asking.
    pub folder_is_ours: bool,
    /// Accessible stores, the files beside them, locks and keys.
    pub files: Vec<PathBuf>,
}

impl OpenToOthers {
    /// Checks the permissions and changes nothing.
    pub fn of(config: &Config) -> Self {
        let folder = &config.storage.data_dir;
        let mut files = Vec::new();
        for (_, path) in embedded_files(config) {
            files.extend(with_companions(&path));
        }
        let stores: Vec<PathBuf> = files.clone();
        let entries = fs::read_dir(folder).into_iter().flatten().flatten();
        let entries: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
        let ours = |path: &PathBuf| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            stores.contains(path)
                || name.starts_with("replaced-")
                || name == "rescued"
                || name.starts_with("master.key")
                || [".lock", ".restoring", ".unfinished"].iter().any(|end| name.ends_with(end))
        };
        let folder_is_ours = entries.iter().all(ours);
        files.extend(
            entries.into_iter().filter(|path| ours(path) && path.is_file() && !stores.contains(path)),
        );
        files.retain(|path| is_open_to_others(path));
        Self { folder: is_open_to_others(folder), folder_is_ours, files }
    }
}

/// Removes other users' rights on folders and files that already existed, and logs it. A folder that also holds
/// other things is only reported.
pub fn keep_others_out(config: &Config) {
    let open = OpenToOthers::of(config);
    let folder = &config.storage.data_dir;
    if open.folder {
        let folder_shown = folder.display().to_string();
        match open.folder_is_ours.then(|| tighten(folder)) {
            Some(Ok(_)) => {
                tracing::warn!(folder = folder_shown, "others could use the data folder; they no longer can")
            }
            Some(Err(error)) => {
                let error = error.to_string();
                tracing::error!(folder = folder_shown, error, "others can use the data folder: chmod 700 it");
            }
            None => tracing::warn!(
                folder = folder_shown,
                "others can use the data folder, which holds other things, too: give the node a folder of its own, or \
                 chmod 700 it"
            ),
        }
    }
    for path in open.files {
        let file = path.display().to_string();
        match tighten(&path) {
            Ok(_) => tracing::warn!(file, "others could read the file; they no longer can"),
            Err(error) => {
                let error = error.to_string();
                tracing::error!(file, error, "others can read the file: chmod 600 it");
            }
        }
    }
}
