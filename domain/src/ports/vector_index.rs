//! Search of short texts by meaning and by words, for memories and for knowledge bases.
//!
//! An entry belongs to one [`Space`] and there to one group, which can be replaced or removed as a whole: the memories
//! of a customer, the passages of a document. An entry has at most one vector for each model, so that the vectors of a
//! new model can be made beside those in use.

use std::fmt;

use async_trait::async_trait;
use uuid::Uuid;

use super::StoreUnavailable;
use super::embeddings::{Embedding, EmbeddingModel};
use crate::envelope::Position;
use crate::ids::ClientId;

/// Most hits of one search.
pub const MAX_HITS: usize = 100;
/// Most bytes of an entry's text.
pub const MAX_ENTRY_BYTES: usize = 8 * 1024;
/// Most bytes of a search's words; what is beyond is not looked at.
pub const MAX_QUERY_BYTES: usize = 8 * 1024;

/// What is searched together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Collection {
    /// All memories of a client; a group is a customer.
    Memories,
    /// The passages of the knowledge base with this id; a group is a document.
    KnowledgeBase(Uuid),
}

/// A collection of a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Space {
    pub client: ClientId,
    pub collection: Collection,
}

impl Space {
    #[must_use]
    pub const fn new(client: ClientId, collection: Collection) -> Self {
        Self { client, collection }
    }
}

/// A text that can be found.
#[derive(Clone, PartialEq)]
pub struct IndexEntry {
    /// Unique in the space.
    pub id: Uuid,
    pub group: Uuid,
    /// Up to [`MAX_ENTRY_BYTES`] bytes; what is beyond is not kept.
    pub text: String,
    /// Its vector; `None` until it is made: the entry is found by its words alone.
    pub vector: Option<Embedding>,
}

/// Texts are personal data.
impl fmt::Debug for IndexEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IndexEntry").field("id", &self.id).field("group", &self.group).finish_non_exhaustive()
    }
}

/// What is looked for: by a vector, by words, or by both.
#[derive(Clone, Copy)]
pub struct IndexQuery<'a> {
    /// Only entries of this group; `None` for all of the space.
    pub group: Option<Uuid>,
    /// Finds the entries nearest to this vector, among those with a vector of the model.
    pub near: Option<(&'a EmbeddingModel, &'a Embedding)>,
    /// Finds entries with at least one of these words, in any order; no syntax is understood.
    pub words: Option<&'a str>,
    /// Most hits, 1 to [`MAX_HITS`].
    pub limit: usize,
}

/// Queries are personal data.
impl fmt::Debug for IndexQuery<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IndexQuery")
            .field("group", &self.group)
            .field("limit", &self.limit)
            .finish_non_exhaustive()
    }
}

/// Places in the results by vector and by words, from 1; `None` where it was not found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Ranks {
    pub vector: Option<u32>,
    pub keyword: Option<u32>,
}

/// A text that was found.
#[derive(Clone, PartialEq)]
pub struct Hit {
    pub id: Uuid,
    pub group: Uuid,
    pub text: String,
    /// Fused from both ranks, 0 to 1; 1 is the first place in each search that was asked for. Hits are ordered by it.
    pub score: f64,
    /// Cosine of the angle to the vector that was searched with, −1 to 1; `None` where either of them has none.
    pub similarity: Option<f32>,
    pub ranks: Ranks,
}

/// Texts are personal data.
impl fmt::Debug for Hit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hit")
            .field("id", &self.id)
            .field("score", &self.score)
            .field("ranks", &self.ranks)
            .finish_non_exhaustive()
    }
}

/// Keeps entries and finds them. What a call has written, every later search of any node finds.
///
/// A search by vector may miss some of the nearest entries of a large space, but finds at least 95 of 100.
#[async_trait]
pub trait VectorIndex: fmt::Debug + Send + Sync {
    /// Adds entries, and replaces those that have the same id. An entry without a vector, whose text is as it was, keeps
    /// the vectors it has; a vector is kept as one of `model`. All or nothing.
    async fn put(
        &self,
        space: Space,
        model: &EmbeddingModel,
        entries: &[IndexEntry],
    ) -> Result<(), StoreUnavailable>;

    /// Replaces all entries of a group, in one step; without entries the group is removed.
    async fn replace_group(
        &self,
        space: Space,
        model: &EmbeddingModel,
        group: Uuid,
        entries: &[IndexEntry],
    ) -> Result<(), StoreUnavailable>;

    /// Gives entries their vectors of `model`. An entry that is gone by now, or has another text, gets none: what was
    /// removed while its vector was made stays removed.
    async fn set_vectors(
        &self,
        space: Space,
        model: &EmbeddingModel,
        entries: &[IndexEntry],
    ) -> Result<(), StoreUnavailable>;

    /// Removes entries with their vectors of every model; unknown ids are left out.
    async fn remove(&self, space: Space, ids: &[Uuid]) -> Result<(), StoreUnavailable>;

    /// The best hits, best first; equal ones by id. Nothing is found where neither vector nor words are given.
    async fn search(&self, space: Space, query: &IndexQuery<'_>) -> Result<Vec<Hit>, StoreUnavailable>;

    /// Up to `limit` entries that have no vector of `model`, by id from beyond `after`: what is left to embed when
    /// embedding failed or the model changes.
    async fn without_vector(
        &self,
        space: Space,
        model: &EmbeddingModel,
        after: Option<Uuid>,
        limit: usize,
    ) -> Result<Vec<IndexEntry>, StoreUnavailable>;

    /// Up to `limit` clients who have or had memories, by id from beyond `after`.
    async fn clients_with_memories(
        &self,
        after: Option<ClientId>,
        limit: usize,
    ) -> Result<Vec<ClientId>, StoreUnavailable>;

    /// Removes the vectors of all models but `model`, once nobody searches with them any more.
    async fn keep_only(&self, space: Space, model: &EmbeddingModel) -> Result<(), StoreUnavailable>;

    /// Removes a whole space: its entries, words and vectors.
    async fn erase(&self, space: Space) -> Result<(), StoreUnavailable>;

    /// Position up to which the follower of the log with this name has put entries; [`Position::START`] in an index that
    /// is new: then it puts them all again.
    async fn progress(&self, follower: &str) -> Result<Position, StoreUnavailable>;

    /// Moves the position of a follower.
    async fn reached(&self, follower: &str, position: Position) -> Result<(), StoreUnavailable>;

    /// Whether the space has an entry of this group. An index that was made anew has none.
    async fn has_group(&self, space: Space, group: Uuid) -> Result<bool, StoreUnavailable>;
}
