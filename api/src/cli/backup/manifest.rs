//! What stands in a backup: written last, so that a folder without it is no backup.

use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};

use adapters::backup::KeysMark;
use adapters::files::create_private;
use anyhow::Context as _;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

/// Its file.
pub(super) const NAME: &str = "manifest.json";
/// The format that this version writes; it reads no other.
const FORMAT: u32 = 1;

/// A backup.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Manifest {
    /// The format of the folder.
    pub format: u32,
    /// The version of voxledger that made it.
    pub made_by: String,
    /// When, in RFC 3339.
    pub made_at: String,
    /// Of which log, and up to where.
    pub log: Log,
    /// What opens the keys.
    pub master_key: MasterKeyNote,
    /// What the keys knew before the log was copied. A SQLite copy was brought back to it; a dump will be when it is
    /// restored.
    pub keys_mark: KeysMark,
    /// Everything in the folder but this.
    pub files: Vec<Entry>,
}

/// The log in a backup.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Log {
    /// Its id: that of its first event.
    pub id: Uuid,
    /// The position of its newest event.
    pub head: u64,
    /// The id of its newest event.
    pub head_event: Uuid,
    /// When that was recorded, in RFC 3339.
    pub recorded_at: String,
}

/// Which master key the keys need.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct MasterKeyNote {
    /// 12 hexadecimal digits that tell keys apart and say nothing of the key.
    pub id: String,
    /// Whether it is in the folder.
    pub included: bool,
}

/// A file of a backup.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Entry {
    /// Its name.
    pub name: String,
    /// What it holds.
    pub kind: Kind,
    /// Which stores: `log`, `seals`, `keys`.
    pub stores: Vec<String>,
    /// Its size.
    pub bytes: u64,
    /// Its SHA-256, in hexadecimal digits.
    pub sha256: String,
}

/// How a file of a backup is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Kind {
    /// A SQLite database.
    Sqlite,
    /// An archive of `pg_dump`.
    PgDump,
    /// Base64 of a master key.
    MasterKey,
}

impl Manifest {
    /// Of this version.
    pub(super) const CURRENT: u32 = FORMAT;

    /// Reads the one in `folder` and looks at every file it names.
    ///
    /// # Errors
    /// When there is none, it is another version's, or a file is not as it says.
    pub(super) fn checked(folder: &Path) -> anyhow::Result<Self> {
        let manifest = Self::read(folder)?;
        for entry in &manifest.files {
            entry.check(folder)?;
        }
        Ok(manifest)
    }

    fn read(folder: &Path) -> anyhow::Result<Self> {
        #[derive(Deserialize)]
        struct Version {
            format: u32,
            made_by: String,
        }
        let path = folder.join(NAME);
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => anyhow::bail!(
                "{} is no whole backup: it has no {NAME}, which is written last; take another backup",
                folder.display()
            ),
            Err(error) => return Err(error).with_context(|| format!("cannot read {}", path.display())),
        };
        let broken = || format!("{} cannot be read: the backup is damaged; take another", path.display());
        let version: Version = serde_json::from_str(&text).with_context(broken)?;
        anyhow::ensure!(
            version.format == FORMAT,
            "the backup has format {}, and this version reads {FORMAT}; use voxledger {}",
            version.format,
            version.made_by
        );
        let manifest: Self = serde_json::from_str(&text).with_context(broken)?;
        let plain = |name: &str| !name.is_empty() && !name.contains(['/', '\\']) && name != "..";
        anyhow::ensure!(manifest.files.iter().all(|entry| plain(&entry.name)), broken());
        Ok(manifest)
    }

    /// Writes it into `folder`: under its name only once it is whole, and flushed.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(super) fn write(&self, folder: &Path) -> anyhow::Result<()> {
        let (partial, path) = (folder.join("manifest.json.partial"), folder.join(NAME));
        let written = || -> anyhow::Result<()> {
            let mut file = create_private(&partial)?;
            file.write_all(serde_json::to_string_pretty(self)?.as_bytes())?;
            file.write_all(b"\n")?;
            file.sync_all()?;
            // the files are in the folder before it says so
            flush_folder(folder)?;
            fs::rename(&partial, &path)?;
            Ok(flush_folder(folder)?)
        };
        written().with_context(|| format!("cannot write {}", path.display()))
    }

    /// The files of a kind.
    pub(super) fn of_kind(&self, kind: Kind) -> impl Iterator<Item = &Entry> {
        self.files.iter().filter(move |entry| entry.kind == kind)
    }
}

impl Entry {
    /// Looks at a file that is done.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(super) fn of(folder: &Path, name: &str, kind: Kind, stores: &[&str]) -> anyhow::Result<Self> {
        let path = folder.join(name);
        let (bytes, sha256) = digest(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let stores = stores.iter().map(|&store| store.to_owned()).collect();
        Ok(Self { name: name.to_owned(), kind, stores, bytes, sha256 })
    }

    fn check(&self, folder: &Path) -> anyhow::Result<()> {
        let path = folder.join(&self.name);
        let (bytes, sha256) = digest(&path).with_context(|| format!("cannot read {}", path.display()))?;
        anyhow::ensure!(
            bytes == self.bytes && sha256 == self.sha256,
            "{} is not as it was written: the backup is damaged; take another",
            path.display()
        );
        Ok(())
    }
}

/// How long a file is, and its SHA-256.
pub(super) fn digest(path: &PathBuf) -> std::io::Result<(u64, String)> {
    let (mut file, mut hash, mut bytes) = (File::open(path)?, Sha256::new(), 0);
    let mut buffer = vec![0; 1 << 20];
    loop {
        let read = file.read(&mut buffer)?;
        if read == 0 {
            return Ok((bytes, hex(&hash.finalize())));
        }
        hash.update(&buffer[..read]);
        bytes += read as u64;
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What was created and renamed in a folder outlives a power cut.
pub(super) fn flush_folder(folder: &Path) -> std::io::Result<()> {
    File::open(folder)?.sync_all()
}
