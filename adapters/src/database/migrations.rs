//! Schema migrations, embedded in the binary.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sqlx::migrate::{Migrate, MigrateError, Migration, MigrationType, Migrator};
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, SqlSafeStr};

use super::address::Database;
use super::holders::lock_holders;
use super::words::{newer, sqlite_code};
use crate::files::create_private;

/// How long a statement waits for a lock another process holds.
const BUSY: Duration = Duration::from_secs(5);

/// A group of tables with its own migrations and its own table that records the applied ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The event log. It cannot be rebuilt from anything.
    Log,
    /// The read models. They can be rebuilt from the log.
    Views,
    /// The outbox, timers, deliveries and their leases. They can be rebuilt from the log.
    Work,
    /// Encryption keys, and other data that can neither be rebuilt nor is kept for ever.
    Keys,
    /// The Merkle tree over the log. It can be rebuilt from the log.
    Seals,
}

impl Part {
    /// Name in log lines and traces.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Log => "log",
            Self::Views => "views",
            Self::Work => "work",
            Self::Keys => "keys",
            Self::Seals => "seals",
        }
    }
}

#[derive(Debug, thiserror::Error)]
pub enum MigrationError {
    /// The database could not be reached.
    #[error("cannot reach the database")]
    Database(#[from] sqlx::Error),
    /// A migration failed, or an applied migration differs from the one in this build.
    #[error("cannot migrate the database")]
    Migration(#[from] MigrateError),
    /// Another process holds a lock on the file.
    #[error("{} is locked by {}; stop that, or try again", .path.display(), by_whom(.by))]
    Locked {
        path: PathBuf,
        /// The processes that hold a lock, where the operating system names them.
        by: Vec<String>,
    },
    /// A newer version of this program migrated the database.
    #[error("{}", newer(*step, by.as_deref()))]
    Newer {
        /// Number of the first migration that this build does not know.
        step: i64,
        /// The program version that applied the newest migration; `None` when it recorded none.
        by: Option<String>,
    },
    /// Migrating down would destroy data that cannot be rebuilt.
    #[error("there are {rows} {what}; going down would destroy them, so move the database away instead")]
    NotEmpty {
        rows: i64,
        /// What the rows are, for example `events`.
        what: &'static str,
    },
}

fn by_whom(holders: &[String]) -> String {
    match holders {
        [] => "another process".to_owned(),
        holders => holders.join(", "),
    }
}

/// A migration and where it is known: in the database, in this build, or in both.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MigrationStatus {
    pub version: i64,
    pub description: String,
    /// Whether the database has this migration applied.
    pub applied: bool,
    /// Whether this build contains this migration.
    pub known: bool,
    /// The program version that applied it; `None` when it is not applied, or a version did so that
    /// did not record itself.
    pub by: Option<String>,
}

/// What to do when a newer version migrated the database; `None` when none did.
#[must_use]
pub fn newer_schema(steps: &[MigrationStatus]) -> Option<String> {
    let first = steps.iter().filter(|step| !step.known).map(|step| step.version).min()?;
    let by = steps.iter().filter(|step| !step.known).max_by_key(|step| step.version);
    Some(newer(first, by.and_then(|step| step.by.as_deref())))
}

/// Embeds the migrations of one folder, by number and name.
macro_rules! migrations {
    ($folder:literal: $($version:literal $name:literal),* $(,)?) => {
        vec![$(
            migration!($folder, $version, $name, ".up.sql", MigrationType::ReversibleUp),
            migration!($folder, $version, $name, ".down.sql", MigrationType::ReversibleDown),
        )*]
    };
}

macro_rules! migration {
    ($folder:literal, $version:literal, $name:literal, $suffix:literal, $kind:expr) => {
        Migration::new(
            $version,
            described($name).into(),
            $kind,
            include_str!(concat!("../../../migrations/", $folder, "/", $name, $suffix)).into_sql_str(),
            false,
        )
    };
}

/// The description that a migration gets in the database: its name and this program's version.
fn described(name: &str) -> String {
    let about = name.split_once('_').map_or(name, |(_, description)| description).replace('_', " ");
    format!("{about}{BY}{}", env!("CARGO_PKG_VERSION"))
}

/// Separates the migration's name from the version that applied it.
const BY: &str = ", by ";

fn about_and_by(description: &str) -> (String, Option<String>) {
    match description.split_once(BY) {
        Some((about, by)) => (about.to_owned(), Some(by.to_owned())),
        None => (description.to_owned(), None),
    }
}

impl Part {
    fn sqlite(self) -> Migrator {
        self.migrator(match self {
            Part::Log => migrations!["sqlite/log": 1 "0001_events"],
            Part::Views => migrations!["sqlite/views":
                1 "0001_views", 2 "0002_row_level_security", 3 "0003_identity", 4 "0004_audit_log",
                5 "0005_webhooks", 6 "0006_ivr", 7 "0007_tallies", 8 "0008_blind_index", 9 "0009_conversations",
                10 "0010_conversation_sums", 11 "0011_sketches", 12 "0012_work_apart", 13 "0013_said",
                14 "0014_call_search", 15 "0015_conversation_user", 16 "0016_tools_signed",
                17 "0017_customers", 18 "0018_index", 19 "0019_memories", 20 "0020_knowledge", 22 "0022_billing",
                25 "0025_billing_matches", 26 "0026_unanswered",
            ],
            Part::Work => migrations!["sqlite/work": 1 "0001_work", 2 "0002_snapshots"],
            Part::Keys => migrations!["sqlite/keys":
                1 "0001_keys", 2 "0002_idempotency_keys", 3 "0003_limits", 4 "0004_subject_keys",
                5 "0005_subject_key_indexes", 6 "0006_key_nodes", 7 "0007_log", 12 "0012_kept_head",
                13 "0013_idempotency_holder",
            ],
            Part::Seals => migrations!["sqlite/seals": 1 "0001_seals", 2 "0002_superseded"],
        })
    }

