//! What every index that is searched by vector and by words must do. The oracle is a comparison with every vector.
//!
//! `vector_index_suite!(fresh)` makes a test of each; `fresh` is an `async fn() -> impl Subject`, with an empty index.

#![expect(clippy::unwrap_used, reason = "a case that does not hold panics, as a test does")]

use std::collections::BTreeMap;

use domain::envelope::Position;
use domain::ids::ClientId;
use domain::ports::embeddings::{Embedding, EmbeddingModel, EmbeddingProvider};
use domain::ports::vector_index::{
    Collection, Hit, IndexEntry, IndexQuery, MAX_ENTRY_BYTES, Space, VectorIndex,
};
use uuid::Uuid;

/// An index under test.
pub trait Subject: Send + Sync {
    fn index(&self) -> &dyn VectorIndex;

    /// Another node's index over the same store; itself where only one node may use it.
    fn other(&self) -> &dyn VectorIndex {
        self.index()
    }
}

const CLIENT: ClientId = ClientId(Uuid::from_u128(0x71));
const MEMORIES: Space = Space::new(CLIENT, Collection::Memories);
const GROUP: Uuid = Uuid::from_u128(0x9);
const DIMENSIONS: u16 = 32;

fn model() -> EmbeddingModel {
    EmbeddingModel::new(EmbeddingProvider::Hashed, "suite", DIMENSIONS)
}

/// SplitMix64: the same numbers in each run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, most: u64) -> u64 {
        self.next() % most
    }

    fn vector(&mut self, dimensions: u16) -> Embedding {
        let one = |random: &mut Self| (0..4).map(|_| (random.next() >> 40) as f32 / 1.7e7).sum::<f32>() - 2.0;
        Embedding::normalised((0..dimensions).map(|_| one(self)).collect(), dimensions).unwrap()
    }
}

fn id(n: u64) -> Uuid {
    Uuid::from_u128(1_000 + u128::from(n))
}

fn entry(n: u64, group: Uuid, text: &str, vector: Option<Embedding>) -> IndexEntry {
    IndexEntry { id: id(n), group, text: text.to_owned(), vector }
}

fn near<'a>(model: &'a EmbeddingModel, vector: &'a Embedding, limit: usize) -> IndexQuery<'a> {
    IndexQuery { group: None, near: Some((model, vector)), words: None, limit }
}

fn saying(words: &str, limit: usize) -> IndexQuery<'_> {
    IndexQuery { group: None, near: None, words: Some(words), limit }
}

fn ids(hits: &[Hit]) -> Vec<Uuid> {
    hits.iter().map(|hit| hit.id).collect()
}

async fn search(subject: &impl Subject, query: &IndexQuery<'_>) -> Vec<Hit> {
    subject.index().search(MEMORIES, query).await.unwrap()
}

/// The oracle: every vector is compared.
fn nearest(
    all: &BTreeMap<Uuid, (Uuid, Embedding)>,
    query: &Embedding,
    group: Option<Uuid>,
    limit: usize,
) -> Vec<(Uuid, f32)> {
    let cosine = |vector: &Embedding| -> f64 {
        vector.values().iter().zip(query.values()).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
    };
    let of_group = all.iter().filter(|(_, (of, _))| group.is_none_or(|group| group == *of));
    let mut found: Vec<_> = of_group.map(|(id, (_, vector))| (*id, cosine(vector) as f32)).collect();
    found.sort_by(|one, other| other.1.total_cmp(&one.1));
    found.truncate(limit);
    found
}

