//! The rows of the index: entries, their vectors, and a version for each space.

use std::borrow::Cow;

use domain::ids::ClientId;
use domain::ports::StoreUnavailable;
use domain::ports::embeddings::{Embedding, EmbeddingModel};
use domain::ports::vector_index::{Collection, IndexEntry, MAX_ENTRY_BYTES, Space};
use sqlx::SqlSafeStr as _;
use uuid::Uuid;

use crate::sql::db::{Db, Tx, limited, made, unavailable};
use crate::sql::tenant::Of;
use crate::sql::value::{Dialect, SqlRow, Value};

/// Rows read at a time when a space is loaded.
pub(super) const PAGE: i64 = 2_000;
/// How often removed entries are forgotten for good, in versions of the space; then copies in memory begin anew.
const FORGOTTEN_EVERY: i64 = 10_000;
const WRITE_LIMIT: std::time::Duration = std::time::Duration::from_secs(60);

/// State of a space. Copies in memory of another epoch begin anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Head {
    pub(super) epoch: i64,
    pub(super) version: i64,
}

/// The column that names a collection; memories are the nil id.
fn collection(space: Space) -> Uuid {
    match space.collection {
        Collection::Memories => Uuid::nil(),
        Collection::KnowledgeBase(id) => id,
    }
}

fn named(space: Space) -> [Value<'static>; 2] {
    [Value::Uuid(space.client.0), Value::Uuid(collection(space))]
}

fn whose(space: Space) -> Of {
    Of::Client(ClientId(space.client.0))
}

pub(super) async fn head(db: &Db, space: Space) -> Result<Head, StoreUnavailable> {
    const HEAD: &str = "SELECT epoch, version FROM index_spaces WHERE client_id = $1 AND collection = $2";
    let Some(row) = db.row(whose(space), HEAD, named(space)).await? else { return Ok(Head::default()) };
    let head = || Ok(Head { epoch: row.int(0)?, version: row.int(1)? });
    head().map_err(|error| unavailable(&error))
}

/// Whether an entry of the group is there.
pub(super) async fn has_group(db: &Db, space: Space, group: Uuid) -> Result<bool, StoreUnavailable> {
    const ENTRY: &str = "SELECT 1 FROM index_entries \
        WHERE client_id = $1 AND collection = $2 AND owner = $3 AND NOT removed LIMIT 1";
    let [client, collection] = named(space);
    Ok(db.row(whose(space), ENTRY, [client, collection, Value::Uuid(group)]).await?.is_some())
}

/// Where a page of changed rows begins: behind this version and this id.
#[derive(Debug, Clone, Copy)]
pub(super) struct Since {
    pub(super) changed: i64,
    pub(super) id: Uuid,
}

/// A row that changed.
#[derive(Debug)]
pub(super) struct Changed<T> {
    pub(super) since: Since,
    pub(super) group: Uuid,
    /// What the row holds now; `None` if it was removed, or never had it.
    pub(super) content: Option<T>,
}

pub(super) async fn changed_texts(
    db: &Db,
    space: Space,
    since: Since,
) -> Result<Vec<Changed<String>>, StoreUnavailable> {
    const TEXTS: &str = "SELECT changed, id, owner, removed, body FROM index_entries \
        WHERE client_id = $1 AND collection = $2 AND (changed, id) > ($3, $4) \
        ORDER BY changed, id LIMIT $5 + 0";
    let [client, collection] = named(space);
    let values = vec![client, collection, Value::Int(since.changed), Value::Uuid(since.id), Value::Int(PAGE)];
    let rows = db.rows(whose(space), TEXTS.to_owned(), values).await?;
    let text = |row: &SqlRow| row.text(4).map(Some);
    rows.iter().map(|row| changed(row, text)).collect::<Result<_, _>>().map_err(|error| unavailable(&error))
}

pub(super) async fn changed_vectors(
    db: &Db,
    space: Space,
    model: &str,
    since: Since,
) -> Result<Vec<Changed<Vec<u8>>>, StoreUnavailable> {
    // not a join: without statistics PostgreSQL compares each entry with all vectors of the space
    const VECTORS: &str = "SELECT e.changed, e.id, e.owner, e.removed, (SELECT v.vector FROM index_vectors v \
        WHERE v.client_id = e.client_id AND v.collection = e.collection AND v.model = $3 AND v.id = e.id) \
        FROM index_entries e \
        WHERE e.client_id = $1 AND e.collection = $2 AND (e.changed, e.id) > ($4, $5) \
        ORDER BY e.changed, e.id LIMIT $6 + 0";
    let [client, collection] = named(space);
    let place = [Value::Int(since.changed), Value::Uuid(since.id), Value::Int(PAGE)];
    let values =
        [client, collection, Value::Text(model.to_owned().into())].into_iter().chain(place).collect();
    let rows = db.rows(whose(space), VECTORS.to_owned(), values).await?;
    let vector = |row: &SqlRow| row.bytes_option(4);
    rows.iter().map(|row| changed(row, vector)).collect::<Result<_, _>>().map_err(|error| unavailable(&error))
}

