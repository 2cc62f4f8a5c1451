//! Copies a key store to another database: the keys as they are wrapped, what is known of erasures and of the log, and the
//! answers under idempotency keys.

use std::fmt::Write as _;

use domain::ports::StoreUnavailable;
use futures::TryStreamExt as _;
use sqlx::{AssertSqlSafe, Row as _};
use tokio::sync::mpsc;
use uuid::Uuid;

use super::db::{KeysDb, unavailable};

/// Rows of one insert.
const ROWS: usize = 128;

/// Every table that moves, with its columns. Shared rate limits do not: they are worth nothing after an hour.
const TABLES: [Table; 9] = [
    Table {
        name: "data_keys",
        columns: &[
            ("id", Kind::Id),
            ("owner", Kind::Id),
            ("label", Kind::Text),
            ("master_id", Kind::Text),
            ("wrapped", Kind::Bytes),
            ("created_at", Kind::Number),
        ],
    },
    Table {
        name: "subject_keys",
        columns: &[
            ("id", Kind::Id),
            ("client_id", Kind::Id),
            ("subject", Kind::Id),
            ("master_id", Kind::Text),
            ("wrapped", Kind::Bytes),
            ("created_at", Kind::Number),
            ("destroyed_at", Kind::Number),
        ],
    },
    Table {
        name: "key_nodes",
        columns: &[
            ("id", Kind::Id),
            ("client_id", Kind::Id),
            ("way", Kind::Text),
            ("master_id", Kind::Text),
            ("wrapped", Kind::Bytes),
        ],
    },
    Table {
        name: "content_keys",
        columns: &[("stream", Kind::Text), ("client_id", Kind::Id), ("created_at", Kind::Number)],
    },
    Table {
        name: "privacy_jobs",
        columns: &[("id", Kind::Id), ("client_id", Kind::Id), ("created_at", Kind::Number)],
    },
    Table {
        name: "privacy_exports",
        columns: &[
            ("id", Kind::Id),
            ("client_id", Kind::Id),
            ("sealed_under", Kind::Id),
            ("doc", Kind::Bytes),
            ("expires_at", Kind::Number),
        ],
    },
    Table {
        name: "idempotency_keys",
        columns: &[
            ("client_id", Kind::Id),
            ("key_hash", Kind::Bytes),
            ("request_hash", Kind::Bytes),
            ("seed", Kind::Id),
            ("locked_until", Kind::Number),
            ("sealed_under", Kind::Id),
            ("answer", Kind::Bytes),
            ("created_at", Kind::Number),
            ("expires_at", Kind::Number),
            ("holder", Kind::Id),
        ],
    },
    Table { name: "keys_log", columns: &[("only_row", Kind::One), ("log_id", Kind::Id)] },
    Table {
        name: "kept_head",
        columns: &[
            ("only_row", Kind::One),
            ("log", Kind::Id),
            ("size", Kind::Number),
            ("root", Kind::Bytes),
            ("code", Kind::Bytes),
            ("kept_at", Kind::Number),
        ],
    },
];

struct Table {
    name: &'static str,
    columns: &'static [(&'static str, Kind)],
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Id,
    Text,
    Bytes,
    Number,
    /// The key of a table's only row.
    One,
}

/// A value of a row; each may be missing.
enum Cell {
    Id(Option<Uuid>),
    Text(Option<String>),
    Bytes(Option<Vec<u8>>),
    Number(Option<i64>),
    One,
}

/// What came into the target.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CopiedKeys {
    /// Keys of persons, clients and the node, those counted that were destroyed.
    pub keys: u64,
    /// Requests whose answers are kept under idempotency keys.
    pub answers: u64,
    /// Id of the log whose events the keys open; `None` while they are tied to none.
    pub log: Option<Uuid>,
}

/// Why a key store was not copied; the target is as it was before.
#[derive(Debug, thiserror::Error)]
pub enum CopyKeysError {
    /// A store cannot be read or written.
    #[error(transparent)]
    Store(#[from] StoreUnavailable),
    /// The target holds something already.
    #[error("the target holds rows in {0} already; name an empty database, nothing is replaced")]
    NotEmpty(&'static str),
    /// The source holds no keys.
    #[error("the source holds no keys: is it the key store of a node?")]
    Empty,
}

impl From<sqlx::Error> for CopyKeysError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(unavailable(error))
    }
}

/// Copies everything of `from`, as of one moment, into `to`, which must be empty: all or nothing.
pub async fn copy_keys(from: &KeysDb, to: &KeysDb) -> Result<CopiedKeys, CopyKeysError> {
    if from.is_empty().await? {
        return Err(CopyKeysError::Empty);
    }
    let (send, rows) = mpsc::channel(2);
    let (read, written) = tokio::join!(read(from, send), write(to, rows));
    let mut copied = written?;
    // a writer whose reader failed has written nothing
    read?;
    copied.log = to.log_id().await?;
    Ok(copied)
}

