//! Endpoint that changes a tool.

use std::collections::BTreeMap;

use actix_web::{patch, web};
use domain::ids::ToolId;
use domain::tool::{AuthKind, ToolCommand, ToolPatch};
use domain::web_origin::same_web_origin;
use projections::tools::ToolView;
use projections::words;
use serde::Deserialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::super::resource::change;
use super::super::signing::custom_headers;
use super::body::{AuthBody, MethodBody, auth, parameters, url};
use super::resource::ToolResource;
use crate::auth::Caller;
use crate::auth::permissions::ToolsWrite;
use crate::backend::Backend;
use crate::client_ip::ClientIp;
use crate::problem::{ApiError, Fields, Problem};
use crate::{Answer, Enveloped, IfMatch, JsonBody, PathId, RequestContext};

/// Changes to a tool; a field that is left out stays as it is.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ToolPatch)]
pub(crate) struct PatchBody {
    /// Name that the model uses for it: 1 to 64 of `a-z`, `A-Z`, `0-9`, `_` and `-`.
    #[schema(nullable = false, max_length = 64)]
    name: Option<String>,
    /// Description that the model reads: 1 to 1024 characters.
    #[schema(nullable = false, max_length = 1024)]
    description: Option<String>,
    /// JSON Schema of the arguments: an object, 16 KiB at most.
    #[schema(nullable = false, value_type = Option<Object>)]
    parameters: Option<Value>,
    /// URL to request. Another scheme, host or port drops the headers and the credential that are not given again;
    /// `meta.secrets_dropped` of the answer reports that.
    #[schema(nullable = false, max_length = 2048, format = "uri")]
    url: Option<String>,
    /// HTTP method of the requests. `GET` and `DELETE` send the arguments in the query, the others as
    /// JSON in the body.
    #[schema(nullable = false, value_type = Option<words::ToolMethod>)]
    method: Option<MethodBody>,
    /// Your own headers; they replace all earlier ones.
    #[schema(nullable = false)]
    headers: Option<BTreeMap<String, String>>,
    /// Longest wait for the answer, in milliseconds: 100 to 30000.
    #[schema(nullable = false, minimum = 100, maximum = 30_000)]
    timeout_ms: Option<u32>,
    /// Credential that requests carry.
    #[schema(nullable = false)]
    auth: Option<AuthBody>,
}

/// Change fields of a tool.
///
/// Fields that are left out stay as they are.
#[utoipa::path(patch, path = "/api/v1/tools/{id}", tag = "tools", operation_id = "patchTool",
    params(("id" = String, Path, description = "Id of the tool: `tool_…`"),
        ("If-Match" = Option<String>, Header,
            description = "Expected `ETag` of the tool, else 412; not checked, if left out")),
    request_body = PatchBody,
    responses((status = 200, description = "The tool after the change",
        body = Enveloped<ToolView>), Problem))]
#[patch("/tools/{id}")]
pub(crate) async fn patch_tool(
    caller: Caller<ToolsWrite>,
    PathId(id): PathId<ToolId>,
    if_match: IfMatch,
    body: JsonBody<PatchBody>,
    ip: ClientIp,
    request: RequestContext,
    backend: web::Data<Backend>,
) -> Result<Answer, ApiError> {
    let wanted = body.value;
    let found = backend
        .views
        .one::<projections::tools::Tools>(caller.client, id)
        .await
        .map_err(ApiError::unavailable)?;
    let found = found.ok_or_else(|| ApiError::not_found("tool"))?;
    let before: ToolView = serde_json::from_str(&found.json).map_err(ApiError::internal)?;
    let mut fields = Fields::default();
    if let Some(schema) = &wanted.parameters {
        parameters(&backend, schema, &mut fields).await?;
    }
    let url = match &wanted.url {
        Some(text) => url(&backend, text, &mut fields).await,
        None => None,
    };
    let headers = match &wanted.headers {
        Some(headers) => {
            Some(custom_headers(&backend, caller.client, &id.stream(), headers, &mut fields).await?)
        }
        None => None,
    };
    let auth = match wanted.auth {
        Some(given) => Some(auth(&backend, caller.client, id, given, &mut fields).await?),
        None => None,
    };
    fields.finish()?;
    let moves = url.as_ref().is_some_and(|url| !same_web_origin(url, &before.url));
    let had_auth = before.auth.kind != AuthKind::None;
    let dropped =
        moves && ((headers.is_none() && !before.headers.is_empty()) || (auth.is_none() && had_auth));
    let patch = ToolPatch {
        name: wanted.name,
        description: wanted.description,
        parameters: wanted.parameters,
        url,
        method: wanted.method.map(Into::into),
        headers,
        timeout_ms: wanted.timeout_ms,
        auth,
    };
    let (patch, origin, now) = (Box::new(patch), ip.origin(), backend.runtime.clock.now());
    let update = ToolCommand::Update { patch, origin, now };
    let answer = change::<ToolResource>(&backend, &caller, &request, id, Some(&if_match), &update).await?;
    Ok(answer.secrets_dropped(dropped))
}
