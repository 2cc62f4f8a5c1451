//! Endpoint that forgets a memory.

use actix_web::{HttpResponse, delete, web};
use domain::ids::MemoryId;
use domain::memory::MemoryCommand;

use super::super::resource::execute;
use super::resource::MemoryResource;
use crate::auth::Caller;
use crate::auth::permissions::CustomersWrite;
use crate::backend::Backend;
use crate::problem::{ApiError, Problem};
use crate::{IfMatch, PathId, RequestContext};

/// Forget a memory of a customer.
///
/// It is found no more, and agents are not told of it any more. Its event history stays, and who may read history still
/// reads it; to make the person's data unreadable everywhere, `POST /api/v1/privacy/subjects/erase`.
#[utoipa::path(delete, path = "/api/v1/memories/{id}", tag = "customers", operation_id = "deleteMemory",
    params(("id" = String, Path, description = "Id of the memory: `mem_…`"),
        ("If-Match" = Option<String>, Header,
            description = "Expected `ETag` of the memory, else 412; not checked, if left out")),
    responses((status = 204, description = "The memory was forgotten"), Problem))]
#[delete("/memories/{id}")]
pub(crate) async fn delete_memory(
    caller: Caller<CustomersWrite>,
    PathId(id): PathId<MemoryId>,
    if_match: IfMatch,
    request: RequestContext,
    backend: web::Data<Backend>,
) -> Result<HttpResponse, ApiError> {
    let forget = MemoryCommand::Forget { now: backend.runtime.clock.now() };
    execute::<MemoryResource>(&backend, &caller, &request, id, Some(&if_match), &forget).await?;
    backend.memories.drop_from_index(caller.client, id).await;
    Ok(HttpResponse::NoContent().finish())
}
