//! What can be asked.

use async_trait::async_trait;
use domain::call::terms::{Direction, EndReason, Status};
use domain::envelope::{Position, Time};
use domain::ids::{AgentId, CallId, ClientId};
use domain::ports::StoreUnavailable;

use crate::page::{Page, PageRequest, Stored};

/// Which calls are wanted; all conditions hold at once.
#[derive(Clone, Default)]
pub struct CallFilter {
    /// One of these, any if empty.
    pub status: Vec<Status>,
    /// Who began it.
    pub direction: Option<Direction>,
    /// The calling party, exactly.
    pub from: Option<String>,
    /// The called party, exactly.
    pub to: Option<String>,
    /// Who is to talk.
    pub agent_id: Option<AgentId>,
    /// One of these, any if empty.
    pub end_reason: Vec<EndReason>,
    /// Made after this moment.
    pub created_after: Option<Time>,
    /// Made before this moment.
    pub created_before: Option<Time>,
    /// Entries of the metadata, each with this value; a value that is no text is compared by its JSON.
    pub metadata: Vec<(String, String)>,
    /// Something of the call.
    pub search: Option<CallSearch>,
}

/// What somebody looks for: any of these.
#[derive(Clone)]
pub struct CallSearch {
    /// The call itself.
    pub id: Option<CallId>,
    /// The carrier's id of its leg, or a value of its metadata, exactly.
    pub text: String,
    /// Either party, as calls show it.
    pub party: String,
    /// The last digits of either party's number, four at least.
    pub last_digits: Option<String>,
}

impl CallSearch {
    /// The digits of what looks like a number or the end of one, in any formatting.
    #[must_use]
    pub fn digits_of(text: &str) -> Option<String> {
        let known = |c: char| c.is_ascii_digit() || matches!(c, '+' | '(' | ')' | '-' | '.' | '/' | ' ');
        let digits: String = text.chars().filter(char::is_ascii_digit).collect();
        (text.chars().all(known) && (LAST_DIGITS..=15).contains(&digits.len())).then_some(digits)
    }
}

impl std::fmt::Debug for CallSearch {
    // numbers and metadata are personal
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CallSearch").finish_non_exhaustive()
    }
}

/// By how many of its last digits a number is found.
pub const LAST_DIGITS: usize = 4;

impl std::fmt::Debug for CallFilter {
    // numbers and metadata are personal
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CallFilter").finish_non_exhaustive()
    }
}

/// How many calls a client has placed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CallCount {
    /// Who.
    pub client: ClientId,
    /// How many.
    pub placed: u64,
    /// The newest event the count goes by.
    pub position: Position,
}

/// Reads of calls. None of them ever answers with another client's call.
#[async_trait]
pub trait CallQueries: Send + Sync {
    /// One [call](super::CallView), as JSON.
    async fn call(&self, client: ClientId, id: CallId) -> Result<Option<Stored>, StoreUnavailable>;

    /// A page of [calls](super::CallView), by `created_at` and id.
    async fn calls(
        &self,
        client: ClientId,
        filter: &CallFilter,
        page: &PageRequest,
    ) -> Result<Page, StoreUnavailable>;

    /// The [recording](super::RecordingView) of a call, as JSON; `None` for an unknown call.
    async fn recording(&self, client: ClientId, id: CallId) -> Result<Option<String>, StoreUnavailable>;

    /// The calls of all clients that are not over, by id, beginning after `after`: for the node's own directory.
    async fn open_calls(
        &self,
        after: Option<CallId>,
        limit: u32,
    ) -> Result<Vec<(ClientId, CallId)>, StoreUnavailable>;

    /// How many calls each client has placed since a moment, by client, beginning after `after`: for the node's
    /// own directory. Who has placed none is left out.
    async fn calls_placed(
        &self,
        since: Time,
        after: Option<ClientId>,
        limit: u32,
    ) -> Result<Vec<CallCount>, StoreUnavailable>;

    /// Bytes of a client's calls and transcripts, as they are shown.
    async fn stored_bytes(&self, client: ClientId) -> Result<u64, StoreUnavailable>;
}
