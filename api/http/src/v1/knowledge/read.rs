//! Endpoints that read knowledge bases, with what their documents sum up to.

use actix_web::{get, web};
use actors::Receipt;
use domain::envelope::Version;
use domain::ids::{ClientId, KnowledgeBaseId};
use projections::document::table_of;
use projections::knowledge::{KnowledgeBaseView, KnowledgeBases};

use super::super::history::moment;
use super::super::paging::{self, CreatedParams, PageParams};
use super::super::resource::{as_of, row};
use super::resource::KnowledgeBaseResource;
use crate::auth::permissions::KbRead;
use crate::auth::{Caller, Principal};
use crate::backend::Backend;
use crate::problem::{ApiError, Problem};
use crate::{Answer, Enveloped, Listed, PathId, Query};

/// Get a knowledge base by its id.
///
/// With `at` or `version`, answers with the knowledge base as it was then, without the sums of its documents.
#[utoipa::path(get, path = "/api/v1/kb/{id}", tag = "knowledge", operation_id = "getKnowledgeBase",
    params(("id" = String, Path, description = "Id of the knowledge base: `kb_…`"),
        ("at" = Option<String>, Query, description = "Show the state at this time (RFC 3339); default: now"),
        ("version" = Option<u64>, Query, description = "Show the state at this version; default: current")),
    responses((status = 200, description = "The knowledge base", body = Enveloped<KnowledgeBaseView>), Problem))]
#[get("/kb/{id}")]
pub(crate) async fn get_knowledge_base(
    caller: Caller<KbRead>,
    PathId(id): PathId<KnowledgeBaseId>,
    mut query: Query,
    backend: web::Data<Backend>,
) -> Result<Answer, ApiError> {
    let moment = moment(&mut query);
    query.finish()?;
    if let Some(moment) = moment {
        return as_of::<KnowledgeBaseResource>(&backend, &caller, id, moment).await;
    }
    let view = current(&backend, caller.client, id).await?;
    Ok(shown(&view))
}

/// List the client's knowledge bases.
///
/// Newest first unless `order` says otherwise.
#[utoipa::path(get, path = "/api/v1/kb", tag = "knowledge", operation_id = "listKnowledgeBases",
    params(CreatedParams, PageParams),
    responses((status = 200, description = "A page of knowledge bases", body = Listed<KnowledgeBaseView>), Problem))]
#[get("/kb")]
pub(crate) async fn list_knowledge_bases(
    caller: Caller<KbRead>,
    query: Query,
    backend: web::Data<Backend>,
) -> Result<Answer, ApiError> {
    let request = paging::filtered(query, [])?;
    let page = backend.views.documents(table_of::<KnowledgeBases>(), caller.client, &request).await;
    let mut page = page.map_err(ApiError::unavailable)?;
    let views: Result<Vec<KnowledgeBaseView>, _> =
        page.items.iter().map(|item| serde_json::from_str(item)).collect();
    let views = with_sums(&backend, caller.client, views.map_err(ApiError::internal)?).await?;
    let items: Result<Vec<String>, _> = views.iter().map(serde_json::to_string).collect();
    page.items = items.map_err(ApiError::internal)?;
    paging::answer(&page)
}

/// The knowledge base as it is, with the sums of its documents. Answers 404 when there is none.
pub(super) async fn current(
    backend: &Backend,
    client: ClientId,
    id: KnowledgeBaseId,
) -> Result<KnowledgeBaseView, ApiError> {
    let stored = backend.views.one::<KnowledgeBases>(client, id).await.map_err(ApiError::unavailable)?;
    let stored = stored.ok_or_else(|| ApiError::not_found("knowledge base"))?;
    let view = serde_json::from_str(&stored.json).map_err(ApiError::internal)?;
    let mut views = with_sums(backend, client, vec![view]).await?;
    views.pop().ok_or_else(|| ApiError::not_found("knowledge base"))
}

async fn with_sums(
    backend: &Backend,
    client: ClientId,
    views: Vec<KnowledgeBaseView>,
) -> Result<Vec<KnowledgeBaseView>, ApiError> {
    let ids: Vec<_> = views.iter().map(|view| view.id).collect();
    let sums = backend.views.base_sums(client, &ids).await.map_err(ApiError::unavailable)?;
    let with = |view: KnowledgeBaseView| {
        let sums = sums.get(&view.id).copied().unwrap_or_default();
        view.with(sums)
    };
    Ok(views.into_iter().map(with).collect())
}

/// Answers with the knowledge base after a command.
pub(super) async fn after(
    backend: &Backend,
    caller: &Principal,
    id: KnowledgeBaseId,
    receipt: Receipt,
) -> Result<Answer, ApiError> {
    let now = current(backend, caller.client, id).await.ok();
    // others may have changed it again, or the views may trail
    let view = match now.filter(|view| view.version == receipt.version.0) {
        Some(view) => view,
        None => {
            let row = row::<KnowledgeBaseResource>(backend, caller, id, receipt.version).await?;
            let views = with_sums(backend, caller.client, vec![row.view.clone()]).await?;
            views.into_iter().next().unwrap_or(row.view)
        }
    };
    Ok(shown(&view).written_at(receipt.position))
}

/// The answer with a tag that tells states of its documents apart.
pub(super) fn shown(view: &KnowledgeBaseView) -> Answer {
    let status = view.status.as_deref().unwrap_or_default();
    let count = |count: Option<u64>| count.unwrap_or_default();
    let mark = format!("{status}-{}-{}-{}", count(view.documents), count(view.chunks), count(view.bytes));
    Answer::data(view).etag_of(Version(view.version), &mark)
}