    fn postgres(self) -> Migrator {
        self.migrator(match self {
            Part::Log => migrations!["postgres/log": 1 "0001_events"],
            Part::Views => migrations!["postgres/views":
                1 "0001_views", 2 "0002_row_level_security", 3 "0003_identity", 4 "0004_audit_log",
                5 "0005_webhooks", 6 "0006_ivr", 7 "0007_tallies", 8 "0008_blind_index", 9 "0009_conversations",
                10 "0010_conversation_sums", 11 "0011_sketches", 12 "0012_work_apart", 13 "0013_said",
                14 "0014_call_search", 15 "0015_conversation_user", 16 "0016_tools_signed",
                17 "0017_customers", 18 "0018_index", 19 "0019_memories", 20 "0020_knowledge", 22 "0022_billing",
                25 "0025_billing_matches", 26 "0026_unanswered",
            ],
            Part::Work => migrations!["postgres/work": 1 "0001_work", 2 "0002_snapshots"],
            Part::Keys => migrations!["postgres/keys":
                1 "0001_keys", 2 "0002_idempotency_keys", 3 "0003_limits", 4 "0004_subject_keys",
                5 "0005_subject_key_indexes", 6 "0006_key_nodes", 7 "0007_log", 12 "0012_kept_head",
                13 "0013_idempotency_holder",
            ],
            Part::Seals => migrations!["postgres/seals": 1 "0001_seals", 2 "0002_superseded"],
        })
    }

    /// What cannot be rebuilt once `newest` is applied, and the SQL that counts it.
    fn irreplaceable(self, newest: i64) -> Option<(&'static str, &'static str)> {
        match self {
            Part::Log => Some(("events", "SELECT count(*) FROM events")),
            Part::Seals if newest >= 2 => {
                Some(("heads that were put aside", "SELECT count(*) FROM superseded_heads"))
            }
            Part::Views | Part::Work | Part::Seals => None,
            Part::Keys => Some(("encryption keys", "SELECT count(*) FROM data_keys")),
        }
    }

    fn migrator(self, migrations: Vec<Migration>) -> Migrator {
        let mut migrator = Migrator::with_migrations(migrations);
        migrator.dangerous_set_table_name(self.table());
        migrator
    }

    /// Every table that the migrations of this part ever created on PostgreSQL.
    pub(crate) fn tables(self) -> Vec<String> {
        let migrator = self.postgres();
        let ups = migrator.iter().filter(|migration| migration.migration_type.is_up_migration());
        let mut tables = vec![self.table().to_owned()];
        for migration in ups {
            for mark in ["CREATE TABLE ", "RENAME TO "] {
                let names = migration.sql.as_str().split(mark).skip(1);
                tables.extend(names.filter_map(|rest| {
                    let rest = rest.trim_start_matches("IF NOT EXISTS ");
                    rest.split(|end: char| !end.is_ascii_alphanumeric() && end != '_')
                        .next()
                        .map(str::to_owned)
                }));
            }
        }
        tables
    }

    /// Selects the applied migrations with their descriptions.
    fn applied(self) -> AssertSqlSafe<String> {
        AssertSqlSafe(format!("SELECT version, description FROM {} ORDER BY version", self.table()))
    }

    /// Selects the description of the newest applied migration.
    fn newest(self) -> AssertSqlSafe<String> {
        AssertSqlSafe(format!("SELECT description FROM {} ORDER BY version DESC LIMIT 1", self.table()))
    }

    /// The table that records the applied migrations.
    fn table(self) -> &'static str {
        match self {
            Part::Log => "_voxledger_log_migrations",
            Part::Views => "_voxledger_views_migrations",
            Part::Work => "_voxledger_work_migrations",
            Part::Keys => "_voxledger_keys_migrations",
            Part::Seals => "_voxledger_seals_migrations",
        }
    }
}

