//! Endpoint that reads one IVR session, as it is now or as it was.

use actix_web::{get, web};
use domain::ids::IvrSessionId;
use projections::ivr_sessions::SessionView;

use super::super::super::resource::get as get_resource;
use super::resource::SessionResource;
use crate::auth::Caller;
use crate::auth::permissions::IvrRead;
use crate::backend::Backend;
use crate::problem::{ApiError, Problem};
use crate::{Answer, Enveloped, PathId, Query};

/// Get an IVR session.
///
/// With `at` or `version`, answers with the session as it was then. A session that ended more than
/// `ivr.session_retention_days` ago (30 by default) is no longer shown; its events stay.
#[utoipa::path(get, path = "/api/v1/ivr/sessions/{id}", tag = "ivr", operation_id = "getIvrSession",
    params(("id" = String, Path, description = "Id of the session: `ivrs_…`"),
        ("at" = Option<String>, Query, description = "Show the state at this time (RFC 3339); default: now"),
        ("version" = Option<u64>, Query, description = "Show the state at this version; default: current")),
    responses((status = 200, description = "The session", body = Enveloped<SessionView>), Problem))]
#[get("/ivr/sessions/{id}")]
pub(crate) async fn get_ivr_session(
    caller: Caller<IvrRead>,
    PathId(id): PathId<IvrSessionId>,
    query: Query,
    backend: web::Data<Backend>,
) -> Result<Answer, ApiError> {
    let since = backend.sessions_since();
    let shown = backend.views.ivr_session(caller.client, id, since).await.map_err(ApiError::unavailable)?;
    shown.ok_or_else(|| ApiError::not_found("session"))?;
    get_resource::<SessionResource>(&backend, &caller, id, query).await
}
