//! Endpoint that changes a number's route.

use actix_web::{patch, web};
use actors::session::CommandError;
use domain::envelope::Version;
use domain::ids::NumberId;
use domain::number::NumberCommand;
use domain::ports::event_store::Direction;
use projections::numbers::NumberView;
use serde::Deserialize;
use utoipa::ToSchema;

use super::super::commands::{only_at, problem};
use super::super::ivr::menus::references::note;
use super::super::resource::{change, execute_at, written};
use super::resource::NumberResource;
use super::route::{RouteBody, menu_of};
use crate::auth::Caller;
use crate::auth::permissions::NumbersWrite;
use crate::backend::Backend;
use crate::problem::{ApiError, Problem};
use crate::{Answer, Enveloped, IfMatch, JsonBody, PathId, RequestContext};

/// Changes to a number: its route.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NumberPatch {
    /// New destination of its inbound calls.
    route: RouteBody,
}

/// How often to try a change again because somebody else changed the number meanwhile.
const EDITS: usize = 5;

/// Change where a number's calls go.
///
/// The new route holds from the next call on; calls under way are not affected.
#[utoipa::path(patch, path = "/api/v1/numbers/{id}", tag = "numbers", operation_id = "patchNumber",
    params(("id" = String, Path, description = "Id of the number: `num_…`"),
        ("If-Match" = Option<String>, Header,
            description = "Expected `ETag` of the number, else 412; not checked, if left out")),
    request_body = NumberPatch,
    responses((status = 200, description = "The number after the change",
        body = Enveloped<NumberView>), Problem))]
#[patch("/numbers/{id}")]
pub(crate) async fn patch_number(
    caller: Caller<NumbersWrite>,
    PathId(id): PathId<NumberId>,
    if_match: IfMatch,
    body: JsonBody<NumberPatch>,
    request: RequestContext,
    backend: web::Data<Backend>,
) -> Result<Answer, ApiError> {
    let route = body.value.route.check(&backend, caller.client).await?;
    let reroute = NumberCommand::Reroute { route, now: backend.runtime.clock.now() };
    let Some(menu) = menu_of(route) else {
        return change::<NumberResource>(&backend, &caller, &request, id, Some(&if_match), &reroute).await;
    };
    let (store, stream) = (&*backend.runtime.store, id.stream());
    let wanted = only_at(store, &caller, &stream, Some(&if_match)).await?;
    for _ in 0..EDITS {
        let newest = store.read_stream(&stream, Version::NONE, Direction::Backwards, 1).await;
        let newest = newest.map_err(ApiError::unavailable)?;
        let newest = newest.first().filter(|newest| newest.client_id == caller.client);
        let newest = newest.ok_or_else(|| ApiError::not_found("number"))?.version;
        let version = wanted.unwrap_or(newest);
        // the note keeps the new route's menu from being deleted meanwhile
        note(&backend, &caller, &request, [menu], (&stream, version)).await?;
        match execute_at::<NumberResource>(&backend, &caller, &request, (id, version), &reroute).await {
            Ok(receipt) => return written::<NumberResource>(&backend, &caller, id, receipt).await,
            Err(CommandError::VersionMismatch { .. }) if wanted.is_none() => {}
            Err(error) => return Err(problem(error)),
        }
    }
    Err(ApiError::conflict("others keep changing the number: try again"))
}
