//! What speaks on an agent's calls: this node, or a hosted voice runtime under this node's history.

use serde::{Deserialize, Serialize};

/// What speaks on an agent's calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AgentRuntime {
    /// This node, through the carrier's speech and transcription.
    #[default]
    Carrier,
    /// Ultravox: it places the call, listens, answers and calls the tools.
    Ultravox,
}

impl AgentRuntime {
    pub const ALL: [AgentRuntime; 2] = [Self::Carrier, Self::Ultravox];

    /// Name on the wire and in views, for example `ultravox`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Carrier => "carrier",
            Self::Ultravox => "ultravox",
        }
    }

    /// The runtime that runs calls of this provider by itself; [`AgentRuntime::Carrier`] for carriers.
    #[must_use]
    pub fn of_provider(provider: &str) -> Self {
        match provider {
            "ultravox" => Self::Ultravox,
            _ => Self::Carrier,
        }
    }

    /// Whether another company's service talks on the calls.
    #[must_use]
    pub const fn is_hosted(self) -> bool {
        matches!(self, Self::Ultravox)
    }

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
    pub(crate) const fn is_carrier(&self) -> bool {
        matches!(self, Self::Carrier)
    }
}
