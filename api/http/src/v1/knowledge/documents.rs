//! Endpoints of the documents in a knowledge base.

use actix_web::{HttpResponse, delete, get, post, web};
use domain::envelope::Version;
use domain::ids::{DocumentId, KnowledgeBaseId};
use domain::knowledge::{DocumentCommand, DocumentStatus, KnowledgeDocument};
use projections::knowledge::{DocumentFilter, KnowledgeDocumentView, KnowledgeDocuments};

use super::super::history::{self, HistoryEvent};
use super::super::paging::{self, CreatedParams, HistoryParams, PageParams};
use super::super::resource::{Resource, execute, get as get_resource, row, written};
use super::resource::must_exist;
use crate::auth::permissions::{KbRead, KbWrite};
use crate::auth::{Caller, Principal};
use crate::backend::Backend;
use crate::problem::{ApiError, Problem};
use crate::{Answer, Enveloped, IfMatch, Listed, PathId, Query, RequestContext};

/// How the generic resource code reads documents.
#[derive(Debug)]
pub(crate) struct DocumentResource;

impl Resource for DocumentResource {
    type Id = DocumentId;
    type Rules = KnowledgeDocument;
    type View = KnowledgeDocuments;
}

/// The ids in the path: `/kb/{id}/documents/{document_id}`.
type DocumentPath = web::Path<(String, String)>;

/// Reads the ids. Answers 404 unless the knowledge base has this document.
async fn ids(
    backend: &Backend,
    caller: &Principal,
    path: &DocumentPath,
) -> Result<(KnowledgeBaseId, DocumentId), ApiError> {
    let base: KnowledgeBaseId = path.0.parse().map_err(|_| ApiError::not_found("knowledge base"))?;
    let id: DocumentId = path.1.parse().map_err(|_| ApiError::not_found("document"))?;
    must_exist(backend, caller.client, base).await?;
    let found = backend.views.document_of(caller.client, base, id).await.map_err(ApiError::unavailable)?;
    found.map(|_| (base, id)).ok_or_else(|| ApiError::not_found("document"))
}

/// The document at this version, as JSON.
pub(super) async fn answer_with(
    backend: &Backend,
    caller: &Principal,
    base: KnowledgeBaseId,
    id: DocumentId,
    version: Version,
) -> Result<String, ApiError> {
    let stored = backend.views.document_of(caller.client, base, id).await.ok().flatten();
    // the document may have changed again, or the views may trail
    if let Some(stored) = stored.filter(|stored| stored.version == version) {
        return Ok(stored.json);
    }
    let row = row::<DocumentResource>(backend, caller, id, version).await?;
    serde_json::to_string(&row.view).map_err(ApiError::internal)
}

/// List the documents of a knowledge base.
///
/// Newest first unless `order` says otherwise.
#[utoipa::path(get, path = "/api/v1/kb/{id}/documents", tag = "knowledge", operation_id = "listKnowledgeDocuments",
    params(("id" = String, Path, description = "Id of the knowledge base: `kb_…`"),
        ("status" = Option<String>, Query,
            description = "Only this status: queued, parsing, embedding, ready or failed"),
        CreatedParams, PageParams),
    responses((status = 200, description = "A page of documents", body = Listed<KnowledgeDocumentView>), Problem))]
#[get("/kb/{id}/documents")]
pub(crate) async fn list_documents(
    caller: Caller<KbRead>,
    PathId(base): PathId<KnowledgeBaseId>,
    mut query: Query,
    backend: web::Data<Backend>,
) -> Result<Answer, ApiError> {
    must_exist(&backend, caller.client, base).await?;
    let status = query.text("status");
    let known = status.as_deref().map(DocumentStatus::from_name);
    if let Some(None) = known {
        query.fault("status", "give one of queued, parsing, embedding, ready and failed");
    }
    let filter = DocumentFilter {
        status: known.flatten(),
        created_after: query.time("created_after"),
        created_before: query.time("created_before"),
    };
    paging::list(query, async |request| {
        backend.views.documents_of(caller.client, base, &filter, &request).await
    })
    .await
}

