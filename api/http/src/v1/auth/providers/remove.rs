//! Endpoint that removes a client's account, so that the node's own is used.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, delete, web};
use domain::provider::{ProviderCommand, account_id, account_stream};

use super::super::super::commands::{context, only_at, problem};
use super::account::{kind, session};
use crate::auth::Caller;
use crate::auth::permissions::ProvidersWrite;
use crate::backend::Backend;
use crate::client_ip::ClientIp;
use crate::problem::{ApiError, Problem};
use crate::{IfMatch, RequestContext};

/// Remove an account with a provider.
///
/// From now on the client uses the node's own account again.
#[utoipa::path(delete, path = "/api/v1/auth/providers/{kind}", tag = "providers", operation_id = "removeProvider",
    params(("kind" = String, Path, description = "Kind of provider: tts, stt, llm, telephony, embeddings, crm or runtime"),
        ("If-Match" = Option<String>, Header,
            description = "Expected `ETag` of the account, else 412; not checked, if left out")),
    responses((status = 204, description = "The account was removed"), Problem))]
#[delete("/auth/providers/{kind}")]
pub(crate) async fn remove_provider(
    caller: Caller<ProvidersWrite>,
    path: web::Path<String>,
    if_match: IfMatch,
    ip: ClientIp,
    request: RequestContext,
    backend: web::Data<Backend>,
) -> Result<HttpResponse, ApiError> {
    let kind = kind(&path)?;
    let mut session = session(&backend, caller.client, kind).await?;
    let remove = ProviderCommand::Remove { kind, origin: ip.origin(), now: backend.runtime.clock.now() };
    let context = context(&caller, &request, account_id(caller.client, kind).0);
    let stream = account_stream(caller.client, kind);
    let only_at = only_at(&*backend.runtime.store, &caller, &stream, Some(&if_match)).await?;
    let receipt = session.execute(&remove, &context, only_at).await.map_err(problem)?;
    if let Some(position) = receipt.position {
        backend.caught_up(position).await;
    }
    Ok(HttpResponse::build(StatusCode::NO_CONTENT).finish())
}
