//! Files and folders that only their owner may use, whatever the umask: stores hold plain phone numbers and keys.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

/// Creates a new file that only its owner may read and write. Fails when it exists or cannot be created.
pub fn create_private(path: &Path) -> io::Result<File> {
    private(OpenOptions::new().write(true).create_new(true)).open(path)
}

/// Opens a lock file that only its owner may read and write, creating it if needed. Fails when it cannot
/// be created or opened.
pub fn open_lock(path: &Path) -> io::Result<File> {
    private(OpenOptions::new().create(true).truncate(false).write(true)).open(path)
}

fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    options
}

/// Creates a folder and its missing parents, which only their owner may use; an existing folder stays as it is.
/// Fails when it cannot be created.
pub fn create_private_folder(path: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::DirBuilderExt as _;
        builder.mode(0o700);
    }
    builder.create(path)
}

/// Whether other users than the owner have any right on it; false when it does not exist.
#[must_use]
pub fn is_open_to_others(path: &Path) -> bool {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        fs::metadata(path).is_ok_and(|found| found.permissions().mode() & 0o077 != 0)
    }
    #[cfg(not(unix))]
    {
        let _ = path;
        false
    }
}

/// Removes other users' rights on a file or folder; answers whether there were any. Fails when it belongs to
/// another user, or its disk keeps no modes.
pub fn tighten(path: &Path) -> io::Result<bool> {
    if !is_open_to_others(path) {
        return Ok(false);
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = fs::metadata(path)?.permissions().mode() & 0o700;
        fs::set_permissions(path, fs::Permissions::from_mode(mode))?;
    }
    Ok(true)
}

/// The existing files of a SQLite database: the database, its WAL, shared memory and journal.
#[must_use]
pub fn with_companions(database: &Path) -> Vec<PathBuf> {
    let names = ["", "-wal", "-shm", "-journal"].map(|suffix| {
        let mut name = database.as_os_str().to_owned();
        name.push(suffix);
        PathBuf::from(name)
    });
    names.into_iter().filter(|path| path.exists()).collect()
}