/// After any changes a search by vector finds what a comparison with every vector finds, from every node.
pub async fn the_nearest_are_found(subject: &impl Subject) {
    let (model, mut random) = (model(), Random(1));
    let mut all: BTreeMap<Uuid, (Uuid, Embedding)> = BTreeMap::new();
    for round in 0..40 {
        let put: Vec<IndexEntry> = (0..random.below(6))
            .map(|_| {
                let group = Uuid::from_u128(u128::from(random.below(3)));
                let vector = random.vector(DIMENSIONS);
                entry(random.below(60), group, "text", Some(vector))
            })
            .collect();
        subject.index().put(MEMORIES, &model, &put).await.unwrap();
        for entry in put {
            all.insert(entry.id, (entry.group, entry.vector.unwrap()));
        }
        let gone: Vec<Uuid> = (0..random.below(3)).map(|_| id(random.below(60))).collect();
        subject.other().remove(MEMORIES, &gone).await.unwrap();
        gone.iter().for_each(|id| drop(all.remove(id)));
        if round % 7 == 6 {
            let group = Uuid::from_u128(u128::from(random.below(3)));
            let kept = entry(100 + round, group, "text", Some(random.vector(DIMENSIONS)));
            subject
                .index()
                .replace_group(MEMORIES, &model, group, std::slice::from_ref(&kept))
                .await
                .unwrap();
            all.retain(|_, (of, _)| *of != group);
            all.insert(kept.id, (group, kept.vector.unwrap()));
        }
        let query = random.vector(DIMENSIONS);
        for group in [None, Some(Uuid::from_u128(1))] {
            let expected = nearest(&all, &query, group, 10);
            let query = IndexQuery { group, ..near(&model, &query, 10) };
            for index in [subject.index(), subject.other()] {
                let hits = index.search(MEMORIES, &query).await.unwrap();
                assert_eq!(
                    ids(&hits),
                    expected.iter().map(|(id, _)| *id).collect::<Vec<_>>(),
                    "round {round}"
                );
                for ((place, hit), (_, cosine)) in (1..).zip(&hits).zip(&expected) {
                    assert!((hit.similarity.unwrap() - cosine).abs() < 1e-4);
                    assert_eq!((hit.ranks.vector, hit.ranks.keyword), (Some(place), None));
                    assert_eq!(all[&hit.id].0, hit.group);
                }
            }
        }
    }
}

/// Words are found in any order and case; rarer ones and more of them count more. A query has no syntax.
pub async fn words_are_found(subject: &impl Subject) {
    let entries = [
        entry(1, GROUP, "Prefers to be called in the morning", None),
        entry(2, GROUP, "Wants an invoice in the morning, by post", None),
        entry(3, Uuid::from_u128(2), "Lives in the Hauptstraße in München", None),
    ];
    subject.index().put(MEMORIES, &model(), &entries).await.unwrap();
    assert_eq!(ids(&search(subject, &saying("INVOICE by post", 10)).await), [id(2)]);
    assert_eq!(ids(&search(subject, &saying("morning called", 10)).await), [id(1), id(2)]);
    assert_eq!(ids(&search(subject, &saying("münchen", 10)).await), [id(3)]);
    assert_eq!(ids(&search(subject, &saying("in", 1)).await).len(), 1);
    let of_group = IndexQuery { group: Some(Uuid::from_u128(2)), ..saying("in the morning", 10) };
    assert_eq!(ids(&search(subject, &of_group).await), [id(3)]);
    for odd in ["\"", "a OR", "NOT", "*", "(", "body:x", "'; DROP TABLE", "\0", "", "&|!:*"] {
        assert_eq!(ids(&search(subject, &saying(odd, 10)).await), [] as [Uuid; 0], "{odd:?}");
    }
    let huge = "morning ".repeat(130_000);
    assert_eq!(ids(&search(subject, &saying(&huge, 10)).await).len(), 2);
    let hit = search(subject, &saying("post", 10)).await.remove(0);
    assert_eq!((hit.text, hit.group), (entries[1].text.clone(), GROUP));
    assert_eq!((hit.ranks.keyword, hit.ranks.vector, hit.similarity), (Some(1), None, None));
    assert!((hit.score - 1.0).abs() < 1e-9);
}

/// What both searches find comes before what one of them finds, and says its rank in each.
pub async fn both_searches_are_fused(subject: &impl Subject) {
    let (model, mut random) = (model(), Random(2));
    let query = random.vector(DIMENSIONS);
    let far = Embedding::normalised(query.values().iter().map(|value| -value).collect(), DIMENSIONS).unwrap();
    let entries = [
        entry(1, GROUP, "nothing of the kind", Some(query.clone())),
        entry(2, GROUP, "a parcel that was lost", Some(random.vector(DIMENSIONS))),
        entry(3, GROUP, "a parcel", None),
        entry(4, GROUP, "else", Some(far)),
    ];
    subject.index().put(MEMORIES, &model, &entries).await.unwrap();
    let both = IndexQuery { words: Some("lost parcel"), ..near(&model, &query, 3) };
    let hits = search(subject, &both).await;
    assert_eq!(ids(&hits)[0], id(2));
    assert_eq!(hits.len(), 3);
    assert_eq!((hits[0].ranks.vector, hits[0].ranks.keyword), (Some(2), Some(1)));
    assert!(hits.windows(2).all(|pair| pair[0].score >= pair[1].score));
    assert!(hits.iter().all(|hit| (0.0..=1.0).contains(&hit.score)));
}

