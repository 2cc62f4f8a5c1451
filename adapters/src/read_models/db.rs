//! Connections: one that writes at a time, a few that read.

use std::sync::Arc;
use std::time::Duration;

use domain::ports::StoreUnavailable;
use sqlx::postgres::PgConnection;
use sqlx::sqlite::SqliteConnection;
use sqlx::{AssertSqlSafe, SqlSafeStr, SqlStr};

use super::blind::Blind;
use super::postgres::Postgres;
use super::rows::Statements;
use super::sql::{Args, Dialect, SqlRow, Value};
use super::sqlite::{Sqlite, SqliteTx};
use super::tenant::Of;

/// The longest a query of the API may take.
const QUERY_LIMIT: Duration = Duration::from_secs(10);
/// The longest a step of a projection or a rebuild's look over all rows may take.
const WORK_LIMIT: Duration = Duration::from_secs(600);

/// The views, leases and work in one database. Cheap to clone.
#[derive(Debug, Clone)]
pub struct SqlViews {
    pub(super) db: Db,
    pub(super) statements: Arc<Statements>,
    pub(super) blind: Blind,
}

#[derive(Debug, Clone)]
pub(super) enum Db {
    Sqlite(Sqlite),
    Postgres(Postgres),
}

/// A transaction that writes. Dropped without [`Tx::commit`] it is taken back.
pub(super) enum Tx {
    Sqlite(SqliteTx),
    Postgres(sqlx::Transaction<'static, sqlx::Postgres>),
}

/// Text of a statement: fixed, or made here from fixed parts and placeholders.
pub(super) fn made(sql: impl Into<Arc<str>>) -> SqlStr {
    AssertSqlSafe(sql.into()).into_sql_str()
}

impl SqlViews {
    /// The same views; what rows are searched by is hashed with `key`. It must stay the same: rows are not found by
    /// the hashes of another one.
    #[must_use]
    pub fn with_blind_index(self, key: [u8; 32]) -> Self {
        Self { blind: Blind::new(key), ..self }
    }
}

impl Db {
    pub(super) fn dialect(&self) -> Dialect {
        match self {
            Db::Sqlite(_) => Dialect::Sqlite,
            Db::Postgres(_) => Dialect::Postgres,
        }
    }

    pub(super) fn args(&self, values: impl IntoIterator<Item = Value<'static>>) -> Result<Args, sqlx::Error> {
        args(self.dialect(), values)
    }

    /// Starts writing as the node itself, to any client's rows; waits for those who write already.
    pub(super) async fn begin(&self) -> Result<Tx, sqlx::Error> {
        match self {
            Db::Sqlite(sqlite) => sqlite.begin().await.map(Tx::Sqlite),
            Db::Postgres(postgres) => postgres.begin().await.map(Tx::Postgres),
        }
    }

    /// All rows of a query.
    pub(super) async fn query(
        &self,
        of: Of,
        sql: SqlStr,
        args: Args,
    ) -> Result<Vec<SqlRow>, StoreUnavailable> {
        self.read(of, sql, args, QUERY_LIMIT).await
    }

    /// The first row of a query.
    pub(super) async fn query_one(
        &self,
        of: Of,
        sql: SqlStr,
        args: Args,
    ) -> Result<Option<SqlRow>, StoreUnavailable> {
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
        limited(QUERY_LIMIT, read).await
    }

    /// All rows of a query about everybody's, for the slow looks of a rebuild.
    pub(super) async fn survey(&self, sql: SqlStr, args: Args) -> Result<Vec<SqlRow>, StoreUnavailable> {
        self.read(Of::System, sql, args, WORK_LIMIT).await
    }

    async fn read(
        &self,
        of: Of,
        sql: SqlStr,
        args: Args,
        limit: Duration,
    ) -> Result<Vec<SqlRow>, StoreUnavailable> {
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
        limited(limit, read).await
    }

    /// One statement of the node's own work in a transaction of its own; answers how many rows it changed.
    pub(super) async fn execute(&self, sql: SqlStr, args: Args) -> Result<u64, StoreUnavailable> {
        limited(WORK_LIMIT, async {
            let mut tx = self.begin().await?;
            let changed = tx.execute(sql, args).await?;
            tx.commit().await?;
            Ok(changed)
        })
        .await
    }
}

/// Runs `work` with a limit on its time.
pub(super) async fn limited<T>(
    limit: Duration,
    work: impl Future<Output = Result<T, sqlx::Error>>,
) -> Result<T, StoreUnavailable> {
    match tokio::time::timeout(limit, work).await {
        Ok(done) => done.map_err(|error| unavailable(&error)),
        Err(_) => Err(StoreUnavailable(format!("no answer within {limit:?}"))),
    }
}

/// What a failure means.
pub(super) fn unavailable(error: &sqlx::Error) -> StoreUnavailable {
    StoreUnavailable(crate::database::in_words(error))
}

impl Tx {
    pub(super) async fn execute(&mut self, sql: SqlStr, args: Args) -> Result<u64, sqlx::Error> {
        match (self, args) {
            (Tx::Sqlite(tx), Args::Sqlite(args)) => {
                Ok(sqlx::query_with(sql, args).execute(tx.connection()?).await?.rows_affected())
            }
            (Tx::Postgres(tx), Args::Postgres(args)) => {
                Ok(sqlx::query_with(sql, args).execute(&mut **tx).await?.rows_affected())
            }
            _ => Err(foreign()),
        }
    }

    pub(super) async fn query(&mut self, sql: SqlStr, args: Args) -> Result<Vec<SqlRow>, sqlx::Error> {
        match self {
            Tx::Sqlite(tx) => fetch_sqlite(tx.connection()?, sql, args).await,
            Tx::Postgres(tx) => fetch_postgres(tx, sql, args).await,
        }
    }

    pub(super) async fn commit(self) -> Result<(), sqlx::Error> {
        match self {
            Tx::Sqlite(tx) => tx.commit().await,
            Tx::Postgres(tx) => tx.commit().await,
        }
    }
}

/// Binds values.
pub(super) fn args<'v>(
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