fn changed<T>(
    row: &SqlRow,
    content: impl Fn(&SqlRow) -> Result<Option<T>, sqlx::Error>,
) -> Result<Changed<T>, sqlx::Error> {
    let content = if row.bool(3)? { None } else { content(row)? };
    Ok(Changed { since: Since { changed: row.int(0)?, id: row.uuid(1)? }, group: row.uuid(2)?, content })
}

/// The texts of entries, with their groups, in no order; removed ones are left out.
pub(super) async fn texts(
    db: &Db,
    space: Space,
    ids: &[Uuid],
) -> Result<Vec<(Uuid, Uuid, String)>, StoreUnavailable> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let places: Vec<String> = (3..ids.len() + 3).map(|n| format!("${n}")).collect();
    let sql = format!(
        "SELECT id, owner, body FROM index_entries WHERE client_id = $1 AND collection = $2 AND NOT removed \
         AND id IN ({})",
        places.join(", ")
    );
    let values = named(space).into_iter().chain(ids.iter().map(|id| Value::Uuid(*id))).collect();
    let rows = db.rows(whose(space), sql, values).await?;
    let read = |row: &SqlRow| Ok::<_, sqlx::Error>((row.uuid(0)?, row.uuid(1)?, row.text(2)?));
    rows.iter().map(read).collect::<Result<_, _>>().map_err(|error| unavailable(&error))
}

pub(super) async fn without_vector(
    db: &Db,
    space: Space,
    model: &EmbeddingModel,
    after: Option<Uuid>,
    limit: usize,
) -> Result<Vec<IndexEntry>, StoreUnavailable> {
    const WITHOUT: &str = "SELECT id, owner, body FROM index_entries e WHERE client_id = $1 AND collection = $2 \
        AND NOT removed AND id > $3 AND NOT EXISTS (SELECT 1 FROM index_vectors v WHERE v.client_id = $1 \
        AND v.collection = $2 AND v.model = $4 AND v.id = e.id) ORDER BY id LIMIT $5 + 0";
    let [client, collection] = named(space);
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let after = Value::Uuid(after.unwrap_or(Uuid::nil()));
    let values = vec![client, collection, after, Value::Text(model.to_string().into()), Value::Int(limit)];
    let rows = db.rows(whose(space), WITHOUT.to_owned(), values).await?;
    let read = |row: &SqlRow| {
        Ok::<_, sqlx::Error>(IndexEntry {
            id: row.uuid(0)?,
            group: row.uuid(1)?,
            text: row.text(2)?,
            vector: None,
        })
    };
    rows.iter().map(read).collect::<Result<_, _>>().map_err(|error| unavailable(&error))
}

/// A transaction that changes a space.
struct Change {
    tx: Tx,
    dialect: Dialect,
    space: Space,
    head: Head,
}

