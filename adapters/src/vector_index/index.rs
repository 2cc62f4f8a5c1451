//! The port over the rows and their copies in memory.

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use domain::envelope::Position;
use domain::ids::ClientId;
use domain::ports::StoreUnavailable;
use domain::ports::embeddings::{Embedding, EmbeddingModel};
use domain::ports::vector_index::{
    Hit, IndexEntry, IndexQuery, MAX_HITS, MAX_QUERY_BYTES, Ranks, Space, VectorIndex,
};
use domain::ranking::fuse;
use uuid::Uuid;

use super::loaded::{Copies, SpaceCopy};
use super::matrix::Matrix;
use super::rows::{self, Changed, Edit, Since};
use super::words::Words;
use crate::read_models::SqlViews;
use crate::sql::db::{Db, unavailable};
use crate::sql::tenant::Of;
use crate::sql::value::Value;

/// Of each ranking so many places are fused for each hit that is wanted, and [`LEAST`] at least.
const DEPTH: usize = 4;
const LEAST: usize = 50;
/// Searches of more vectors than these would hold up others on the same thread.
const SHORT: usize = 2_000;

/// The vectors of one model in a space.
type OfModel = (Space, EmbeddingModel);

/// The index in the database of the views. Cheap to clone.
#[derive(Debug, Clone)]
pub struct SqlVectorIndex {
    db: Db,
    words: Arc<Copies<Words>>,
    vectors: Arc<Copies<Matrix>>,
}

impl SpaceCopy for Words {
    type Key = Space;
    type Content = String;

    fn empty(_: &Space) -> Self {
        Self::default()
    }

    async fn page(db: &Db, space: &Space, since: Since) -> Result<Vec<Changed<String>>, StoreUnavailable> {
        rows::changed_texts(db, *space, since).await
    }

    fn apply(&mut self, row: Changed<String>) {
        match row.content {
            Some(text) => self.put(row.since.id, row.group, &text),
            None => self.remove(row.since.id),
        }
    }

    fn settle(&mut self) {
        Words::settle(self);
    }

    fn bytes(&self) -> usize {
        Words::bytes(self)
    }
}

impl SpaceCopy for Matrix {
    type Key = OfModel;
    type Content = Vec<u8>;

    fn empty((_, model): &OfModel) -> Self {
        Self::new(model.dimensions)
    }

    async fn page(
        db: &Db,
        (space, model): &OfModel,
        since: Since,
    ) -> Result<Vec<Changed<Vec<u8>>>, StoreUnavailable> {
        rows::changed_vectors(db, *space, &model.to_string(), since).await
    }

    fn apply(&mut self, row: Changed<Vec<u8>>) {
        let dimensions = self.dimensions();
        match row.content.and_then(|bytes| Embedding::from_bytes(&bytes, dimensions)) {
            Some(vector) => self.put(row.since.id, row.group, vector.values()),
            None => self.remove(row.since.id),
        }
    }

    fn settle(&mut self) {
        Matrix::settle(self);
    }

    fn bytes(&self) -> usize {
        Matrix::bytes(self)
    }
}

impl SqlVectorIndex {
    /// The index beside these views. `memory` bytes at most are used for copies of what is searched; a space that is
    /// larger than that is loaded all the same.
    #[must_use]
    pub fn new(views: &SqlViews, memory: usize) -> Self {
        let words = memory / 5;
        Self {
            db: views.db().clone(),
            words: Arc::new(Copies::new(words)),
            vectors: Arc::new(Copies::new(memory - words)),
        }
    }
}

/// Runs a search where it holds up nobody.
async fn search<T: Send + 'static>(
    is_short: bool,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, StoreUnavailable> {
    if is_short {
        return Ok(work());
    }
    tokio::task::spawn_blocking(work).await.map_err(|_| StoreUnavailable("a search was cut off".to_owned()))
}

#[async_trait]
impl VectorIndex for SqlVectorIndex {
    async fn put(
        &self,
        space: Space,
        model: &EmbeddingModel,
        entries: &[IndexEntry],
    ) -> Result<(), StoreUnavailable> {
        if entries.is_empty() {
            return Ok(());
        }
        rows::change(&self.db, space, Edit::Put(model, entries)).await
    }

    async fn replace_group(
        &self,
        space: Space,
        model: &EmbeddingModel,
        group: Uuid,
        entries: &[IndexEntry],
    ) -> Result<(), StoreUnavailable> {
        rows::change(&self.db, space, Edit::Group(model, group, entries)).await
    }

    async fn set_vectors(
        &self,
        space: Space,
        model: &EmbeddingModel,
        entries: &[IndexEntry],
    ) -> Result<(), StoreUnavailable> {
        if entries.is_empty() {
            return Ok(());
        }
        rows::change(&self.db, space, Edit::Vectors(model, entries)).await
    }

