//! The two protocols: what is sent, and what vectors an answer holds.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use domain::ports::embeddings::{
    Embedding, EmbeddingFailure, EmbeddingModel, EmbeddingProvider, EmbeddingTask,
};
use domain::ports::llm::LlmFailure;
use serde::Deserialize;
use serde_json::{Value, json};

/// Most texts of one request; Google refuses more.
pub(super) const BATCH: usize = 100;

/// Path below the API's base URL, and body, of a request for vectors of `texts`.
pub(super) fn request(model: &EmbeddingModel, task: EmbeddingTask, texts: &[&str]) -> (String, Value) {
    let name = &model.model;
    match model.provider {
        EmbeddingProvider::Google => {
            let one = |text: &&str| google_one(model, task, text);
            let requests: Vec<Value> = texts.iter().map(one).collect();
            (format!("/models/{name}:batchEmbedContents"), json!({"requests": requests}))
        }
        provider => {
            let mut body = json!({"model": name, "input": texts, "encoding_format": "float"});
            if provider == EmbeddingProvider::Openai {
                body["encoding_format"] = "base64".into();
                // the oldest model refuses it; other servers have models of one length
                if name != "text-embedding-ada-002" {
                    body["dimensions"] = model.dimensions.into();
                }
            }
            ("/embeddings".to_owned(), body)
        }
    }
}

fn google_one(model: &EmbeddingModel, task: EmbeddingTask, text: &str) -> Value {
    let name = &model.model;
    // the second generation has no types of tasks: the text says what it is for
    let untyped = name.starts_with("gemini-embedding-2");
    let text = match (untyped, task) {
        (false, _) => text.to_owned(),
        (true, EmbeddingTask::Query) => format!("task: search result | query: {text}"),
        (true, EmbeddingTask::Document) => format!("title: none | text: {text}"),
    };
    let mut one = json!({
        "model": format!("models/{name}"),
        "content": {"parts": [{"text": text}]},
        "outputDimensionality": model.dimensions,
    });
    if !untyped {
        one["taskType"] = match task {
            EmbeddingTask::Document => "RETRIEVAL_DOCUMENT",
            EmbeddingTask::Query => "RETRIEVAL_QUERY",
        }
        .into();
    }
    one
}

#[derive(Deserialize)]
struct GoogleAnswer {
    embeddings: Vec<GoogleVector>,
}

#[derive(Deserialize)]
struct GoogleVector {
    /// As wide as JSON has them: one that is too large for a vector is told from nonsense.
    values: Vec<f64>,
}

#[derive(Deserialize)]
struct OpenAiAnswer {
    data: Vec<OpenAiVector>,
}

#[derive(Deserialize)]
struct OpenAiVector {
    index: usize,
    embedding: Encoded,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Encoded {
    /// Base64 of little-endian f32.
    Text(String),
    Numbers(Vec<f64>),
}

/// The vectors of an answer to a request for `texts` of them, in the order of the texts.
pub(super) fn vectors(
    model: &EmbeddingModel,
    texts: usize,
    body: &[u8],
) -> Result<Vec<Embedding>, EmbeddingFailure> {
    let raw = match model.provider {
        EmbeddingProvider::Google => {
            let answer: GoogleAnswer = parsed(body)?;
            answer.embeddings.into_iter().map(|vector| narrow(&vector.values)).collect()
        }
        _ => in_order(parsed(body)?, texts)?,
    };
    if raw.len() != texts {
        return Err(EmbeddingFailure::Count { wanted: texts, got: raw.len() });
    }
    raw.into_iter().map(|values| Ok(Embedding::normalised(values, model.dimensions)?)).collect()
}

/// Sorts by index, which need not be the order they come in.
fn in_order(answer: OpenAiAnswer, texts: usize) -> Result<Vec<Vec<f32>>, EmbeddingFailure> {
    let got = answer.data.len();
    let mut places: Vec<Option<Vec<f32>>> = vec![None; texts];
    for vector in answer.data {
        let Some(place @ None) = places.get_mut(vector.index) else {
            return Err(nonsense("an index is out of range or twice"));
        };
        *place = Some(match vector.embedding {
            Encoded::Numbers(values) => narrow(&values),
            Encoded::Text(text) => floats(&text)?,
        });
    }
    places.into_iter().collect::<Option<_>>().ok_or(EmbeddingFailure::Count { wanted: texts, got })
}

/// What is too large becomes infinite, which no vector may hold.
fn narrow(values: &[f64]) -> Vec<f32> {
    values.iter().map(|value| *value as f32).collect()
}

fn floats(text: &str) -> Result<Vec<f32>, EmbeddingFailure> {
    let bytes = BASE64.decode(text).map_err(|_| nonsense("a vector is not base64"))?;
    let (chunks, rest) = bytes.as_chunks::<4>();
    if !rest.is_empty() {
        return Err(nonsense("a vector is cut off"));
    }
    Ok(chunks.iter().map(|chunk| f32::from_le_bytes(*chunk)).collect())
}

fn parsed<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, EmbeddingFailure> {
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    serde_json::from_slice(body).map_err(|_| nonsense("no answer with vectors"))
}

fn nonsense(what: &str) -> EmbeddingFailure {
    LlmFailure::Protocol(what.to_owned()).into()
}
