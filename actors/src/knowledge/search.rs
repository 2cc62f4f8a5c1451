//! Looks passages up: embeds the question, searches each knowledge base, and keeps the best.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use domain::ids::{ChunkId, ClientId, DocumentId, KnowledgeBaseId};
use domain::knowledge::KnowledgeBase;
use domain::ports::StoreUnavailable;
use domain::ports::embeddings::{Embedding, EmbeddingFailure, EmbeddingModel, EmbeddingTask};
use domain::ports::vector_index::{Collection, Hit, IndexQuery, MAX_HITS, Ranks, Space};

use super::Knowledge;
use crate::session::Session;

/// Most characters of a question; what is beyond is not looked at.
pub const LONGEST_QUESTION: usize = 2_000;

/// What is looked for, and where.
#[derive(Debug, Clone, Copy)]
pub struct LookUp<'a> {
    pub client: ClientId,
    /// Those that do not exist are left out.
    pub bases: &'a [KnowledgeBaseId],
    pub question: &'a str,
    /// Most passages that are answered.
    pub limit: usize,
    /// Passages with a smaller score are left out, 0 to 1.
    pub min_score: f64,
    /// Passages that are less near are left out, and those found by words alone; `None` asks for no nearness.
    pub min_similarity: Option<f32>,
    /// Longest wait for the question's vector; without one, words alone are searched for.
    pub embed_within: Duration,
}

/// A passage that was found.
#[derive(Debug, Clone, PartialEq)]
pub struct FoundPassage {
    pub base: KnowledgeBaseId,
    pub document: DocumentId,
    pub title: String,
    pub chunk: ChunkId,
    pub text: String,
    /// Fused from both ranks, 0 to 1.
    pub score: f64,
    /// Cosine, −1 to 1; `None` if it was found by its words alone.
    pub similarity: Option<f32>,
    pub ranks: Ranks,
}

/// What a search found.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Searched {
    /// The best one comes first.
    pub passages: Vec<FoundPassage>,
    /// Why the question has no vector: then only words were searched for.
    pub words_only: Option<String>,
}

/// Why nothing could be looked up.
#[derive(Debug, thiserror::Error)]
pub enum SearchError {
    #[error(transparent)]
    Store(#[from] StoreUnavailable),
    /// The settings of the knowledge base cannot be read.
    #[error("the log cannot be read: {0}")]
    Log(String),
}

impl Knowledge {
    /// The model of a knowledge base; `None` when the client has no such base. Fails with a description when the log
    /// cannot be read.
    pub async fn model_of(
        &self,
        client: ClientId,
        base: KnowledgeBaseId,
    ) -> Result<Option<EmbeddingModel>, SearchError> {
        let mut session = Session::<KnowledgeBase>::new(self.runtime.clone(), base.stream());
        session.refresh().await.map_err(|error| SearchError::Log(error.to_string()))?;
        let own = session.client() == Some(client);
        Ok(session.state().terms().filter(|_| own).map(|terms| terms.embedding.clone()))
    }

    /// The best passages of all these knowledge bases. A question whose vector fails, or comes too late, is searched
    /// for by its words.
    pub async fn search(&self, wanted: &LookUp<'_>) -> Result<Searched, SearchError> {
        let question = cut(wanted.question, LONGEST_QUESTION).trim();
        if question.is_empty() || wanted.limit == 0 {
            return Ok(Searched::default());
        }
        let mut models = BTreeMap::<EmbeddingModel, Vec<KnowledgeBaseId>>::new();
        let known =
            futures::future::join_all(wanted.bases.iter().map(|base| self.model_of(wanted.client, *base)))
                .await;
        for (base, model) in wanted.bases.iter().zip(known) {
            if let Some(model) = model? {
                models.entry(model).or_default().push(*base);
            }
        }
        let mut found = Searched::default();
        let embedded = futures::future::join_all(
            models.keys().map(|model| self.embed(wanted.client, model, question, wanted.embed_within)),
        )
        .await;
        let mut searches = Vec::new();
        for ((model, bases), vector) in models.iter().zip(&embedded) {
            if let Err(why) = vector {
                found.words_only = Some(why.clone());
            }
            let near = vector.as_ref().ok().map(|vector| (model, vector));
            searches.extend(bases.iter().map(|base| self.search_one(wanted, *base, question, near)));
        }
        let mut hits = Vec::new();
        for one in futures::future::join_all(searches).await {
            hits.extend(one?);
        }
        found.passages = self.of_known_documents(wanted, hits).await?;
        Ok(found)
    }

