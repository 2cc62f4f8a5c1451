//! What every provider of embeddings must do.
//!
//! `embeddings_suite!(fresh)` makes a test of each; `fresh` is an `async fn() -> impl Subject`.

#![expect(clippy::unwrap_used, reason = "a case that does not hold panics, as a test does")]

use domain::ids::ClientId;
use domain::ports::embeddings::{
    Embedding, EmbeddingFailure, EmbeddingModel, EmbeddingTask, Embeddings, MAX_EMBEDDED_BYTES,
    MAX_EMBEDDED_TEXTS,
};
use uuid::Uuid;

/// A provider under test.
pub trait Subject: Send + Sync {
    fn embeddings(&self) -> &dyn Embeddings;

    /// A model that it has.
    fn model(&self) -> EmbeddingModel;
}

const CLIENT: ClientId = ClientId(Uuid::from_u128(0x61));

async fn embed(
    subject: &impl Subject,
    task: EmbeddingTask,
    texts: &[String],
) -> Result<Vec<Embedding>, EmbeddingFailure> {
    subject.embeddings().embed(CLIENT, &subject.model(), task, texts).await
}

fn texts(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

fn cosine(one: &Embedding, other: &Embedding) -> f32 {
    one.values().iter().zip(other.values()).map(|(a, b)| a * b).sum()
}

/// Vectors have length one and the model's dimensions, whatever the provider sends.
pub async fn vectors_have_length_one(subject: &impl Subject) {
    let said = texts(&["The caller prefers the morning.", "?", "日本語", "a\u{0}b"]);
    let vectors = embed(subject, EmbeddingTask::Document, &said).await.unwrap();
    assert_eq!(vectors.len(), 4);
    for vector in &vectors {
        assert_eq!(vector.values().len(), usize::from(subject.model().dimensions));
        assert!((cosine(vector, vector) - 1.0).abs() < 1e-4, "{}", cosine(vector, vector));
    }
    assert_eq!(embed(subject, EmbeddingTask::Document, &[]).await.unwrap(), []);
}

/// Each vector belongs to its text, also over several batches and when a text comes twice.
pub async fn the_order_is_that_of_the_texts(subject: &impl Subject) {
    let mut all: Vec<String> =
        (0..250).map(|n| format!("invoice number {n} of customer {}", n * 7)).collect();
    all.push(all[3].clone());
    let vectors = embed(subject, EmbeddingTask::Document, &all).await.unwrap();
    assert_eq!(vectors.len(), all.len());
    for n in [0, 3, 99, 100, 199, 249, 250] {
        let alone = embed(subject, EmbeddingTask::Document, &all[n..=n]).await.unwrap();
        assert!(cosine(&alone[0], &vectors[n]) > 0.999, "{n}");
    }
    assert_eq!(vectors[3], vectors[250]);
}

/// A query lies nearest to the document that says the same.
pub async fn what_says_the_same_lies_near(subject: &impl Subject) {
    let documents = texts(&[
        "Opening hours: Monday to Friday, 9 to 17",
        "Refunds take five working days",
        "Parking is free",
    ]);
    let documents = embed(subject, EmbeddingTask::Document, &documents).await.unwrap();
    let query = embed(subject, EmbeddingTask::Query, &texts(&["opening hours on Friday"])).await.unwrap();
    let near: Vec<f32> = documents.iter().map(|document| cosine(document, &query[0])).collect();
    assert!(near[0] > near[1] && near[0] > near[2], "{near:?}");
}

/// What is outside the limits is refused, for good, before anything is sent.
pub async fn what_is_outside_the_limits_is_refused(subject: &impl Subject) {
    let long = vec!["x".repeat(MAX_EMBEDDED_BYTES + 1)];
    let many = vec!["x".to_owned(); MAX_EMBEDDED_TEXTS + 1];
    for bad in [texts(&["good", " \n"]), texts(&[""]), long, many] {
        let refused = embed(subject, EmbeddingTask::Document, &bad).await.unwrap_err();
        assert!(matches!(refused, EmbeddingFailure::Refused(_)), "{refused:?}");
        assert!(!refused.is_worth_retrying());
    }
    let longest = vec!["word ".repeat(MAX_EMBEDDED_BYTES / 5)];
    embed(subject, EmbeddingTask::Document, &longest).await.unwrap();
    let model = EmbeddingModel { dimensions: 0, ..subject.model() };
    let bad = subject.embeddings().embed(CLIENT, &model, EmbeddingTask::Query, &texts(&["x"])).await;
    assert!(matches!(bad, Err(EmbeddingFailure::Refused(_))), "{bad:?}");
}

/// Makes a test of every case, in a module of the caller.
#[macro_export]
macro_rules! embeddings_suite {
    ($fresh:path) => {
        $crate::port_cases! { $fresh, embeddings:
            vectors_have_length_one,
            the_order_is_that_of_the_texts,
            what_says_the_same_lies_near,
            what_is_outside_the_limits_is_refused,
        }
    };
}
