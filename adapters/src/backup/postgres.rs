//! Dumps of a PostgreSQL database, by `pg_dump` and `pg_restore`.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::io;
use std::path::Path;
use std::process::{Command, Stdio};

use sqlx::postgres::PgConnection;
use sqlx::{ConnectOptions as _, Connection as _, Executor as _, Row as _};
use uuid::Uuid;

use super::LogSummary;
use crate::database::{Part, SecretUrl};

/// A PostgreSQL program with its arguments.
#[derive(Debug, Clone)]
pub struct PgTool {
    program: &'static str,
    arguments: Vec<String>,
    /// Address of the database without its password.
    address: String,
    password: Option<String>,
}

#[derive(Debug, thiserror::Error)]
pub enum DumpError {
    /// The server refused, or cannot be reached.
    #[error("cannot look at the database")]
    Database(#[from] sqlx::Error),
    /// The program is not installed here.
    #[error("{0} is not installed here")]
    Missing(&'static str),
    /// The program could not be run.
    #[error("cannot run {0}")]
    Run(&'static str, #[source] io::Error),
    /// The program ended with a failure status.
    #[error("{program} failed: {said}")]
    Failed {
        /// Name of the program, for example `pg_dump`.
        program: &'static str,
        /// What the program printed on stderr.
        said: String,
    },
}

impl PgTool {
    fn new(program: &'static str, url: &SecretUrl, arguments: Vec<String>) -> Result<Self, sqlx::Error> {
        let mut address = url.options()?.to_url_lossy();
        let password = address
            .password()
            .map(|text| percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned());
        // without a password there is nothing to take out
        let _ = address.set_password(None);
        // parameters that only the driver knows are errors to the tool
        let known = |(name, _): &(std::borrow::Cow<'_, str>, _)| {
            matches!(
                &**name,
                "host" | "hostaddr" | "sslmode" | "sslrootcert" | "sslcert" | "sslkey" | "options"
            )
        };
        let kept: Vec<(String, String)> =
            address.query_pairs().filter(known).map(|(name, value)| (name.into(), value.into())).collect();
        address.set_query(None);
        if !kept.is_empty() {
            address.query_pairs_mut().extend_pairs(kept);
        }
        Ok(Self { program, arguments, address: address.into(), password })
    }

    /// The command line as a person would type it, without the password, which belongs in `PGPASSWORD` or `~/.pgpass`.
    #[must_use]
    pub fn typed(&self) -> String {
        let arguments =
            self.arguments.iter().map(|argument| match argument.contains([' ', '\'', '"', '$']) {
                true => format!("'{}'", argument.replace('\'', r"'\''")),
                false => argument.clone(),
            });
        format!("{} {} --dbname='{}'", self.program, arguments.collect::<Vec<_>>().join(" "), self.address)
    }

    async fn run(self, more: Vec<OsString>) -> Result<(), DumpError> {
        let program = self.program;
        let run = tokio::task::spawn_blocking(move || {
            let mut command = Command::new(program);
            command.args(&self.arguments).arg(format!("--dbname={}", self.address)).args(more);
            command.stdin(Stdio::null());
            if let Some(password) = &self.password {
                command.env("PGPASSWORD", password);
            }
            command.output()
        });
        let output = match run.await {
            Ok(Ok(output)) => output,
            Ok(Err(error)) if error.kind() == io::ErrorKind::NotFound => {
                return Err(DumpError::Missing(program));
            }
            Ok(Err(error)) => return Err(DumpError::Run(program, error)),
            Err(error) => return Err(DumpError::Run(program, io::Error::other(error))),
        };
        match output.status.success() {
            true => Ok(()),
            false => {
                let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
                Err(DumpError::Failed { program, said })
            }
        }
    }
}

/// A snapshot of a database at one moment, held open until the dump ends.
#[derive(Debug)]
pub struct Snapshot {
    url: SecretUrl,
    connection: PgConnection,
    id: String,
    parts: Vec<Part>,
}

impl Snapshot {
    /// Takes a snapshot of `parts`, all as of the same moment. Fails when the server refuses.
    pub async fn of(url: &SecretUrl, parts: &[Part]) -> Result<Self, DumpError> {
        let options = url.options()?.disable_statement_logging().application_name("voxledger-backup");
        let mut connection = options.connect().await?;
        connection.execute("SET idle_in_transaction_session_timeout = 0").await?;
        connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY").await?;
        let id = sqlx::query_scalar("SELECT pg_export_snapshot()").fetch_one(&mut connection).await?;
        Ok(Self { url: url.clone(), connection, id, parts: parts.to_vec() })
    }

    /// Summary of the log in the snapshot; `None` when the log is empty. Fails when it cannot be read, or has holes.
    pub async fn log(&mut self) -> Result<Option<LogSummary>, DumpError> {
        let (events, head): (i64, i64) =
            sqlx::query_as("SELECT count(*), coalesce(max(position), 0) FROM events")
                .fetch_one(&mut self.connection)
                .await?;
        if events != head {
            let text =
                format!("the log has {events} events and goes up to position {head}: events are missing");
            return Err(sqlx::Error::Protocol(text).into());
        }
        if head == 0 {
            return Ok(None);
        }
        let at =
            "SELECT id, (extract(epoch FROM recorded_at) * 1000000)::bigint FROM events WHERE position = $1";
        let first = sqlx::query(at).bind(1_i64).fetch_one(&mut self.connection).await?;
        let last = sqlx::query(at).bind(head).fetch_one(&mut self.connection).await?;
        Ok(Some(LogSummary {
            id: first.try_get::<Uuid, _>(0)?,
            head: head.unsigned_abs(),
            head_event: last.try_get(0)?,
            recorded_at: last.try_get(1)?,
        }))
    }

    /// The command without a password that dumps the snapshot by hand. Fails when the server does not list its tables.
    pub async fn tool(&mut self) -> Result<PgTool, DumpError> {
        let tables: Vec<String> = sqlx::query_scalar(
            "SELECT tablename::text FROM pg_tables WHERE schemaname = current_schema() ORDER BY 1",
        )
        .fetch_all(&mut self.connection)
        .await?;
        let ours: BTreeSet<String> = self.parts.iter().flat_map(|part| part.tables()).collect();
        let mut arguments =
            ["--format=custom", "--no-owner", "--no-privileges", "--no-publications", "--no-subscriptions"]
                .map(str::to_owned)
                .to_vec();
        // what follows from the log is left out; so are others' tables
        let others = tables.iter().filter(|table| !ours.contains(*table));
        arguments.extend(others.map(|table| format!("--exclude-table={table}")));
        Ok(PgTool::new("pg_dump", &self.url, arguments)?)
    }

    /// Dumps the snapshot into the file at `to`, which must exist and be empty. Fails when `pg_dump`
    /// is missing or fails.
    pub async fn dump(mut self, to: &Path) -> Result<(), DumpError> {
        let tool = self.tool().await?;
        let mut file = OsString::from("--file=");
        file.push(to);
        tool.run(vec![format!("--snapshot={}", self.id).into(), file]).await?;
        self.connection.execute("COMMIT").await?;
        Ok(self.connection.close().await?)
    }
}

/// Restores a dump into a database that has none of its tables. Fails when `pg_restore` is missing or fails;
/// then nothing was restored.
pub async fn restore_dump(url: &SecretUrl, dump: &Path) -> Result<(), DumpError> {
    let arguments = ["--single-transaction", "--exit-on-error", "--no-owner", "--no-privileges"]
        .map(str::to_owned)
        .to_vec();
    PgTool::new("pg_restore", url, arguments)?.run(vec![dump.into()]).await
}

/// The tables that the database has of these parts, of the views and of the work store. Fails when the
/// server cannot be reached.
pub async fn holds_tables_of(url: &SecretUrl, parts: &[Part]) -> Result<Vec<String>, DumpError> {
    let mut connection = url.options()?.disable_statement_logging().connect().await?;
    let wanted: Vec<String> = parts.iter().flat_map(|part| part.tables()).collect();
    let found = sqlx::query_scalar(
        "SELECT tablename::text FROM pg_tables WHERE schemaname = current_schema() AND tablename = ANY($1) ORDER BY 1",
    )
    .bind(wanted)
    .fetch_all(&mut connection)
    .await?;
    connection.close().await?;
    Ok(found)
}
