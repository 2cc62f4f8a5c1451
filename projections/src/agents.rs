//! The view of agents: versioned settings of the voice and text assistants.

use domain::agent::{Agent, AgentEvent, AgentRuntime, AgentTerms};
use domain::aggregate::Aggregate;
use domain::envelope::{Recorded, Time, Version};
use domain::ids::{AgentId, ClientId, KnowledgeBaseId, ToolId};
use domain::knowledge::Retrieval;
use domain::model::{ModelRef, Provider};
use domain::privacy::content::ContentLevel;
use domain::wire::{DecodeError, DomainEvent};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::document::{Document, DocumentRow, Resource};
use crate::numbers::knows;
use crate::view::{At, View};

/// Values of an agent's `status`.
pub const STATUSES: [&str; 2] = ["draft", "deployed"];

/// A language model of a provider.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = Model)]
pub struct ModelView {
    /// Provider of the model: `groq`, `openai`, `anthropic`, `google`, `openai_compatible` or `scripted`.
    #[schema(value_type = crate::words::LlmProvider)]
    pub provider: Provider,
    /// Name of the model at its provider.
    #[schema(example = "openai/gpt-oss-120b")]
    pub model: String,
}

impl From<&ModelRef> for ModelView {
    fn from(model: &ModelRef) -> Self {
        Self { provider: model.provider, model: model.model.clone() }
    }
}

/// How an agent remembers customers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = AgentMemory)]
pub struct AgentMemoryView {
    /// Whether it remembers what conversations show of customers, and is told what is known of them.
    pub enabled: bool,
    /// Most memories that it is told in a turn; `null` while it remembers nothing.
    #[schema(required)]
    pub limit: Option<u16>,
}

/// A tool's id, written and read as a TypeID.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ToolRef(pub ToolId);

impl Serialize for ToolRef {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        crate::edge::type_id::serialize(&self.0, serializer)
    }
}

impl<'de> Deserialize<'de> for ToolRef {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        crate::edge::type_id::deserialize(deserializer).map(Self)
    }
}

/// A knowledge base's id, written and read as a TypeID.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BaseRef(pub KnowledgeBaseId);

impl Serialize for BaseRef {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        crate::edge::type_id::serialize(&self.0, serializer)
    }
}

impl<'de> Deserialize<'de> for BaseRef {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        crate::edge::type_id::deserialize(deserializer).map(Self)
    }
}

/// How an agent looks passages up before it answers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = Retrieval)]
pub struct RetrievalView {
    /// Most passages for an answer.
    pub limit: u8,
    /// Passages with a smaller score are left out, 0 to 1.
    pub min_score: f64,
    /// Passages less near to the question are left out, 0 to 1; `null` asks for no nearness.
    #[schema(required)]
    pub min_similarity: Option<f64>,
    /// Longest wait for passages, in milliseconds.
    pub budget_ms: u16,
}

impl From<Retrieval> for RetrievalView {
    fn from(retrieval: Retrieval) -> Self {
        Self {
            limit: retrieval.limit,
            min_score: f64::from(retrieval.min_score_permille) / 1_000.0,
            min_similarity: retrieval.min_similarity_permille.map(|value| f64::from(value) / 1_000.0),
            budget_ms: retrieval.budget_ms,
        }
    }
}

impl Default for RetrievalView {
    fn default() -> Self {
        Retrieval::default().into()
    }
}

/// An agent. Every field is always present; what is not known is `null`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = Agent)]
pub struct AgentView {
    /// Id of the agent: TypeID `agt_…`.
    #[serde(with = "crate::edge::type_id")]
    #[schema(value_type = String, example = "agt_01jd0xq8v4e5vsknk084sn02q7")]
    pub id: AgentId,
    /// Name that you give the agent.
    pub name: String,
    /// System prompt, which the model is given before the conversation.
    pub system_prompt: String,
    /// Provider of the first model that answers.
    #[schema(value_type = crate::words::LlmProvider)]
    pub provider: Provider,
    /// Name of the first model that answers.
    pub model: String,
    /// Sampling temperature from 0 to 2; `null`: the provider's default.
    #[schema(required)]
    pub temperature: Option<f64>,
    /// Longest answer in tokens; `null`: the provider's default.
    #[schema(required)]
    pub max_tokens: Option<u32>,
    /// Tools the agent may call: TypeIDs `tool_…`.
    #[schema(value_type = Vec<String>)]
    pub tools: Vec<ToolRef>,
    /// What the agent says first on a call; `null`: a default greeting on inbound calls and after
    /// a menu, otherwise nothing.
    #[schema(required)]
    pub greeting: Option<String>,
    /// What the agent says on a call when no model answers; `null`: a default apology.
    #[serde(default)]
    #[schema(required)]
    pub apology: Option<String>,
    /// How much of the agent's calls is kept; `null`: what the privacy settings say.
    #[serde(default)]
    #[schema(value_type = Option<crate::words::ContentLevel>, required)]
    pub call_content: Option<ContentLevel>,
    /// Id of the voice the agent speaks with.
    #[schema(required)]
    pub voice_id: Option<String>,
    /// Models that answer when the first one cannot, tried in this order.
    pub fallback: Vec<ModelView>,
    /// Knowledge bases it looks passages up in before it answers: TypeIDs `kb_…`.
    #[serde(default)]
    #[schema(value_type = Vec<String>)]
    pub knowledge_base_ids: Vec<BaseRef>,
    /// How it looks passages up.
    #[serde(default)]
    pub retrieval: RetrievalView,
    /// How it remembers customers.
    #[serde(default)]
    pub memory: AgentMemoryView,
    /// What talks on its calls: this node, or a hosted voice runtime.
    #[serde(default)]
    #[schema(value_type = crate::words::AgentRuntime)]
    pub runtime: AgentRuntime,
    /// `draft` until a version is deployed; conversations run the newest version until then.
    #[schema(value_type = crate::words::AgentStatus)]
    pub status: String,
    /// Version that conversations run; `null` until one is deployed.
    #[schema(required)]
    pub deployed_version: Option<u64>,
    /// When the deployed version went live; `null` until then.
    #[serde(with = "crate::edge::rfc3339_option")]
    #[schema(value_type = Option<String>, format = DateTime, required)]
    pub deployed_at: Option<Time>,
    /// When the agent was created.
    #[serde(with = "crate::edge::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Time,
    /// When the agent was last changed.
    #[serde(with = "crate::edge::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    pub updated_at: Time,
    /// Version of the agent's stream, which is also its `ETag`.
    #[schema(minimum = 1)]
    pub version: u64,
}

