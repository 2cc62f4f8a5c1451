//! Endpoint that changes a client's name, limits and terms of credit.

use actix_web::{patch, web};
use domain::billing::BillingTermsPatch;
use domain::client::{ClientCommand, ClientLimitsPatch};
use domain::ids::ClientId;
use projections::clients::ClientView;
use serde::Deserialize;
use utoipa::ToSchema;

use super::super::super::resource::change;
use super::resource::{ClientResource, above};
use crate::auth::Caller;
use crate::auth::permissions::UsersWrite;
use crate::backend::Backend;
use crate::client_ip::ClientIp;
use crate::nullable::nullable;
use crate::problem::{ApiError, Problem};
use crate::{Answer, Enveloped, IfMatch, JsonBody, PathId, RequestContext};

/// Changes to a client; a field that is left out stays as it is.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ClientPatch {
    /// Name of the company: 1 to 200 characters.
    #[schema(nullable = false, min_length = 1, max_length = 200)]
    name: Option<String>,
    /// Limits of the client to change.
    #[schema(nullable = false)]
    limits: Option<LimitsPatch>,
    /// Whether calls need cover by credit before they are placed or taken.
    #[schema(nullable = false)]
    prepaid: Option<bool>,
    /// How far below zero the credit may go, in millionths of the currency.
    #[schema(nullable = false, minimum = 0)]
    credit_line: Option<i64>,
    /// Have the client told once its credit falls to this, in millionths of the currency; `null`: it is not told.
    #[serde(default, deserialize_with = "nullable")]
    #[schema(value_type = Option<i64>)]
    low_at: Option<Option<i64>>,
}

/// Changes to limits; a limit that is left out stays, and `null` lifts it.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ClientLimitsPatch)]
pub(crate) struct LimitsPatch {
    /// Requests per minute by all of its keys and users together; `null`: what the node allows everybody.
    #[serde(default, deserialize_with = "nullable")]
    #[schema(value_type = Option<u32>, minimum = 1)]
    requests_per_minute: Option<Option<u32>>,
    /// Calls it may place per UTC day; `null`: no limit.
    #[serde(default, deserialize_with = "nullable")]
    #[schema(value_type = Option<u32>)]
    calls_per_day: Option<Option<u32>>,
    /// Calls it may have under way at a time, inbound ones included; `null`: no limit.
    #[serde(default, deserialize_with = "nullable")]
    #[schema(value_type = Option<u32>)]
    concurrent_calls: Option<Option<u32>>,
    /// Bytes that its call records and transcripts may take; `null`: no limit.
    #[serde(default, deserialize_with = "nullable")]
    #[schema(value_type = Option<u64>)]
    storage_bytes: Option<Option<u64>>,
}

impl From<LimitsPatch> for ClientLimitsPatch {
    fn from(patch: LimitsPatch) -> Self {
        let LimitsPatch { requests_per_minute, calls_per_day, concurrent_calls, storage_bytes } = patch;
        Self { requests_per_minute, calls_per_day, concurrent_calls, storage_bytes }
    }
}

/// Change a client's name, limits or terms of credit.
///
/// Only for the platform's administrator. New limits and terms hold from the next request on.
#[utoipa::path(patch, path = "/api/v1/auth/clients/{id}", tag = "clients", operation_id = "patchClient",
    params(("id" = String, Path, description = "Id of the client: `cli_…`"),
        ("If-Match" = Option<String>, Header,
            description = "Expected `ETag` of the client, else 412; not checked, if left out")),
    request_body = ClientPatch,
    responses((status = 200, description = "The client after the change",
        body = Enveloped<ClientView>), Problem))]
#[patch("/auth/clients/{id}")]
pub(crate) async fn patch_client(
    caller: Caller<UsersWrite>,
    PathId(id): PathId<ClientId>,
    if_match: IfMatch,
    body: JsonBody<ClientPatch>,
    ip: ClientIp,
    request: RequestContext,
    backend: web::Data<Backend>,
) -> Result<Answer, ApiError> {
    let caller = above(&caller, id)?;
    let ClientPatch { name, limits, prepaid, credit_line, low_at } = body.value;
    let update = ClientCommand::Update {
        name: name.map(|name| name.trim().to_owned()),
        limits: limits.map(ClientLimitsPatch::from).unwrap_or_default(),
        billing: BillingTermsPatch { prepaid, credit_line, low_at },
        origin: ip.origin(),
        now: backend.runtime.clock.now(),
    };
    let answer = change::<ClientResource>(&backend, &caller, &request, id, Some(&if_match), &update).await?;
    // the storage limit needs a measurement; the other nodes measure within a minute
    if let Err(error) = backend.gate.measure_storage_of(id, &*backend.views).await {
        tracing::warn!(%error, "what a client has stored is measured later");
    }
    Ok(answer)
}
