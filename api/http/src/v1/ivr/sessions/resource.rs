//! How the generic resource code reads IVR sessions, and what all writes to one share.

use std::sync::Arc;

use domain::envelope::Time;
use domain::ids::{ClientId, IvrSessionId, MenuId};
use domain::ivr::book::Book;
use domain::ivr::session::{IvrSession, SessionCommand, SessionRefusal};
use domain::ports::StoreUnavailable;
use projections::Queries;
use projections::ivr_sessions::IvrSessions;
use projections::page::Stored;

use super::super::super::commands::{AsProblem, context, problem};
use super::super::super::recipe::{Recipe, Wording};
use super::super::super::resource::{Resource, written};
use crate::auth::Principal;
use crate::auth::permissions::IvrRead;
use crate::backend::Backend;
use crate::problem::{ApiError, Code};
use crate::{Answer, RequestContext};

#[derive(Debug)]
pub(crate) struct SessionResource;

impl Resource for SessionResource {
    type Id = IvrSessionId;
    type Rules = IvrSession;
    type View = IvrSessions;

    async fn stored(
        views: &dyn Queries,
        client: ClientId,
        id: IvrSessionId,
    ) -> Result<Option<Stored>, StoreUnavailable> {
        views.ivr_session(client, id, Time::UNIX_EPOCH).await
    }
}

impl Recipe for SessionResource {
    type Read = IvrRead;

    const WORDING: Wording = Wording {
        path: "/ivr/sessions",
        tag: "ivr",
        operation: "IvrSession",
        one: "an IVR session",
        noun: "session",
        many: "IVR sessions",
        about_list: "",
    };
}

impl AsProblem for SessionRefusal {
    const KIND: &'static str = "session";

    fn as_problem(&self) -> ApiError {
        match self {
            SessionRefusal::Unknown => ApiError::not_found(Self::KIND),
            SessionRefusal::Ended => ApiError::new(Code::SessionEnded, self.to_string()),
            SessionRefusal::NoMenu => ApiError::invalid("menu_id", "unknown", self.to_string()),
            SessionRefusal::NotKeys => ApiError::invalid("digits", "invalid", self.to_string()),
            SessionRefusal::Exists | SessionRefusal::Busy(_) => ApiError::conflict(self.to_string()),
            SessionRefusal::OtherVersion => ApiError::unavailable(self.to_string()),
        }
    }
}

/// Lets the session's actor execute a command and answers with the session after it.
pub(super) async fn command(
    backend: &Backend,
    caller: &Principal,
    request: &RequestContext,
    id: IvrSessionId,
    also: &[MenuId],
    make: impl Fn(Arc<Book>) -> SessionCommand + Send + Sync,
) -> Result<Answer, ApiError> {
    let context = context(caller, request, id.0);
    let receipt = backend.sessions.execute(id, also, context, None, make).await.map_err(problem)?;
    if let Some(position) = receipt.position {
        backend.caught_up(position).await;
    }
    written::<SessionResource>(backend, caller, id, receipt).await
}
