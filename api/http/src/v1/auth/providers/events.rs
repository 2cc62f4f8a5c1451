//! An account's history.

use actix_web::{get, web};
use domain::provider::{ProviderRefusal, account_stream};

use super::super::super::commands::AsProblem as _;
use super::super::super::history::{self, HistoryEvent};
use super::super::super::paging::HistoryParams;
use super::account::kind;
use crate::auth::Caller;
use crate::auth::permissions::ProvidersRead;
use crate::backend::Backend;
use crate::problem::{ApiError, Problem};
use crate::{Answer, Listed, Query};

/// List the events of an account with a provider.
///
/// The event history of this kind of account, oldest first, including accounts that were removed.
#[utoipa::path(get, path = "/api/v1/auth/providers/{kind}/events", tag = "providers", operation_id = "listProviderEvents",
    params(("kind" = String, Path, description = "Kind of provider: tts, stt, llm, telephony, embeddings, crm or runtime"),
        HistoryParams),
    responses((status = 200, description = "A page of events", body = Listed<HistoryEvent>), Problem))]
#[get("/auth/providers/{kind}/events")]
pub(crate) async fn list_provider_events(
    caller: Caller<ProvidersRead>,
    path: web::Path<String>,
    query: Query,
    backend: web::Data<Backend>,
) -> Result<Answer, ApiError> {
    let stream = account_stream(caller.client, kind(&path)?);
    history::page(&backend, caller.client, &stream, ProviderRefusal::KIND, query).await
}
