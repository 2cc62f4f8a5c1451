//! Finds the processes that lock a database's files.

use std::fs;
use std::path::Path;

use crate::files::with_companions;

/// The processes that hold a lock of the SQLite database at `path`, such as `process 4711 (sqlite3)`; empty where
/// the operating system does not say.
#[must_use]
pub fn lock_holders(path: &Path) -> Vec<String> {
    let files: Vec<String> = with_companions(path).iter().filter_map(|file| name_in_locks(file)).collect();
    let locks = fs::read_to_string("/proc/locks").unwrap_or_default();
    let mut processes: Vec<u32> = locks
        .lines()
        .filter(|line| !line.contains("->"))
        .filter_map(|line| {
            let mut fields = line.split_whitespace().skip(4);
            let (process, file) = (fields.next()?, fields.next()?);
            files.iter().any(|ours| ours == file).then(|| process.parse().ok())?
        })
        .collect();
    processes.sort_unstable();
    processes.dedup();
    let named = |process: u32| {
        let name = fs::read_to_string(format!("/proc/{process}/comm")).unwrap_or_default();
        match name.trim() {
            "" => format!("process {process}"),
            name => format!("process {process} ({name})"),
        }
    };
    processes.into_iter().map(named).collect()
}

/// The name of a file in `/proc/locks`: device and inode, for example `08:01:1234`.
#[cfg(target_os = "linux")]
fn name_in_locks(file: &Path) -> Option<String> {
    use std::os::unix::fs::MetadataExt as _;
    let found = fs::metadata(file).ok()?;
    let device = found.dev();
    let major = ((device >> 8) & 0xfff) | ((device >> 32) & !0xfff);
    let minor = (device & 0xff) | ((device >> 12) & !0xff);
    Some(format!("{major:02x}:{minor:02x}:{}", found.ino()))
}

#[cfg(not(target_os = "linux"))]
fn name_in_locks(_: &Path) -> Option<String> {
    None
}
