//! Endpoint that creates a tool.

use std::collections::BTreeMap;

use actix_web::{post, web};
use domain::ids::ToolId;
use domain::ports::ids::Ids as _;
use domain::tool::{ToolAuth, ToolCommand, ToolCreated, ToolTerms};
use projections::words;
use serde::Deserialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::super::resource::{execute, row};
use super::super::signing::{custom_headers, seal, secret};
use super::body::{AuthBody, MethodBody, auth, parameters, url};
use super::resource::{ToolResource, ToolWithSecret};
use crate::Secret;
use crate::auth::Caller;
use crate::auth::permissions::ToolsWrite;
use crate::backend::Backend;
use crate::client_ip::ClientIp;
use crate::problem::{ApiError, Fields, Problem};
use crate::{Answer, Enveloped, JsonBody, NewIds, RequestContext};

/// A tool to create.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewTool {
    /// Name that the model uses for it: 1 to 64 of `a-z`, `A-Z`, `0-9`, `_` and `-`.
    #[schema(example = "find_booking", max_length = 64)]
    name: String,
    /// Description that the model reads: 1 to 1024 characters.
    #[schema(example = "Looks a booking up by phone number", max_length = 1024)]
    description: String,
    /// JSON Schema of the arguments: an object, 16 KiB at most. No arguments, if left out.
    #[schema(value_type = Option<Object>)]
    parameters: Option<Value>,
    /// URL to request: `https`, without user and password, at a public address.
    #[schema(example = "https://example.com/bookings", max_length = 2048, format = "uri")]
    url: String,
    /// HTTP method of the requests; `POST`, if left out. `GET` and `DELETE` send the arguments in the query, the
    /// others as JSON in the body.
    #[schema(value_type = Option<words::ToolMethod>)]
    method: Option<MethodBody>,
    /// Your own headers: at most 20, stored encrypted.
    headers: Option<BTreeMap<String, String>>,
    /// Longest wait for the answer, in milliseconds: 100 to 30000; 10000, if left out.
    #[schema(minimum = 100, maximum = 30_000)]
    timeout_ms: Option<u32>,
    /// Credential that requests carry; none, if left out.
    auth: Option<AuthBody>,
    /// A signing secret of your own: `whsec_` and the base64 of 24 to 64 bytes. The node makes one, if left out.
    #[schema(value_type = Option<String>)]
    secret: Option<Secret>,
}

/// Create a new tool.
///
/// Agents use the tool once their `tools` names it. The secret that signs its requests (Standard Webhooks) is shown
/// only in this answer, and stored encrypted. The headers `X-Voxledger-Client-Id`, `-Agent-Id`, `-Conversation-Id`,
/// `-Call-Id`, `-Tool-Id` and `-Tool-Call-Id` say for whom it is used; `webhook-id` and `Idempotency-Key` stay the
/// same when a request is repeated.
#[utoipa::path(post, path = "/api/v1/tools", tag = "tools", operation_id = "createTool",
    request_body = NewTool,
    responses((status = 201, description = "The new tool with its secret",
        body = Enveloped<ToolWithSecret>), Problem))]
#[post("/tools")]
pub(crate) async fn create_tool(
    caller: Caller<ToolsWrite>,
    body: JsonBody<NewTool>,
    ip: ClientIp,
    request: RequestContext,
    ids: NewIds,
    backend: web::Data<Backend>,
) -> Result<Answer, ApiError> {
    let new = body.value;
    let (id, drawn) = (ToolId(ids.next()), ids.secret());
    let stream = id.stream();
    let mut fields = Fields::default();
    let nothing = || serde_json::json!({"type": "object", "properties": {}});
    let schema = new.parameters.unwrap_or_else(nothing);
    parameters(&backend, &schema, &mut fields).await?;
    let url = url(&backend, &new.url, &mut fields).await;
    let headers = new.headers.unwrap_or_default();
    let headers = custom_headers(&backend, caller.client, &stream, &headers, &mut fields).await?;
    let auth = match new.auth {
        Some(given) => auth(&backend, caller.client, id, given, &mut fields).await?,
        None => ToolAuth::default(),
    };
    let secret = secret(new.secret.as_ref(), drawn, &mut fields);
    fields.finish()?;
    let Some(secret) = secret else { return Err(ApiError::internal("a field without a value")) };
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
    let sealed = Some(seal(&backend, caller.client, &stream, &secret).await?);
    let at = backend.runtime.clock.now();
    let create =
        ToolCommand::Create(Box::new(ToolCreated { terms, secret: sealed, origin: ip.origin(), at }));
    let receipt = execute::<ToolResource>(&backend, &caller, &request, id, None, &create).await?;
    let tool = row::<ToolResource>(&backend, &caller, id, receipt.version).await?.view;
    let answer = Answer::data(&ToolWithSecret { tool, secret: secret.reveal() }).created();
    let answer = answer.etag(receipt.version).location(&format!("/api/v1/tools/{id}"));
    Ok(answer.written_at(receipt.position))
}
