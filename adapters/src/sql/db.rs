//! Database connections: one that writes at a time, a few that read.

use std::sync::Arc;
use std::time::Duration;

use domain::ports::StoreUnavailable;
use sqlx::postgres::PgConnection;
use sqlx::sqlite::SqliteConnection;
use sqlx::{AssertSqlSafe, Executor as _, SqlSafeStr, SqlStr};
use tracing::Span;
use uuid::Uuid;

use super::postgres::{Postgres, PostgresSettings};
use super::sqlite::{Sqlite, SqliteTx};
use super::tenant::Of;
use super::value::{Args, Dialect, SqlRow, Value};
use crate::database::{Database, Part, probe_postgres, probe_sqlite};
use crate::trace::{database, within};

/// The longest that a query of the API may take.
const QUERY_LIMIT: Duration = Duration::from_secs(10);
/// The longest that a step of a projection or a rebuild's scan of all rows may take.
const WORK_LIMIT: Duration = Duration::from_secs(600);
/// The longest that a write probe may take.
const PROBE_LIMIT: Duration = Duration::from_secs(3);

/// The database of the views or of the work store. Cheap to clone; opened on first use, so that a node can start
/// while it is unreachable.
#[derive(Debug, Clone)]
pub(crate) enum Db {
    Sqlite(Sqlite),
    Postgres(Postgres),
}

/// A writing transaction. Dropping it without [`Tx::commit`] rolls it back.
pub(crate) enum Tx {
    Sqlite(SqliteTx),
    Postgres(sqlx::Transaction<'static, sqlx::Postgres>),
}

/// SQL text that is fixed, or built here from fixed parts and placeholders.
pub(crate) fn made(sql: impl Into<Arc<str>>) -> SqlStr {
    AssertSqlSafe(sql.into()).into_sql_str()
}

impl Db {
    /// The database at an address; nothing is opened yet. Fails when the address cannot be parsed.
    pub(crate) fn at(
        database: &Database,
        part: Part,
        settings: PostgresSettings,
    ) -> Result<Self, sqlx::Error> {
        Ok(match database {
            Database::Sqlite(path) => Self::Sqlite(Sqlite::new(path, part)),
            Database::Postgres(url) => Self::Postgres(Postgres::new(url, part, settings)?),
        })
    }

    /// Connects to the database and migrates its schema. Later queries do so too, until it has succeeded. Fails
    /// when the database cannot be reached or migrated.
    pub(crate) async fn ready(&self) -> Result<(), sqlx::Error> {
        match self {
            Self::Sqlite(sqlite) => sqlite.ready().await.map(drop),
            Self::Postgres(postgres) => postgres.ready().await,
        }
    }

    /// Id of the log that the store follows; `None` while it is tied to no log.
    pub(crate) async fn log_id(&self) -> Result<Option<Uuid>, StoreUnavailable> {
        let row = self.row(Of::Nobody, super::log_id::get(self.part()), []).await?;
        row.map(|row| row.uuid(0)).transpose().map_err(|error| unavailable(&error))
    }

    /// Ties the store to a log. Fails when it is tied to another, and so do all later queries.
    pub(crate) async fn follow_log(&self, log: Uuid) -> Result<(), sqlx::Error> {
        match self {
            Self::Sqlite(sqlite) => sqlite.follow_log(log).await,
            Self::Postgres(postgres) => postgres.follow_log(log).await,
        }
    }

    /// Closes the connections; an embedded database moves its journal into the file.
    pub(crate) async fn close(&self) {
        match self {
            Self::Sqlite(sqlite) => sqlite.close().await,
            Self::Postgres(postgres) => postgres.close().await,
        }
    }

    /// Proves that the store accepts writes. Fails with a message for the operator.
    pub(crate) async fn probe(&self) -> Result<(), StoreUnavailable> {
        limited(PROBE_LIMIT, async {
            self.ready().await?;
            match self {
                Self::Sqlite(sqlite) => probe_sqlite(sqlite.path()).await,
                Self::Postgres(postgres) => probe_postgres(postgres.workers()).await,
            }
        })
        .await
    }

    pub(crate) fn dialect(&self) -> Dialect {
        match self {
            Db::Sqlite(_) => Dialect::Sqlite,
            Db::Postgres(_) => Dialect::Postgres,
        }
    }

    pub(crate) fn args(&self, values: impl IntoIterator<Item = Value<'static>>) -> Result<Args, sqlx::Error> {
        args(self.dialect(), values)
    }

    /// Starts a transaction as the node itself, on any client's rows; waits for transactions that already write.
    pub(crate) async fn begin(&self) -> Result<Tx, sqlx::Error> {
        match self {
            Db::Sqlite(sqlite) => sqlite.begin().await.map(Tx::Sqlite),
            Db::Postgres(postgres) => postgres.begin().await.map(Tx::Postgres),
        }
    }