/// What is removed, replaced or erased is found no more, by vector or by words, and a new text forgets vectors of the old.
pub async fn what_is_removed_is_gone(subject: &impl Subject) {
    let (model, mut random) = (model(), Random(3));
    let vector = random.vector(DIMENSIONS);
    let old = entry(1, GROUP, "an old word", Some(vector.clone()));
    subject.index().put(MEMORIES, &model, &[old]).await.unwrap();
    // the same text without a vector keeps the vector it has
    subject.index().put(MEMORIES, &model, &[entry(1, GROUP, "an old word", None)]).await.unwrap();
    assert_eq!(ids(&search(subject, &near(&model, &vector, 5)).await), [id(1)]);
    subject.index().put(MEMORIES, &model, &[entry(1, GROUP, "a new word", None)]).await.unwrap();
    assert_eq!(ids(&search(subject, &near(&model, &vector, 5)).await), [] as [Uuid; 0]);
    assert_eq!(ids(&search(subject, &saying("old", 5)).await), [] as [Uuid; 0]);
    assert_eq!(ids(&search(subject, &saying("new", 5)).await), [id(1)]);
    subject.index().remove(MEMORIES, &[id(1), id(77)]).await.unwrap();
    assert_eq!(ids(&search(subject, &saying("new", 5)).await), [] as [Uuid; 0]);
    for n in 1..4 {
        let group = Uuid::from_u128(u128::from(n % 2));
        let entry = entry(n, group, "some word", Some(vector.clone()));
        subject.index().put(MEMORIES, &model, &[entry]).await.unwrap();
    }
    subject.index().replace_group(MEMORIES, &model, Uuid::from_u128(1), &[]).await.unwrap();
    assert_eq!(ids(&search(subject, &saying("word", 5)).await), [id(2)]);
    subject.index().erase(MEMORIES).await.unwrap();
    for index in [subject.index(), subject.other()] {
        assert_eq!(ids(&index.search(MEMORIES, &saying("word", 5)).await.unwrap()), [] as [Uuid; 0]);
        assert_eq!(ids(&index.search(MEMORIES, &near(&model, &vector, 5)).await.unwrap()), [] as [Uuid; 0]);
    }
}

/// Clients and collections are apart from each other, also with the same ids.
pub async fn spaces_are_apart(subject: &impl Subject) {
    let (model, vector) = (model(), Random(4).vector(DIMENSIONS));
    let spaces = [
        MEMORIES,
        Space::new(ClientId(Uuid::from_u128(0x72)), Collection::Memories),
        Space::new(CLIENT, Collection::KnowledgeBase(Uuid::from_u128(5))),
    ];
    for (n, space) in (0_u64..).zip(spaces) {
        let entry = entry(1, Uuid::from_u128(u128::from(n)), "the same", Some(vector.clone()));
        subject.index().put(space, &model, &[entry]).await.unwrap();
    }
    subject.index().erase(spaces[1]).await.unwrap();
    for (n, space) in (0_u64..).zip(spaces) {
        let query = IndexQuery { words: Some("same"), ..near(&model, &vector, 5) };
        let groups: Vec<_> =
            subject.index().search(space, &query).await.unwrap().iter().map(|hit| hit.group).collect();
        let expected = if n == 1 { vec![] } else { vec![Uuid::from_u128(u128::from(n))] };
        assert_eq!(groups, expected);
    }
}

