//! Endpoint that gives a tool a new signing secret.

use actix_web::{post, web};
use domain::ids::ToolId;
use domain::tool::ToolCommand;

use super::super::resource::{execute, row};
use super::super::signing::{RotationBody, rotation};
use super::resource::{ToolResource, ToolWithSecret};
use crate::auth::Caller;
use crate::auth::permissions::ToolsWrite;
use crate::backend::Backend;
use crate::client_ip::ClientIp;
use crate::problem::{ApiError, Problem};
use crate::{Answer, Enveloped, JsonBody, NewIds, PathId, RequestContext};

/// Rotate a tool's secret.
///
/// The new secret is shown only in this answer. During the overlap requests carry one signature by each secret, the
/// newest first. A tool whose requests were not signed (`signed`) signs them from now on.
#[utoipa::path(post, path = "/api/v1/tools/{id}/rotate-secret", tag = "tools", operation_id = "rotateToolSecret",
    params(("id" = String, Path, description = "Id of the tool: `tool_…`")), request_body = RotationBody,
    responses((status = 200, description = "The tool with its new secret",
        body = Enveloped<ToolWithSecret>), Problem))]
#[post("/tools/{id}/rotate-secret")]
pub(crate) async fn rotate_tool_secret(
    caller: Caller<ToolsWrite>,
    PathId(id): PathId<ToolId>,
    body: JsonBody<RotationBody>,
    ip: ClientIp,
    request: RequestContext,
    ids: NewIds,
    backend: web::Data<Backend>,
) -> Result<Answer, ApiError> {
    let (client, stream) = (caller.client, id.stream());
    let (rotation, secret) = rotation(&backend, client, &stream, &body.value, &ids, &ip).await?;
    let rotate = ToolCommand::Rotate(rotation);
    let receipt = execute::<ToolResource>(&backend, &caller, &request, id, None, &rotate).await?;
    let tool = row::<ToolResource>(&backend, &caller, id, receipt.version).await?.view;
    let answer = Answer::data(&ToolWithSecret { tool, secret: secret.reveal() });
    Ok(answer.etag(receipt.version).written_at(receipt.position))
}
