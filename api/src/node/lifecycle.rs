//! Beginning and end of a node's process.

use std::fs::{File, OpenOptions};
use std::path::Path;

use adapters::files::{create_private_folder, open_lock};
use anyhow::Context as _;
use fs4::fs_std::FileExt as _;

/// Held by the node that uses a data folder.
const LOCK: &str = "node.lock";

/// There while a restore is under way, and after one that was cut off.
pub(crate) const UNFINISHED_RESTORE: &str = "restore.unfinished";

/// Takes the data folder for this process, for as long as the file is kept: the embedded views grant leases at
/// once because nobody else can be working.
///
/// # Errors
/// When another process has it, it cannot be created, or a restore into it was cut off.
pub fn hold_data_dir(folder: &Path) -> anyhow::Result<File> {
    let file = lock_data_dir(folder)?;
    let marker = folder.join(UNFINISHED_RESTORE);
    anyhow::ensure!(
        !marker.exists(),
        "a restore into {} was cut off, and its stores do not belong together; run `voxledger restore` again",
        folder.display()
    );
    Ok(file)
}

/// The same for a restore.
///
/// # Errors
/// When another process has it, or it cannot be created.
pub(crate) fn lock_data_dir(folder: &Path) -> anyhow::Result<File> {
    create_private_folder(folder)
        .with_context(|| format!("cannot create the data folder {}", folder.display()))?;
    let path = folder.join(LOCK);
    let file = open_lock(&path).with_context(|| format!("cannot open {}", path.display()))?;
    let free = file.try_lock_exclusive().with_context(|| format!("cannot lock {}", path.display()))?;
    anyhow::ensure!(
        free,
        "another node uses the data folder {}; stop it, or set VOXLEDGER_DATA_DIR to another folder",
        folder.display()
    );
    Ok(file)
}

/// Whether a node has the data folder. Nothing is created.
pub(crate) fn data_dir_is_held(folder: &Path) -> bool {
    is_locked(&folder.join(LOCK))
}

/// Whether another process holds the lock of this file.
pub(crate) fn is_locked(file: &Path) -> bool {
    // opened for writing, as some network file systems want it of who locks; let go of at once
    let open = OpenOptions::new().write(true).open(file);
    open.is_ok_and(|file| matches!(file.try_lock_exclusive(), Ok(false)))
}

/// How the process was asked to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// By SIGTERM, as by whoever runs many nodes: those who send requests are given the time to notice.
    Politely,
    /// By SIGINT, as from a keyboard.
    Now,
}

/// Returns when the process is asked to stop, by SIGTERM or SIGINT.
///
/// # Errors
/// When signals cannot be heard.
pub async fn until_told_to_stop() -> anyhow::Result<Asked> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut term = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
    tokio::select! {
        done = tokio::signal::ctrl_c() => done.context("cannot listen for SIGINT").map(|()| Asked::Now),
        _ = term.recv() => Ok(Asked::Politely),
    }
}