/// Applies the missing migrations. Fails when the database cannot be reached, a migration fails, or the schema is
/// newer than this build.
pub async fn migrate_up(database: &Database, part: Part) -> Result<(), MigrationError> {
    match database {
        Database::Sqlite(path) => migrate_sqlite(path, part).await,
        Database::Postgres(url) => migrate_postgres(url.options()?, part).await,
    }
}

/// Reverts the newest `steps` migrations. Fails as [`migrate_up`], and with [`MigrationError::NotEmpty`] when the
/// part holds data that cannot be rebuilt.
pub async fn migrate_down(database: &Database, part: Part, steps: usize) -> Result<(), MigrationError> {
    match database {
        Database::Sqlite(path) => {
            let mut connection = sqlite(path).connect().await?;
            down(&mut connection, part, &part.sqlite(), steps, count_sqlite).await?;
            connection.close().await?;
        }
        Database::Postgres(url) => {
            let mut connection = url.options()?.connect().await?;
            down(&mut connection, part, &part.postgres(), steps, count_postgres).await?;
            connection.close().await?;
        }
    }
    Ok(())
}

/// The migrations of this build, oldest first, with whether each is applied; then the applied ones that this build
/// does not know. Creates and changes nothing: a database that does not exist has no migration applied. Fails when
/// the database cannot be reached.
pub async fn migration_status(
    database: &Database,
    part: Part,
) -> Result<Vec<MigrationStatus>, MigrationError> {
    match database {
        Database::Sqlite(path) if !path.exists() => Ok(status(&part.sqlite(), &[])),
        Database::Sqlite(path) => {
            let options = SqliteConnectOptions::new().filename(path).read_only(true).busy_timeout(BUSY);
            let mut connection = options.connect().await?;
            let table = sqlx::query_scalar("SELECT count(*) > 0 FROM sqlite_master WHERE name = $1");
            let exists = table.bind(part.table()).fetch_one(&mut connection).await?;
            let applied = match exists {
                true => sqlx::query_as(part.applied()).fetch_all(&mut connection).await?,
                false => Vec::new(),
            };
            connection.close().await?;
            Ok(status(&part.sqlite(), &applied))
        }
        Database::Postgres(url) => {
            let mut connection = url.options()?.connect().await?;
            let table = sqlx::query_scalar("SELECT to_regclass($1) IS NOT NULL");
            let exists = table.bind(part.table()).fetch_one(&mut connection).await?;
            let applied = match exists {
                true => sqlx::query_as(part.applied()).fetch_all(&mut connection).await?,
                false => Vec::new(),
            };
            connection.close().await?;
            Ok(status(&part.postgres(), &applied))
        }
    }
}

/// Applies the missing migrations to the file at `path`, creating the file if needed. Fails as [`migrate_up`].
pub async fn migrate_sqlite(path: &Path, part: Part) -> Result<(), MigrationError> {
    // SQLite gives a new file the umask's mode, and the files beside it the mode of the database
    if !path.exists() {
        match create_private(path) {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => {
                return Err(sqlx::Error::Io(error).into());
            }
            _ => {}
        }
    }
    let migrated = migrate_file(path, part).await;
    migrated.map_err(|error| match &error {
        MigrationError::Database(cause)
        | MigrationError::Migration(
            MigrateError::Execute(cause) | MigrateError::ExecuteMigration(cause, _),
        ) if is_busy(cause) => MigrationError::Locked { path: path.to_owned(), by: lock_holders(path) },
        _ => error,
    })
}

async fn migrate_file(path: &Path, part: Part) -> Result<(), MigrationError> {
    let mut connection = sqlite(path).connect().await?;
    match part.sqlite().run_direct(None, &mut connection, false).await {
        Err(MigrateError::VersionMissing(step)) => {
            let by = sqlx::query_scalar(part.newest()).fetch_optional(&mut connection).await?;
            Err(of_newer(step, by))
        }
        Err(error) => Err(error.into()),
        Ok(()) => Ok(connection.close().await?),
    }
}

/// Applies the missing migrations on a server. Nodes that do so at once take turns. Fails as [`migrate_up`].
pub async fn migrate_postgres(options: PgConnectOptions, part: Part) -> Result<(), MigrationError> {
    let mut connection = options.connect().await?;
    if is_current(&mut connection, part).await? {
        return Ok(connection.close().await?);
    }
    match part.postgres().run_direct(None, &mut connection, false).await {
        Err(MigrateError::VersionMissing(step)) => {
            let by = sqlx::query_scalar(part.newest()).fetch_optional(&mut connection).await?;
            Err(of_newer(step, by))
        }
        Err(error) => Err(error.into()),
        Ok(()) => Ok(connection.close().await?),
    }
}

