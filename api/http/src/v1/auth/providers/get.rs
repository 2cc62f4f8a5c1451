//! Endpoint that reads one account, as it is now or as it was.

use actix_web::{get, web};
use domain::provider::{ProviderAccount, ProviderRefusal, account_stream};

use super::super::super::commands::AsProblem as _;
use super::super::super::folded::{fold, only_moment};
use super::account::{Account, kind};
use crate::auth::Caller;
use crate::auth::permissions::ProvidersRead;
use crate::backend::Backend;
use crate::problem::{ApiError, Problem};
use crate::{Answer, Enveloped, Query};

/// Get an account with a provider.
///
/// Answers 404 while the node's own account is used. With `at` or `version`, answers with the account
/// as it was then.
#[utoipa::path(get, path = "/api/v1/auth/providers/{kind}", tag = "providers", operation_id = "getProvider",
    params(("kind" = String, Path, description = "Kind of provider: tts, stt, llm, telephony, embeddings, crm or runtime"),
        ("at" = Option<String>, Query, description = "Show the state at this time (RFC 3339); default: now"),
        ("version" = Option<u64>, Query, description = "Show the state at this version; default: current")),
    responses((status = 200, description = "The account", body = Enveloped<Account>), Problem))]
#[get("/auth/providers/{kind}")]
pub(crate) async fn get_provider(
    caller: Caller<ProvidersRead>,
    path: web::Path<String>,
    query: Query,
    backend: web::Data<Backend>,
) -> Result<Answer, ApiError> {
    let kind = kind(&path)?;
    let stream = account_stream(caller.client, kind);
    let moment = only_moment(query)?;
    let found =
        fold::<ProviderAccount>(&backend, caller.client, &stream, ProviderRefusal::KIND, moment).await?;
    let (terms, _) = found.state.current().ok_or_else(|| ApiError::not_found(ProviderRefusal::KIND))?;
    Ok(Answer::data(&Account::of(kind, terms, found.version.0)).etag(found.version))
}
