//! Endpoint that replaces a call's metadata.

use actix_web::{patch, web};
use domain::call::{CallCommand, CallMetadata};
use domain::ids::CallId;
use projections::calls::CallView;
use serde::Deserialize;
use utoipa::ToSchema;

use super::answer::command;
use crate::auth::Caller;
use crate::auth::permissions::CallsWrite;
use crate::backend::Backend;
use crate::problem::{ApiError, Problem};
use crate::{Answer, Enveloped, IfMatch, JsonBody, PathId, RequestContext};

/// Changes to a call: its metadata.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CallPatch {
    /// Your own data, which replaces what was there: at most 50 keys of 1 to 64 characters, 16 KiB as JSON.
    #[schema(value_type = std::collections::BTreeMap<String, serde_json::Value>)]
    metadata: CallMetadata,
}

/// Replace a call's metadata.
///
/// The new metadata replaces all of the old: keys that are not given are removed.
#[utoipa::path(patch, path = "/api/v1/calls/{id}", tag = "calls", operation_id = "patchCall",
    params(("id" = String, Path, description = "Id of the call: `call_…`"),
        ("If-Match" = Option<String>, Header,
            description = "Expected `ETag` of the call, else 412; not checked, if left out")),
    request_body = CallPatch,
    responses((status = 200, description = "The call after the change",
        body = Enveloped<CallView>), Problem))]
#[patch("/calls/{id}")]
pub(crate) async fn patch_call(
    caller: Caller<CallsWrite>,
    PathId(id): PathId<CallId>,
    if_match: IfMatch,
    body: JsonBody<CallPatch>,
    request: RequestContext,
    backend: web::Data<Backend>,
) -> Result<Answer, ApiError> {
    let asked = CallCommand::SetMetadata {
        id: backend.runtime.ids.next(),
        metadata: body.value.metadata,
        now: backend.runtime.clock.now(),
    };
    command(&backend, &caller, &request, id, Some(&if_match), asked).await
}
