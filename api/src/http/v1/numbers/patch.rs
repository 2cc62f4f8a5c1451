//! Sending a number's calls elsewhere.

use actix_web::{patch, web};
use domain::ids::NumberId;
use domain::number::NumberCommand;
use projections::numbers::NumberView;
use serde::Deserialize;
use utoipa::ToSchema;

use super::super::resource::change;
use super::resource::NumberResource;
use super::route::RouteBody;
use crate::http::auth::Caller;
use crate::http::auth::permissions::NumbersWrite;
use crate::http::{Answer, Enveloped, IfMatch, JsonBody, PathId, RequestContext};
use crate::node::Backend;
use crate::problem::{ApiError, Problem};

/// What of a number can be changed.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NumberPatch {
    /// Where its calls go.
    route: RouteBody,
}

/// Change where a number's calls go.
#[utoipa::path(patch, path = "/api/v1/numbers/{id}", tag = "numbers", operation_id = "patchNumber",
    params(("id" = String, Path, description = "The number"), ("If-Match" = Option<String>, Header, description = "Only if the number is at this version")),
    request_body = NumberPatch,
    responses((status = 200, description = "Changed", body = Enveloped<NumberView>), Problem))]
#[patch("/numbers/{id}")]
pub(crate) async fn patch_number(
    caller: Caller<NumbersWrite>,
    PathId(id): PathId<NumberId>,
    if_match: IfMatch,
    body: JsonBody<NumberPatch>,
    request: RequestContext,
    backend: web::Data<Backend>,
) -> Result<Answer, ApiError> {
    // a menu it leads to is not given up meanwhile
    let _no_menu_goes = backend.menu_edits.lock().await;
    let route = body.value.route.check(&backend, caller.client).await?;
    let reroute = NumberCommand::Reroute { route, now: backend.runtime.clock.now() };
    change::<NumberResource>(&backend, &caller, &request, id, Some(&if_match), &reroute).await
}
