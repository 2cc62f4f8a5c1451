//! Restores a backup.

use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};

use adapters::backup::{holds_tables_of, restore_dump};
use adapters::clock::SystemClock;
use adapters::database::{Database, Part, SecretUrl};
use adapters::files::{create_private, create_private_folder, with_companions};
use adapters::ids::RandomIds;
use adapters::keys::MasterKey;
use adapters::privacy::Reapplied;
use anyhow::Context as _;
use domain::ports::clock::Clock as _;
use sha2::{Digest as _, Sha256};

use super::manifest::{Entry, Kind, Manifest, flush_folder};
use super::take::{KEYS, LOG, SEALS, own_master_key};
use crate::out::say;
use crate::stores::node_is_running;
use api_node::config::Config;
use api_node::{
    UNFINISHED_RESTORE, embedded_files, erase_again, keep_newest_head, keys_database, lock_data_dir,
    log_database, master_key, open_keys, open_log, open_private, open_seals, sealed_log, seals_database,
    settle_all,
};

/// Restores the backup in `folder` into the stores that the configuration names.
pub(super) async fn restore(config: &Config, folder: &Path, replace: bool) -> anyhow::Result<()> {
    let manifest = Manifest::checked(folder)?;
    let plan = Plan::of(config, folder, &manifest)?;
    anyhow::ensure!(!node_is_running(config), "a node uses these stores; stop it first");
    let _data_dir = lock_data_dir(&config.storage.data_dir)?;
    let marker = config.storage.data_dir.join(UNFINISHED_RESTORE);
    plan.finish_what_was_cut_off(&marker)?;
    plan.servers_must_be_empty().await?;
    let own_key = key_must_be_there(config, &manifest, replace)?;
    make_room(config, &plan, replace)?;
    write_marker(&marker, &plan)?;
    plan.put_files()?;
    if let Some(entry) = own_key {
        let key = MasterKey::read(&folder.join(&entry.name))?;
        key.write(&config.storage.master_key_file())?;
    }
    plan.restore_dumps().await?;
    if let Database::Postgres(_) = &plan.keys {
        manifest.keys_mark.apply(&plan.keys).await.context("cannot bring the keys back to the log")?;
    }
    let erased = bring_keys_to_the_log(config).await?;
    settle_all(&embedded_files(config)).await;
    fs::remove_file(&marker).with_context(|| format!("cannot remove {}", marker.display()))?;
    flush_folder(&config.storage.data_dir)?;
    report(&manifest, &erased);
    Ok(())
}

