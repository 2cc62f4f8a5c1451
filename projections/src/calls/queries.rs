//! Queries of calls.

use async_trait::async_trait;
use domain::call::terms::{Direction, EndReason, Status};
use domain::envelope::{Position, Time};
use domain::ids::{AgentId, CallId, ClientId};
use domain::ports::StoreUnavailable;

use super::CallFiles;
use crate::page::{Page, PageRequest};

/// Which calls are wanted; all conditions must hold.
#[derive(Clone, Default)]
pub struct CallFilter {
    /// One of these statuses; any when empty.
    pub status: Vec<Status>,
    pub direction: Option<Direction>,
    /// The calling party, exactly as calls show it.
    pub from: Option<String>,
    /// The called party, exactly as calls show it.
    pub to: Option<String>,
    pub agent_id: Option<AgentId>,
    /// One of these reasons; any when empty.
    pub end_reason: Vec<EndReason>,
    /// Created after this time.
    pub created_after: Option<Time>,
    /// Created before this time.
    pub created_before: Option<Time>,
    /// Entries of the metadata, each with this value; a value that is not a string is compared by its JSON.
    pub metadata: Vec<(String, String)>,
    /// A text to search for in several fields.
    pub search: Option<CallSearch>,
}

/// A search: a call matches when any of these does.
#[derive(Clone)]
pub struct CallSearch {
    /// The id of the call; `None` when the text is no such id.
    pub id: Option<CallId>,
    /// The carrier's id of the call's leg, or a value of its metadata, exactly.
    pub text: String,
    /// The calling or the called party, exactly as calls show it.
    pub party: String,
    /// The last digits of either party's number, at least [`LAST_DIGITS`].
    pub last_digits: Option<String>,
}

impl CallSearch {
    /// The digits of a text that looks like a phone number or the end of one, in any formatting; otherwise `None`.
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

/// Fewest last digits of a number that a search accepts.
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
    pub client: ClientId,
    /// Number of outbound calls.
    pub placed: u64,
    /// Position of the newest event that the count includes.
    pub position: Position,
}

/// Queries of calls. Those with a `client` never answer with another client's call.
#[async_trait]
pub trait CallQueries: Send + Sync {
    /// A page of [calls](super::CallView), ordered by `created_at` and id.
    async fn calls(
        &self,
        client: ClientId,
        filter: &CallFilter,
        page: &PageRequest,
    ) -> Result<Page, StoreUnavailable>;

    /// The recording and the files of a call; `None` for an unknown call.
    async fn call_files(&self, client: ClientId, id: CallId) -> Result<Option<CallFiles>, StoreUnavailable>;

    /// The calls of all clients that are not over, by id, after `after`: for the node's own directory.
    async fn open_calls(
        &self,
        after: Option<CallId>,
        limit: u32,
    ) -> Result<Vec<(ClientId, CallId)>, StoreUnavailable>;

    /// How many calls each client has placed since a time, by client, after `after`: for the node's own directory.
    /// Clients that placed none are left out.
    async fn calls_placed(
        &self,
        since: Time,
        after: Option<ClientId>,
        limit: u32,
    ) -> Result<Vec<CallCount>, StoreUnavailable>;

    /// Bytes of a client's calls and transcripts, in the form they are shown.
    async fn stored_bytes(&self, client: ClientId) -> Result<u64, StoreUnavailable>;
}
