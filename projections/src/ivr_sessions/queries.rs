//! Queries of IVR sessions.

use async_trait::async_trait;
use domain::envelope::Time;
use domain::ids::{CallId, ClientId, IvrSessionId, MenuId};
use domain::ivr::session::SessionStatus;
use domain::ports::StoreUnavailable;

use crate::page::{Page, PageRequest, Stored};

/// Which sessions are wanted; all conditions must hold.
#[derive(Clone, Default)]
pub struct SessionFilter {
    pub status: Option<SessionStatus>,
    /// The menu in which the session began.
    pub menu_id: Option<MenuId>,
    pub call_id: Option<CallId>,
    /// The client's own name of the session, exactly.
    pub session_id: Option<String>,
    /// Began after this time.
    pub created_after: Option<Time>,
    /// Began before this time.
    pub created_before: Option<Time>,
}

impl std::fmt::Debug for SessionFilter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SessionFilter").finish_non_exhaustive()
    }
}

/// Queries of IVR sessions. None of them ever answers with another client's session, or with one
/// that ended before `since`.
#[async_trait]
pub trait SessionQueries: Send + Sync {
    /// One [session](super::SessionView) of the client, as JSON.
    async fn ivr_session(
        &self,
        client: ClientId,
        id: IvrSessionId,
        since: Time,
    ) -> Result<Option<Stored>, StoreUnavailable>;

    /// A page of [sessions](super::SessionView), ordered by `start_time` and id.
    async fn ivr_sessions(
        &self,
        client: ClientId,
        filter: &SessionFilter,
        since: Time,
        page: &PageRequest,
    ) -> Result<Page, StoreUnavailable>;
}
