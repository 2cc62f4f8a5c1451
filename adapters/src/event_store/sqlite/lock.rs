//! One writing process a log.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::Path;

use super::{OpenError, beside};

/// Held while this process may write the log. The operating system lets go of it when the process ends,
/// however it ends.
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
            std::fs::create_dir_all(folder).map_err(at(folder))?;
        }
        // one database under two names (a symbolic link) is still one database
        let path = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        let lock = beside(&path, ".lock");
        let file =
            OpenOptions::new().create(true).truncate(false).write(true).open(&lock).map_err(at(&lock))?;
        match file.try_lock() {
            Ok(()) => Ok(Self(file)),
            Err(TryLockError::WouldBlock) => Err(OpenError::InUse(path)),
            Err(TryLockError::Error(source)) => Err(OpenError::File { path: lock, source }),
        }
    }
}