/// What is changed in a space.
#[derive(Debug, Clone, Copy)]
pub(super) enum Edit<'a> {
    Put(&'a EmbeddingModel, &'a [IndexEntry]),
    /// Replaces all entries of a group.
    Group(&'a EmbeddingModel, Uuid, &'a [IndexEntry]),
    Remove(&'a [Uuid]),
    /// Removes the vectors of all other models.
    KeepOnly(&'a EmbeddingModel),
    Erase,
}

/// Carries an edit out in a transaction that raises the version of the space; others that change it wait.
pub(super) async fn change(db: &Db, space: Space, edit: Edit<'_>) -> Result<(), StoreUnavailable> {
    const RAISE: &str = "INSERT INTO index_spaces (client_id, collection, epoch, version) VALUES ($1, $2, 0, 1) \
        ON CONFLICT (client_id, collection) DO UPDATE SET version = index_spaces.version + 1 \
        RETURNING epoch, version";
    let work = async {
        let mut tx = db.begin().await?;
        let args = db.args(named(space))?;
        let rows = tx.query(RAISE.into_sql_str(), args).await?;
        let row = rows.first().ok_or(sqlx::Error::RowNotFound)?;
        let head = Head { epoch: row.int(0)?, version: row.int(1)? };
        let mut change = Change { tx, dialect: db.dialect(), space, head };
        change.carry_out(edit).await?;
        if change.head.version % FORGOTTEN_EVERY == 0 {
            change.forget_removed().await?;
        }
        change.tx.commit().await
    };
    limited(WRITE_LIMIT, work).await
}

impl Change {
    async fn carry_out(&mut self, edit: Edit<'_>) -> Result<(), sqlx::Error> {
        match edit {
            Edit::Put(model, entries) => {
                for entry in entries {
                    self.put(model, entry, entry.group).await?;
                }
            }
            Edit::Group(model, group, entries) => {
                self.remove_group(group).await?;
                for entry in entries {
                    self.put(model, entry, group).await?;
                }
            }
            Edit::Remove(ids) => {
                for id in ids {
                    self.remove(*id).await?;
                }
            }
            Edit::KeepOnly(model) => self.keep_only(model).await?,
            Edit::Erase => self.erase().await?,
        }
        Ok(())
    }

    async fn run<'v>(
        &mut self,
        sql: &str,
        values: impl IntoIterator<Item = Value<'v>>,
    ) -> Result<(), sqlx::Error> {
        let args = crate::sql::db::args(self.dialect, named(self.space).into_iter().chain(values))?;
        self.tx.execute(made(sql), args).await.map(drop)
    }

    async fn put(
        &mut self,
        model: &EmbeddingModel,
        entry: &IndexEntry,
        group: Uuid,
    ) -> Result<(), sqlx::Error> {
        // vectors of another text mean something else
        const FORGET: &str = "DELETE FROM index_vectors WHERE client_id = $1 AND collection = $2 AND id = $3 \
            AND EXISTS (SELECT 1 FROM index_entries e WHERE e.client_id = $1 AND e.collection = $2 AND e.id = $3 \
            AND e.body <> $4)";
        const ENTRY: &str = "INSERT INTO index_entries (client_id, collection, id, owner, body, changed, removed) \
            VALUES ($1, $2, $3, $4, $5, $6, false) ON CONFLICT (client_id, collection, id) DO UPDATE SET \
            owner = excluded.owner, body = excluded.body, changed = excluded.changed, removed = false";
        let text = &*kept(&entry.text);
        let id = || Value::Uuid(entry.id);
        self.run(FORGET, [id(), Value::text(text)]).await?;
        let changed = Value::Int(self.head.version);
        self.run(ENTRY, [id(), Value::Uuid(group), Value::text(text), changed]).await?;
        match &entry.vector {
            Some(vector) => self.vector(model, entry.id, vector).await,
            None => Ok(()),
        }
    }

    async fn vector(
        &mut self,
        model: &EmbeddingModel,
        id: Uuid,
        vector: &Embedding,
    ) -> Result<(), sqlx::Error> {
        const VECTOR: &str = "INSERT INTO index_vectors (client_id, collection, model, id, vector) \
            VALUES ($1, $2, $3, $4, $5) ON CONFLICT (client_id, collection, model, id) DO UPDATE SET \
            vector = excluded.vector";
        let model = Value::Text(model.to_string().into());
        self.run(VECTOR, [model, Value::Uuid(id), Value::Blob(vector.to_bytes())]).await
    }

    async fn remove(&mut self, id: Uuid) -> Result<(), sqlx::Error> {
        const VECTORS: &str =
            "DELETE FROM index_vectors WHERE client_id = $1 AND collection = $2 AND id = $3";
        const ENTRY: &str = "UPDATE index_entries SET removed = true, body = '', changed = $4 \
            WHERE client_id = $1 AND collection = $2 AND id = $3 AND NOT removed";
        self.run(VECTORS, [Value::Uuid(id)]).await?;
        self.run(ENTRY, [Value::Uuid(id), Value::Int(self.head.version)]).await
    }

    async fn remove_group(&mut self, group: Uuid) -> Result<(), sqlx::Error> {
        const VECTORS: &str = "DELETE FROM index_vectors WHERE client_id = $1 AND collection = $2 AND id IN \
            (SELECT id FROM index_entries WHERE client_id = $1 AND collection = $2 AND owner = $3)";
        const ENTRIES: &str = "UPDATE index_entries SET removed = true, body = '', changed = $4 \
            WHERE client_id = $1 AND collection = $2 AND owner = $3 AND NOT removed";
        self.run(VECTORS, [Value::Uuid(group)]).await?;
        self.run(ENTRIES, [Value::Uuid(group), Value::Int(self.head.version)]).await
    }

    async fn keep_only(&mut self, model: &EmbeddingModel) -> Result<(), sqlx::Error> {
        const OTHERS: &str =
            "DELETE FROM index_vectors WHERE client_id = $1 AND collection = $2 AND model <> $3";
        self.run(OTHERS, [Value::Text(model.to_string().into())]).await?;
        self.forget_removed().await
    }

    async fn erase(&mut self) -> Result<(), sqlx::Error> {
        self.run("DELETE FROM index_vectors WHERE client_id = $1 AND collection = $2", []).await?;
        self.run("DELETE FROM index_entries WHERE client_id = $1 AND collection = $2", []).await?;
        self.begin_anew().await
    }

    async fn forget_removed(&mut self) -> Result<(), sqlx::Error> {
        self.run("DELETE FROM index_entries WHERE client_id = $1 AND collection = $2 AND removed", [])
            .await?;
        self.begin_anew().await
    }

    async fn begin_anew(&mut self) -> Result<(), sqlx::Error> {
        const EPOCH: &str =
            "UPDATE index_spaces SET epoch = epoch + 1 WHERE client_id = $1 AND collection = $2";
        self.run(EPOCH, []).await
    }
}

/// The text as far as it is kept. PostgreSQL takes no NUL.
fn kept(text: &str) -> Cow<'_, str> {
    let text = &text[..text.floor_char_boundary(MAX_ENTRY_BYTES)];
    if text.contains('\0') { text.replace('\0', " ").into() } else { text.into() }
}