    /// Removes every byte of changed or deleted rows from the files: rewrites an embedded database and empties its
    /// journal, or vacuums `tables` on a server.
    pub(crate) async fn scrub(&self, tables: &[&'static str]) -> Result<(), StoreUnavailable> {
        match self {
            Self::Sqlite(sqlite) => limited(WORK_LIMIT, sqlite.scrub()).await,
            Self::Postgres(postgres) => {
                for table in tables {
                    let vacuum = made(format!("VACUUM {table}"));
                    postgres.workers().execute(vacuum).await.map_err(|error| unavailable(&error))?;
                }
                Ok(())
            }
        }
    }

    pub(crate) async fn query(
        &self,
        of: Of,
        sql: SqlStr,
        args: Args,
    ) -> Result<Vec<SqlRow>, StoreUnavailable> {
        self.read(of, sql, args, QUERY_LIMIT).await
    }

    pub(crate) async fn query_one(
        &self,
        of: Of,
        sql: SqlStr,
        args: Args,
    ) -> Result<Option<SqlRow>, StoreUnavailable> {
        let span = self.span(sql.as_str());
        let read = async {
            match self {
                Db::Sqlite(sqlite) => {
                    let mut reader = sqlite.reader(of).await?;
                    let row = fetch_one_sqlite(reader.connection()?, sql, args).await;
                    row.inspect_err(|error| reader.judge(error)).map(|row| row.map(SqlRow::Sqlite))
                }
                Db::Postgres(postgres) => {
                    let mut reader = postgres.reader(of).await?;
                    let row = fetch_one_postgres(reader.connection(), sql, args).await?;
                    Ok(row.map(SqlRow::Postgres))
                }
            }
        };
        within(span, limited(QUERY_LIMIT, read)).await
    }

    /// All rows of a query across all clients, for the slow scans of a rebuild.
    pub(crate) async fn survey(&self, sql: SqlStr, args: Args) -> Result<Vec<SqlRow>, StoreUnavailable> {
        self.read(Of::System, sql, args, WORK_LIMIT).await
    }

    async fn read(
        &self,
        of: Of,
        sql: SqlStr,
        args: Args,
        limit: Duration,
    ) -> Result<Vec<SqlRow>, StoreUnavailable> {
        let span = self.span(sql.as_str());
        let read = async {
            match self {
                Db::Sqlite(sqlite) => {
                    let mut reader = sqlite.reader(of).await?;
                    let rows = fetch_sqlite(reader.connection()?, sql, args).await;
                    rows.inspect_err(|error| reader.judge(error))
                }
                Db::Postgres(postgres) => {
                    let mut reader = if limit > QUERY_LIMIT {
                        postgres.surveyor(of).await?
                    } else {
                        postgres.reader(of).await?
                    };
                    fetch_postgres(reader.connection(), sql, args).await
                }
            }
        };
        within(span, limited(limit, read)).await
    }

    /// Runs one statement of the node's own work in a transaction of its own; answers how many rows it changed.
    pub(crate) async fn execute(&self, sql: SqlStr, args: Args) -> Result<u64, StoreUnavailable> {
        let span = self.span(sql.as_str());
        let work = limited(WORK_LIMIT, async {
            let mut tx = self.begin().await?;
            let changed = tx.execute(sql, args).await?;
            tx.commit().await?;
            Ok(changed)
        });
        within(span, work).await
    }

    fn part(&self) -> Part {
        match self {
            Self::Sqlite(sqlite) => sqlite.part(),
            Self::Postgres(postgres) => postgres.part(),
        }
    }

    fn span(&self, sql: &str) -> Span {
        let system = match self {
            Self::Sqlite(_) => "sqlite",
            Self::Postgres(_) => "postgresql",
        };
        database(system, self.part().word(), sql)
    }
}

impl Db {
    /// All rows of a query built at run time.
    pub(crate) async fn rows(
        &self,
        of: Of,
        sql: String,
        values: Vec<Value<'_>>,
    ) -> Result<Vec<SqlRow>, StoreUnavailable> {
        let bound = args(self.dialect(), values).map_err(|error| unavailable(&error))?;
        self.query(of, made(sql), bound).await
    }

    /// The row that a fixed query finds, if any.
    pub(crate) async fn row(
        &self,
        of: Of,
        sql: &'static str,
        values: impl IntoIterator<Item = Value<'_>>,
    ) -> Result<Option<SqlRow>, StoreUnavailable> {
        let bound = args(self.dialect(), values).map_err(|error| unavailable(&error))?;
        self.query_one(of, sql.into_sql_str(), bound).await
    }

