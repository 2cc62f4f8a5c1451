//! Endpoint that changes a memory.

use actix_web::{patch, web};
use domain::ids::MemoryId;
use domain::memory::{MemoryCommand, MemoryPatch};
use projections::memories::MemoryView;
use serde::Deserialize;
use utoipa::ToSchema;

use super::super::resource::change;
use super::body::{KindBody, confidence, time};
use super::resource::MemoryResource;
use crate::auth::Caller;
use crate::auth::permissions::CustomersWrite;
use crate::backend::Backend;
use crate::nullable::nullable;
use crate::problem::{ApiError, Fields, Problem};
use crate::{Answer, Enveloped, IfMatch, JsonBody, PathId, RequestContext};

/// Changes to a memory; a field that is left out stays as it is.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = MemoryPatch)]
pub(crate) struct PatchBody {
    /// A sentence about the customer: 1 to 1000 characters.
    #[schema(nullable = false, max_length = 1000)]
    content: Option<String>,
    /// What it is about.
    #[schema(nullable = false)]
    kind: Option<KindBody>,
    /// How sure it is, 0 to 1.
    #[schema(nullable = false, minimum = 0, maximum = 1)]
    confidence: Option<f64>,
    /// When it expires (RFC 3339); `null`: never.
    #[serde(default, deserialize_with = "nullable")]
    #[schema(value_type = Option<String>, format = DateTime)]
    expires_at: Option<Option<String>>,
}

/// Change fields of a memory.
///
/// Fields that are left out stay as they are. A memory that is superseded or expired does not change.
#[utoipa::path(patch, path = "/api/v1/memories/{id}", tag = "customers", operation_id = "patchMemory",
    params(("id" = String, Path, description = "Id of the memory: `mem_…`"),
        ("If-Match" = Option<String>, Header,
            description = "Expected `ETag` of the memory, else 412; not checked, if left out")),
    request_body = PatchBody,
    responses((status = 200, description = "The memory after the change",
        body = Enveloped<MemoryView>), Problem))]
#[patch("/memories/{id}")]
pub(crate) async fn patch_memory(
    caller: Caller<CustomersWrite>,
    PathId(id): PathId<MemoryId>,
    if_match: IfMatch,
    body: JsonBody<PatchBody>,
    request: RequestContext,
    backend: web::Data<Backend>,
) -> Result<Answer, ApiError> {
    let wanted = body.value;
    let mut fields = Fields::default();
    let patch = MemoryPatch {
        content: wanted.content.map(|content| content.trim().to_owned()),
        kind: wanted.kind.map(Into::into),
        confidence_permille: wanted.confidence.map(|value| confidence(value, &mut fields)),
        expires_at: wanted.expires_at.map(|at| at.and_then(|text| time(&text, &mut fields))),
    };
    fields.finish()?;
    let change_it = MemoryCommand::Change { patch, now: backend.runtime.clock.now() };
    change::<MemoryResource>(&backend, &caller, &request, id, Some(&if_match), &change_it).await
}