/// Vectors of another model are made beside those in use; what is left to embed is told page by page.
pub async fn models_are_beside_each_other(subject: &impl Subject) {
    let (old, new) = (model(), EmbeddingModel::new(EmbeddingProvider::Google, "suite-2", 48));
    let mut random = Random(5);
    let vectors: Vec<_> = (0..5).map(|_| random.vector(DIMENSIONS)).collect();
    let entries: Vec<_> =
        (0_u64..).zip(&vectors).map(|(n, vector)| entry(n, GROUP, "text", Some(vector.clone()))).collect();
    subject.index().put(MEMORIES, &old, &entries).await.unwrap();
    let index = subject.index();
    assert_eq!(index.without_vector(MEMORIES, &old, None, 10).await.unwrap(), []);
    let first = index.without_vector(MEMORIES, &new, None, 3).await.unwrap();
    assert_eq!(first.iter().map(|entry| entry.id).collect::<Vec<_>>(), [id(0), id(1), id(2)]);
    let rest = index.without_vector(MEMORIES, &new, Some(id(2)), 3).await.unwrap();
    assert_eq!(rest.len(), 2);
    let again: Vec<_> = (first.into_iter().chain(rest))
        .map(|entry| IndexEntry { vector: Some(random.vector(48)), ..entry })
        .collect();
    index.put(MEMORIES, &new, &again).await.unwrap();
    let (by_old, by_new) = (vectors[3].clone(), again[4].vector.clone().unwrap());
    assert_eq!(ids(&search(subject, &near(&old, &by_old, 1)).await), [id(3)]);
    assert_eq!(ids(&search(subject, &near(&new, &by_new, 1)).await), [id(4)]);
    index.keep_only(MEMORIES, &new).await.unwrap();
    assert_eq!(ids(&search(subject, &near(&old, &by_old, 1)).await), [] as [Uuid; 0]);
    assert_eq!(ids(&search(subject, &near(&new, &by_new, 1)).await), [id(4)]);
}

/// A vector that comes late is only taken by an entry that is as it was.
pub async fn a_late_vector_brings_nothing_back(subject: &impl Subject) {
    let (model, mut random) = (model(), Random(7));
    let vector = random.vector(DIMENSIONS);
    let index = subject.index();
    let all: Vec<_> = (1..4).map(|n| entry(n, GROUP, "as it was", None)).collect();
    index.put(MEMORIES, &model, &all).await.unwrap();
    index.remove(MEMORIES, &[id(2)]).await.unwrap();
    index.put(MEMORIES, &model, &[entry(3, GROUP, "another text", None)]).await.unwrap();
    let late: Vec<_> = (1..5).map(|n| entry(n, GROUP, "as it was", Some(vector.clone()))).collect();
    subject.other().set_vectors(MEMORIES, &model, &late).await.unwrap();
    for index in [subject.index(), subject.other()] {
        let hits = index.search(MEMORIES, &near(&model, &vector, 5)).await.unwrap();
        assert_eq!(ids(&hits), [id(1)]);
        let hits = index.search(MEMORIES, &saying("as it was", 5)).await.unwrap();
        assert_eq!(ids(&hits), [id(1)]);
    }
    let left = index.without_vector(MEMORIES, &model, None, 5).await.unwrap();
    assert_eq!(left.iter().map(|entry| entry.id).collect::<Vec<_>>(), [id(3)]);
}

/// Those who have memories are told page by page.
pub async fn clients_with_memories_are_told(subject: &impl Subject) {
    let index = subject.index();
    let clients: Vec<_> = (1..4).map(|n| ClientId(Uuid::from_u128(n))).collect();
    for client in &clients {
        let space = Space::new(*client, Collection::Memories);
        index.put(space, &model(), &[entry(1, GROUP, "text", None)]).await.unwrap();
    }
    let base = Space::new(ClientId(Uuid::from_u128(9)), Collection::KnowledgeBase(id(1)));
    index.put(base, &model(), &[entry(1, GROUP, "text", None)]).await.unwrap();
    assert_eq!(index.clients_with_memories(None, 2).await.unwrap(), clients[..2]);
    assert_eq!(index.clients_with_memories(Some(clients[1]), 2).await.unwrap(), clients[2..]);
}

