//! Commands and rules of an agent.

use super::event::{AgentCreated, AgentDeployed, AgentEvent, AgentMemory, AgentTerms, AgentUpdated};
use super::runtime::AgentRuntime;
use crate::aggregate::Aggregate;
use crate::envelope::{Time, Version};
use crate::ids::{AgentId, KnowledgeBaseId, ToolId};
use crate::knowledge::{MAX_AGENT_BASES, Retrieval};
use crate::model::ModelRef;
use crate::origin::Origin;
use crate::privacy::content::ContentLevel;

/// The longest name, in characters.
pub const MAX_NAME: usize = 100;
/// The longest system prompt, in characters.
pub const MAX_SYSTEM_PROMPT: usize = 32_000;
/// The longest greeting or apology, in characters: it is spoken in one go.
pub const MAX_GREETING: usize = 1_000;
/// What an agent without an apology of its own says on a call when no model can answer.
pub const DEFAULT_APOLOGY: &str =
    "I am sorry, I cannot answer that just now. Please say it again in a moment.";
/// Most tools one agent may have.
pub const MAX_TOOLS: usize = 32;
/// Most memories that an agent may be told in a turn.
pub const MAX_MEMORIES: u16 = 20;
/// Most fallback models one agent may have.
pub const MAX_FALLBACK: usize = 5;
/// The highest temperature, in thousandths.
pub const MAX_TEMPERATURE_PERMILLE: u16 = 2_000;
/// The longest answer that may be asked for, in tokens.
pub const MAX_OUTPUT_TOKENS: u32 = 65_536;
/// The longest id of a voice, in characters.
const MAX_VOICE: usize = 200;
/// How many versions back can be deployed.
const KEPT_VERSIONS: usize = 50;

/// Changes to an agent's settings; `None` leaves a field as it is.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct AgentPatch {
    pub name: Option<String>,
    pub system_prompt: Option<String>,
    pub model: Option<ModelRef>,
    /// In thousandths; `Some(None)` is the provider's default.
    pub temperature_permille: Option<Option<u16>>,
    /// In tokens; `Some(None)` is the provider's default.
    pub max_tokens: Option<Option<u32>>,
    pub tools: Option<Vec<ToolId>>,
    /// `Some(None)` removes the greeting.
    pub greeting: Option<Option<String>>,
    /// `Some(None)` goes back to [`DEFAULT_APOLOGY`].
    pub apology: Option<Option<String>>,
    /// `Some(None)` follows the client's privacy policy.
    pub call_content: Option<Option<ContentLevel>>,
    /// `Some(None)` removes the voice.
    pub voice_id: Option<Option<String>>,
    pub fallback: Option<Vec<ModelRef>>,
    pub knowledge_bases: Option<Vec<KnowledgeBaseId>>,
    /// `Some(None)` goes back to the default.
    pub retrieval: Option<Option<Retrieval>>,
    /// `Some(None)`: it remembers nothing any more.
    pub memory: Option<Option<AgentMemory>>,
    pub runtime: Option<AgentRuntime>,
}

impl AgentPatch {
    fn on(&self, terms: &AgentTerms) -> AgentTerms {
        let Self {
            name,
            system_prompt,
            model,
            temperature_permille,
            max_tokens,
            tools,
            greeting,
            apology,
            call_content,
            voice_id,
            fallback,
            knowledge_bases,
            retrieval,
            memory,
            runtime,
        } = self.clone();
        AgentTerms {
            name: name.unwrap_or_else(|| terms.name.clone()),
            system_prompt: system_prompt.unwrap_or_else(|| terms.system_prompt.clone()),
            model: model.unwrap_or_else(|| terms.model.clone()),
            temperature_permille: temperature_permille.unwrap_or(terms.temperature_permille),
            max_tokens: max_tokens.unwrap_or(terms.max_tokens),
            tools: tools.unwrap_or_else(|| terms.tools.clone()),
            greeting: greeting.unwrap_or_else(|| terms.greeting.clone()),
            apology: apology.unwrap_or_else(|| terms.apology.clone()),
            call_content: call_content.unwrap_or(terms.call_content),
            voice_id: voice_id.unwrap_or_else(|| terms.voice_id.clone()),
            fallback: fallback.unwrap_or_else(|| terms.fallback.clone()),
            knowledge_bases: knowledge_bases.unwrap_or_else(|| terms.knowledge_bases.clone()),
            retrieval: retrieval.unwrap_or(terms.retrieval),
            memory: memory.unwrap_or(terms.memory),
            runtime: runtime.unwrap_or(terms.runtime),
        }
    }
}

