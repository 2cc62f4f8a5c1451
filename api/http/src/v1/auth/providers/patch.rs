//! Endpoint that sets an account with a provider.

use std::collections::BTreeMap;

use actix_web::{patch, web};
use adapters::telephony::national::Country;
use adapters::telephony::telnyx::{PROVIDER, WebhookVerifier};
use adapters::ultravox;
use domain::hubspot::{Mapping, MappingFault};
use domain::model::Provider;
use domain::phone::E164;
use domain::ports::vault::Sealed;
use domain::provider::{ProviderCommand, ProviderKind, account_stream};
use serde::Deserialize;
use utoipa::ToSchema;

use super::super::super::commands::{context, only_at, problem};
use super::account::{Account, kind, session};
use crate::Secret;
use crate::auth::Caller;
use crate::auth::permissions::ProvidersWrite;
use crate::backend::telnyx_settings::{CALLER_ID, CONNECTION_ID, COUNTRY, PUBLIC_KEY};
use crate::backend::ultravox_settings::{self, MEDIUM, SIP_GATEWAY};
use crate::backend::{Backend, hubspot_settings, llm_settings, secret_place};
use crate::client_ip::ClientIp;
use crate::problem::{ApiError, Problem};
use crate::{Answer, Enveloped, IfMatch, JsonBody, RequestContext};

const NEEDS_CONNECTION: &str = "give the Call Control application that places calls";

/// Changes to an account; a field that is left out stays as it is.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AccountPatch {
    /// Name of the provider; required the first time.
    #[schema(nullable = false, example = "telnyx")]
    provider: Option<String>,
    /// API key of the account, 8 to 500 characters. Required the first time, and for another provider or another
    /// `base_url` (scheme, host or port), because a key goes only to the server it was given for. Stored
    /// encrypted and never shown.
    #[schema(nullable = false, value_type = Option<String>, min_length = 8, max_length = 500)]
    api_key: Option<Secret>,
    /// Further settings; they replace all earlier ones. For `telnyx`: `connection_id`, which is required,
    /// `caller_id`, the `country` (ISO 3166-1) whose numbers its connection writes in national form, and the
    /// `public_key` of its webhooks, which it sends to `/api/v1/webhooks/telnyx/{client_id}`. For a provider of
    /// language models: `base_url`, which `openai_compatible` requires, and `model`, the default model. For `hubspot`
    /// (kind `crm`), whose `api_key` is the app's client secret (while it is exchanged, both with a comma between them):
    /// `portal_id`, the only account it takes events of, and `map.<field>`, the properties that become a field of
    /// the customer: `map.name` is `firstname lastname`, `map.phones` is `phone mobilephone`. For `ultravox` (kind
    /// `runtime`), whose `api_key` may be followed by the secrets of its webhooks, with commas between them: `medium`
    /// (`telnyx`, `twilio` or `sip`), `caller_id`, `sip_gateway`, `model`, `calls_per_minute` and `calls_per_second`.
    #[schema(nullable = false)]
    settings: Option<BTreeMap<String, String>>,
}

/// Set an account with a provider.
///
/// From now on this client's calls, models or voices use this account instead of the node's own.
#[utoipa::path(patch, path = "/api/v1/auth/providers/{kind}", tag = "providers", operation_id = "patchProvider",
    params(("kind" = String, Path, description = "Kind of provider: tts, stt, llm, telephony, embeddings, crm or runtime"),
        ("If-Match" = Option<String>, Header,
            description = "Expected `ETag` of the account, else 412; not checked, if left out")),
    request_body = AccountPatch,
    responses((status = 200, description = "The account as set", body = Enveloped<Account>), Problem))]