/// What the reader hands to the writer.
enum Message {
    /// Values of whole rows of a table, one row after the other.
    Rows(&'static Table, Vec<Cell>),
    /// There are no more: what was written may be committed.
    End,
}

async fn read(from: &KeysDb, send: mpsc::Sender<Message>) -> Result<(), CopyKeysError> {
    macro_rules! read {
        ($pool:expr, $begin:literal) => {{
            let mut transaction = $pool.begin_with($begin).await?;
            for table in &TABLES {
                let mut rows = sqlx::query(AssertSqlSafe(table.select())).fetch(&mut *transaction);
                let mut cells = Vec::new();
                while let Some(row) = rows.try_next().await? {
                    for (at, (_, kind)) in table.columns.iter().enumerate() {
                        cells.push(match kind {
                            Kind::Id => Cell::Id(row.try_get(at)?),
                            Kind::Text => Cell::Text(row.try_get(at)?),
                            Kind::Bytes => Cell::Bytes(row.try_get(at)?),
                            Kind::Number => Cell::Number(row.try_get(at)?),
                            Kind::One => Cell::One,
                        });
                    }
                    if cells.len() == ROWS * table.columns.len()
                        && send.send(Message::Rows(table, std::mem::take(&mut cells))).await.is_err()
                    {
                        // the writer failed, and says why
                        return Ok(());
                    }
                }
                if !cells.is_empty() && send.send(Message::Rows(table, cells)).await.is_err() {
                    return Ok(());
                }
            }
            // an error means that the writer failed
            let _ = send.send(Message::End).await;
            Ok(())
        }};
    }
    match from {
        KeysDb::Sqlite(pool) => read!(pool, "BEGIN"),
        KeysDb::Postgres(pool) => read!(pool, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"),
    }
}

async fn write(to: &KeysDb, mut rows: mpsc::Receiver<Message>) -> Result<CopiedKeys, CopyKeysError> {
    macro_rules! write {
        ($pool:expr) => {{
            let mut transaction = $pool.begin().await?;
            for table in &TABLES {
                let any = format!("SELECT count(*) FROM (SELECT 1 FROM {} LIMIT 1) AS any_row", table.name);
                let any =
                    sqlx::query_scalar::<_, i64>(AssertSqlSafe(any)).fetch_one(&mut *transaction).await?;
                if any != 0 {
                    return Err(CopyKeysError::NotEmpty(table.name));
                }
            }
            let mut copied = CopiedKeys::default();
            loop {
                match rows.recv().await {
                    Some(Message::Rows(table, cells)) => {
                        let sql = AssertSqlSafe(table.insert(cells.len() / table.columns.len()));
                        let insert = cells.into_iter().fold(sqlx::query(sql), |insert, cell| match cell {
                            Cell::Id(id) => insert.bind(id),
                            Cell::Text(text) => insert.bind(text),
                            Cell::Bytes(bytes) => insert.bind(bytes),
                            Cell::Number(number) => insert.bind(number),
                            Cell::One => insert.bind(1_i32),
                        });
                        copied.count(table, insert.execute(&mut *transaction).await?.rows_affected());
                    }
                    Some(Message::End) => {
                        transaction.commit().await?;
                        return Ok(copied);
                    }
                    // the reader failed, and says why
                    None => return Ok(CopiedKeys::default()),
                }
            }
        }};
    }
    match to {
        KeysDb::Sqlite(pool) => write!(pool),
        KeysDb::Postgres(pool) => write!(pool),
    }
}

impl Table {
    fn columns(&self) -> String {
        self.columns.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ")
    }

    fn select(&self) -> String {
        format!("SELECT {} FROM {}", self.columns(), self.name)
    }

    fn insert(&self, rows: usize) -> String {
        let mut sql = format!("INSERT INTO {} ({}) VALUES ", self.name, self.columns());
        for row in 0..rows {
            let first = row * self.columns.len() + 1;
            let marks: Vec<_> = (first..first + self.columns.len()).map(|n| format!("${n}")).collect();
            // writing to a String cannot fail
            let _ = write!(sql, "{}({})", if row == 0 { "" } else { ", " }, marks.join(", "));
        }
        sql
    }
}

impl CopiedKeys {
    fn count(&mut self, table: &Table, rows: u64) {
        match table.name {
            "data_keys" | "subject_keys" => self.keys += rows,
            "idempotency_keys" => self.answers += rows,
            _ => {}
        }
    }
}