/// The files of a backup and their targets.
struct Plan<'a> {
    folder: &'a Path,
    /// Files of the backup, each with its target path.
    files: Vec<(&'a Entry, PathBuf)>,
    dumps: Vec<(&'a Entry, SecretUrl)>,
    keys: Database,
}

impl<'a> Plan<'a> {
    fn of(config: &Config, folder: &'a Path, manifest: &'a Manifest) -> anyhow::Result<Self> {
        let log =
            log_database(config)?.context("the settings name a KurrentDB log; see api/docs/backup.md")?;
        let (seals, keys) = (seals_database(config)?, keys_database(config)?);
        let mut plan = Plan { folder, files: Vec::new(), dumps: Vec::new(), keys: keys.clone() };
        for entry in manifest.of_kind(Kind::Sqlite) {
            let (setting, database) = match entry.name.as_str() {
                LOG => ("VOXLEDGER_EVENT_STORE", &log),
                SEALS => ("VOXLEDGER_EVENT_STORE", &seals),
                KEYS => ("VOXLEDGER_KEY_STORE", &keys),
                other => anyhow::bail!("the backup holds {other}, which this version does not know"),
            };
            let Database::Sqlite(path) = database else {
                anyhow::bail!("{} is a SQLite database, and {setting} names PostgreSQL", entry.name);
            };
            plan.files.push((entry, path.clone()));
        }
        for entry in manifest.of_kind(Kind::PgDump) {
            let database = if entry.stores.iter().any(|store| store == "log") { &log } else { &keys };
            let Database::Postgres(url) = database else {
                anyhow::bail!("{} is of PostgreSQL, and the settings name SQLite for it", entry.name);
            };
            anyhow::ensure!(
                entry.stores.len() < 3 || log == keys,
                "the backup has log and keys of one database, and the settings name two"
            );
            plan.dumps.push((entry, url.clone()));
        }
        let held =
            |store: &str| manifest.files.iter().any(|entry| entry.stores.iter().any(|held| held == store));
        anyhow::ensure!(held("log") && held("keys"), "the backup lacks the log or the keys; take another");
        Ok(plan)
    }

    /// Removes files that an earlier, interrupted restore put in place.
    fn finish_what_was_cut_off(&self, marker: &Path) -> anyhow::Result<()> {
        let Ok(text) = fs::read_to_string(marker) else { return Ok(()) };
        say!("an earlier restore was cut off; it begins anew");
        for line in text.lines() {
            for name in with_companions(Path::new(line)) {
                fs::remove_file(&name).with_context(|| format!("cannot remove {}", name.display()))?;
            }
        }
        Ok(())
    }

    async fn servers_must_be_empty(&self) -> anyhow::Result<()> {
        for (entry, url) in &self.dumps {
            let parts: Vec<Part> = [("log", Part::Log), ("seals", Part::Seals), ("keys", Part::Keys)]
                .into_iter()
                .filter(|(store, _)| entry.stores.iter().any(|held| held == store))
                .map(|(_, part)| part)
                .chain([Part::Views, Part::Work])
                .collect();
            let tables = holds_tables_of(url, &parts).await?;
            anyhow::ensure!(
                tables.is_empty(),
                "{url} has tables of a node already ({}): create an empty database and name that; nothing is \
                 replaced on a server",
                tables.join(", ")
            );
        }
        Ok(())
    }

    /// Puts the files in place, each under another name first: a store is there whole or not at all.
    fn put_files(&self) -> anyhow::Result<()> {
        let mut placed = Vec::new();
        for (entry, path) in &self.files {
            if let Some(folder) = parent(path) {
                create_private_folder(folder)
                    .with_context(|| format!("cannot create {}", folder.display()))?;
            }
            let partial = path.with_extension("restoring");
            let _ = fs::remove_file(&partial);
            let copied = copy(&self.folder.join(&entry.name), &partial);
            let sha256 = copied.with_context(|| format!("cannot write {}", partial.display()))?;
            anyhow::ensure!(sha256 == entry.sha256, "{} changed while it was read; try again", entry.name);
            placed.push((partial, path));
        }
        for (partial, path) in placed {
            fs::rename(&partial, path).with_context(|| format!("cannot put {} in place", path.display()))?;
            if let Some(folder) = parent(path) {
                flush_folder(folder)?;
            }
        }
        Ok(())
    }

    async fn restore_dumps(&self) -> anyhow::Result<()> {
        for (entry, url) in &self.dumps {
            let dump = self.folder.join(&entry.name);
            restore_dump(url, &dump)
                .await
                .with_context(|| format!("cannot restore {} into {url}", entry.name))?;
        }
        Ok(())
    }
}

fn parent(path: &Path) -> Option<&Path> {
    path.parent().filter(|folder| !folder.as_os_str().is_empty())
}

/// Copies and flushes a file; answers the SHA-256 of the copy.
fn copy(from: &Path, to: &Path) -> std::io::Result<String> {
    let (mut from, mut to, mut hash) = (File::open(from)?, create_private(to)?, Sha256::new());
    let mut buffer = vec![0; 1 << 20];
    loop {
        let read = from.read(&mut buffer)?;
        if read == 0 {
            break;
        }
        hash.update(&buffer[..read]);
        to.write_all(&buffer[..read])?;
    }
    to.sync_all()?;
    Ok(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

/// The entry of the master key, if it must be put into the data folder.
fn key_must_be_there<'a>(
    config: &Config,
    manifest: &'a Manifest,
    replace: bool,
) -> anyhow::Result<Option<&'a Entry>> {
    let wanted = &manifest.master_key.id;
    let set_by_operator = config.keys.master_key.is_some() || config.keys.master_key_file.is_some();
    let included = manifest.of_kind(Kind::MasterKey).next();
    if set_by_operator || own_master_key(config).is_some() {
        let here = master_key(config, &RandomIds)?;
        if here.id() == wanted {
            return Ok(None);
        }
        anyhow::ensure!(
            !set_by_operator && included.is_some() && replace,
            "the master key here is {}, and the keys of the backup need {wanted}: set VOXLEDGER_MASTER_KEY or \
             VOXLEDGER_MASTER_KEY_FILE to that one{}",
            here.id(),
            if included.is_some() { ", or give --replace to take the one in the backup" } else { "" }
        );
        return Ok(included);
    }
    anyhow::ensure!(
        included.is_some(),
        "the backup does not hold its master key {wanted}, and there is none here: set VOXLEDGER_MASTER_KEY or \
         VOXLEDGER_MASTER_KEY_FILE to it, or put it into {}",
        config.storage.master_key_file().display()
    );
    Ok(included)
}

/// Moves existing stores aside if `replace` is set; fails when there are any otherwise.
fn make_room(config: &Config, plan: &Plan<'_>, replace: bool) -> anyhow::Result<()> {
    let mut there: Vec<PathBuf> = Vec::new();
    let stores = embedded_files(config).into_iter().map(|(_, path)| path);
    for path in stores.chain(plan.files.iter().map(|(_, path)| path.clone())) {
        for name in with_companions(&path) {
            if !there.contains(&name) {
                there.push(name);
            }
        }
    }
    if there.is_empty() {
        return Ok(());
    }
    let shown = there.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ");
    anyhow::ensure!(
        replace,
        "there are stores already: {shown}; give --replace to move them aside, or VOXLEDGER_DATA_DIR another folder"
    );
    let own_key = config.storage.master_key_file();
    if own_master_key(config).is_some() {
        let here = MasterKey::read(&own_key)?;
        let included = plan.folder.join(super::take::MASTER_KEY);
        if included.exists() && MasterKey::read(&included)?.id() != here.id() {
            there.push(own_key);
        }
    }
    let stamp = SystemClock.now().format("%Y%m%dT%H%M%S%.3fZ").to_string();
    for path in there {
        let aside = parent(&path).unwrap_or(Path::new(".")).join(format!("replaced-{stamp}"));
        create_private_folder(&aside).with_context(|| format!("cannot create {}", aside.display()))?;
        let target = aside.join(path.file_name().unwrap_or_default());
        fs::rename(&path, &target).with_context(|| format!("cannot move {} aside", path.display()))?;
        say!("moved {} to {}", path.display(), target.display());
    }
    say!("what was moved holds keys: delete it once you are sure that you do not need it");
    Ok(())
}

/// Writes the marker file, which keeps a node from starting during the restore.
fn write_marker(marker: &Path, plan: &Plan<'_>) -> anyhow::Result<()> {
    let written = || -> std::io::Result<()> {
        let _ = fs::remove_file(marker);
        let mut file = create_private(marker)?;
        for (_, path) in &plan.files {
            writeln!(file, "{}", std::path::absolute(path)?.display())?;
        }
        file.sync_all()?;
        parent(marker).map_or(Ok(()), flush_folder)
    };
    written().with_context(|| format!("cannot write {}", marker.display()))
}

/// Repeats erasures that are in the log but not in the keys; copies taken together have none.
async fn bring_keys_to_the_log(config: &Config) -> anyhow::Result<Reapplied> {
    let log = open_log(config, false).await?;
    let (private, vault) = open_private(config, &log, false).await?;
    let (keys, seals) = (open_keys(config).await?, open_seals(config).await?);
    let done = async {
        let erased = erase_again(&private, &keys, None).await?;
        keep_newest_head(&sealed_log(&log, &seals, &vault).await?).await?;
        Ok(erased)
    }
    .await;
    seals.close().await;
    keys.close().await;
    log.close().await;
    done.map_err(|error: anyhow::Error| error.context("the restore is not done; run the same command again"))
}

fn report(manifest: &Manifest, erased: &Reapplied) {
    let log = &manifest.log;
    say!("restored the log {} up to event {} of {}", log.id, log.head, log.recorded_at);
    if !erased.is_nothing() {
        say!(
            "erasures applied again: {} keys of persons destroyed, {} jobs go on when the node starts",
            erased.keys,
            erased.jobs
        );
    }
    say!("next: `voxledger audit verify`, then start the node; it makes views and work again from the log");
}
