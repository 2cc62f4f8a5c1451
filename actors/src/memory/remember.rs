//! Looks at a conversation that is over, and remembers what it showed of the person.

use std::time::Duration;

use domain::conversation::{Conversation, ConversationRefusal, MessageRole};
use domain::ids::{ConversationId, CustomerId, MemoryId, derive};
use domain::memory::{MemoryRefusal, MemorySource, MemoryTerms, NewMemory};
use domain::ports::StoreUnavailable;
use domain::ports::llm::LlmFailure;
use domain::ports::outbox::Cause;
use domain::ports::vector_index::IndexQuery;

use super::MemoryService;
use super::extract::{Extracted, Line, by_rules, can_ask, read, request};
use super::learn::space;
use crate::context::CommandContext;
use crate::conversation::ConversationService;
use crate::session::CommandError;

/// Known memories that a model is shown.
const KNOWN: usize = 40;
/// Longest wait for a model.
const PATIENCE: Duration = Duration::from_secs(60);
/// Attempts that may each have recorded something else in the same place.
const MOST_OTHERS: usize = 20;

/// Why a conversation cannot be looked at now; the outbox tries again.
#[derive(Debug, thiserror::Error)]
pub enum RememberError {
    #[error("the conversation cannot be read")]
    Conversation(#[from] CommandError<ConversationRefusal>),
    #[error("a memory cannot be recorded")]
    Memory(#[from] CommandError<MemoryRefusal>),
    #[error(transparent)]
    Store(#[from] StoreUnavailable),
    #[error("no model answers now")]
    Model(#[source] LlmFailure),
    #[error("the agent cannot be read: {0}")]
    Agent(String),
}

fn lines(state: &Conversation) -> Vec<Line> {
    let said = state.window().filter(|one| matches!(one.role, MessageRole::User | MessageRole::Assistant));
    let line = |one: &domain::conversation::Remembered| {
        let text = one.content.reveal()?.trim().to_owned();
        (!text.is_empty()).then_some(Line { id: one.id, role: one.role, text })
    };
    said.filter_map(line).collect()
}

impl MemoryService {
    /// Remembers what the conversation showed, if its agent keeps memories and it is known whom it was with. Done again, it
    /// records nothing twice. A model that fails is asked again later, unless this is the `last` attempt: then a few rules
    /// look at the conversation instead.
    pub async fn remember(
        &self,
        conversations: &ConversationService,
        id: ConversationId,
        client: domain::ids::ClientId,
        cause: &Cause,
        last: bool,
    ) -> Result<(), RememberError> {
        let (state, owner) = conversations.inspect(id, true).await?;
        let Some(agent) = state.agent().filter(|_| owner == Some(client)) else { return Ok(()) };
        let terms = conversations.desk().newest(client, agent.id).await.map_err(RememberError::Agent)?;
        let Some(terms) = terms.filter(|terms| terms.memory.is_some()) else { return Ok(()) };
        let Some(person) = self.customers.of_conversation(client, id).await? else { return Ok(()) };
        let lines = lines(&state);
        if !lines.iter().any(|line| line.role == MessageRole::User) {
            return Ok(());
        }
        let known = self.known_to(client, &person.all, &lines).await?;
        let texts: Vec<String> = known.iter().map(|(_, text)| text.clone()).collect();
        let models = terms.models();
        let by_model = if can_ask(&models) {
            let before = state.summary().and_then(|summary| summary.reveal()).map(String::as_str);
            let request = request(before, &lines, &texts);
            let asked = conversations.models().complete(client, &models, &request);
            match tokio::time::timeout(PATIENCE, asked).await {
                Ok(Ok((_, completion))) => read(&completion.text, &lines, texts.len()),
                Ok(Err(unanswered)) if !last && is_passing(&unanswered.failure) => {
                    return Err(RememberError::Model(unanswered.failure));
                }
                Err(_) if !last => return Err(RememberError::Model(LlmFailure::TimedOut("notes"))),
                Ok(Err(_)) | Err(_) => None,
            }
        } else {
            None
        };
        let extracted = by_model.unwrap_or_else(|| by_rules(&lines, &texts));
        let context = CommandContext::following("memory", client, cause);
        let source = state.call().map_or(MemorySource::Conversation { id }, |id| MemorySource::Call { id });
        for (number, extracted) in extracted.into_iter().enumerate() {
            let Extracted { content, kind, confidence_permille, evidence, replaces } = extracted;
            let now = self.runtime.clock.now();
            let terms = MemoryTerms { content: content.into(), kind, confidence_permille, expires_at: None };
            let replaced = replaces.and_then(|place| known.get(place)).map(|(id, _)| *id);
            let supersedes = match replaced {
                Some(old) if self.is_of_a_conversation(old).await? => Some(old),
                _ => None,
            };
            let new = NewMemory { customer: person.customer, terms, source, evidence, supersedes, now };
            self.record(&context, cause, number, new).await?;
        }
        Ok(())
    }

    /// Records under an id that is the same on every attempt, unless an earlier attempt has recorded something else under
    /// it.
    async fn record(
        &self,
        context: &CommandContext,
        cause: &Cause,
        number: usize,
        new: NewMemory,
    ) -> Result<(), RememberError> {
        for other in 0..MOST_OTHERS {
            let id = MemoryId(derive(cause.event_id, &format!("memory {number} {other}")));
            match self.learn(context, id, new.clone()).await {
                Err(CommandError::Refused(MemoryRefusal::Exists)) => {}
                Ok(_) | Err(CommandError::Refused(_)) => return Ok(()),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// Whether a conversation showed the memory. What a client wrote is not ended by what a caller says.
    async fn is_of_a_conversation(&self, id: MemoryId) -> Result<bool, RememberError> {
        let source = self.read(id).await?.source();
        Ok(source.is_some_and(|source| source != MemorySource::Api))
    }

    /// Active memories of the customer that have to do with what was said.
    async fn known_to(
        &self,
        client: domain::ids::ClientId,
        customers: &[CustomerId],
        lines: &[Line],
    ) -> Result<Vec<(MemoryId, String)>, StoreUnavailable> {
        let said: Vec<&str> = lines.iter().map(|line| line.text.as_str()).collect();
        let said = said.join(" ");
        // words that the rules write themselves
        let words = format!("name prefers likes lives called {said}");
        let mut known = Vec::new();
        for customer in customers {
            let query = IndexQuery { group: Some(customer.0), near: None, words: Some(&words), limit: KNOWN };
            known.extend(self.index.search(space(client), &query).await?);
        }
        known.truncate(KNOWN);
        Ok(known.into_iter().map(|hit| (MemoryId(hit.id), hit.text)).collect())
    }
}

/// Whether the model may answer at another time.
fn is_passing(failure: &LlmFailure) -> bool {
    failure.is_sickness() || matches!(failure, LlmFailure::RateLimited { .. } | LlmFailure::CircuitOpen)
}
