//! Takes a backup.

use std::fs;
use std::path::{Path, PathBuf};

use adapters::backup::{DumpError, KeysMark, LogSummary, Snapshot, master_keys_of, sealed_upto};
use adapters::clock::SystemClock;
use adapters::database::{Database, Part, SecretUrl, copy_sqlite};
use adapters::files::{create_private, create_private_folder, tighten, with_companions};
use adapters::keys::MasterKey;
use anyhow::Context as _;
use domain::envelope::Time;
use domain::ports::clock::Clock as _;
use projections::edge::format_time;

use super::manifest::{Entry, Kind, Log, Manifest, MasterKeyNote};
use crate::out::say;
use api_node::config::Config;
use api_node::{keys_database, log_database, seals_database};

pub(super) const LOG: &str = "events.db";
pub(super) const SEALS: &str = "events.seals.db";
pub(super) const KEYS: &str = "keys.db";
pub(super) const MASTER_KEY: &str = "master.key";

/// Takes a backup into `folder`. Removes what was written if it fails.
pub(super) async fn take(config: &Config, folder: &Path, with_master_key: bool) -> anyhow::Result<()> {
    let log = log_database(config)?;
    let log =
        log.context("a KurrentDB log is backed up with KurrentDB's own tools; see api/docs/backup.md")?;
    let stores = Stores { log, seals: seals_database(config)?, keys: keys_database(config)? };
    stores.must_be_there()?;
    let made = make_folder(folder)?;
    let mut taking = Taking { folder, files: Vec::new(), failed: true, made };
    stores.must_fit_into(folder)?;
    let manifest = taking.take(config, &stores, with_master_key).await?;
    taking.failed = false;
    report(&manifest, folder, config);
    Ok(())
}

struct Stores {
    log: Database,
    seals: Database,
    keys: Database,
}

impl Stores {
    fn must_be_there(&self) -> anyhow::Result<()> {
        for (name, database) in [("event store", &self.log), ("key store", &self.keys)] {
            if let Database::Sqlite(path) = database {
                anyhow::ensure!(path.exists(), "there is no {name} at {}", path.display());
            }
        }
        Ok(())
    }
}

impl Stores {
    /// Fails early when the disk has too little space.
    fn must_fit_into(&self, folder: &Path) -> anyhow::Result<()> {
        let files = [&self.log, &self.seals, &self.keys].into_iter().filter_map(|database| match database {
            Database::Sqlite(path) => Some(with_companions(path)),
            Database::Postgres(_) => None,
        });
        let bytes: u64 = files.flatten().filter_map(|file| Some(fs::metadata(file).ok()?.len())).sum();
        match fs4::available_space(folder) {
            Ok(free) if free < bytes => anyhow::bail!(
                "the disk of {} has {} MiB free, and the stores take up to {}; make room, or name another folder",
                folder.display(),
                free >> 20,
                bytes.div_ceil(1 << 20)
            ),
            _ => Ok(()),
        }
    }
}

/// A backup in progress.
struct Taking<'a> {
    folder: &'a Path,
    files: Vec<Entry>,
    failed: bool,
    /// Whether the folder was created for this backup.
    made: bool,
}

