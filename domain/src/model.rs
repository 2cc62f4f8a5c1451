//! Language models: providers, names of models, and the tokens an answer took.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Who runs a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Provider {
    Groq,
    Openai,
    Anthropic,
    Google,
    /// Any server that speaks OpenAI's chat protocol: Ollama, vLLM, llama.cpp.
    OpenaiCompatible,
    /// Built in: answers by rules, without a network. For demonstrations and tests.
    Scripted,
}

impl Provider {
    pub const ALL: [Provider; 6] =
        [Self::Groq, Self::Openai, Self::Anthropic, Self::Google, Self::OpenaiCompatible, Self::Scripted];

    /// Name on the wire and in views, for example `openai_compatible`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Groq => "groq",
            Self::Openai => "openai",
            Self::Anthropic => "anthropic",
            Self::Google => "google",
            Self::OpenaiCompatible => "openai_compatible",
            Self::Scripted => "scripted",
        }
    }

    /// The provider of which [`Provider::as_str`] is `name`.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|provider| provider.as_str() == name)
    }
}

impl fmt::Display for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ModelRef {
    pub provider: Provider,
    /// The provider's name of the model.
    pub model: String,
}

impl ModelRef {
    pub fn new(provider: Provider, model: impl Into<String>) -> Self {
        Self { provider, model: model.into() }
    }

    /// Whether the name is valid: 1 to 200 visible ASCII characters.
    #[must_use]
    pub fn is_named(&self) -> bool {
        (1..=200).contains(&self.model.len()) && self.model.bytes().all(|c| c.is_ascii_graphic())
    }
}

impl fmt::Display for ModelRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.provider, self.model)
    }
}

/// Tokens an answer took, as the provider counts them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Usage {
    /// Tokens the model read.
    pub input: u64,
    /// Tokens the model wrote, reasoning included.
    pub output: u64,
    /// Whether the provider left out at least one count, so that it is [estimated](estimated_tokens).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub estimated: bool,
}

impl Usage {
    /// Usage as the provider counted it.
    #[must_use]
    pub const fn counted(input: u64, output: u64) -> Usage {
        Usage { input, output, estimated: false }
    }

    #[must_use]
    pub fn plus(self, other: Usage) -> Usage {
        Usage {
            input: self.input.saturating_add(other.input),
            output: self.output.saturating_add(other.output),
            estimated: self.estimated || other.estimated,
        }
    }
}

/// Estimates the tokens of a text that nobody has counted: four bytes a token, and four tokens for its frame.
#[must_use]
pub fn estimated_tokens(text: &str) -> u64 {
    text.len() as u64 / 4 + 4
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counted_usage_is_written_as_it_always_was_and_estimated_usage_says_so() {
        let written = |usage: Usage| serde_json::to_value(usage).unwrap();
        assert_eq!(written(Usage::counted(9, 2)), serde_json::json!({"input": 9, "output": 2}));
        let estimated = Usage { estimated: true, ..Usage::counted(9, 2) };
        assert_eq!(written(estimated), serde_json::json!({"input": 9, "output": 2, "estimated": true}));
        for usage in [estimated, Usage::counted(9, 2)] {
            assert_eq!(serde_json::from_value::<Usage>(written(usage)).unwrap(), usage);
        }
        assert!(estimated.plus(Usage::counted(1, 1)).estimated);
    }
}
