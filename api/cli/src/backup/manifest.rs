//! The manifest of a backup, written last: a folder without it is no backup.

use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};

use adapters::backup::KeysMark;
use adapters::files::create_private;
use anyhow::Context as _;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

pub(super) const NAME: &str = "manifest.json";
/// The only format that this version writes and reads.
const FORMAT: u32 = 1;

/// The content of `manifest.json`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Manifest {
    pub format: u32,
    /// Version of voxledger that made the backup.
    pub made_by: String,
    /// Time of the backup, in RFC 3339.
    pub made_at: String,
    /// Id and length of the log.
    pub log: Log,
    /// The master key that the keys need.
    pub master_key: MasterKeyNote,
    /// State of the keys before the log was copied. A SQLite copy was already reset to it; a dump is
    /// when it is restored.
    pub keys_mark: KeysMark,
    /// All files in the folder except the manifest.
    pub files: Vec<Entry>,
}

/// Id and length of a log.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Log {
    /// Id of the log, which is that of its first event.
    pub id: Uuid,
    /// Position of the newest event.
    pub head: u64,
    pub head_event: Uuid,
    /// When the newest event was recorded, in RFC 3339.
    pub recorded_at: String,
}

/// Identifies the master key that the keys need.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct MasterKeyNote {
    /// 12 hexadecimal digits of a hash, which identify the key and reveal nothing of it.
    pub id: String,
    /// Whether the folder contains the key.
    pub included: bool,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Entry {
    /// Name of the file within the folder.
    pub name: String,
    pub kind: Kind,
    /// The stores in the file: `log`, `seals`, `keys`.
    pub stores: Vec<String>,
    /// Size of the file in bytes.
    pub bytes: u64,
    /// SHA-256 of the file, in hexadecimal digits.
    pub sha256: String,
}

/// Format of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Kind {
    Sqlite,
    /// An archive of `pg_dump`.
    PgDump,
    /// Base64 of the master key.
    MasterKey,
}

impl Manifest {
    pub(super) const CURRENT: u32 = FORMAT;

    /// Reads the manifest in `folder` and checks every file it names. Fails when there is no manifest, another
    /// version wrote it, or a file differs.
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

    /// Writes the manifest into `folder`, atomically and flushed. Fails when it cannot be written.
    pub(super) fn write(&self, folder: &Path) -> anyhow::Result<()> {
        let (partial, path) = (folder.join("manifest.json.partial"), folder.join(NAME));
        let written = || -> anyhow::Result<()> {
            let mut file = create_private(&partial)?;
            file.write_all(serde_json::to_string_pretty(self)?.as_bytes())?;
            file.write_all(b"\n")?;
            file.sync_all()?;
            // the files must be in the folder before the manifest says so
            flush_folder(folder)?;
            fs::rename(&partial, &path)?;
            Ok(flush_folder(folder)?)
        };
        written().with_context(|| format!("cannot write {}", path.display()))
    }

    pub(super) fn of_kind(&self, kind: Kind) -> impl Iterator<Item = &Entry> {
        self.files.iter().filter(move |entry| entry.kind == kind)
    }
}

impl Entry {
    /// Describes a complete file. Fails when it cannot be read.
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

/// Size and SHA-256 of a file.
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

/// Flushes a folder, so that files created or renamed in it survive a power cut.
pub(super) fn flush_folder(folder: &Path) -> std::io::Result<()> {
    File::open(folder)?.sync_all()
}
