//! Derives public events from recorded events.

use std::sync::Arc;

use async_trait::async_trait;
use domain::envelope::Recorded;
use domain::ids::{CheckoutId, CreditAccountId, PrivacyJobId, SpendGuardId};
use domain::ports::event_store::EventStore;
use domain::ports::webhooks::{PublicEvents, PublishError};
use domain::webhook::public::PublicEvent;

use super::credits;
use super::endpoints::Endpoints;
use super::memory::Memory;
use super::published::Published;
use crate::agents::Agents;
use crate::calls::Calls;
use crate::conversations::Conversations;
use crate::ivr_sessions::IvrSessions;
use crate::knowledge::KnowledgeDocuments;
use crate::memories::Memories;

/// Derives public events from recorded events.
#[derive(Debug)]
pub struct Publisher {
    log: Arc<dyn EventStore>,
    calls: Memory<Calls>,
    sessions: Memory<IvrSessions>,
    conversations: Memory<Conversations>,
    agents: Memory<Agents>,
    endpoints: Memory<Endpoints>,
    documents: Memory<KnowledgeDocuments>,
    memories: Memory<Memories>,
}

impl Publisher {
    #[must_use]
    pub fn new(log: Arc<dyn EventStore>) -> Self {
        let (calls, sessions) = (Memory::default(), Memory::default());
        let (conversations, agents) = (Memory::default(), Memory::default());
        let (endpoints, documents, memories) = (Memory::default(), Memory::default(), Memory::default());
        Self { log, calls, sessions, conversations, agents, endpoints, documents, memories }
    }

    async fn of_one(&self, fact: &Recorded) -> Result<Option<PublicEvent>, PublishError> {
        match fact.stream.category() {
            Calls::CATEGORY => self.calls.take(&*self.log, fact).await,
            IvrSessions::CATEGORY => self.sessions.take(&*self.log, fact).await,
            Conversations::CATEGORY => self.conversations.take(&*self.log, fact).await,
            Agents::CATEGORY => self.agents.take(&*self.log, fact).await,
            Endpoints::CATEGORY => self.endpoints.take(&*self.log, fact).await,
            KnowledgeDocuments::CATEGORY => self.documents.take(&*self.log, fact).await,
            Memories::CATEGORY => self.memories.take(&*self.log, fact).await,
            CreditAccountId::CATEGORY | CheckoutId::CATEGORY | SpendGuardId::CATEGORY => {
                credits::published(fact)
            }
            PrivacyJobId::CATEGORY => {
                // the resources must be read again, because parts of them may have been erased
                self.calls.forget();
                self.sessions.forget();
                self.conversations.forget();
                self.memories.forget();
                Ok(None)
            }
            _ => Ok(None),
        }
    }
}

/// Event types whose personal data public events contain. Carriers' webhooks, which are large, are not among them.
const PERSONAL: &[&str] = &[
    "call.received",
    "call.leg_identified",
    "call.queued",
    "call.recording_saved",
    "call.metadata_changed",
    "ivr_session.started",
    "ivr_session.collected",
    "ivr_session.ended",
    "conversation.started",
    "conversation.message_added",
    "conversation.turn_completed",
    "conversation.tools_called",
    "conversation.function_executed",
    "conversation.summarised",
    "delivery.attempted",
    "kb_document.ingested",
    "kb_document.parsed",
    "memory.recorded",
];

#[async_trait]
impl PublicEvents for Publisher {
    async fn of(&self, facts: &[Recorded]) -> Result<Vec<PublicEvent>, PublishError> {
        let mut told = Vec::new();
        for fact in facts {
            told.extend(self.of_one(fact).await?);
        }
        Ok(told)
    }

    fn personal(&self) -> Option<&'static [&'static str]> {
        Some(PERSONAL)
    }
}