#[patch("/auth/providers/{kind}")]
pub(crate) async fn patch_provider(
    caller: Caller<ProvidersWrite>,
    path: web::Path<String>,
    if_match: IfMatch,
    body: JsonBody<AccountPatch>,
    ip: ClientIp,
    request: RequestContext,
    backend: web::Data<Backend>,
) -> Result<Answer, ApiError> {
    let kind = kind(&path)?;
    let AccountPatch { provider, api_key, settings } = body.value;
    if kind == ProviderKind::Llm {
        check_llm(&backend, provider.as_deref(), settings.as_ref()).await?;
    }
    if kind == ProviderKind::Crm {
        check_crm(provider.as_deref(), settings.as_ref())?;
    }
    if kind == ProviderKind::Runtime {
        check_runtime(provider.as_deref(), settings.as_ref())?;
    }
    if kind == ProviderKind::Telephony {
        check_telephony(provider.as_deref(), settings.as_ref())?;
    }
    let api_key = match api_key {
        Some(key) => Some(seal(&backend, &caller, kind, &key).await?),
        None => None,
    };
    let stream = account_stream(caller.client, kind);
    let only_at = only_at(&*backend.runtime.store, &caller, &stream, Some(&if_match)).await?;
    let (origin, now) = (ip.origin(), backend.runtime.clock.now());
    let configure = ProviderCommand::Configure { kind, provider, api_key, settings, origin, now };
    let mut session = session(&backend, caller.client, kind).await?;
    if_match.check(session.version())?;
    let context = context(&caller, &request, stream.id());
    let receipt = session.execute(&configure, &context, only_at).await.map_err(problem)?;
    if let Some(position) = receipt.position {
        backend.caught_up(position).await;
    }
    let Some((terms, _)) = session.state().current() else { return Err(ApiError::not_found("account")) };
    let account = Account::of(kind, terms, receipt.version.0);
    Ok(Answer::data(&account).etag(receipt.version).written_at(receipt.position))
}

/// Checks a telephony account's settings, so that a mistake shows now and not on the first call.
fn check_telephony(
    provider: Option<&str>,
    settings: Option<&BTreeMap<String, String>>,
) -> Result<(), ApiError> {
    if provider.is_some_and(|name| name != PROVIDER) {
        return Err(ApiError::invalid("provider", "unknown", "the carrier this node speaks to is telnyx"));
    }
    let Some(settings) = settings else {
        // an account that names a provider again must also name its application
        return match provider {
            Some(_) => Err(ApiError::invalid("settings.connection_id", "required", NEEDS_CONNECTION)),
            None => Ok(()),
        };
    };
    if settings.get(CONNECTION_ID).is_none_or(|id| id.trim().is_empty()) {
        return Err(ApiError::invalid("settings.connection_id", "required", NEEDS_CONNECTION));
    }
    for (name, value) in settings {
        let fault = match name.as_str() {
            CONNECTION_ID => None,
            CALLER_ID => value.parse::<E164>().err().map(|fault| fault.to_string()),
            COUNTRY => value.parse::<Country>().err().map(|fault| fault.to_string()),
            PUBLIC_KEY => WebhookVerifier::from_base64(value).err().map(|fault| fault.to_string()),
            _ => Some("telnyx knows connection_id, caller_id, country and public_key".to_owned()),
        };
        if let Some(fault) = fault {
            return Err(ApiError::invalid(format!("settings.{name}"), "invalid", fault));
        }
    }
    Ok(())
}

/// Checks the settings of an account with a hosted voice runtime.
fn check_runtime(
    provider: Option<&str>,
    settings: Option<&BTreeMap<String, String>>,
) -> Result<(), ApiError> {
    if provider.is_some_and(|name| name != ultravox::PROVIDER) {
        let detail = "the voice runtime this node knows is ultravox";
        return Err(ApiError::invalid("provider", "unknown", detail));
    }
    let Some(settings) = settings else { return Ok(()) };
    let within = |value: &str, most: usize| {
        let fits = value.parse().is_ok_and(|number: usize| (1..=most).contains(&number));
        (!fits).then(|| format!("must be a number from 1 to {most}"))
    };
    let host = |value: &str| {
        let right = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | ':');
        (value.is_empty() || !value.chars().all(right))
            .then(|| "must be a host, like sip.example.com".to_owned())
    };
    let known = "ultravox knows medium, caller_id, sip_gateway, model, calls_per_minute and calls_per_second";
    for (name, value) in settings {
        let fault = match name.as_str() {
            MEDIUM => {
                let known = ultravox::Medium::from_name(value).is_some();
                (!known).then(|| "must be telnyx, twilio or sip".to_owned())
            }
            ultravox_settings::CALLER_ID => value.parse::<E164>().err().map(|fault| fault.to_string()),
            SIP_GATEWAY => host(value),
            ultravox_settings::MODEL => value.is_empty().then(|| "must name a model".to_owned()),
            ultravox_settings::CALLS_PER_MINUTE => within(value, 360),
            ultravox_settings::CALLS_PER_SECOND => within(value, 30),
            _ => Some(known.to_owned()),
        };
        if let Some(fault) = fault {
            return Err(ApiError::invalid(format!("settings.{name}"), "invalid", fault));
        }
    }
    let by_sip = settings.get(MEDIUM).is_some_and(|medium| medium == ultravox::Medium::Sip.as_str());
    if by_sip && !settings.contains_key(SIP_GATEWAY) {
        let detail = "say which SIP trunk numbers are called through";
        return Err(ApiError::invalid("settings.sip_gateway", "required", detail));
    }
    Ok(())
}

