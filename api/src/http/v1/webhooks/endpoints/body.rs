//! What a client says of an endpoint, checked and sealed.

use std::collections::BTreeMap;

use actors::webhooks::Courier;
use domain::ids::{ClientId, EndpointId};
use domain::ports::vault::Sealed;
use domain::webhook::endpoint::{CustomHeaders, Ordering};
use domain::webhook::headers;
use domain::webhook::signing::SigningSecret;
use serde::Deserialize;

use crate::config::Secret;
use crate::node::Backend;
use crate::problem::{ApiError, Fields};

/// In which order events are delivered.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum OrderingBody {
    /// In any.
    Parallel,
    /// Those about one subject one after the other.
    PerSubject,
}

impl From<OrderingBody> for Ordering {
    fn from(body: OrderingBody) -> Self {
        match body {
            OrderingBody::Parallel => Self::Parallel,
            OrderingBody::PerSubject => Self::PerSubject,
        }
    }
}

/// The URL, if it may be delivered to.
pub(super) async fn url(backend: &Backend, text: &str, fields: &mut Fields) -> Option<String> {
    let checked = backend.webhooks.guard.reachable(text).await;
    let code = match &checked {
        Err(adapters::webhooks::UrlFault::Private(_)) => "private_address",
        _ => "invalid",
    };
    match checked {
        Ok(mut url) => {
            url.set_fragment(None);
            Some(url.to_string())
        }
        Err(fault) => {
            fields.fault("url", code, fault.to_string());
            None
        }
    }
}

/// The headers, sealed.
pub(super) async fn custom_headers(
    backend: &Backend,
    client: ClientId,
    endpoint: EndpointId,
    given: &BTreeMap<String, String>,
    fields: &mut Fields,
) -> Result<CustomHeaders, ApiError> {
    let checked = match headers::check(given) {
        Ok(checked) => checked,
        Err((name, fault)) => {
            let at = if name.is_empty() { "headers".to_owned() } else { format!("headers.{name}") };
            fields.fault(at, "invalid", fault.to_string());
            return Ok(CustomHeaders::default());
        }
    };
    if checked.is_empty() {
        return Ok(CustomHeaders::default());
    }
    let plain = serde_json::to_vec(&checked).map_err(ApiError::internal)?;
    let sealed = backend.vault.seal(client, &Courier::headers_place(endpoint), &plain).await;
    let sealed = Some(sealed.map_err(ApiError::unavailable)?);
    Ok(CustomHeaders { shown: headers::shown(&checked), sealed })
}

/// The client's own secret, or the one drawn for it.
pub(super) fn secret(given: Option<&Secret>, drawn: [u8; 32], fields: &mut Fields) -> Option<SigningSecret> {
    match given {
        Some(given) => fields.keep("secret", given.reveal().trim().parse()),
        None => SigningSecret::from_bytes(drawn).ok(),
    }
}

/// Seals a secret for its endpoint.
pub(super) async fn seal(
    backend: &Backend,
    client: ClientId,
    endpoint: EndpointId,
    secret: &SigningSecret,
) -> Result<Sealed, ApiError> {
    let sealed = backend.vault.seal(client, &Courier::secret_place(endpoint), secret.as_bytes()).await;
    sealed.map_err(ApiError::unavailable)
}
