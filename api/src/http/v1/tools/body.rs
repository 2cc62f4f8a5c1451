//! What a client says of a tool, checked and sealed.

use actors::conversation::auth_place;
use domain::ids::{ClientId, ToolId};
use domain::ports::tools::SchemaFault;
use domain::tool::{AuthKind, ToolAuth, ToolMethod};
use domain::webhook::headers;
use serde::Deserialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::config::Secret;
use crate::node::Backend;
use crate::problem::{ApiError, Fields};

/// How a tool is asked.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub(crate) enum MethodBody {
    /// Arguments in the query.
    Get,
    /// Arguments as JSON in the body.
    Post,
    /// Arguments as JSON in the body.
    Put,
    /// Arguments as JSON in the body.
    Patch,
    /// Arguments in the query.
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

/// How a tool is told who asks. Secrets are kept encrypted and shown never.
#[derive(Deserialize, ToSchema)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
#[schema(as = NewToolAuth)]
pub(crate) enum AuthBody {
    /// Not at all.
    None,
    /// `Authorization: Bearer …`.
    Bearer {
        /// The token.
        #[schema(value_type = String)]
        token: Secret,
    },
    /// `Authorization: Basic …`.
    Basic {
        /// The user.
        username: String,
        /// The password.
        #[schema(value_type = String)]
        password: Secret,
    },
    /// A header of your choice.
    ApiKey {
        /// The header's name.
        header: String,
        /// The key.
        #[schema(value_type = String)]
        key: Secret,
    },
}

/// The URL, if it may be reached.
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

/// The schema of the arguments, if it is one.
pub(super) async fn parameters(
    backend: &Backend,
    schema: &Value,
    fields: &mut Fields,
) -> Result<(), ApiError> {
    match backend.talks.tool_runner().check_schema(schema).await {
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

/// How it is told who asks, sealed.
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