fn is_busy(error: &sqlx::Error) -> bool {
    sqlite_code(error).is_some_and(|code| code & 0xff == 5)
}

fn of_newer(step: i64, description: Option<String>) -> MigrationError {
    MigrationError::Newer { step, by: description.and_then(|description| about_and_by(&description).1) }
}

/// Whether no migration is missing; a role that may not migrate can ask this, too.
async fn is_current(connection: &mut PgConnection, part: Part) -> Result<bool, MigrationError> {
    let exists = sqlx::query_scalar("SELECT to_regclass($1) IS NOT NULL").bind(part.table());
    if !exists.fetch_one(&mut *connection).await? {
        return Ok(false);
    }
    let applied = connection.list_applied_migrations(part.table()).await?;
    let migrator = part.postgres();
    let ups: Vec<_> = migrator.iter().filter(|step| step.migration_type.is_up_migration()).collect();
    let same = |step: &&Migration| {
        applied.iter().any(|done| done.version == step.version && done.checksum == step.checksum)
    };
    Ok(applied.len() == ups.len() && ups.iter().all(same))
}

fn sqlite(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .busy_timeout(BUSY)
}

async fn count_sqlite(connection: &mut SqliteConnection, sql: &'static str) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar(sql).fetch_one(connection).await
}

async fn count_postgres(connection: &mut PgConnection, sql: &'static str) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar(sql).fetch_one(connection).await
}

async fn applied<C: Migrate>(connection: &mut C, part: Part) -> Result<Vec<i64>, MigrationError> {
    let applied = connection.list_applied_migrations(part.table()).await?;
    Ok(applied.iter().map(|migration| migration.version).collect())
}

async fn down<C: Migrate>(
    connection: &mut C,
    part: Part,
    migrator: &Migrator,
    steps: usize,
    count: impl AsyncFn(&mut C, &'static str) -> Result<i64, sqlx::Error>,
) -> Result<(), MigrationError> {
    connection.lock().await?;
    connection.ensure_migrations_table(part.table()).await?;
    let mut applied = applied(connection, part).await?;
    applied.sort_unstable();
    let newest = applied.last().copied().unwrap_or_default();
    if let Some((what, sql)) = part.irreplaceable(newest).filter(|_| !applied.is_empty() && steps > 0) {
        let rows = count(connection, sql).await?;
        if rows > 0 {
            connection.unlock().await?;
            return Err(MigrationError::NotEmpty { rows, what });
        }
    }
    for version in applied.iter().rev().take(steps) {
        let downs = migrator.iter().filter(|migration| migration.migration_type.is_down_migration());
        if let Some(migration) = downs.into_iter().find(|migration| migration.version == *version) {
            connection.revert(part.table(), migration).await?;
        }
    }
    connection.unlock().await?;
    Ok(())
}

fn status(migrator: &Migrator, applied: &[(i64, String)]) -> Vec<MigrationStatus> {
    let by = |version: i64| {
        let found = applied.iter().find(|(applied, _)| *applied == version);
        found.and_then(|(_, description)| about_and_by(description).1)
    };
    let ups = migrator.iter().filter(|migration| migration.migration_type.is_up_migration());
    let mut statuses: Vec<_> = ups
        .map(|migration| MigrationStatus {
            version: migration.version,
            description: about_and_by(&migration.description).0,
            applied: applied.iter().any(|(version, _)| *version == migration.version),
            known: true,
            by: by(migration.version),
        })
        .collect();
    let unknown = applied.iter().filter(|(version, _)| !migrator.version_exists(*version));
    statuses.extend(unknown.map(|(version, _)| MigrationStatus {
        version: *version,
        description: "of a newer version".to_owned(),
        applied: true,
        known: false,
        by: by(*version),
    }));
    statuses
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_file_of_a_folder_is_embedded_and_both_dialects_have_the_same() {
        let parts = [
            (Part::Log, "log"),
            (Part::Views, "views"),
            (Part::Work, "work"),
            (Part::Keys, "keys"),
            (Part::Seals, "seals"),
        ];
        for (part, folder) in parts {
            for (dialect, migrator) in [("sqlite", part.sqlite()), ("postgres", part.postgres())] {
                let folder =
                    Path::new(env!("CARGO_MANIFEST_DIR")).join("../migrations").join(dialect).join(folder);
                let files = std::fs::read_dir(&folder).map_or(0, |files| files.count());
                assert_eq!(migrator.iter().count(), files, "{}", folder.display());
            }
            let names = |migrator: Migrator| {
                migrator.iter().map(|m| (m.version, m.description.to_string())).collect::<BTreeSet<_>>()
            };
            assert_eq!(names(part.sqlite()), names(part.postgres()));
        }
    }
}