/// Checks the settings of an account with a customer database.
fn check_crm(provider: Option<&str>, settings: Option<&BTreeMap<String, String>>) -> Result<(), ApiError> {
    if provider.is_some_and(|name| name != hubspot_settings::PROVIDER) {
        return Err(ApiError::invalid(
            "provider",
            "unknown",
            "the customer database this node knows is hubspot",
        ));
    }
    let Some(settings) = settings else { return Ok(()) };
    for (name, value) in settings {
        let fault = match name.as_str() {
            hubspot_settings::PORTAL_ID => value.parse::<u64>().err().map(|_| "must be a number".to_owned()),
            name if Mapping::is_setting(name) => None,
            _ => Some("hubspot knows portal_id and map.<field>".to_owned()),
        };
        if let Some(fault) = fault {
            return Err(ApiError::invalid(format!("settings.{name}"), "invalid", fault));
        }
    }
    match Mapping::of(settings) {
        Ok(_) => Ok(()),
        Err(MappingFault(name, advice)) => {
            Err(ApiError::invalid(format!("settings.{name}"), "invalid", advice))
        }
    }
}

/// Checks the settings of an account with a provider of language models.
async fn check_llm(
    backend: &Backend,
    provider: Option<&str>,
    settings: Option<&BTreeMap<String, String>>,
) -> Result<(), ApiError> {
    let known = provider.map(|name| Provider::from_name(name).filter(|known| *known != Provider::Scripted));
    if known == Some(None) {
        let detail = "give groq, openai, anthropic, google or openai_compatible";
        return Err(ApiError::invalid("provider", "unknown", detail));
    }
    let base = settings.and_then(|settings| settings.get(llm_settings::BASE_URL));
    if known == Some(Some(Provider::OpenaiCompatible)) && base.is_none() {
        let detail = "say where the server's API is, such as https://llm.example.com/v1";
        return Err(ApiError::invalid("settings.base_url", "required", detail));
    }
    if let Some(base) = base {
        let checked = backend.webhooks.guard.reachable(base).await;
        checked.map_err(|fault| ApiError::invalid("settings.base_url", "invalid", fault.to_string()))?;
    }
    let unknown = |name: &&String| ![llm_settings::BASE_URL, llm_settings::MODEL].contains(&name.as_str());
    match settings.and_then(|settings| settings.keys().find(unknown)) {
        Some(name) => {
            let detail = "a provider of language models knows base_url and model";
            Err(ApiError::invalid(format!("settings.{name}"), "invalid", detail))
        }
        None => Ok(()),
    }
}

async fn seal(
    backend: &Backend,
    caller: &Caller<ProvidersWrite>,
    kind: ProviderKind,
    key: &Secret,
) -> Result<(Sealed, String), ApiError> {
    let key = key.reveal().trim();
    let characters = key.chars().count();
    if !(8..=500).contains(&characters) || key.chars().any(char::is_control) {
        return Err(ApiError::invalid("api_key", "invalid", "an API key has 8 to 500 characters"));
    }
    let place = secret_place(caller.client, kind);
    let sealed = backend.vault.seal(caller.client, &place, key.as_bytes()).await;
    // secrets of webhooks may follow the key of a voice runtime
    let shown = if kind == ProviderKind::Runtime { key.split(',').next().unwrap_or(key) } else { key };
    let last4 = shown.chars().skip(shown.chars().count().saturating_sub(4)).collect();
    Ok((sealed.map_err(ApiError::unavailable)?, last4))
}