#[derive(Debug, Clone)]
pub enum AgentCommand {
    Create(Box<AgentCreated>),
    Update {
        patch: Box<AgentPatch>,
        origin: Origin,
        now: Time,
    },
    Deploy {
        /// `None` deploys the newest version.
        version: Option<Version>,
        origin: Origin,
        now: Time,
    },
}

/// Why the agent refuses a command.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AgentRefusal {
    #[error("the agent does not exist")]
    Unknown,
    #[error("the agent exists already")]
    Exists,
    /// The field at fault, and what is wrong with it.
    #[error("{1}")]
    Invalid(&'static str, &'static str),
}

/// State of an agent, folded from its events.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Agent {
    /// Number of events so far, which is the stream's version.
    version: u64,
    /// Settings by the version that brought them, newest last.
    terms: Vec<(u64, AgentTerms)>,
    created: Option<AgentTerms>,
    deployed: Option<(Version, AgentTerms)>,
}

impl Agent {
    /// The newest settings and their version.
    #[must_use]
    pub fn newest(&self) -> Option<(Version, &AgentTerms)> {
        self.terms.last().map(|(version, terms)| (Version(*version), terms))
    }

    /// What conversations run: the version that was deployed last, or the newest one while none was deployed.
    #[must_use]
    pub fn live(&self) -> Option<(Version, &AgentTerms)> {
        self.deployed().or_else(|| self.newest())
    }

    /// The version that was deployed last; `None` while none was.
    #[must_use]
    pub fn deployed(&self) -> Option<(Version, &AgentTerms)> {
        self.deployed.as_ref().map(|(version, terms)| (*version, terms))
    }

    /// Settings that held at `version`, and the version that brought them; `None` where no such version exists.
    fn terms_at(&self, version: Version) -> Option<(Version, &AgentTerms)> {
        let known = (1..=self.version).contains(&version.0);
        let held = self.terms.iter().rev().find(|(since, _)| *since <= version.0).filter(|_| known)?;
        Some((Version(held.0), &held.1))
    }
}

fn length(text: &str) -> usize {
    text.chars().count()
}