impl Taking<'_> {
    async fn take(
        &mut self,
        config: &Config,
        stores: &Stores,
        with_master_key: bool,
    ) -> anyhow::Result<Manifest> {
        let now = SystemClock.now();
        // read the keys first: the mark must not be newer than seals and log
        let mark =
            KeysMark::read(&stores.keys, now.timestamp_micros()).await.context("cannot read the keys")?;
        let log = match &stores.log {
            Database::Sqlite(log) => self.copy_log(log, &stores.seals).await?,
            Database::Postgres(url) if stores.keys == stores.log => {
                self.dump(url, "postgres.dump", &[Part::Log, Part::Seals, Part::Keys]).await?
            }
            Database::Postgres(url) => self.dump(url, "log.dump", &[Part::Log, Part::Seals]).await?,
        };
        let log = log.context("the log is empty: there is nothing to back up yet")?;
        match &stores.keys {
            Database::Sqlite(keys) => {
                let copy = self.folder.join(KEYS);
                copy_sqlite(keys, &copy).await?;
                let database = Database::Sqlite(copy.clone());
                mark.apply(&database).await.context("cannot finish the copy of the keys")?;
                fs::File::open(&copy)?.sync_all()?;
                self.files.push(Entry::of(self.folder, KEYS, Kind::Sqlite, &["keys"])?);
            }
            // part of the log's dump
            Database::Postgres(_) if stores.keys == stores.log => {}
            Database::Postgres(url) => _ = self.dump(url, "keys.dump", &[Part::Keys]).await?,
        }
        let master_key = self.master_key(config, &stores.keys, with_master_key).await?;
        let time = |micros| Time::from_timestamp_micros(micros).map(format_time).unwrap_or_default();
        let manifest = Manifest {
            format: Manifest::CURRENT,
            made_by: env!("CARGO_PKG_VERSION").to_owned(),
            made_at: format_time(now),
            log: Log {
                id: log.id,
                head: log.head,
                head_event: log.head_event,
                recorded_at: time(log.recorded_at),
            },
            master_key,
            keys_mark: mark,
            files: self.files.clone(),
        };
        manifest.write(self.folder)?;
        Ok(manifest)
    }

    async fn copy_log(&mut self, log: &Path, seals: &Database) -> anyhow::Result<Option<LogSummary>> {
        // seals first: seals behind the log are continued, seals beyond it would be another log's
        let mut sealed = 0;
        if let Database::Sqlite(seals) = seals
            && seals.exists()
        {
            copy_sqlite(seals, &self.folder.join(SEALS)).await?;
            sealed =
                sealed_upto(&self.folder.join(SEALS)).await.context("cannot read the copy of the seals")?;
            self.files.push(Entry::of(self.folder, SEALS, Kind::Sqlite, &["seals"])?);
        }
        let copy = self.folder.join(LOG);
        copy_sqlite(log, &copy).await?;
        self.files.push(Entry::of(self.folder, LOG, Kind::Sqlite, &["log"])?);
        let log = LogSummary::of_sqlite(&copy).await.context("the copy of the log cannot be read")?;
        let head = log.as_ref().map_or(0, |log| log.head);
        anyhow::ensure!(
            sealed <= head,
            "the seals cover {sealed} events and the log has {head}: they do not belong together; run \
             `voxledger doctor`"
        );
        Ok(log)
    }

    /// Dumps parts of one database, as of one moment.
    async fn dump(
        &mut self,
        url: &SecretUrl,
        name: &str,
        parts: &[Part],
    ) -> anyhow::Result<Option<LogSummary>> {
        let path = self.folder.join(name);
        let mut snapshot = Snapshot::of(url, parts).await?;
        let log = if parts.contains(&Part::Log) { snapshot.log().await? } else { None };
        let by_hand = snapshot.tool().await?.typed();
        create_private(&path).with_context(|| format!("cannot write {}", path.display()))?;
        if let Err(error) = snapshot.dump(&path).await {
            // removed with the rest
            self.files.push(Entry::of(self.folder, name, Kind::PgDump, &[])?);
            let missing = matches!(error, DumpError::Missing(_));
            let error = anyhow::Error::from(error).context(format!("cannot dump {url}"));
            return Err(match missing {
                true => error.context(format!(
                    "install PostgreSQL's client programs here (the server's version or newer), or run where they \
                     are, log before keys:\n  {by_hand} --file={name}\nand see api/docs/backup.md"
                )),
                false => error,
            });
        }
        fs::File::open(&path)?.sync_all()?;
        let stores: Vec<&str> = parts.iter().map(|part| name_of(*part)).collect();
        self.files.push(Entry::of(self.folder, name, Kind::PgDump, &stores)?);
        Ok(log)
    }

    async fn master_key(
        &mut self,
        config: &Config,
        keys: &Database,
        wanted: bool,
    ) -> anyhow::Result<MasterKeyNote> {
        let copy = self.folder.join(KEYS);
        let from = if copy.exists() { Database::Sqlite(copy) } else { keys.clone() };
        let ids = master_keys_of(&from).await.context("cannot read the keys")?;
        let id = match <[String; 1]>::try_from(ids) {
            Ok([id]) => id,
            Err(ids) => anyhow::bail!(
                "the keys are wrapped by {} master keys, and one is wanted: start the node once, or finish \
                 `voxledger keys rotate`",
                ids.len()
            ),
        };
        let Some(own) = own_master_key(config).filter(|_| wanted) else {
            return Ok(MasterKeyNote { id, included: false });
        };
        let key = MasterKey::read(&own)?;
        anyhow::ensure!(
            key.id() == id,
            "{} is the master key {}, and the keys need {id}; the key is being replaced, or this is another \
             node's: try again, or give the node's own settings",
            own.display(),
            key.id()
        );
        key.write(&self.folder.join(MASTER_KEY))?;
        self.files.push(Entry::of(self.folder, MASTER_KEY, Kind::MasterKey, &[])?);
        Ok(MasterKeyNote { id, included: true })
    }
}

