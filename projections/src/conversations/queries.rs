//! What can be asked.

use async_trait::async_trait;
use domain::conversation::Channel;
use domain::envelope::Time;
use domain::ids::{AgentId, CallId, ClientId, ConversationId, MessageId};
use domain::ports::StoreUnavailable;

use crate::page::{Page, PageRequest, Stored};
use crate::said::{SaidPage, SaidRows};

/// Which conversations are wanted; all conditions hold at once.
#[derive(Clone, Default)]
pub struct ConversationFilter {
    /// `active` or `ended`.
    pub ended: Option<bool>,
    /// Who talks.
    pub agent_id: Option<AgentId>,
    /// On which call.
    pub call_id: Option<CallId>,
    /// Where.
    pub channel: Option<Channel>,
    /// With whom, by the client's own name of them.
    pub user_id: Option<String>,
    /// Begun after this moment.
    pub created_after: Option<Time>,
    /// Begun before this moment.
    pub created_before: Option<Time>,
}

impl std::fmt::Debug for ConversationFilter {
    // whom a client talks with is personal
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ConversationFilter").finish_non_exhaustive()
    }
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