fn check(terms: &AgentTerms) -> Result<(), AgentRefusal> {
    let fault = |field, detail| Err(AgentRefusal::Invalid(field, detail));
    if terms.name.trim().is_empty() || length(&terms.name) > MAX_NAME {
        return fault("name", "must have 1 to 100 characters");
    }
    if length(&terms.system_prompt) > MAX_SYSTEM_PROMPT {
        return fault("system_prompt", "must have at most 32000 characters");
    }
    if !terms.model.is_named() {
        return fault("model", "must have 1 to 200 visible ASCII characters");
    }
    if terms.temperature_permille.is_some_and(|value| value > MAX_TEMPERATURE_PERMILLE) {
        return fault("temperature", "must be from 0 to 2");
    }
    if terms.max_tokens.is_some_and(|value| !(1..=MAX_OUTPUT_TOKENS).contains(&value)) {
        return fault("max_tokens", "must be from 1 to 65536");
    }
    let mut tools = terms.tools.clone();
    tools.sort_unstable();
    tools.dedup();
    if terms.tools.len() > MAX_TOOLS || tools.len() < terms.tools.len() {
        return fault("tools", "must be at most 32, each once");
    }
    for (field, text) in [("greeting", &terms.greeting), ("apology", &terms.apology)] {
        if text.as_ref().is_some_and(|text| text.trim().is_empty() || length(text) > MAX_GREETING) {
            return fault(field, "must have 1 to 1000 characters");
        }
    }
    if terms.voice_id.as_ref().is_some_and(|id| id.trim().is_empty() || length(id) > MAX_VOICE) {
        return fault("voice_id", "must have 1 to 200 characters");
    }
    if terms.fallback.len() > MAX_FALLBACK || !terms.fallback.iter().all(ModelRef::is_named) {
        return fault("fallback", "must be at most 5 models, each with a name of 1 to 200 characters");
    }
    let mut bases = terms.knowledge_bases.clone();
    bases.sort_unstable();
    bases.dedup();
    if terms.knowledge_bases.len() > MAX_AGENT_BASES || bases.len() < terms.knowledge_bases.len() {
        return fault("knowledge_base_ids", "must be at most 8, each once");
    }
    if terms.retrieval.is_some_and(|retrieval| !retrieval.is_valid()) {
        return fault(
            "retrieval",
            "needs a limit from 1 to 20, scores from 0 to 1 and a budget_ms from 10 to 5000",
        );
    }
    if terms.memory.is_some_and(|memory| !(1..=MAX_MEMORIES).contains(&memory.limit)) {
        return fault("memory", "must have a limit from 1 to 20");
    }
    Ok(())
}

impl Aggregate for Agent {
    const CATEGORY: &'static str = AgentId::CATEGORY;
    type Command = AgentCommand;
    type Event = AgentEvent;
    type Refusal = AgentRefusal;

    fn decide(&self, command: &AgentCommand) -> Result<Vec<AgentEvent>, AgentRefusal> {
        match command {
            AgentCommand::Create(created) => match &self.created {
                None => {
                    check(&created.terms)?;
                    Ok(vec![(**created).clone().into()])
                }
                Some(before) if *before == created.terms => Ok(vec![]),
                Some(_) => Err(AgentRefusal::Exists),
            },
            AgentCommand::Update { patch, origin, now } => {
                let (_, before) = self.newest().ok_or(AgentRefusal::Unknown)?;
                let after = patch.on(before);
                check(&after)?;
                if after == *before {
                    return Ok(vec![]);
                }
                let (before, origin) = (before.clone(), origin.clone());
                Ok(vec![AgentUpdated { before, after, origin, at: *now }.into()])
            }
            AgentCommand::Deploy { version, origin, now } => {
                let newest = self.newest().ok_or(AgentRefusal::Unknown)?;
                let (version, terms) = match version {
                    None => newest,
                    Some(version) => self.terms_at(*version).ok_or(AgentRefusal::Invalid(
                        "version",
                        "there is no such version, or not any more",
                    ))?,
                };
                if self.deployed.as_ref().is_some_and(|(live, _)| *live == version) {
                    return Ok(vec![]);
                }
                let (terms, origin) = (terms.clone(), origin.clone());
                Ok(vec![AgentDeployed { version, terms, origin, at: *now }.into()])
            }
        }
    }

    fn evolve(&mut self, event: &AgentEvent) {
        self.version += 1;
        match event {
            AgentEvent::Created(created) => {
                self.created = Some(created.terms.clone());
                self.terms.push((self.version, created.terms.clone()));
            }
            AgentEvent::Updated(updated) => {
                self.terms.push((self.version, updated.after.clone()));
                if self.terms.len() > KEPT_VERSIONS {
                    self.terms.remove(0);
                }
            }
            AgentEvent::Deployed(deployed) => {
                self.deployed = Some((deployed.version, deployed.terms.clone()));
            }
        }
    }
}
