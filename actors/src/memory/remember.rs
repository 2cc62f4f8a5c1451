//! Looks at a conversation that is over, and remembers what it showed of the person.

use domain::conversation::{Conversation, ConversationRefusal, MessageRole};
use domain::ids::{ConversationId, CustomerId, MemoryId, derive};
use domain::memory::{MemoryRefusal, MemorySource, MemoryTerms, NewMemory};
use domain::ports::StoreUnavailable;
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

/// Why a conversation cannot be looked at now; the outbox tries again.
#[derive(Debug, thiserror::Error)]
pub enum RememberError {
    #[error("the conversation cannot be read")]
    Conversation(#[from] CommandError<ConversationRefusal>),
    #[error("a memory cannot be recorded")]
    Memory(#[from] CommandError<MemoryRefusal>),
    #[error(transparent)]
    Store(#[from] StoreUnavailable),
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
    /// records nothing twice.
    pub async fn remember(
        &self,
        conversations: &ConversationService,
        id: ConversationId,
        client: domain::ids::ClientId,
        cause: &Cause,
    ) -> Result<(), RememberError> {
        let (state, owner) = conversations.inspect(id, true).await?;
        let Some(agent) = state.agent().filter(|_| owner == Some(client)) else { return Ok(()) };
        let terms = conversations.desk().newest(client, agent.id).await.map_err(RememberError::Agent)?;
        let Some(terms) = terms.filter(|terms| terms.memory.is_some()) else { return Ok(()) };
        let customers = self.customers.of_conversation(client, id).await?;
        let Some(&customer) = customers.first() else { return Ok(()) };
        let lines = lines(&state);
        if !lines.iter().any(|line| line.role == MessageRole::User) {
            return Ok(());
        }
        let known = self.known_to(client, customer, &lines).await?;
        let texts: Vec<String> = known.iter().map(|(_, text)| text.clone()).collect();
        let models = terms.models();
        let by_model = if can_ask(&models) {
            let answer = conversations.models().complete(client, &models, &request(&lines, &texts)).await;
            answer.ok().and_then(|(_, completion)| read(&completion.text, &lines, texts.len()))
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
            let supersedes = replaces.and_then(|place| known.get(place)).map(|(id, _)| *id);
            let new = NewMemory { customer, terms, source, evidence, supersedes, now };
            // the same id on every attempt
            let memory = MemoryId(derive(cause.event_id, &format!("memory {number}")));
            match self.learn(&context, memory, new).await {
                Ok(_) | Err(CommandError::Refused(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// Active memories of the customer that have to do with what was said.
    async fn known_to(
        &self,
        client: domain::ids::ClientId,
        customer: CustomerId,
        lines: &[Line],
    ) -> Result<Vec<(MemoryId, String)>, StoreUnavailable> {
        let said: Vec<&str> = lines.iter().map(|line| line.text.as_str()).collect();
        let said = said.join(" ");
        // words that the rules write themselves
        let words = format!("name prefers likes lives called {said}");
        let query = IndexQuery { group: Some(customer.0), near: None, words: Some(&words), limit: KNOWN };
        let hits = self.index.search(space(client), &query).await?;
        Ok(hits.into_iter().map(|hit| (MemoryId(hit.id), hit.text)).collect())
    }
}
