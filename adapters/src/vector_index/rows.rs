//! The rows of the index: entries, their vectors, and a version for each space.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};

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
/// Rows written by one statement.
const WRITTEN: usize = 100;
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
    let sql = format!(
        "SELECT id, owner, body FROM index_entries WHERE client_id = $1 AND collection = $2 AND NOT removed \
         AND id IN ({})",
        places(3, ids.len())
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

/// Clients with a space of memories, by id.
pub(super) async fn clients_with_memories(
    db: &Db,
    after: Option<ClientId>,
    limit: usize,
) -> Result<Vec<ClientId>, StoreUnavailable> {
    const CLIENTS: &str = "SELECT client_id FROM index_spaces WHERE client_id > $1 AND collection = $2 \
        ORDER BY client_id LIMIT $3 + 0";
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let after = Value::Uuid(after.map_or(Uuid::nil(), |client| client.0));
    let values = vec![after, Value::Uuid(Uuid::nil()), Value::Int(limit)];
    let rows = db.rows(Of::System, CLIENTS.to_owned(), values).await?;
    let client = |row: &SqlRow| row.uuid(0).map(ClientId);
    rows.iter().map(client).collect::<Result<_, _>>().map_err(|error| unavailable(&error))
}

/// Whether no vector of the space is of another model.
pub(super) async fn has_only(
    db: &Db,
    space: Space,
    model: &EmbeddingModel,
) -> Result<bool, StoreUnavailable> {
    // the ends of the primary key, not all vectors
    const MODELS: &str = "SELECT \
        (SELECT min(model) FROM index_vectors WHERE client_id = $1 AND collection = $2), \
        (SELECT max(model) FROM index_vectors WHERE client_id = $1 AND collection = $2)";
    let Some(row) = db.row(whose(space), MODELS, named(space)).await? else { return Ok(true) };
    let ends = || Ok([row.text_option(0)?, row.text_option(1)?]);
    let ends = ends().map_err(|error| unavailable(&error))?;
    let model = model.to_string();
    Ok(ends.into_iter().flatten().all(|other| other == model))
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
    /// Sets vectors of entries that are as they were.
    Vectors(&'a EmbeddingModel, &'a [IndexEntry]),
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
            Edit::Put(model, entries) => self.put(model, entries, None).await?,
            Edit::Group(model, group, entries) => {
                self.remove_group(group).await?;
                self.put(model, entries, Some(group)).await?;
            }
            Edit::Vectors(model, entries) => {
                for entry in entries {
                    self.set_vector(model, entry).await?;
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

    /// Writes entries, in the group given or in their own; of two with one id the last counts.
    async fn put(
        &mut self,
        model: &EmbeddingModel,
        entries: &[IndexEntry],
        group: Option<Uuid>,
    ) -> Result<(), sqlx::Error> {
        let mut last: BTreeMap<Uuid, &IndexEntry> = BTreeMap::new();
        last.extend(entries.iter().map(|entry| (entry.id, entry)));
        let entries: Vec<&IndexEntry> = last.into_values().collect();
        for entries in entries.chunks(WRITTEN) {
            self.forget_vectors_of_other_texts(entries).await?;
            self.put_entries(entries, group).await?;
            self.put_vectors(model, entries).await?;
        }
        Ok(())
    }

    /// Vectors of another text mean something else.
    async fn forget_vectors_of_other_texts(&mut self, entries: &[&IndexEntry]) -> Result<(), sqlx::Error> {
        const BODIES: &str =
            "SELECT id, body FROM index_entries WHERE client_id = $1 AND collection = $2 AND id IN (";
        const FORGET: &str = "DELETE FROM index_vectors WHERE client_id = $1 AND collection = $2 AND id IN (";
        let all = entries.iter().map(|entry| Value::Uuid(entry.id));
        let values = named(self.space).into_iter().chain(all);
        let args = crate::sql::db::args(self.dialect, values)?;
        let rows = self.tx.query(made(format!("{BODIES}{})", places(3, entries.len()))), args).await?;
        let mut before: HashMap<Uuid, String> = HashMap::new();
        for row in &rows {
            before.insert(row.uuid(0)?, row.text(1)?);
        }
        let other =
            |entry: &&&IndexEntry| before.get(&entry.id).is_some_and(|before| *before != kept(&entry.text));
        let others: Vec<_> = entries.iter().filter(other).map(|entry| Value::Uuid(entry.id)).collect();
        if others.is_empty() {
            return Ok(());
        }
        self.run(&format!("{FORGET}{})", places(3, others.len())), others).await
    }

    async fn put_entries(&mut self, entries: &[&IndexEntry], group: Option<Uuid>) -> Result<(), sqlx::Error> {
        const INTO: &str =
            "INSERT INTO index_entries (client_id, collection, changed, removed, id, owner, body) VALUES ";
        const OR: &str = " ON CONFLICT (client_id, collection, id) DO UPDATE SET \
            owner = excluded.owner, body = excluded.body, changed = excluded.changed, removed = false";
        let rows: Vec<String> = (0..entries.len())
            .map(|n| format!("($1, $2, $3, false, ${}, ${}, ${})", 4 + 3 * n, 5 + 3 * n, 6 + 3 * n))
            .collect();
        let texts: Vec<_> = entries.iter().map(|entry| kept(&entry.text)).collect();
        let row = |(entry, text): (&&IndexEntry, _)| {
            [Value::Uuid(entry.id), Value::Uuid(group.unwrap_or(entry.group)), text]
        };
        let changed = Value::Int(self.head.version);
        let values = entries.iter().zip(texts.iter().map(|text| Value::text(text))).flat_map(row);
        let values: Vec<_> = std::iter::once(changed).chain(values).collect();
        self.run(&format!("{INTO}{}{OR}", rows.join(", ")), values).await
    }

    async fn put_vectors(
        &mut self,
        model: &EmbeddingModel,
        entries: &[&IndexEntry],
    ) -> Result<(), sqlx::Error> {
        const INTO: &str = "INSERT INTO index_vectors (client_id, collection, model, id, vector) VALUES ";
        const OR: &str =
            " ON CONFLICT (client_id, collection, model, id) DO UPDATE SET vector = excluded.vector";
        let with: Vec<_> =
            entries.iter().filter_map(|entry| Some((entry.id, entry.vector.as_ref()?))).collect();
        if with.is_empty() {
            return Ok(());
        }
        let rows: Vec<String> =
            (0..with.len()).map(|n| format!("($1, $2, $3, ${}, ${})", 4 + 2 * n, 5 + 2 * n)).collect();
        let row = |(id, vector): (Uuid, &Embedding)| [Value::Uuid(id), Value::Blob(vector.to_bytes())];
        let model = Value::Text(model.to_string().into());
        let values: Vec<_> = std::iter::once(model).chain(with.into_iter().flat_map(row)).collect();
        self.run(&format!("{INTO}{}{OR}", rows.join(", ")), values).await
    }

    /// Sets the vector of an entry that is there with this text.
    async fn set_vector(&mut self, model: &EmbeddingModel, entry: &IndexEntry) -> Result<(), sqlx::Error> {
        const VECTOR: &str = "INSERT INTO index_vectors (client_id, collection, model, id, vector) \
            SELECT e.client_id, e.collection, $5, e.id, $6 FROM index_entries e WHERE e.client_id = $1 \
            AND e.collection = $2 AND e.id = $3 AND NOT e.removed AND e.body = $4 \
            ON CONFLICT (client_id, collection, model, id) DO UPDATE SET vector = excluded.vector";
        const CHANGED: &str = "UPDATE index_entries SET changed = $5 WHERE client_id = $1 AND collection = $2 \
            AND id = $3 AND NOT removed AND body = $4";
        let Some(vector) = &entry.vector else { return Ok(()) };
        let text = &*kept(&entry.text);
        let of = || [Value::Uuid(entry.id), Value::text(text)];
        let set = [Value::Text(model.to_string().into()), Value::Blob(vector.to_bytes())];
        self.run(VECTOR, of().into_iter().chain(set)).await?;
        self.run(CHANGED, of().into_iter().chain([Value::Int(self.head.version)])).await
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

/// Placeholders of `count` values from number `first` on.
fn places(first: usize, count: usize) -> String {
    (first..first + count).map(|n| format!("${n}")).collect::<Vec<_>>().join(", ")
}

/// The text as far as it is kept. PostgreSQL takes no NUL.
fn kept(text: &str) -> Cow<'_, str> {
    let text = &text[..text.floor_char_boundary(MAX_ENTRY_BYTES)];
    if text.contains('\0') { text.replace('\0', " ").into() } else { text.into() }
}