    /// A resource, by a fixed query for its version and its document.
    pub(crate) async fn stored(
        &self,
        of: Of,
        sql: &'static str,
        values: impl IntoIterator<Item = Value<'_>>,
    ) -> Result<Option<projections::page::Stored>, StoreUnavailable> {
        let Some(row) = self.row(of, sql, values).await? else { return Ok(None) };
        let version = row.count(0).map_err(|error| unavailable(&error))?;
        let json = row.text(1).map_err(|error| unavailable(&error))?;
        let version = domain::envelope::Version(version);
        Ok(Some(projections::page::Stored::of_its_own(version, json)))
    }

    /// Runs one fixed statement of the node's own work; answers how many rows it changed.
    pub(crate) async fn change(
        &self,
        sql: &'static str,
        values: Vec<Value<'_>>,
    ) -> Result<u64, StoreUnavailable> {
        let bound = args(self.dialect(), values).map_err(|error| unavailable(&error))?;
        self.execute(sql.into_sql_str(), bound).await
    }
}

/// Runs `work` with a time limit.
pub(crate) async fn limited<T>(
    limit: Duration,
    work: impl Future<Output = Result<T, sqlx::Error>>,
) -> Result<T, StoreUnavailable> {
    match tokio::time::timeout(limit, work).await {
        Ok(done) => done.map_err(|error| unavailable(&error)),
        Err(_) => Err(StoreUnavailable(format!("no answer within {limit:?}"))),
    }
}

/// The error in words for an operator. The details that a server adds are left out: they repeat values.
pub(crate) fn unavailable(error: &sqlx::Error) -> StoreUnavailable {
    StoreUnavailable(crate::database::in_words(error))
}

impl Tx {
    pub(crate) async fn execute(&mut self, sql: SqlStr, args: Args) -> Result<u64, sqlx::Error> {
        match (self, args) {
            (Tx::Sqlite(tx), Args::Sqlite(args)) => {
                let done = sqlx::query_with(sql, args).execute(tx.connection()?).await;
                Ok(done.inspect_err(|error| tx.judge(error))?.rows_affected())
            }
            (Tx::Postgres(tx), Args::Postgres(args)) => {
                Ok(sqlx::query_with(sql, args).execute(&mut **tx).await?.rows_affected())
            }
            _ => Err(foreign()),
        }
    }

    pub(crate) async fn query(&mut self, sql: SqlStr, args: Args) -> Result<Vec<SqlRow>, sqlx::Error> {
        match self {
            Tx::Sqlite(tx) => {
                let rows = fetch_sqlite(tx.connection()?, sql, args).await;
                rows.inspect_err(|error| tx.judge(error))
            }
            Tx::Postgres(tx) => fetch_postgres(tx, sql, args).await,
        }
    }

    pub(crate) async fn commit(self) -> Result<(), sqlx::Error> {
        match self {
            Tx::Sqlite(tx) => tx.commit().await,
            Tx::Postgres(tx) => tx.commit().await,
        }
    }
}

/// Binds values as arguments of a statement.
pub(crate) fn args<'v>(
    dialect: Dialect,
    values: impl IntoIterator<Item = Value<'v>>,
) -> Result<Args, sqlx::Error> {
    let mut args = Args::new(dialect);
    for value in values {
        args.push(value)?;
    }
    Ok(args)
}

fn foreign() -> sqlx::Error {
    sqlx::Error::Protocol("arguments of the other database".to_owned())
}

async fn fetch_sqlite(
    connection: &mut SqliteConnection,
    sql: SqlStr,
    args: Args,
) -> Result<Vec<SqlRow>, sqlx::Error> {
    let Args::Sqlite(args) = args else { return Err(foreign()) };
    let rows = sqlx::query_with(sql, args).fetch_all(connection).await?;
    Ok(rows.into_iter().map(SqlRow::Sqlite).collect())
}

async fn fetch_one_sqlite(
    connection: &mut SqliteConnection,
    sql: SqlStr,
    args: Args,
) -> Result<Option<sqlx::sqlite::SqliteRow>, sqlx::Error> {
    let Args::Sqlite(args) = args else { return Err(foreign()) };
    sqlx::query_with(sql, args).fetch_optional(connection).await
}

async fn fetch_postgres(
    connection: &mut PgConnection,
    sql: SqlStr,
    args: Args,
) -> Result<Vec<SqlRow>, sqlx::Error> {
    let Args::Postgres(args) = args else { return Err(foreign()) };
    let rows = sqlx::query_with(sql, args).fetch_all(connection).await?;
    Ok(rows.into_iter().map(SqlRow::Postgres).collect())
}

async fn fetch_one_postgres(
    connection: &mut PgConnection,
    sql: SqlStr,
    args: Args,
) -> Result<Option<sqlx::postgres::PgRow>, sqlx::Error> {
    let Args::Postgres(args) = args else { return Err(foreign()) };
    sqlx::query_with(sql, args).fetch_optional(connection).await
}
