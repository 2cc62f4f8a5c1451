//! What a search by vector costs, beside what reading memory costs on this machine.
//!
//! `cargo bench -p adapters --bench vector_index [-- vectors=100000 tenants=1000]`. One query after the other on one thread: it
//! is latencies that are measured. Recall is of the ten nearest that a comparison with every vector finds.

#![expect(clippy::unwrap_used, reason = "a bench that fails panics")]

use std::hint::black_box;
use std::time::{Duration, Instant};

use adapters::read_models::SqlViews;
use adapters::vector_index::{Matrix, SqlVectorIndex};
use domain::ids::ClientId;
use domain::ports::embeddings::{Embedding, EmbeddingModel, EmbeddingProvider};
use domain::ports::vector_index::{Collection, IndexEntry, IndexQuery, Space, VectorIndex};
use hdrhistogram::Histogram;
use uuid::Uuid;

const DIMENSIONS: u16 = 768;
const QUERIES: usize = 500;
const TEN: usize = 10;

struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Nearly a normal distribution.
    fn number(&mut self) -> f32 {
        (0..4).map(|_| (self.next() >> 40) as f32 / 16_777_216.0).sum::<f32>() - 2.0
    }

    fn vector(&mut self) -> Vec<f32> {
        let values: Vec<f32> = (0..DIMENSIONS).map(|_| self.number()).collect();
        Embedding::normalised(values, DIMENSIONS).unwrap().values().to_vec()
    }
}

/// Vectors about themes, as texts are: a text is nearer to its theme than to another.
struct Texts {
    themes: Vec<Vec<f32>>,
    /// How much of a vector is its own, against 1 of its theme.
    own: f32,
}

impl Texts {
    fn new(random: &mut Random, themes: usize, own: f32) -> Self {
        Self { themes: (0..themes).map(|_| random.vector()).collect(), own }
    }

    fn one(&self, random: &mut Random) -> Embedding {
        let theme = &self.themes[(random.next() % self.themes.len() as u64) as usize];
        let own = random.vector();
        let values = theme.iter().zip(own).map(|(theme, own)| theme + self.own * own).collect();
        Embedding::normalised(values, DIMENSIONS).unwrap()
    }
}

fn argument(name: &str, otherwise: usize) -> usize {
    std::env::args().find_map(|arg| arg.strip_prefix(name)?.parse().ok()).unwrap_or(otherwise)
}

fn id(n: usize) -> Uuid {
    Uuid::from_u128(n as u128 + 1)
}

/// Bytes a second that one thread reads, in order, of much more than fits into a cache.
fn stream() -> f64 {
    let values = vec![1.5_f32; 256 << 20];
    let mut best = f64::MAX;
    for _ in 0..3 {
        let began = Instant::now();
        let mut sums = [0.0_f32; 64];
        for chunk in values.as_chunks::<64>().0 {
            sums.iter_mut().zip(chunk).for_each(|(sum, value)| *sum += value);
        }
        black_box(sums);
        best = best.min(began.elapsed().as_secs_f64());
    }
    (values.len() * 4) as f64 / best / 1e9
}

fn shown(what: &str, took: &Histogram<u64>, more: &str) {
    let ms = |quantile| took.value_at_quantile(quantile) as f64 / 1e6;
    println!("{what:<58} p50 {:>7.3} ms  p99 {:>7.3} ms  {more}", ms(0.5), ms(0.99));
}

fn one_tenant(name: &str, texts: &Texts, random: &mut Random, count: usize) {
    let mut matrix = Matrix::new(DIMENSIONS);
    for n in 0..count {
        matrix.put(id(n), id(n % 500), texts.one(random).values());
    }
    // the oracle: nothing is estimated
    let mut oracle = Histogram::<u64>::new(3).unwrap();
    let queries: Vec<Embedding> = (0..QUERIES).map(|_| texts.one(random)).collect();
    let ids = |matrix: &Matrix, query: &Embedding| -> Vec<Uuid> {
        matrix.nearest(query.values(), None, TEN).iter().map(|found| found.id).collect()
    };
    let exact: Vec<Vec<Uuid>> = queries
        .iter()
        .map(|query| {
            let began = Instant::now();
            let found = ids(&matrix, query);
            oracle.record(began.elapsed().as_nanos() as u64).unwrap();
            found
        })
        .collect();
    let began = Instant::now();
    matrix.settle();
    let settled = began.elapsed();
    let (mut took, mut found) = (Histogram::<u64>::new(3).unwrap(), 0);
    for (query, exact) in queries.iter().zip(&exact) {
        let began = Instant::now();
        let hits = ids(&matrix, query);
        took.record(began.elapsed().as_nanos() as u64).unwrap();
        found += exact.iter().filter(|id| hits.contains(id)).count();
    }
    let bytes = count as f64 * f64::from(DIMENSIONS) * 4.0;
    let rate = bytes / (oracle.value_at_quantile(0.5) as f64 / 1e9) / 1e9;
    shown(&format!("{name}: every vector compared"), &oracle, &format!("{rate:.1} GB/s"));
    let recall = found as f64 / (QUERIES * TEN) as f64;
    let each = matrix.bytes() as f64 / count as f64;
    let more = format!("recall@10 {recall:.4}, {each:.0} bytes a vector, quantised in {settled:.2?}");
    shown(&format!("{name}: one bit a dimension, then exact"), &took, &more);
    let mut of_group = Histogram::<u64>::new(3).unwrap();
    for (n, query) in queries.iter().enumerate() {
        let began = Instant::now();
        black_box(matrix.nearest(query.values(), Some(id(n % 500)), TEN));
        of_group.record(began.elapsed().as_nanos() as u64).unwrap();
    }
    shown(&format!("{name}: of one customer of 500"), &of_group, "");
}

