//! Events of an agent and their payloads.

use chrono::serde::ts_microseconds as micros;
use serde::{Deserialize, Serialize};

use super::runtime::AgentRuntime;
use crate::envelope::{Time, Version};
use crate::ids::{KnowledgeBaseId, ToolId};
use crate::knowledge::Retrieval;
use crate::model::ModelRef;
use crate::origin::Origin;
use crate::privacy::content::ContentLevel;
use crate::wire::events;

events! {
    pub enum AgentEvent {
        Created(AgentCreated) = "agent.created" v 1,
        Updated(AgentUpdated) = "agent.updated" v 1,
        /// Conversations run this version from now on.
        Deployed(AgentDeployed) = "agent.deployed" v 1,
    }
}

/// Settings of an agent: prompt, models, tools and voice.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AgentTerms {
    pub name: String,
    /// Instructions the model gets before the first message.
    pub system_prompt: String,
    /// The model that is asked first.
    pub model: ModelRef,
    /// Sampling temperature in thousandths, 0 to 2000; `None` is the provider's default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub temperature_permille: Option<u16>,
    /// Longest answer, in tokens; `None` is the provider's default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_tokens: Option<u32>,
    /// Tools the model may call.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tools: Vec<ToolId>,
    /// Words the agent speaks first on a call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub greeting: Option<String>,
    /// Words the agent speaks on a call when no model can answer; `None` is `DEFAULT_APOLOGY`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub apology: Option<String>,
    /// How much of its calls is kept; `None` follows the client's privacy policy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call_content: Option<ContentLevel>,
    /// The voice it speaks with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub voice_id: Option<String>,
    /// Models that are asked in this order when `model` cannot answer.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fallback: Vec<ModelRef>,
    /// Knowledge bases it looks passages up in before it answers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub knowledge_bases: Vec<KnowledgeBaseId>,
    /// How it looks passages up; `None` is the default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retrieval: Option<Retrieval>,
    /// What it remembers of customers; `None`: nothing, and it is told nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<AgentMemory>,
    /// What speaks on its calls.
    #[serde(default, skip_serializing_if = "AgentRuntime::is_carrier")]
    pub runtime: AgentRuntime,
}

/// How an agent remembers customers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgentMemory {
    /// Most memories that it is told in a turn, 1 to 20.
    pub limit: u16,
}

impl AgentTerms {
    /// The models to ask, in order: `model`, then `fallback`.
    #[must_use]
    pub fn models(&self) -> Vec<ModelRef> {
        std::iter::once(&self.model).chain(&self.fallback).cloned().collect()
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AgentCreated {
    pub terms: AgentTerms,
    #[serde(default, skip_serializing_if = "Origin::is_unknown")]
    pub origin: Origin,
    #[serde(with = "micros")]
    pub at: Time,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AgentUpdated {
    pub before: AgentTerms,
    pub after: AgentTerms,
    #[serde(default, skip_serializing_if = "Origin::is_unknown")]
    pub origin: Origin,
    #[serde(with = "micros")]
    pub at: Time,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AgentDeployed {
    pub version: Version,
    /// Settings of the deployed version.
    pub terms: AgentTerms,
    #[serde(default, skip_serializing_if = "Origin::is_unknown")]
    pub origin: Origin,
    #[serde(with = "micros")]
    pub at: Time,
}
