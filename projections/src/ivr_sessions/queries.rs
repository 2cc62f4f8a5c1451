//! What can be asked.

use async_trait::async_trait;
use domain::envelope::Time;
use domain::ids::{CallId, ClientId, IvrSessionId, MenuId};
use domain::ivr::session::SessionStatus;
use domain::ports::StoreUnavailable;

use crate::page::{Page, PageRequest, Stored};

/// Which sessions are wanted; all conditions hold at once.
#[derive(Clone, Default)]
pub struct SessionFilter {
    /// Where they stand.
    pub status: Option<SessionStatus>,
    /// In which menu they began.
    pub menu_id: Option<MenuId>,
    /// On which call.
    pub call_id: Option<CallId>,
    /// The client's own name, exactly.
    pub session_id: Option<String>,
    /// Begun after this moment.
    pub created_after: Option<Time>,
    /// Begun before this moment.
    pub created_before: Option<Time>,
}

impl std::fmt::Debug for SessionFilter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SessionFilter").finish_non_exhaustive()
    }
}

/// Reads of sessions. None of them ever answers with another client's. Those that ended before `since` are not
/// shown any more.
#[async_trait]
pub trait SessionQueries: Send + Sync {
    /// One [session](super::SessionView), as JSON.
    async fn ivr_session(
        &self,
        client: ClientId,
        id: IvrSessionId,
        since: Time,
    ) -> Result<Option<Stored>, StoreUnavailable>;

    /// A page of [sessions](super::SessionView), by `start_time` and id.
    async fn ivr_sessions(
        &self,
        client: ClientId,
        filter: &SessionFilter,
        since: Time,
        page: &PageRequest,
    ) -> Result<Page, StoreUnavailable>;
}
