//! Creating a tool.

use std::collections::BTreeMap;

use actix_web::{post, web};
use domain::ids::ToolId;
use domain::ports::ids::Ids as _;
use domain::tool::{ToolAuth, ToolCommand, ToolCreated, ToolTerms};
use projections::tools::ToolView;
use projections::words;
use serde::Deserialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::super::resource;
use super::body::{AuthBody, MethodBody, auth, custom_headers, parameters, url};
use super::resource::ToolResource;
use crate::http::auth::Caller;
use crate::http::auth::permissions::ToolsWrite;
use crate::http::client_ip::ClientIp;
use crate::http::{Answer, Enveloped, JsonBody, NewIds, RequestContext};
use crate::node::Backend;
use crate::problem::{ApiError, Fields, Problem};

/// A tool to create.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewTool {
    /// What the model calls it: 1 to 64 of `a-z`, `A-Z`, `0-9`, `_` and `-`.
    #[schema(example = "find_booking", max_length = 64)]
    name: String,
    /// What the model is told of it: 1 to 1024 characters.
    #[schema(example = "Looks a booking up by phone number", max_length = 1024)]
    description: String,
    /// JSON Schema of its arguments: an object, 16 KiB at most. No arguments, if left out.
    #[schema(value_type = Option<Object>)]
    parameters: Option<Value>,
    /// Where it is: `https`, without user and password, at a public address.
    #[schema(example = "https://example.com/bookings", max_length = 2048, format = "uri")]
    url: String,
    /// How it is asked; `POST`, if left out.
    #[schema(value_type = Option<words::ToolMethod>)]
    method: Option<MethodBody>,
    /// Your own headers: at most 20, kept encrypted.
    headers: Option<BTreeMap<String, String>>,
    /// How long it may take: 100 to 30000; 10000, if left out.
    #[schema(minimum = 100, maximum = 30_000)]
    timeout_ms: Option<u32>,
    /// How it is told who asks.
    auth: Option<AuthBody>,
}

/// Create a tool.
///
/// Agents use it once it stands in their `tools`.
#[utoipa::path(post, path = "/api/v1/tools", tag = "tools", operation_id = "createTool",
    request_body = NewTool,
    responses((status = 201, description = "Created", body = Enveloped<ToolView>), Problem))]
#[post("/tools")]
pub(crate) async fn create_tool(
    caller: Caller<ToolsWrite>,
    body: JsonBody<NewTool>,
    ip: ClientIp,
    request: RequestContext,
    ids: NewIds,
    backend: web::Data<Backend>,
) -> Result<Answer, ApiError> {
    let (new, id) = (body.value, ToolId(ids.next()));
    let mut fields = Fields::default();
    let nothing = || serde_json::json!({"type": "object", "properties": {}});
    let schema = new.parameters.unwrap_or_else(nothing);
    parameters(&backend, &schema, &mut fields).await?;
    let url = url(&backend, &new.url, &mut fields).await;
    let headers = new.headers.unwrap_or_default();
    let headers = custom_headers(&backend, caller.client, id, &headers, &mut fields).await?;
    let auth = match new.auth {
        Some(given) => auth(&backend, caller.client, id, given, &mut fields).await?,
        None => ToolAuth::default(),
    };
    fields.finish()?;
    let terms = ToolTerms {
        name: new.name,
        description: new.description,
        parameters: schema,
        url: url.unwrap_or_default(),
        method: new.method.map(Into::into).unwrap_or_default(),
        headers,
        timeout_ms: new.timeout_ms.unwrap_or(10_000),
        auth,
    };
    let created = ToolCreated { terms, origin: ip.origin(), at: backend.runtime.clock.now() };
    let create = ToolCommand::Create(Box::new(created));
    let answer = resource::create::<ToolResource>(&backend, &caller, &request, id, &create).await?;
    Ok(answer.created().location(&format!("/api/v1/tools/{id}")))
}