    async fn remove(&self, space: Space, ids: &[Uuid]) -> Result<(), StoreUnavailable> {
        if ids.is_empty() {
            return Ok(());
        }
        rows::change(&self.db, space, Edit::Remove(ids)).await
    }

    async fn search(&self, space: Space, query: &IndexQuery<'_>) -> Result<Vec<Hit>, StoreUnavailable> {
        let limit = query.limit.clamp(1, MAX_HITS);
        let is_fused = query.near.is_some() && query.words.is_some();
        let depth = if is_fused { (limit * DEPTH).max(LEAST) } else { limit };
        let head = rows::head(&self.db, space).await?;
        let group = query.group;
        let mut rankings: Vec<Vec<Uuid>> = Vec::new();
        let mut matrix = None;
        if let Some((model, near)) = query.near {
            let loaded = self.vectors.fresh(&self.db, &(space, model.clone()), head).await?;
            let is_short = group.is_some() || loaded.read(Matrix::len) <= SHORT;
            let (vectors, near) = (loaded.clone(), near.clone());
            let work = move || vectors.read(|matrix| matrix.nearest(near.values(), group, depth));
            let found = search(is_short, work).await?;
            rankings.push(found.into_iter().map(|found| found.id).collect());
            matrix = Some(loaded);
        }
        if let Some(words) = query.words {
            let loaded = self.words.fresh(&self.db, &space, head).await?;
            let words = words[..words.floor_char_boundary(MAX_QUERY_BYTES)].to_owned();
            let work = move || loaded.read(|all| all.search(&words, group, depth));
            rankings.push(search(group.is_some(), work).await?);
        }
        let mut fused = fuse(&rankings);
        fused.truncate(limit);
        let ids: Vec<Uuid> = fused.iter().map(|fused| fused.thing).collect();
        let texts = rows::texts(&self.db, space, &ids).await?;
        let mut texts: HashMap<Uuid, (Uuid, String)> =
            texts.into_iter().map(|(id, group, text)| (id, (group, text))).collect();
        let has_vectors = query.near.is_some();
        let hits = fused.into_iter().filter_map(|fused| {
            // what was removed since the copy was made is no hit any more
            let (group, text) = texts.remove(&fused.thing)?;
            let mut ranks = fused.ranks.into_iter();
            let vector = if has_vectors { ranks.next().flatten() } else { None };
            let keyword = ranks.next().flatten();
            let similarity = query.near.zip(matrix.as_ref()).and_then(|((_, near), loaded)| {
                loaded.read(|matrix| matrix.cosine(fused.thing, near.values()))
            });
            let ranks = Ranks { vector, keyword };
            Some(Hit { id: fused.thing, group, text, score: fused.score, similarity, ranks })
        });
        Ok(hits.collect())
    }

    async fn without_vector(
        &self,
        space: Space,
        model: &EmbeddingModel,
        after: Option<Uuid>,
        limit: usize,
    ) -> Result<Vec<IndexEntry>, StoreUnavailable> {
        rows::without_vector(&self.db, space, model, after, limit).await
    }

    async fn clients_with_memories(
        &self,
        after: Option<ClientId>,
        limit: usize,
    ) -> Result<Vec<ClientId>, StoreUnavailable> {
        rows::clients_with_memories(&self.db, after, limit).await
    }

    async fn keep_only(&self, space: Space, model: &EmbeddingModel) -> Result<(), StoreUnavailable> {
        if rows::has_only(&self.db, space, model).await? {
            return Ok(());
        }
        rows::change(&self.db, space, Edit::KeepOnly(model)).await?;
        self.vectors.forget(|(of, other)| *of == space && other != model);
        Ok(())
    }

    async fn erase(&self, space: Space) -> Result<(), StoreUnavailable> {
        rows::change(&self.db, space, Edit::Erase).await?;
        self.vectors.forget(|(of, _)| *of == space);
        self.words.forget(|of| *of == space);
        Ok(())
    }

    async fn progress(&self, follower: &str) -> Result<Position, StoreUnavailable> {
        const PROGRESS: &str = "SELECT position FROM index_progress WHERE follower = $1";
        let row = self.db.row(Of::Nobody, PROGRESS, [Value::text(follower)]).await?;
        let position = row.map(|row| row.position(0)).transpose().map_err(|error| unavailable(&error))?;
        Ok(position.unwrap_or(Position::START))
    }

    async fn reached(&self, follower: &str, position: Position) -> Result<(), StoreUnavailable> {
        const REACHED: &str = "INSERT INTO index_progress (follower, position) VALUES ($1, $2) \
            ON CONFLICT (follower) DO UPDATE SET position = excluded.position";
        self.db.change(REACHED, vec![Value::text(follower), Value::position(position)]).await.map(drop)
    }

    async fn has_group(&self, space: Space, group: Uuid) -> Result<bool, StoreUnavailable> {
        rows::has_group(&self.db, space, group).await
    }
}
