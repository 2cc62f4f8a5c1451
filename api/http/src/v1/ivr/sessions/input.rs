//! Endpoint that reports keys to an IVR session.

use actix_web::{post, web};
use domain::ids::IvrSessionId;
use domain::ivr::session::{Keyed, SessionCommand, Source};
use domain::ports::ids::Ids as _;
use projections::ivr_sessions::SessionView;
use serde::Deserialize;
use utoipa::ToSchema;

use super::resource::command;
use crate::auth::Caller;
use crate::auth::permissions::IvrWrite;
use crate::backend::Backend;
use crate::problem::{ApiError, Problem};
use crate::{Answer, Enveloped, JsonBody, NewIds, PathId, RequestContext};

/// Keys that the caller pressed.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = IvrDigits)]
pub(crate) struct Digits {
    /// The keys in order: 1 to 128 of `0-9 A-D * #`.
    #[schema(example = "1", min_length = 1, max_length = 128)]
    digits: String,
}

/// Report pressed keys to a session.
///
/// The keys are one entry or a part of one: keys that begin a longer option, or are fewer than may be collected,
/// wait for more, for the terminator, or for the inter-digit timer.
#[utoipa::path(post, path = "/api/v1/ivr/sessions/{id}/input", tag = "ivr", operation_id = "inputToIvrSession",
    params(("id" = String, Path, description = "Id of the session: `ivrs_…`")), request_body = Digits,
    responses((status = 200, description = "The session after the input",
        body = Enveloped<SessionView>), Problem))]
#[post("/ivr/sessions/{id}/input")]
pub(crate) async fn input_to_ivr_session(
    caller: Caller<IvrWrite>,
    PathId(session): PathId<IvrSessionId>,
    body: JsonBody<Digits>,
    request: RequestContext,
    ids: NewIds,
    backend: web::Data<Backend>,
) -> Result<Answer, ApiError> {
    let (id, now) = (ids.next(), backend.runtime.clock.now());
    let keyed = Keyed::Plain(body.value.digits.into());
    let input = |book| {
        let keyed = keyed.clone();
        SessionCommand::Input { id, keyed, whole: false, source: Source::Api, book, now }
    };
    command(&backend, &caller, &request, session, &[], input).await
}