fn many_tenants(texts: &Texts, random: &mut Random, tenants: usize) {
    const EACH: usize = 1_000;
    let all: Vec<Matrix> = (0..tenants)
        .map(|_| {
            let mut matrix = Matrix::new(DIMENSIONS);
            for n in 0..EACH {
                matrix.put(id(n), id(n % 10), texts.one(random).values());
            }
            matrix
        })
        .collect();
    let mut took = Histogram::<u64>::new(3).unwrap();
    for _ in 0..QUERIES * 4 {
        let (query, tenant) = (texts.one(random), (random.next() % tenants as u64) as usize);
        let began = Instant::now();
        black_box(all[tenant].nearest(query.values(), None, TEN));
        took.record(began.elapsed().as_nanos() as u64).unwrap();
    }
    shown(&format!("{tenants} tenants of {EACH}: any tenant's search"), &took, "");
}

fn query<'a>(near: (&'a EmbeddingModel, &'a Embedding), words: Option<&'a str>) -> IndexQuery<'a> {
    IndexQuery { group: None, near: Some(near), words, limit: TEN }
}

/// The whole port on SQLite: the version of the space, the search, and the texts of the hits.
async fn port(texts: &Texts, random: &mut Random, count: usize) {
    let folder = tempfile::tempdir().unwrap();
    let views = SqlViews::open_sqlite(&folder.path().join("views.db")).await.unwrap();
    let index = SqlVectorIndex::new(&views, 4 << 30);
    let space = Space::new(ClientId(Uuid::from_u128(7)), Collection::Memories);
    let model = EmbeddingModel::new(EmbeddingProvider::Google, "bench", DIMENSIONS);
    let began = Instant::now();
    for from in (0..count).step_by(1_000) {
        let entry = |n: usize| IndexEntry {
            id: id(n),
            group: id(n % 500),
            text: format!("memory {n} about theme {}", n % 97),
            vector: Some(texts.one(random)),
        };
        let entries: Vec<IndexEntry> = (from..(from + 1_000).min(count)).map(entry).collect();
        index.put(space, &model, &entries).await.unwrap();
    }
    let put = began.elapsed();
    let first = texts.one(random);
    let began = Instant::now();
    index.search(space, &query((&model, &first), None)).await.unwrap();
    println!("{count} entries put in {put:.2?}, loaded at the first search in {:.2?}", began.elapsed());
    for (name, words) in [("by vector", None), ("by vector and words", Some("memory about theme 42"))] {
        let mut took = Histogram::<u64>::new(3).unwrap();
        for _ in 0..QUERIES {
            let near = texts.one(random);
            let began = Instant::now();
            let hits = index.search(space, &query((&model, &near), words)).await.unwrap();
            took.record(began.elapsed().as_nanos() as u64).unwrap();
            assert_eq!(hits.len(), TEN);
        }
        shown(&format!("the port on SQLite, {count} entries, {name}"), &took, "");
    }
}

fn main() {
    let (count, tenants) = (argument("vectors=", 100_000), argument("tenants=", 1_000));
    println!("one thread reads {:.1} GB/s", stream());
    let mut random = Random(1);
    let texts = Texts::new(&mut random, 2_000, 0.8);
    one_tenant(&format!("{count} × {DIMENSIONS}, 2,000 themes"), &texts, &mut random, count);
    // the worst there is: everything is equally far from everything
    let noise = Texts::new(&mut random, 1, 100.0);
    one_tenant(&format!("{count} × {DIMENSIONS}, noise"), &noise, &mut random, count);
    many_tenants(&texts, &mut random, tenants);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime
        .block_on(tokio::time::timeout(Duration::from_secs(600), port(&texts, &mut random, count)))
        .unwrap();
}
