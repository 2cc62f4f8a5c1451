//! Endpoint that lists IVR sessions.

use actix_web::{get, web};
use domain::ivr::session::SessionStatus;
use projections::ivr_sessions::{SessionFilter, SessionView};

use super::super::super::paging::{self, CreatedParams, PageParams};
use crate::auth::Caller;
use crate::auth::permissions::IvrRead;
use crate::backend::Backend;
use crate::problem::{ApiError, Problem};
use crate::{Answer, Listed, Query};

/// List the client's IVR sessions.
///
/// Newest first unless `order` says otherwise; a session must match all filters. Sessions that ended more than
/// `ivr.session_retention_days` ago (30 by default) are not listed.
#[utoipa::path(get, path = "/api/v1/ivr/sessions", tag = "ivr", operation_id = "listIvrSessions",
    params(
        ("status" = Option<String>, Query,
            description = "Only this status: active, completed, abandoned or exhausted"),
        ("menu_id" = Option<String>, Query, description = "Only sessions that began in this menu: `ivrm_…`"),
        ("call_id" = Option<String>, Query, description = "Only the sessions of this call: `call_…`"),
        ("session_id" = Option<String>, Query, description = "Only sessions with exactly this `session_id`"),
        CreatedParams,
        PageParams),
    responses((status = 200, description = "A page of sessions", body = Listed<SessionView>), Problem))]
#[get("/ivr/sessions")]
pub(crate) async fn list_ivr_sessions(
    caller: Caller<IvrRead>,
    mut query: Query,
    backend: web::Data<Backend>,
) -> Result<Answer, ApiError> {
    let filter = SessionFilter {
        status: query.take::<SessionStatus>("status"),
        menu_id: query.take("menu_id"),
        call_id: query.take("call_id"),
        session_id: query.text("session_id"),
        created_after: query.time("created_after"),
        created_before: query.time("created_before"),
    };
    paging::list(query, async |request| {
        backend.views.ivr_sessions(caller.client, &filter, backend.sessions_since(), &request).await
    })
    .await
}