/// Texts are bounded; nothing in them is special to a store.
pub async fn any_text_is_kept(subject: &impl Subject) {
    let long = "ä".repeat(MAX_ENTRY_BYTES);
    let entries = [
        entry(1, GROUP, &long, None),
        entry(2, GROUP, "nul \0 and ' quote", None),
        entry(3, GROUP, "", None),
    ];
    subject.index().put(MEMORIES, &model(), &entries).await.unwrap();
    let hit = search(subject, &saying("quote", 5)).await;
    assert_eq!(ids(&hit), [id(2)]);
    let kept = subject.index().without_vector(MEMORIES, &model(), None, 1).await.unwrap();
    assert!(kept[0].text.len() <= MAX_ENTRY_BYTES && long.starts_with(&kept[0].text));
}

/// A follower of the log goes on where it was.
pub async fn progress_is_kept(subject: &impl Subject) {
    assert_eq!(subject.index().progress("memories").await.unwrap(), Position::START);
    subject.index().reached("memories", Position(7)).await.unwrap();
    subject.index().reached("memories", Position(9)).await.unwrap();
    assert_eq!(subject.index().progress("memories").await.unwrap(), Position(9));
    assert_eq!(subject.index().progress("other").await.unwrap(), Position::START);
}

/// A group is there while it has an entry, in its own space alone, with vectors or without.
pub async fn a_group_is_there_while_it_has_an_entry(subject: &impl Subject) {
    let index = subject.index();
    let elsewhere = Space::new(CLIENT, Collection::KnowledgeBase(Uuid::from_u128(5)));
    assert!(!index.has_group(MEMORIES, GROUP).await.unwrap());
    index.put(MEMORIES, &model(), &[entry(1, GROUP, "a word", None)]).await.unwrap();
    assert!(subject.other().has_group(MEMORIES, GROUP).await.unwrap());
    assert!(!index.has_group(MEMORIES, Uuid::from_u128(2)).await.unwrap());
    assert!(!index.has_group(elsewhere, GROUP).await.unwrap());
    index.replace_group(MEMORIES, &model(), GROUP, &[]).await.unwrap();
    assert!(!subject.other().has_group(MEMORIES, GROUP).await.unwrap());
}

/// Of a large space nearly all of the nearest are found: at least 95 of 100.
pub async fn a_large_space_is_searched_well(subject: &impl Subject) {
    const COUNT: u64 = 21_000;
    let (model, mut random) = (model(), Random(6));
    let mut all = BTreeMap::new();
    let themes: Vec<_> = (0..200).map(|_| random.vector(DIMENSIONS)).collect();
    let about = |random: &mut Random| {
        let theme = &themes[random.below(200) as usize];
        let own = random.vector(DIMENSIONS);
        let values = theme.values().iter().zip(own.values()).map(|(theme, own)| theme + 0.7 * own).collect();
        Embedding::normalised(values, DIMENSIONS).unwrap()
    };
    let entries: Vec<_> = (0..COUNT).map(|n| entry(n, GROUP, "", Some(about(&mut random)))).collect();
    for entries in entries.chunks(3_000) {
        subject.index().put(MEMORIES, &model, entries).await.unwrap();
    }
    for entry in entries {
        all.insert(entry.id, (entry.group, entry.vector.unwrap()));
    }
    let (mut found, mut wanted) = (0, 0);
    for _ in 0..50 {
        let query = about(&mut random);
        let expected = nearest(&all, &query, None, 10);
        let hits = ids(&search(subject, &near(&model, &query, 10)).await);
        found += expected.iter().filter(|(id, _)| hits.contains(id)).count();
        wanted += expected.len();
    }
    assert!(found * 100 >= wanted * 95, "{found} of {wanted}");
}

/// Makes a test of every case, in a module of the caller.
#[macro_export]
macro_rules! vector_index_suite {
    ($fresh:path) => {
        $crate::port_cases! { $fresh, vector_index:
            the_nearest_are_found,
            words_are_found,
            both_searches_are_fused,
            what_is_removed_is_gone,
            spaces_are_apart,
            models_are_beside_each_other,
            a_late_vector_brings_nothing_back,
            clients_with_memories_are_told,
            any_text_is_kept,
            progress_is_kept,
            a_group_is_there_while_it_has_an_entry,
            a_large_space_is_searched_well,
        }
    };
}
