//! Locks of the data folder, and signals that end the process.

use std::fs::{File, OpenOptions};
use std::path::Path;

use adapters::files::{create_private_folder, open_lock};
use anyhow::Context as _;
use fs4::fs_std::FileExt as _;

/// Lock file of the node that uses a data folder.
const LOCK: &str = "node.lock";

/// Marker file that exists during a restore, and after an interrupted one.
pub const UNFINISHED_RESTORE: &str = "restore.unfinished";

/// Locks the data folder for this process, for as long as the file is held: the embedded views grant leases at once
/// because no other process can be working. Fails when another process holds it, it cannot be created, or a restore
/// into it was interrupted.
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

/// Locks the data folder for a restore. Fails when another process holds it, or it cannot be created.
pub fn lock_data_dir(folder: &Path) -> anyhow::Result<File> {
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

/// Whether a node has locked the data folder. Creates nothing.
pub fn data_dir_is_held(folder: &Path) -> bool {
    is_locked(&folder.join(LOCK))
}

/// Whether another process holds the lock of this file.
pub fn is_locked(file: &Path) -> bool {
    // opened for writing, as some network file systems require it for a lock; released at once
    let open = OpenOptions::new().write(true).open(file);
    open.is_ok_and(|file| matches!(file.try_lock_exclusive(), Ok(false)))
}

/// How the process was asked to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// By SIGTERM, as orchestrators do: load balancers get time to notice.
    Politely,
    /// By SIGINT, for example from a keyboard.
    Now,
}

/// Waits until the process is asked to stop, by SIGTERM or SIGINT. Fails when signal handlers cannot be installed.
pub async fn until_told_to_stop() -> anyhow::Result<Asked> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut term = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
    tokio::select! {
        done = tokio::signal::ctrl_c() => done.context("cannot listen for SIGINT").map(|()| Asked::Now),
        _ = term.recv() => Ok(Asked::Politely),
    }
}
