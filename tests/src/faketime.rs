//! A wrong clock for one process: libfaketime answers for its wall clock, and leaves its monotonic one alone.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};
use tempfile::TempDir;

use crate::server::ServerOptions;

/// Where packages put the library.
const LIBRARIES: [&str; 4] = [
    "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1",
    "/usr/lib/aarch64-linux-gnu/faketime/libfaketimeMT.so.1",
    "/usr/lib64/faketime/libfaketimeMT.so.1",
    "/usr/lib/faketime/libfaketimeMT.so.1",
];

/// The wall clock of one process, as far off as it is set.
#[derive(Debug)]
pub struct WrongClock {
    folder: TempDir,
    library: PathBuf,
}

impl WrongClock {
    /// A clock that is right so far.
    pub fn new() -> Result<Self> {
        let library = LIBRARIES.iter().map(PathBuf::from).find(|path| path.exists());
        let library = library.context("no libfaketime: install the package faketime, or run ./tests/run")?;
        let clock = Self { folder: tempfile::tempdir()?, library };
        clock.set("+0")?;
        Ok(clock)
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("clock")
    }

    /// Sets it `by` from the right time: `-1d`, `+90s`.
    pub fn set(&self, by: &str) -> Result<()> {
        // in one piece: the process reads it at every look at the clock
        let next = self.folder.path().join("next");
        fs::write(&next, format!("{by}\n"))?;
        Ok(fs::rename(next, self.file())?)
    }

    /// Gives the clock to a node.
    #[must_use]
    pub fn of(&self, options: ServerOptions) -> ServerOptions {
        options
            .environment("LD_PRELOAD", &self.library.display().to_string())
            .environment("FAKETIME_TIMESTAMP_FILE", &self.file().display().to_string())
            .environment("FAKETIME_NO_CACHE", "1")
            .environment("FAKETIME_DONT_FAKE_MONOTONIC", "1")
    }
}
