//! Parts of tool requests, their checks and the sealing of their secrets.

use actors::conversation::auth_place;
use domain::ids::{ClientId, ToolId};
use domain::ports::tools::SchemaFault;
use domain::tool::{AuthKind, ToolAuth, ToolMethod};
use domain::webhook::headers;
use serde::Deserialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::Secret;
use crate::backend::Backend;
use crate::problem::{ApiError, Fields};

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub(crate) enum MethodBody {
    Get,
    Post,
    Put,
    Patch,
    Delete,
}

impl From<MethodBody> for ToolMethod {
    fn from(body: MethodBody) -> Self {
        match body {
            MethodBody::Get => Self::Get,
            MethodBody::Post => Self::Post,
            MethodBody::Put => Self::Put,
            MethodBody::Patch => Self::Patch,
            MethodBody::Delete => Self::Delete,
        }
    }
}

/// How a tool's requests are authenticated. Secrets are stored encrypted and never shown.
#[derive(Deserialize, ToSchema)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
#[schema(as = NewToolAuth)]
pub(crate) enum AuthBody {
    /// No credential is sent with requests.
    None,
    /// Sends the header `Authorization: Bearer …`.
    Bearer {
        /// Bearer token: 1 to 4000 visible ASCII characters.
        #[schema(value_type = String)]
        token: Secret,
    },
    /// Sends the header `Authorization: Basic …`.
    Basic {
        /// User name: 1 to 200 characters, without a colon.
        username: String,
        /// Password of the user: 1 to 4000 visible ASCII characters.
        #[schema(value_type = String)]
        password: Secret,
    },
    /// Sends a header of your choice.
    ApiKey {
        /// Name of the header: 1 to 200 characters.
        header: String,
        /// Value of the header: 1 to 4000 visible ASCII characters.
        #[schema(value_type = String)]
        key: Secret,
    },
}

/// The normalised URL; `None` and a noted fault when the egress guard forbids to reach it.
pub(super) async fn url(backend: &Backend, text: &str, fields: &mut Fields) -> Option<String> {
    match backend.webhooks.guard.reachable(text).await {
        Ok(mut url) => {
            url.set_fragment(None);
            Some(url.to_string())
        }
        Err(fault) => {
            let private = matches!(fault, adapters::webhooks::UrlFault::Private(_));
            fields.fault("url", if private { "private_address" } else { "invalid" }, fault.to_string());
            None
        }
    }
}

/// Notes a fault unless `schema` is a usable JSON Schema. Answers 503 while the schema checker is busy.
pub(super) async fn parameters(
    backend: &Backend,
    schema: &Value,
    fields: &mut Fields,
) -> Result<(), ApiError> {
    match backend.conversations.tool_runner().check_schema(schema).await {
        Ok(()) => {}
        Err(busy @ SchemaFault::Busy) => return Err(ApiError::unavailable(busy)),
        Err(SchemaFault::Invalid(fault)) => {
            fields.fault(
                "parameters",
                "invalid_schema",
                format!("not a JSON Schema that can be used: {fault}"),
            );
        }
    }
    Ok(())
}

/// Checks a tool's credential and seals its secret in the vault.
pub(super) async fn auth(
    backend: &Backend,
    client: ClientId,
    tool: ToolId,
    given: AuthBody,
    fields: &mut Fields,
) -> Result<ToolAuth, ApiError> {
    let (kind, name, secret, at) = match given {
        AuthBody::None => return Ok(ToolAuth::default()),
        AuthBody::Bearer { token } => (AuthKind::Bearer, None, token, "auth.token"),
        AuthBody::Basic { username, password } => {
            (AuthKind::Basic, Some(username), password, "auth.password")
        }
        AuthBody::ApiKey { header, key } => {
            let checked = headers::check(&[(header.clone(), "x".to_owned())].into());
            if let Err((_, fault)) = checked {
                fields.fault("auth.header", "invalid", fault.to_string());
            }
            (AuthKind::ApiKey, Some(header.to_ascii_lowercase()), key, "auth.key")
        }
    };
    if name.as_ref().is_some_and(|name| name.is_empty() || name.len() > 200 || name.contains(':')) {
        fields.fault("auth", "invalid", "the user or header has 1 to 200 characters and no colon");
    }
    let plain = secret.reveal();
    if plain.is_empty() || plain.len() > 4_000 || !plain.bytes().all(|c| (b' '..=b'~').contains(&c)) {
        fields.fault(at, "invalid", "a secret has 1 to 4000 visible ASCII characters");
        return Ok(ToolAuth::default());
    }
    let sealed = backend.vault.seal(client, &auth_place(tool), plain.as_bytes()).await;
    Ok(ToolAuth { kind, name, secret: Some(sealed.map_err(ApiError::unavailable)?) })
}
