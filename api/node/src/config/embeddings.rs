//! Settings of embeddings and of the index that searches with them.

use std::num::{NonZeroU32, NonZeroUsize};
use std::time::Duration;

use domain::ports::embeddings::{EmbeddingProvider, MAX_DIMENSIONS};

use super::setting::section;
use super::value::Value;

section! {
    /// How texts become vectors, for memories and knowledge bases.
    pub struct EmbeddingsConfig {
        /// Who makes vectors of texts: `hashed` is built in and finds alike spelling, `google`, `openai` and
        /// `openai_compatible` use the accounts of the language models.
        provider: EmbeddingProvider = "embeddings.provider", "hashed";
        /// The provider's name of the model; without one `gemini-embedding-001`, `text-embedding-3-small`, or the
        /// built-in one. A compatible server needs one.
        model: Option<String> = "embeddings.model", "";
        /// Numbers in a vector, 1 to 4096; without it 768, and 512 of the built-in one. Another number or model makes
        /// all vectors anew.
        dimensions: Option<Dimensions> = "embeddings.dimensions", "";
        /// Texts that each client may have embedded a minute by a provider.
        texts_per_minute: NonZeroU32 = "embeddings.texts_per_minute", "6000";
        /// Memory for vectors that were made before, in MiB.
        cache_mib: usize = "embeddings.cache_mib", "32";
        /// Memory for what is searched, in MiB: what was searched longest ago is loaded again when it is needed.
        index_mib: NonZeroUsize = "embeddings.index_mib", "1024";
        /// How long a request for embeddings may take, repeats included.
        timeout: Duration = "embeddings.timeout_ms", "20000";
    }
}

/// A number of dimensions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dimensions(pub u16);

impl Value for Dimensions {
    const ACCEPTS: &'static str = "a whole number from 1 to 4096";

    fn parse(text: &str) -> Option<Self> {
        text.parse().ok().filter(|dimensions| (1..=MAX_DIMENSIONS).contains(dimensions)).map(Self)
    }
}

impl Value for EmbeddingProvider {
    const ACCEPTS: &'static str = "hashed, google, openai or openai_compatible";

    fn parse(text: &str) -> Option<Self> {
        Self::from_name(text)
    }
}
