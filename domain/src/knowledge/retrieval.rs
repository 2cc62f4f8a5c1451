//! What an agent looks up before it answers, and what came of it.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::ids::{DocumentId, KnowledgeBaseId};
use crate::personal::Personal;

/// Most knowledge bases of one agent.
pub const MAX_AGENT_BASES: usize = 8;
/// Most passages that are looked up for a turn, or answered to a search.
pub const MAX_PASSAGES: u8 = 20;

/// How an agent looks passages up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retrieval {
    /// Most passages for a turn, 1 to [`MAX_PASSAGES`].
    pub limit: u8,
    /// Passages with a smaller score are left out, in thousandths, 0 to 1000.
    pub min_score_permille: u16,
    /// Passages less near to the question are left out: cosine in thousandths, 0 to 1000; `None` asks for no nearness.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_similarity_permille: Option<u16>,
    /// Longest wait of a turn for passages, in milliseconds, 10 to 5000.
    pub budget_ms: u16,
}

impl Default for Retrieval {
    fn default() -> Self {
        Self { limit: 5, min_score_permille: 0, min_similarity_permille: None, budget_ms: 150 }
    }
}

impl Retrieval {
    /// Whether all numbers are within their ranges.
    #[must_use]
    pub fn is_valid(&self) -> bool {
        (1..=MAX_PASSAGES).contains(&self.limit)
            && self.min_score_permille <= 1_000
            && self.min_similarity_permille.is_none_or(|value| value <= 1_000)
            && (10..=5_000).contains(&self.budget_ms)
    }
}

/// What came of looking passages up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Grounds {
    Found,
    /// Nothing was found: the answer has no grounds in the knowledge bases.
    Nothing,
    /// Nothing was found in time.
    TimedOut,
    Failed,
}

impl Grounds {
    pub const ALL: [Grounds; 4] = [Self::Found, Self::Nothing, Self::TimedOut, Self::Failed];

    /// Name on the wire and in views, for example `timed_out`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Found => "found",
            Self::Nothing => "nothing",
            Self::TimedOut => "timed_out",
            Self::Failed => "failed",
        }
    }
}

/// A passage that a model was given for its answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Passage {
    pub base: KnowledgeBaseId,
    pub document: DocumentId,
    pub chunk: Uuid,
    /// In thousandths, 0 to 1000.
    pub score_permille: u16,
    /// Cosine in thousandths, −1000 to 1000; `None` if it was found by its words alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub similarity_permille: Option<i16>,
    /// The beginning of its text.
    pub excerpt: Personal<String>,
}

/// What was looked up for a turn.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Retrieved {
    pub grounds: Grounds,
    pub took_ms: u32,
    /// Whether only words were searched for, because the question could not be embedded in time.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub words_only: bool,
    /// Best first; empty unless something was found.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub passages: Vec<Passage>,
}
