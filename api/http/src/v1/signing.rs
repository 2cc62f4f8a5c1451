//! Signing secrets and custom headers of requests to clients' systems: webhook endpoints and tools.

use std::collections::BTreeMap;
use std::time::Duration;

use actors::signing::{headers_place, secret_place};
use domain::envelope::StreamId;
use domain::ids::ClientId;
use domain::ports::ids::Ids as _;
use domain::ports::vault::Sealed;
use domain::webhook::endpoint::CustomHeaders;
use domain::webhook::headers;
use domain::webhook::secrets::Rotation;
use domain::webhook::signing::SigningSecret;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::NewIds;
use crate::Secret;
use crate::backend::Backend;
use crate::client_ip::ClientIp;
use crate::problem::{ApiError, Fields};

/// How long the old secret signs besides the new one by default, in seconds: a day.
const OVERLAP: u32 = 86_400;

/// How to rotate a signing secret.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = SecretRotation)]
pub(crate) struct RotationBody {
    /// Seconds that the old secret signs as well: 0 to 604800 (7 days); 86400 (a day) if left out.
    #[schema(maximum = 604_800)]
    overlap_seconds: Option<u32>,
    /// A signing secret of your own: `whsec_` and the base64 of 24 to 64 bytes. The node makes one, if left out.
    #[schema(value_type = Option<String>)]
    secret: Option<Secret>,
}

/// The client's own secret, or one made of the random bytes `drawn`; notes a fault when it is malformed.
pub(super) fn secret(given: Option<&Secret>, drawn: [u8; 32], fields: &mut Fields) -> Option<SigningSecret> {
    match given {
        Some(given) => fields.keep("secret", given.reveal().trim().parse()),
        None => SigningSecret::from_bytes(drawn).ok(),
    }
}

/// Seals a secret in the vault under its receiver's name.
pub(super) async fn seal(
    backend: &Backend,
    client: ClientId,
    receiver: &StreamId,
    secret: &SigningSecret,
) -> Result<Sealed, ApiError> {
    let sealed = backend.vault.seal(client, &secret_place(receiver), secret.as_bytes()).await;
    sealed.map_err(ApiError::unavailable)
}

/// Checks a rotation request and seals its new secret.
pub(super) async fn rotation(
    backend: &Backend,
    client: ClientId,
    receiver: &StreamId,
    wanted: &RotationBody,
    ids: &NewIds,
    ip: &ClientIp,
) -> Result<(Rotation, SigningSecret), ApiError> {
    let mut fields = Fields::default();
    let secret = secret(wanted.secret.as_ref(), ids.secret(), &mut fields);
    fields.finish()?;
    let Some(secret) = secret else { return Err(ApiError::internal("a field without a value")) };
    let rotation = Rotation {
        secret: seal(backend, client, receiver, &secret).await?,
        overlap: Duration::from_secs(u64::from(wanted.overlap_seconds.unwrap_or(OVERLAP))),
        origin: ip.origin(),
        now: backend.runtime.clock.now(),
    };
    Ok((rotation, secret))
}

/// Checks a client's own headers and seals them under their receiver's name.
pub(super) async fn custom_headers(
    backend: &Backend,
    client: ClientId,
    receiver: &StreamId,
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
    let sealed = backend.vault.seal(client, &headers_place(receiver), &plain).await;
    let sealed = Some(sealed.map_err(ApiError::unavailable)?);
    Ok(CustomHeaders { shown: headers::shown(&checked), sealed })
}