impl Drop for Taking<'_> {
    /// Removes the files of a failed backup; without a manifest they are no backup anyway.
    fn drop(&mut self) {
        if !self.failed {
            return;
        }
        let names =
            [LOG, SEALS, KEYS, MASTER_KEY, "postgres.dump", "log.dump", "keys.dump", "manifest.json.partial"];
        for name in names {
            for suffix in ["", "-journal", "-wal", "-shm"] {
                let _ = fs::remove_file(self.folder.join(format!("{name}{suffix}")));
            }
        }
        if self.made {
            let _ = fs::remove_dir(self.folder);
        }
    }
}

pub(super) fn name_of(part: Part) -> &'static str {
    match part {
        Part::Log => "log",
        Part::Seals => "seals",
        Part::Keys => "keys",
        Part::Views => "views",
        Part::Work => "work",
    }
}

/// The file of the master key that the node created itself, if it uses that one.
pub(super) fn own_master_key(config: &Config) -> Option<PathBuf> {
    let own = config.keys.master_key.is_none() && config.keys.master_key_file.is_none();
    Some(config.storage.master_key_file()).filter(|path| own && path.exists())
}

/// Creates the folder if needed; answers whether it did.
fn make_folder(folder: &Path) -> anyhow::Result<bool> {
    let shown = folder.display();
    let made = !folder.exists();
    create_private_folder(folder).with_context(|| format!("cannot create {shown}"))?;
    let mut entries = fs::read_dir(folder).with_context(|| format!("cannot read {shown}"))?;
    if let Some(entry) = entries.next() {
        let whole = folder.join(super::manifest::NAME).exists();
        let what = if whole { "holds a backup" } else { "is not empty (an interrupted backup, perhaps)" };
        let name = entry.map(|entry| entry.file_name()).unwrap_or_default();
        anyhow::bail!("{shown} {what}: {}; name a new folder, or remove it", name.to_string_lossy());
    }
    tighten(folder).with_context(|| format!("cannot make {shown} private"))?;
    Ok(made)
}

fn report(manifest: &Manifest, folder: &Path, config: &Config) {
    let shown = folder.display();
    let bytes: u64 = manifest.files.iter().map(|file| file.bytes).sum();
    let Log { id, head, recorded_at, .. } = &manifest.log;
    say!(
        "backup of the log {id} up to event {head} of {recorded_at} in {shown} ({} KiB)",
        bytes.div_ceil(1024)
    );
    say!("views and work are not in it: the log makes them again");
    let key = &manifest.master_key;
    if key.included {
        say!(
            "IT HOLDS THE MASTER KEY {}: whoever has this folder can read everything in it. Keep it as you keep the \
             node, or use --without-master-key",
            key.id
        );
    } else {
        let place = match (&config.keys.master_key, &config.keys.master_key_file) {
            (Some(_), _) => "VOXLEDGER_MASTER_KEY".to_owned(),
            (None, Some(path)) => path.display().to_string(),
            (None, None) => config.storage.master_key_file().display().to_string(),
        };
        say!(
            "IT DOES NOT HOLD THE MASTER KEY {} ({place}): keep that apart and safe. Without it no person's data and no \
             secret in this backup can ever be read",
            key.id
        );
    }
    say!(
        "it holds the keys of persons who may be erased later: delete it within {} days \
         (VOXLEDGER_PRIVACY_BACKUP_RETENTION_DAYS)",
        config.privacy.backup_retention.duration().as_secs() / 86_400
    );
}