impl AgentView {
    fn of(id: AgentId, terms: &AgentTerms, at: Time) -> Self {
        let mut view = Self {
            id,
            name: String::new(),
            system_prompt: String::new(),
            provider: terms.model.provider,
            model: String::new(),
            temperature: None,
            max_tokens: None,
            tools: vec![],
            greeting: None,
            apology: None,
            call_content: None,
            voice_id: None,
            fallback: vec![],
            knowledge_base_ids: vec![],
            retrieval: RetrievalView::default(),
            memory: AgentMemoryView::default(),
            runtime: AgentRuntime::default(),
            status: STATUSES[0].to_owned(),
            deployed_version: None,
            deployed_at: None,
            created_at: at,
            updated_at: at,
            version: 0,
        };
        view.take(terms);
        view
    }

    fn take(&mut self, terms: &AgentTerms) {
        self.name.clone_from(&terms.name);
        self.system_prompt.clone_from(&terms.system_prompt);
        self.provider = terms.model.provider;
        self.model.clone_from(&terms.model.model);
        self.temperature = terms.temperature_permille.map(|value| f64::from(value) / 1_000.0);
        self.max_tokens = terms.max_tokens;
        self.tools = terms.tools.iter().copied().map(ToolRef).collect();
        self.greeting.clone_from(&terms.greeting);
        self.apology.clone_from(&terms.apology);
        self.call_content = terms.call_content;
        self.voice_id.clone_from(&terms.voice_id);
        self.fallback = terms.fallback.iter().map(ModelView::from).collect();
        self.knowledge_base_ids = terms.knowledge_bases.iter().copied().map(BaseRef).collect();
        self.retrieval = terms.retrieval.unwrap_or_default().into();
        self.runtime = terms.runtime;
        self.memory = AgentMemoryView {
            enabled: terms.memory.is_some(),
            limit: terms.memory.map(|memory| memory.limit),
        };
    }
}

pub type AgentRow = Document<AgentView>;

impl Resource for AgentView {
    const TABLE: &'static str = "agents";

    fn id(&self) -> Uuid {
        self.id.0
    }

    fn created_at(&self) -> Time {
        self.created_at
    }

    fn version(&self) -> Version {
        Version(self.version)
    }
}

/// The view of agents: one row an agent.
#[derive(Debug)]
pub struct Agents;

impl View for Agents {
    const NAME: &'static str = "agents";
    const FOLDS: bool = true;
    const PERSONAL: Option<&'static [&'static str]> = Some(&[]);
    type Row = AgentRow;
    type Fact = AgentEvent;

    fn read(event: &Recorded) -> Result<Option<(Uuid, AgentEvent)>, DecodeError> {
        if event.stream.category() != Agent::CATEGORY || !knows::<AgentEvent>(&event.event_type) {
            return Ok(None);
        }
        let fact = AgentEvent::decode(&event.event_type, event.schema, &event.payload)?;
        Ok(Some((event.stream.id(), fact)))
    }

    fn apply(row: &mut Option<AgentRow>, at: &At, fact: AgentEvent) {
        match (row.as_mut(), fact) {
            (None, AgentEvent::Created(created)) => {
                let view = AgentView::of(AgentId(at.id), &created.terms, created.at);
                *row = Some(AgentRow { client: at.client, position: at.position, removed: false, view });
            }
            (Some(row), AgentEvent::Updated(updated)) => {
                row.view.take(&updated.after);
                row.view.updated_at = updated.at;
            }
            (Some(row), AgentEvent::Deployed(deployed)) => {
                STATUSES[1].clone_into(&mut row.view.status);
                row.view.deployed_version = Some(deployed.version.0);
                row.view.deployed_at = Some(deployed.at);
            }
            (Some(_), AgentEvent::Created(_)) | (None, _) => {}
        }
        if let Some(row) = row {
            row.position = at.position;
            row.view.version = at.version.0;
        }
    }
}

/// An agent with the times that decide whether it is its client's default agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgentEntry {
    pub id: AgentId,
    pub client: ClientId,
    /// When a version last went live; `None` for an agent that was never deployed.
    pub deployed_at: Option<Time>,
    pub created_at: Time,
}

impl AgentEntry {
    /// The entry of a stored [agent](AgentView). Fails when the document cannot be read.
    pub fn of(row: &DocumentRow) -> Result<Self, serde_json::Error> {
        let AgentView { id, deployed_at, created_at, .. } = serde_json::from_str(&row.json)?;
        Ok(Self { id, client: row.client, deployed_at, created_at })
    }
}
