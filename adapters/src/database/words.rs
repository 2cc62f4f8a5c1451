//! Translates driver errors into messages that say what to do; never a bare code.

use std::error::Error;
use std::io;

use sqlx::migrate::MigrateError;
use sqlx::postgres::PgDatabaseError;
use sqlx::sqlite::SqliteError;

/// What happened and what to do about it. Contains no row values: the details that a server adds are left out.
#[must_use]
pub fn in_words(error: &sqlx::Error) -> String {
    match error {
        sqlx::Error::Database(error) => {
            if let Some(error) = error.try_downcast_ref::<PgDatabaseError>() {
                of_postgres(error.code(), error.message())
            } else if let Some(code) = error.try_downcast_ref::<SqliteError>().and_then(code_of) {
                of_sqlite(code, error.message())
            } else {
                error.message().to_owned()
            }
        }
        sqlx::Error::Io(error) => of_io(error),
        sqlx::Error::Tls(error) => {
            format!("the database server and this node agree on no TLS connection: {error}")
        }
        sqlx::Error::PoolTimedOut => "every connection to the database is busy; try again later".to_owned(),
        sqlx::Error::PoolClosed => "the store is closed".to_owned(),
        sqlx::Error::WorkerCrashed => "the connection to the database broke off".to_owned(),
        sqlx::Error::Migrate(error) => of_migration(error),
        sqlx::Error::Protocol(text) => text.clone(),
        sqlx::Error::Configuration(error) => {
            let error: &(dyn Error + 'static) = &**error;
            chain_in_words(error)
        }
        error => error.to_string(),
    }
}

/// An error and its causes, joined by `: `; a database driver's error as [`in_words`] puts it.
#[must_use]
pub fn chain_in_words(error: &(dyn Error + 'static)) -> String {
    let mut text = String::new();
    let mut next = Some(error);
    while let Some(error) = next {
        let (words, last) = if let Some(error) = error.downcast_ref::<sqlx::Error>() {
            (in_words(error), true)
        } else if let Some(error) = error.downcast_ref::<MigrateError>() {
            (of_migration(error), true)
        } else {
            (error.to_string(), false)
        };
        if !text.is_empty() {
            text.push_str(": ");
        }
        text.push_str(&words);
        next = if last { None } else { error.source() };
    }
    text
}

fn code_of(error: &SqliteError) -> Option<u32> {
    sqlx::error::DatabaseError::code(error)?.parse().ok()
}

/// SQLite's extended result code, if the error is SQLite's.
pub(super) fn sqlite_code(error: &sqlx::Error) -> Option<u32> {
    error.as_database_error()?.try_downcast_ref::<SqliteError>().and_then(code_of)
}

fn of_sqlite(extended: u32, message: &str) -> String {
    let words = match (extended & 0xff, extended) {
        (13, _) => "the disk is full, or the file has reached its limit; make room",
        // SQLITE_IOERR_WRITE, _FSYNC, _DIR_FSYNC, _TRUNCATE, _SHMSIZE
        (10, 778 | 1034 | 1290 | 1546 | 4874) => {
            "the disk does not take what is written (full, broken, or a limit on the size of files); make room, \
             and look at the system's log"
        }
        (10, _) => "the disk cannot be read or written; look at the system's log",
        (11, _) => {
            return format!("the file is damaged ({message}); `voxledger doctor` says which, and what to do");
        }
        (26, _) => {
            "the file is not a database, or its beginning is damaged; `voxledger doctor` says which, and what to do"
        }
        (5 | 6, _) => {
            "the database is locked by another process; stop what uses it (a second node, an open `sqlite3`), or \
             try again"
        }
        (8, _) => "the file may not be written; check its owner and mode, and whether its disk is read-only",
        (14, _) => "the file cannot be opened; check that it and its folder exist, and their owner and mode",
        (3 | 23, _) => "the file may not be used; check its owner and mode",
        (7, _) => "there is not enough memory",
        (1, _) if message.starts_with("no such table") || message.starts_with("no such column") => {
            return format!("the schema is not up to date ({message}); `voxledger migrate status` shows it");
        }
        _ => return message.to_owned(),
    };
    words.to_owned()
}

fn of_postgres(code: &str, message: &str) -> String {
    let words = match code {
        "53100" => "the disk of the database server is full; make room there",
        "53200" => "the database server has not enough memory",
        "53300" => {
            "the database server has no connection left; raise its max_connections, or start fewer nodes"
        }
        "57P01" | "57P02" => "the database server is stopping",
        "57P03" => "the database server is starting or stopping; try again",
        "57014" => "the database server gave up: it took too long",
        "55P03" | "40P01" => "the database is locked by another transaction; try again",
        "25006" => "the database server takes no writes: it is a replica or set to read only",
        "28P01" | "28000" => "the database server does not accept this role or password; correct the address",
        "3D000" => "there is no such database on the server; create it, or correct the address",
        "42P01" | "42703" => {
            return format!("the schema is not up to date ({message}); `voxledger migrate status` shows it");
        }
        "42501" => {
            return format!(
                "the role of the node may not do this ({message}); grant it, or use the owner's role"
            );
        }
        "XX001" | "XX002" => {
            return format!("the database is damaged ({message}); restore it, or ask who runs the server");
        }
        _ => return message.to_owned(),
    };
    words.to_owned()
}

fn of_io(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::StorageFull => "the disk is full; make room".to_owned(),
        // a migration of this program
        _ if error.get_ref().is_some_and(|error| !error.is::<io::Error>())
            && error.raw_os_error().is_none() =>
        {
            error.to_string()
        }
        io::ErrorKind::NotFound => "the file or its folder does not exist".to_owned(),
        io::ErrorKind::PermissionDenied => "the file may not be used; check its owner and mode".to_owned(),
        _ => format!("the database server cannot be reached: {error}"),
    }
}

fn of_migration(error: &MigrateError) -> String {
    match error {
        MigrateError::Execute(error) => in_words(error),
        MigrateError::ExecuteMigration(error, step) => {
            format!("step {step} of the schema failed: {}", in_words(error))
        }
        MigrateError::VersionMissing(step) => newer(*step, None),
        MigrateError::VersionMismatch(step) => {
            format!(
                "step {step} of the schema is not this version's; it was changed by hand or by another build"
            )
        }
        MigrateError::Dirty(step) => {
            format!("step {step} of the schema was begun and never finished; restore the store from a backup")
        }
        error => error.to_string(),
    }
}

/// What to do about a schema of a newer version; `by` is the version that migrated it, where known.
pub(super) fn newer(step: i64, by: Option<&str>) -> String {
    match by {
        Some(by) => format!(
            "the schema is newer than this version of voxledger ({}): step {step} was made by {by}; use version >= {by}",
            env!("CARGO_PKG_VERSION")
        ),
        None => format!(
            "the schema is newer than this version of voxledger ({}): it has step {step}; use the version that ran \
             last, or a newer one",
            env!("CARGO_PKG_VERSION")
        ),
    }
}
