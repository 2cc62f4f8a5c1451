//! What can be asked.

use async_trait::async_trait;
use domain::conversation::Channel;
use domain::envelope::Time;
use domain::ids::{AgentId, CallId, ClientId, ConversationId, MessageId};
use domain::ports::StoreUnavailable;

use crate::page::{Page, PageRequest, Stored};
use crate::said::{SaidPage, SaidRows};

/// Which conversations are wanted; all conditions hold at once.
#[derive(Debug, Clone, Default)]
pub struct ConversationFilter {
    /// `active` or `ended`.
    pub ended: Option<bool>,
    /// Who talks.
    pub agent_id: Option<AgentId>,
    /// On which call.
    pub call_id: Option<CallId>,
    /// Where.
    pub channel: Option<Channel>,
    /// Begun after this moment.
    pub created_after: Option<Time>,
    /// Begun before this moment.
    pub created_before: Option<Time>,
}

/// Reads of conversations. None of them ever answers with another client's.
#[async_trait]
pub trait ConversationQueries: Send + Sync {
    /// One [conversation](super::ConversationView), as JSON.
    async fn conversation(
        &self,
        client: ClientId,
        id: ConversationId,
    ) -> Result<Option<Stored>, StoreUnavailable>;

    /// A page of [conversations](super::ConversationView), by `created_at` and id.
    async fn conversations(
        &self,
        client: ClientId,
        filter: &ConversationFilter,
        page: &PageRequest,
    ) -> Result<Page, StoreUnavailable>;

    /// A page of a conversation's messages. An unknown conversation has none.
    async fn messages(
        &self,
        client: ClientId,
        conversation: ConversationId,
        page: SaidPage,
    ) -> Result<SaidRows, StoreUnavailable>;

    /// One [message](super::MessageView), as JSON.
    async fn message(
        &self,
        client: ClientId,
        conversation: ConversationId,
        id: MessageId,
    ) -> Result<Option<String>, StoreUnavailable>;
}
