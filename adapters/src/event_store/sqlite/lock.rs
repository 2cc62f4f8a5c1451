//! Keeps the log to one writing process.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};

use super::OpenError;
use crate::files::{create_private_folder, open_lock};

/// Held while this process may write the log. The operating system releases it when the process ends, however it ends.
#[derive(Debug)]
pub(super) struct WriteLock(#[expect(dead_code, reason = "the lock lives as long as the open file")] File);

impl WriteLock {
    /// Locks `<path>.lock`, creating the folder and the file as needed.
    pub(super) fn take(path: &Path) -> Result<Self, OpenError> {
        let at = |path: &Path| {
            let path = path.to_owned();
            move |source| OpenError::File { path, source }
        };
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            create_private_folder(folder).map_err(at(folder))?;
        }
        let path = true_name(path);
        let mut lock = path.clone().into_os_string();
        lock.push(".lock");
        let lock = PathBuf::from(lock);
        let file = open_lock(&lock).map_err(at(&lock))?;
        match file.try_lock() {
            Ok(()) => Ok(Self(file)),
            Err(TryLockError::WouldBlock) => Err(OpenError::InUse(path)),
            Err(TryLockError::Error(source)) => Err(OpenError::File { path: lock, source }),
        }
    }
}

/// The path with symbolic links resolved, so that one database under two names has one lock.
fn true_name(path: &Path) -> PathBuf {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let in_folder = || Some(folder.canonicalize().ok()?.join(path.file_name()?));
    path.canonicalize().ok().or_else(in_folder).unwrap_or_else(|| path.to_owned())
}
