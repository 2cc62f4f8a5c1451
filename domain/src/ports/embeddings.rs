//! Embeddings: texts as vectors, so that what means alike lies near each other.
//!
//! Vectors of different models, or of different dimensions of one model, cannot be compared: whoever stores a vector
//! stores its [`EmbeddingModel`] with it. A text that is stored and a text that is searched with are embedded for
//! different [tasks](EmbeddingTask). Vectors are personal data like the texts they were made of.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::llm::LlmFailure;
use crate::ids::ClientId;

/// Most bytes of one text; longer ones are refused before anything is sent.
pub const MAX_EMBEDDED_BYTES: usize = 8 * 1024;
/// Most texts of one request to [`Embeddings::embed`].
pub const MAX_EMBEDDED_TEXTS: usize = 2_000;
/// Most dimensions of a vector.
pub const MAX_DIMENSIONS: u16 = 4_096;

/// Who makes vectors of texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EmbeddingProvider {
    /// Built in: hashed n-grams of characters, without a network. Finds alike spelling rather than alike meaning.
    Hashed,
    Google,
    Openai,
    /// Any server that speaks OpenAI's protocol of embeddings.
    OpenaiCompatible,
}

impl EmbeddingProvider {
    pub const ALL: [EmbeddingProvider; 4] =
        [Self::Hashed, Self::Google, Self::Openai, Self::OpenaiCompatible];

    /// Name on the wire and in settings, for example `openai_compatible`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Hashed => "hashed",
            Self::Google => "google",
            Self::Openai => "openai",
            Self::OpenaiCompatible => "openai_compatible",
        }
    }

    /// The provider of which [`EmbeddingProvider::as_str`] is `name`.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|provider| provider.as_str() == name)
    }
}

/// What makes two vectors comparable: they are of one provider, one model and one length.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct EmbeddingModel {
    pub provider: EmbeddingProvider,
    /// The provider's name of the model, 1 to 100 visible ASCII characters.
    pub model: String,
    /// Length of a vector, 1 to [`MAX_DIMENSIONS`].
    pub dimensions: u16,
}

impl EmbeddingModel {
    pub fn new(provider: EmbeddingProvider, model: impl Into<String>, dimensions: u16) -> Self {
        Self { provider, model: model.into(), dimensions }
    }

    /// Whether the name and the number of dimensions are within their limits.
    #[must_use]
    pub fn is_valid(&self) -> bool {
        (1..=100).contains(&self.model.len())
            && self.model.bytes().all(|c| c.is_ascii_graphic())
            && (1..=MAX_DIMENSIONS).contains(&self.dimensions)
    }
}

/// The key that indexes store, for example `google/gemini-embedding-001/768`.
impl fmt::Display for EmbeddingModel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.provider.as_str(), self.model, self.dimensions)
    }
}

/// What the vector is for. Most providers make different vectors of the same text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EmbeddingTask {
    /// The text is stored and will be searched for.
    Document,
    /// The text is searched with.
    Query,
}

/// A vector that was no vector of the model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadVector {
    #[error("a vector has {got} dimensions, not {wanted}: the model or its dimensions are set wrongly")]
    Dimensions { wanted: u16, got: usize },
    #[error("a vector holds a number that is not finite")]
    NotFinite,
    #[error("a vector is all zeros")]
    Zero,
}

/// A vector of length one, so that a dot product is the cosine. Cheap to clone.
#[derive(Clone, PartialEq)]
pub struct Embedding(Arc<[f32]>);

impl Embedding {
    /// Scales `values` to length one. Refuses what is not `dimensions` long, not finite, or zero throughout.
    pub fn normalised(mut values: Vec<f32>, dimensions: u16) -> Result<Self, BadVector> {
        if values.len() != usize::from(dimensions) {
            return Err(BadVector::Dimensions { wanted: dimensions, got: values.len() });
        }
        let squares: f64 = values.iter().map(|&value| f64::from(value) * f64::from(value)).sum();
        if !squares.is_finite() {
            return Err(BadVector::NotFinite);
        }
        let length = squares.sqrt();
        if length == 0.0 {
            return Err(BadVector::Zero);
        }
        for value in &mut values {
            *value = (f64::from(*value) / length) as f32;
        }
        Ok(Self(values.into()))
    }

    #[must_use]
    pub fn values(&self) -> &[f32] {
        &self.0
    }

    /// Little-endian, four bytes a dimension.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        self.0.iter().flat_map(|value| value.to_le_bytes()).collect()
    }

    /// Reads what [`Embedding::to_bytes`] wrote; `None` if it is damaged.
    #[must_use]
    pub fn from_bytes(bytes: &[u8], dimensions: u16) -> Option<Self> {
        let (chunks, rest) = bytes.as_chunks::<4>();
        let values = chunks.iter().map(|chunk| f32::from_le_bytes(*chunk)).collect();
        rest.is_empty().then(|| Self::normalised(values, dimensions).ok())?
    }
}

/// A vector tells in part what the text was.
impl fmt::Debug for Embedding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<embedding of {} dimensions>", self.0.len())
    }
}

/// Why there are no vectors. The messages hold nothing of the texts.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EmbeddingFailure {
    /// The request is outside the port's limits, or the model's name or dimensions are.
    #[error("the texts cannot be embedded: {0}")]
    Refused(&'static str),
    #[error("no embeddings of {}: set its key, or another provider in VOXLEDGER_EMBEDDINGS_PROVIDER", .0.as_str())]
    NotConfigured(EmbeddingProvider),
    #[error("the embeddings failed: {0}")]
    Provider(#[from] LlmFailure),
    #[error("the provider's answer is refused: {0}")]
    BadVector(#[from] BadVector),
    #[error("the provider gave {got} vectors for {wanted} texts")]
    Count { wanted: usize, got: usize },
    /// The client has used up what it may embed for now.
    #[error("the client's budget of embeddings is used up: wait {} s", .0.as_secs())]
    Budget(Duration),
}

impl EmbeddingFailure {
    /// Whether the same request may succeed later without a change of settings, account or texts.
    #[must_use]
    pub fn is_worth_retrying(&self) -> bool {
        match self {
            Self::Refused(_) | Self::NotConfigured(_) | Self::BadVector(_) => false,
            Self::Count { .. } | Self::Budget(_) => true,
            Self::Provider(failure) => {
                failure.is_sickness()
                    || matches!(failure, LlmFailure::RateLimited { .. } | LlmFailure::CircuitOpen)
            }
        }
    }

    /// Time to wait before the next attempt, where it is known.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Budget(wait) => Some(*wait),
            Self::Provider(LlmFailure::RateLimited { retry_after }) => *retry_after,
            _ => None,
        }
    }
}

/// Makes vectors of texts.
#[async_trait]
pub trait Embeddings: fmt::Debug + Send + Sync {
    /// A vector of each text, in the texts' order. All or none: a failure gives no vectors.
    ///
    /// Takes up to [`MAX_EMBEDDED_TEXTS`] texts of up to [`MAX_EMBEDDED_BYTES`] bytes, none of them blank, and asks the
    /// provider in batches. The same text for the same model and task gives the same vector. A failure is told
    /// after one attempt; whoever asks decides on another.
    async fn embed(
        &self,
        client: ClientId,
        model: &EmbeddingModel,
        task: EmbeddingTask,
        texts: &[String],
    ) -> Result<Vec<Embedding>, EmbeddingFailure>;

    /// The model that is used where nobody names one.
    fn default_model(&self) -> EmbeddingModel;
}
