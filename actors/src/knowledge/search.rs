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
    /// Passages with a smaller score are left out, 0 to 1: that of the searches made in their knowledge base.
    pub min_score: f64,
    /// Passages that are less near are left out, and those found by words alone; `None` asks for no nearness. In a
    /// knowledge base for whose model the question has no vector, nothing is left out.
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
    /// Fused from both ranks, 0 to 1. Beside passages of searches by meaning and words, the first place by words alone is
    /// half of it.
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
    /// Why the question has no vector for some of the knowledge bases: there only words were searched for.
    pub words_only: Option<String>,
}

/// A hit, and where it comes from.
#[derive(Debug)]
struct BaseHit {
    base: KnowledgeBaseId,
    /// Whether the question had no vector there.
    words_only: bool,
    hit: Hit,
}

/// What of it is good enough, best first, on one scale: a place by words alone is worth the same whether or not the
/// vectors were searched too.
fn best(mut hits: Vec<BaseHit>, min_score: f64, min_similarity: Option<f32>) -> Vec<BaseHit> {
    let is_mixed = hits.iter().any(|one| !one.words_only);
    hits.retain(|one| {
        // a nearness that could not be measured says nothing
        let is_near = one.words_only
            || min_similarity.is_none_or(|least| one.hit.similarity.is_some_and(|value| value >= least));
        one.hit.score >= min_score && is_near
    });
    for one in hits.iter_mut().filter(|one| is_mixed && one.words_only) {
        one.hit.score /= 2.0;
    }
    hits.sort_by(|a, b| b.hit.score.total_cmp(&a.hit.score).then(a.hit.id.cmp(&b.hit.id)));
    hits
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
    ) -> Result<Vec<BaseHit>, StoreUnavailable> {
        let space = Space::new(wanted.client, Collection::KnowledgeBase(base.0));
        // some may be of documents that are gone
        let limit = (wanted.limit * 2).clamp(1, MAX_HITS);
        let query = IndexQuery { group: None, near, words: Some(question), limit };
        let hits = self.index.search(space, &query).await?;
        let words_only = near.is_none();
        Ok(hits.into_iter().map(|hit| BaseHit { base, words_only, hit }).collect())
    }

    async fn of_known_documents(
        &self,
        wanted: &LookUp<'_>,
        hits: Vec<BaseHit>,
    ) -> Result<Vec<FoundPassage>, StoreUnavailable> {
        let hits = best(hits, wanted.min_score, wanted.min_similarity);
        let mut ids: Vec<_> = hits.iter().map(|one| DocumentId(one.hit.group)).collect();
        ids.sort_unstable();
        ids.dedup();
        let known = self.catalogue.known(wanted.client, &ids).await?;
        let titles: HashMap<_, _> = known.into_iter().map(|known| (known.id, known.title)).collect();
        let passage = |BaseHit { base, hit, .. }: BaseHit| {
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
    use uuid::Uuid;

    use super::*;

    fn hit(n: u128, words_only: bool, score: f64, similarity: Option<f32>) -> BaseHit {
        let (id, group) = (Uuid::from_u128(n), Uuid::from_u128(9));
        let hit = Hit { id, group, text: String::new(), score, similarity, ranks: Ranks::default() };
        BaseHit { base: KnowledgeBaseId(group), words_only, hit }
    }

    fn order(hits: Vec<BaseHit>, min_score: f64, min_similarity: Option<f32>) -> Vec<u128> {
        best(hits, min_score, min_similarity).iter().map(|one| one.hit.id.as_u128()).collect()
    }

    #[test]
    fn a_nearness_that_could_not_be_measured_leaves_nothing_out() {
        let blind = || vec![hit(1, true, 1.0, None), hit(2, true, 0.9, None)];
        assert_eq!(order(blind(), 0.0, Some(0.3)), [1, 2]);
        let seen =
            vec![hit(3, false, 0.5, None), hit(4, false, 0.4, Some(0.2)), hit(5, false, 0.3, Some(0.4))];
        assert_eq!(order(seen, 0.0, Some(0.3)), [5], "found by words alone, or not near enough");
    }

    #[test]
    fn a_place_by_words_is_worth_the_same_in_every_base() {
        // the first by both, the first by the vector alone; the first two by words of a base without a vector
        let both = || vec![hit(1, false, 1.0, Some(0.8)), hit(2, false, 0.5, Some(0.9))];
        let words = || vec![hit(3, true, 1.0, None), hit(4, true, 0.98, None)];
        let all = || both().into_iter().chain(words()).collect::<Vec<_>>();
        assert_eq!(order(all(), 0.0, None), [1, 2, 3, 4]);
        assert_eq!(best(all(), 0.0, None)[2].hit.score, 0.5);
        // alone they keep their scale, and what they are asked for is judged on it
        assert_eq!(best(words(), 0.0, None)[0].hit.score, 1.0);
        assert_eq!(order(all(), 0.99, None), [1, 3]);
    }

    #[test]
    fn a_text_is_cut_between_characters() {
        assert_eq!((cut("añb", 2), cut("añb", 3), cut("", 1), cut("a", 0)), ("añ", "añb", "", ""));
    }
}