    async fn embed(
        &self,
        client: ClientId,
        model: &EmbeddingModel,
        question: &str,
        within: Duration,
    ) -> Result<Embedding, String> {
        let texts = [question.to_owned()];
        let made = self.embeddings.embed(client, model, EmbeddingTask::Query, &texts);
        match tokio::time::timeout(within, made).await {
            Ok(Ok(mut vectors)) if vectors.len() == 1 => Ok(vectors.remove(0)),
            Ok(Ok(vectors)) => Err(EmbeddingFailure::Count { wanted: 1, got: vectors.len() }.to_string()),
            Ok(Err(failure)) => Err(failure.to_string()),
            Err(_) => Err("the question was not embedded in time".to_owned()),
        }
    }

    async fn search_one(
        &self,
        wanted: &LookUp<'_>,
        base: KnowledgeBaseId,
        question: &str,
        near: Option<(&EmbeddingModel, &Embedding)>,
    ) -> Result<Vec<(KnowledgeBaseId, Hit)>, StoreUnavailable> {
        let space = Space::new(wanted.client, Collection::KnowledgeBase(base.0));
        // some may be of documents that are gone
        let limit = (wanted.limit * 2).clamp(1, MAX_HITS);
        let query = IndexQuery { group: None, near, words: Some(question), limit };
        let hits = self.index.search(space, &query).await?;
        Ok(hits.into_iter().map(|hit| (base, hit)).collect())
    }

    async fn of_known_documents(
        &self,
        wanted: &LookUp<'_>,
        mut hits: Vec<(KnowledgeBaseId, Hit)>,
    ) -> Result<Vec<FoundPassage>, StoreUnavailable> {
        let near = |hit: &Hit| {
            wanted.min_similarity.is_none_or(|least| hit.similarity.is_some_and(|value| value >= least))
        };
        hits.retain(|(_, hit)| hit.score >= wanted.min_score && near(hit));
        hits.sort_by(|(_, a), (_, b)| b.score.total_cmp(&a.score).then(a.id.cmp(&b.id)));
        let mut ids: Vec<_> = hits.iter().map(|(_, hit)| DocumentId(hit.group)).collect();
        ids.sort_unstable();
        ids.dedup();
        let known = self.catalogue.known(wanted.client, &ids).await?;
        let titles: HashMap<_, _> = known.into_iter().map(|known| (known.id, known.title)).collect();
        let passage = |(base, hit): (KnowledgeBaseId, Hit)| {
            let document = DocumentId(hit.group);
            Some(FoundPassage {
                base,
                document,
                title: titles.get(&document)?.clone(),
                chunk: ChunkId(hit.id),
                text: hit.text,
                score: hit.score,
                similarity: hit.similarity,
                ranks: hit.ranks,
            })
        };
        Ok(hits.into_iter().filter_map(passage).take(wanted.limit).collect())
    }
}

/// The beginning of a text, of at most so many characters.
pub(crate) fn cut(text: &str, most: usize) -> &str {
    text.char_indices().nth(most).map_or(text, |(end, _)| &text[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_cut_between_characters() {
        assert_eq!((cut("añb", 2), cut("añb", 3), cut("", 1), cut("a", 0)), ("añ", "añb", "", ""));
    }
}