/// Get a document by its id.
///
/// With `at` or `version`, answers with the document as it was then.
#[utoipa::path(get, path = "/api/v1/kb/{id}/documents/{document_id}", tag = "knowledge",
    operation_id = "getKnowledgeDocument",
    params(("id" = String, Path, description = "Id of the knowledge base: `kb_…`"),
        ("document_id" = String, Path, description = "Id of the document: `doc_…`"),
        ("at" = Option<String>, Query, description = "Show the state at this time (RFC 3339); default: now"),
        ("version" = Option<u64>, Query, description = "Show the state at this version; default: current")),
    responses((status = 200, description = "The document", body = Enveloped<KnowledgeDocumentView>), Problem))]
#[get("/kb/{id}/documents/{document_id}")]
pub(crate) async fn get_document(
    caller: Caller<KbRead>,
    path: DocumentPath,
    query: Query,
    backend: web::Data<Backend>,
) -> Result<Answer, ApiError> {
    let (_, id) = ids(&backend, &caller, &path).await?;
    get_resource::<DocumentResource>(&backend, &caller, id, query).await
}

/// List a document's events.
///
/// The document's own event history, oldest first.
#[utoipa::path(get, path = "/api/v1/kb/{id}/documents/{document_id}/events", tag = "knowledge",
    operation_id = "listKnowledgeDocumentEvents",
    params(("id" = String, Path, description = "Id of the knowledge base: `kb_…`"),
        ("document_id" = String, Path, description = "Id of the document: `doc_…`"), HistoryParams),
    responses((status = 200, description = "A page of events", body = Listed<HistoryEvent>), Problem))]
#[get("/kb/{id}/documents/{document_id}/events")]
pub(crate) async fn list_document_events(
    caller: Caller<KbRead>,
    path: DocumentPath,
    query: Query,
    backend: web::Data<Backend>,
) -> Result<Answer, ApiError> {
    let (_, id) = ids(&backend, &caller, &path).await?;
    history::page(&backend, caller.client, &id.stream(), "document", query).await
}

/// Delete a document of a knowledge base.
///
/// It is no longer found. Its passages, their vectors and its file are removed soon after.
#[utoipa::path(delete, path = "/api/v1/kb/{id}/documents/{document_id}", tag = "knowledge",
    operation_id = "deleteKnowledgeDocument",
    params(("id" = String, Path, description = "Id of the knowledge base: `kb_…`"),
        ("document_id" = String, Path, description = "Id of the document: `doc_…`"),
        ("If-Match" = Option<String>, Header,
            description = "Expected `ETag` of the document, else 412; not checked, if left out")),
    responses((status = 204, description = "The document is deleted"), Problem))]
#[delete("/kb/{id}/documents/{document_id}")]
pub(crate) async fn delete_document(
    caller: Caller<KbWrite>,
    path: DocumentPath,
    if_match: IfMatch,
    request: RequestContext,
    backend: web::Data<Backend>,
) -> Result<HttpResponse, ApiError> {
    let (_, id) = ids(&backend, &caller, &path).await?;
    let delete = DocumentCommand::Delete { origin: request.origin(), now: backend.runtime.clock.now() };
    execute::<DocumentResource>(&backend, &caller, &request, id, Some(&if_match), &delete).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Try a failed document again.
///
/// What was read stays read: only the rest is done again.
#[utoipa::path(post, path = "/api/v1/kb/{id}/documents/{document_id}/retry", tag = "knowledge",
    operation_id = "retryKnowledgeDocument",
    params(("id" = String, Path, description = "Id of the knowledge base: `kb_…`"),
        ("document_id" = String, Path, description = "Id of the document: `doc_…`")),
    responses((status = 202, description = "The document", body = Enveloped<KnowledgeDocumentView>), Problem))]
#[post("/kb/{id}/documents/{document_id}/retry")]
pub(crate) async fn retry_document(
    caller: Caller<KbWrite>,
    path: DocumentPath,
    request: RequestContext,
    backend: web::Data<Backend>,
) -> Result<Answer, ApiError> {
    let (_, id) = ids(&backend, &caller, &path).await?;
    let retry = DocumentCommand::Retry { origin: request.origin(), now: backend.runtime.clock.now() };
    let receipt = execute::<DocumentResource>(&backend, &caller, &request, id, None, &retry).await?;
    Ok(written::<DocumentResource>(&backend, &caller, id, receipt).await?.accepted())
}
