//! Queries of conversations.

use async_trait::async_trait;
use domain::conversation::Channel;
use domain::envelope::Time;
use domain::ids::{AgentId, CallId, ClientId, ConversationId, MessageId};
use domain::ports::StoreUnavailable;

use crate::page::{Page, PageRequest};
use crate::said::{SaidPage, SaidRows};

/// Which conversations are wanted; all conditions must hold.
#[derive(Clone, Default)]
pub struct ConversationFilter {
    /// `Some(false)`: only active ones; `Some(true)`: only ended ones.
    pub ended: Option<bool>,
    pub agent_id: Option<AgentId>,
    pub call_id: Option<CallId>,
    pub channel: Option<Channel>,
    /// The client's own name of the person, exactly.
    pub user_id: Option<String>,
    /// Began after this time.
    pub created_after: Option<Time>,
    /// Began before this time.
    pub created_before: Option<Time>,
}

impl std::fmt::Debug for ConversationFilter {
    // the names of persons are personal
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ConversationFilter").finish_non_exhaustive()
    }
}

/// Queries of conversations. None of them ever answers with another client's conversation.
#[async_trait]
pub trait ConversationQueries: Send + Sync {
    /// A page of [conversations](super::ConversationView), ordered by `created_at` and id.
    async fn conversations(
        &self,
        client: ClientId,
        filter: &ConversationFilter,
        page: &PageRequest,
    ) -> Result<Page, StoreUnavailable>;

    /// A page of [unanswered questions](super::UnansweredView) of an agent, or of all, by when they were answered.
    async fn unanswered(
        &self,
        client: ClientId,
        agent: Option<AgentId>,
        page: &PageRequest,
    ) -> Result<Page, StoreUnavailable>;

    /// A page of a conversation's messages. An unknown conversation has none.
    async fn messages(
        &self,
        client: ClientId,
        conversation: ConversationId,
        page: SaidPage,
    ) -> Result<SaidRows, StoreUnavailable>;

    /// One [message](super::MessageView) of a conversation, as JSON.
    async fn message(
        &self,
        client: ClientId,
        conversation: ConversationId,
        id: MessageId,
    ) -> Result<Option<String>, StoreUnavailable>;
}
