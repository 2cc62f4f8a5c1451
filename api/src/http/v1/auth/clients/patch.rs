//! Changing what a client is called and how much it may do.

use actix_web::{patch, web};
use domain::client::{ClientCommand, ClientLimitsPatch};
use domain::ids::ClientId;
use projections::clients::ClientView;
use serde::Deserialize;
use utoipa::ToSchema;

use super::super::super::resource::change;
use super::resource::{ClientResource, above};
use crate::http::auth::Caller;
use crate::http::auth::permissions::UsersWrite;
use crate::http::client_ip::ClientIp;
use crate::http::nullable::nullable;
use crate::http::{Answer, Enveloped, IfMatch, JsonBody, PathId, RequestContext};
use crate::node::Backend;
use crate::problem::{ApiError, Problem};

/// What of a client can be changed; what is left out stays.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ClientPatch {
    /// The company's name: 1 to 200 characters.
    #[schema(nullable = false, min_length = 1, max_length = 200)]
    name: Option<String>,
    /// How much it may do.
    #[schema(nullable = false)]
    limits: Option<LimitsPatch>,
}

/// Limits to change; what is left out stays, and `null` lifts a limit.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ClientLimitsPatch)]
pub(crate) struct LimitsPatch {
    /// Requests a minute by all of its keys and users together; `null`: as many as the node allows everybody.
    #[serde(default, deserialize_with = "nullable")]
    #[schema(value_type = Option<u32>, minimum = 1)]
    requests_per_minute: Option<Option<u32>>,
    /// Calls it may place in a day of UTC.
    #[serde(default, deserialize_with = "nullable")]
    #[schema(value_type = Option<u32>)]
    calls_per_day: Option<Option<u32>>,
    /// Calls under way at a time, those that came in among them.
    #[serde(default, deserialize_with = "nullable")]
    #[schema(value_type = Option<u32>)]
    concurrent_calls: Option<Option<u32>>,
    /// Bytes of its call records and transcripts.
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

/// Change a client.
///
/// For the platform's administrator. Limits hold from the next request on.
#[utoipa::path(patch, path = "/api/v1/auth/clients/{id}", tag = "clients", operation_id = "patchClient",
    params(("id" = String, Path, description = "The client"), ("If-Match" = Option<String>, Header, description = "Only if the client is at this version")),
    request_body = ClientPatch,
    responses((status = 200, description = "Changed", body = Enveloped<ClientView>), Problem))]
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
    let ClientPatch { name, limits } = body.value;
    let update = ClientCommand::Update {
        name: name.map(|name| name.trim().to_owned()),
        limits: limits.map(ClientLimitsPatch::from).unwrap_or_default(),
        origin: ip.origin(),
        now: backend.runtime.clock.now(),
    };
    let answer = change::<ClientResource>(&backend, &caller, &request, id, Some(&if_match), &update).await?;
    // a limit of storage holds once the client is measured; the other nodes do so within a minute
    if let Err(error) = backend.gate.measure_storage_of(id, &*backend.views).await {
        tracing::warn!(%error, "what a client has stored is measured later");
    }
    Ok(answer)
}
