//! Endpoints of the privacy settings: how much of calls the node keeps.

use actix_web::{get, patch, web};
use actors::Session;
use domain::envelope::Version;
use domain::privacy::content::ContentLevel;
use domain::privacy::policy::{PolicyCommand, PolicyRefusal, PrivacyPolicy};
use projections::words;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::super::commands::{AsProblem, context, only_at, problem};
use super::super::folded::{fold_or_initial, only_moment};
use crate::auth::Caller;
use crate::auth::permissions::{CustomersRead, PrivacyWrite};
use crate::backend::Backend;
use crate::client_ip::ClientIp;
use crate::nullable::nullable;
use crate::problem::{ApiError, Problem};
use crate::{Answer, Enveloped, IfMatch, JsonBody, Query, RequestContext};

/// How much of calls the node keeps.
#[derive(Serialize, ToSchema)]
#[schema(as = PrivacySettings)]
pub(crate) struct SettingsView {
    /// Your choice: `everything`, `everything_except_pii` or `basic_attributes_only`; `null`:
    /// the node's setting holds.
    #[schema(value_type = Option<words::ContentLevel>, required)]
    call_content: Option<&'static str>,
    /// Level that holds for your calls: your choice, or else the node's setting.
    #[schema(value_type = words::ContentLevel)]
    effective_call_content: &'static str,
    /// Version of the settings; also their `ETag`. 0 while nobody has changed anything.
    version: u64,
}

/// Changes to the privacy settings; a field that is left out stays as it is.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = PrivacySettingsPatch)]
pub(crate) struct SettingsPatch {
    /// `everything`, `everything_except_pii` (neither the caller's identity nor keyed digits, nor recordings) or
    /// `basic_attributes_only` (nothing of what was said, keyed or recorded); `null`: the node's setting holds.
    #[serde(default, deserialize_with = "nullable")]
    #[schema(value_type = Option<words::ContentLevel>)]
    call_content: Option<Option<String>>,
}

impl AsProblem for PolicyRefusal {
    const KIND: &'static str = "privacy policy";

    fn as_problem(&self) -> ApiError {
        match *self {}
    }
}

/// Get the privacy settings.
///
/// What you have chosen, and what holds: your choice, or the node's setting while you have chosen nothing. With
/// `at` or `version`, answers with what you had chosen then.
#[utoipa::path(get, path = "/api/v1/privacy/settings", tag = "privacy", operation_id = "getPrivacySettings",
    params(("at" = Option<String>, Query,
            description = "Show the state at this time (RFC 3339); default: now"),
        ("version" = Option<u64>, Query, minimum = 0,
            description = "Show the state at this version; default: current")),
    responses((status = 200, description = "The settings", body = Enveloped<SettingsView>), Problem))]
#[get("/privacy/settings")]
pub(crate) async fn get_privacy_settings(
    caller: Caller<CustomersRead>,
    query: Query,
    backend: web::Data<Backend>,
) -> Result<Answer, ApiError> {
    let (client, moment) = (caller.client, only_moment(query)?);
    let stream = PrivacyPolicy::stream(client);
    let policy = fold_or_initial(&backend, client, &stream, PolicyRefusal::KIND, moment).await?;
    Ok(shown(&backend, &policy.state, policy.version))
}

/// Change the privacy settings.
///
/// The new level holds for what happens from then on, on other nodes within `privacy.key_cache_ms`. Data that is
/// not kept is never shown (`[erased]`); only the node itself can read it, to control the call while it lasts,
/// and nobody after it.
#[utoipa::path(patch, path = "/api/v1/privacy/settings", tag = "privacy", operation_id = "patchPrivacySettings",
    params(("If-Match" = Option<String>, Header,
            description = "Expected `ETag` of the settings, else 412; not checked, if left out")),
    request_body = SettingsPatch,
    responses((status = 200, description = "The settings after the change",
        body = Enveloped<SettingsView>), Problem))]
#[patch("/privacy/settings")]
pub(crate) async fn patch_privacy_settings(
    caller: Caller<PrivacyWrite>,
    if_match: IfMatch,
    body: JsonBody<SettingsPatch>,
    request: RequestContext,
    ip: ClientIp,
    backend: web::Data<Backend>,
) -> Result<Answer, ApiError> {
    let stream = PrivacyPolicy::stream(caller.client);
    let only_at = only_at(&*backend.runtime.store, &caller, &stream, Some(&if_match)).await?;
    let mut session = Session::<PrivacyPolicy>::new(backend.runtime.clone(), stream);
    session.ensure_loaded().await.map_err(problem)?;
    if_match.check(session.version())?;
    let Some(wanted) = body.value.call_content else {
        return Ok(shown(&backend, session.state(), session.version()));
    };
    let call_content = wanted.map(|word| word.parse::<ContentLevel>()).transpose().map_err(|_| {
        let text = "must be everything, everything_except_pii or basic_attributes_only";
        ApiError::invalid("call_content", "invalid", text)
    })?;
    let change =
        PolicyCommand::Change { call_content, origin: ip.origin(), now: backend.runtime.clock.now() };
    let context = context(&caller, &request, caller.client.0);
    let receipt = session.execute(&change, &context, only_at).await.map_err(problem)?;
    backend.private.forget_level(caller.client);
    if let Some(position) = receipt.position {
        backend.caught_up(position).await;
    }
    Ok(shown(&backend, session.state(), receipt.version).written_at(receipt.position))
}

fn shown(backend: &Backend, policy: &PrivacyPolicy, version: Version) -> Answer {
    let level = policy.call_content();
    let effective = level.unwrap_or(backend.private.default_level());
    Answer::data(&SettingsView {
        call_content: level.map(ContentLevel::as_str),
        effective_call_content: effective.as_str(),
        version: version.0,
    })
    .etag(version)
}
