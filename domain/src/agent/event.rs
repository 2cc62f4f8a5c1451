//! What happens to an agent.

use chrono::serde::ts_microseconds as micros;
use serde::{Deserialize, Serialize};

use crate::envelope::{Time, Version};
use crate::ids::ToolId;
use crate::model::ModelRef;
use crate::origin::Origin;
use crate::privacy::content::ContentLevel;
use crate::wire::events;

events! {
    /// A fact of an agent.
    pub enum AgentEvent {
        /// It came to be.
        Created(AgentCreated) = "agent.created" v 1,
        /// Its terms changed.
        Updated(AgentUpdated) = "agent.updated" v 1,
        /// A version of it went live.
        Deployed(AgentDeployed) = "agent.deployed" v 1,
    }
}

/// What holds for an agent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AgentTerms {
    /// What the client calls it.
    pub name: String,
    /// What the model is told before anything else.
    pub system_prompt: String,
    /// Which model answers.
    pub model: ModelRef,
    /// How freely it answers, in thousandths; the provider's own default if none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub temperature_permille: Option<u16>,
    /// The longest answer, in tokens; the provider's own default if none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_tokens: Option<u32>,
    /// What it may use.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tools: Vec<ToolId>,
    /// What it says first on a call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub greeting: Option<String>,
    /// What it says on a call when no model can answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub apology: Option<String>,
    /// How much of its calls is kept; what the client says if none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call_content: Option<ContentLevel>,
    /// The voice it speaks with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub voice_id: Option<String>,
    /// Which models answer when the first one cannot, in this order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fallback: Vec<ModelRef>,
}

impl AgentTerms {
    /// The models that may answer, the wanted one first.
    #[must_use]
    pub fn models(&self) -> Vec<ModelRef> {
        std::iter::once(&self.model).chain(&self.fallback).cloned().collect()
    }
}

/// See [`AgentEvent::Created`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AgentCreated {
    /// What holds.
    pub terms: AgentTerms,
    /// From where.
    #[serde(default, skip_serializing_if = "Origin::is_unknown")]
    pub origin: Origin,
    /// When.
    #[serde(with = "micros")]
    pub at: Time,
}

/// See [`AgentEvent::Updated`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AgentUpdated {
    /// What held.
    pub before: AgentTerms,
    /// What holds.
    pub after: AgentTerms,
    /// From where.
    #[serde(default, skip_serializing_if = "Origin::is_unknown")]
    pub origin: Origin,
    /// When.
    #[serde(with = "micros")]
    pub at: Time,
}

/// See [`AgentEvent::Deployed`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AgentDeployed {
    /// Which version went live.
    pub version: Version,
    /// What it says.
    pub terms: AgentTerms,
    /// From where.
    #[serde(default, skip_serializing_if = "Origin::is_unknown")]
    pub origin: Origin,
    /// When.
    #[serde(with = "micros")]
    pub at: Time,
}
