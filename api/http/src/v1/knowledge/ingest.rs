//! Endpoint that gives a knowledge base documents: uploaded files, and addresses to fetch.

use actix_web::{post, web};
use actors::Session;
use domain::envelope::Position;
use domain::ids::{ClientId, DocumentId, KnowledgeBaseId, UploadId};
use domain::knowledge::{DocumentCommand, DocumentSource, KnowledgeDocument, MAX_TITLE, most_passages};
use domain::ports::ids::Ids as _;
use projections::knowledge::KnowledgeDocumentView;
use serde::Deserialize;
use utoipa::ToSchema;

use super::super::commands::{context, problem};
use super::super::objects::upload_problem;
use super::documents::answer_with;
use super::resource::must_exist;
use crate::auth::Caller;
use crate::auth::permissions::KbWrite;
use crate::backend::Backend;
use crate::problem::{ApiError, Fields, Problem};
use crate::{Answer, EdgeId, JsonBody, Listed, NewIds, PathId, RequestContext};

/// Most documents of one request.
const MOST: usize = 50;
/// Most documents of a knowledge base.
const MOST_OF_BASE: u64 = 10_000;
/// Longest address that is fetched.
const LONGEST_URL: usize = 2_000;

/// A file that was uploaded.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = UploadedDocument)]
pub(crate) struct FileBody {
    /// Id of the upload, whose file is there already: `upl_…`.
    #[schema(value_type = String, example = "upl_01jd0xq8v4e5vsknk084sn02q7")]
    upload_id: EdgeId<UploadId>,
    /// Title of the document: 1 to 300 characters; the id of the upload, if left out.
    #[schema(max_length = 300)]
    title: Option<String>,
    /// Document whose content it replaces once it is ready: `doc_…`; a new document, if left out.
    #[schema(value_type = Option<String>)]
    document_id: Option<EdgeId<DocumentId>>,
}

/// An address on the web.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = WebDocument)]
pub(crate) struct PageBody {
    /// Address of the document: https, and on the public internet.
    #[schema(format = "uri", example = "https://example.com/prices.html")]
    url: String,
    /// Title of the document: 1 to 300 characters; its address without what stands behind `?`, if left out.
    #[schema(max_length = 300)]
    title: Option<String>,
    /// Document whose content it replaces once it is ready: `doc_…`; a new document, if left out.
    #[schema(value_type = Option<String>)]
    document_id: Option<EdgeId<DocumentId>>,
}

/// An address, alone or with a title.
#[derive(Deserialize, ToSchema)]
#[serde(untagged)]
#[schema(as = WebDocumentOrUrl)]
pub(crate) enum UrlBody {
    /// Address of a new document.
    Plain(String),
    /// Address with a title, or of a document to replace.
    Page(PageBody),
}

/// Documents for a knowledge base: 1 to 50 together.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct DocumentsToIngest {
    /// Files that were uploaded.
    #[serde(default)]
    #[schema(max_items = 50)]
    files: Vec<FileBody>,
    /// Addresses that the node fetches.
    #[serde(default)]
    #[schema(max_items = 50)]
    urls: Vec<UrlBody>,
}

/// A document, with the field of the request that it comes from.
struct Wanted {
    field: String,
    id: DocumentId,
    title: String,
    source: DocumentSource,
    /// Whether the document is there already, and gets another content.
    replaces: bool,
}

impl Wanted {
    fn new(
        field: String,
        title: String,
        source: DocumentSource,
        (fresh, of_request): (DocumentId, Option<EdgeId<DocumentId>>),
    ) -> Self {
        let replaced = of_request.map(|id| id.0);
        Self { field, id: replaced.unwrap_or(fresh), title, source, replaces: replaced.is_some() }
    }
}

/// Add documents to a knowledge base.
///
/// They are read, cut into passages and embedded in the background: look at their `status`, or wait for the events
/// `kb.document_ready` and `kb.document_failed`. With `document_id` the new content replaces that of a document: its old
/// passages are found until the new ones are. A request with a fault in it adds none; one that was cut off is finished by
/// the same request again, with the same `Idempotency-Key`.
#[utoipa::path(post, path = "/api/v1/kb/{id}/files/ingest", tag = "knowledge", operation_id = "ingestDocuments",
    params(("id" = String, Path, description = "Id of the knowledge base: `kb_…`")),
    request_body = DocumentsToIngest,
    responses((status = 202, description = "The documents, in the order of the request: files, then addresses",
        body = Listed<KnowledgeDocumentView>), Problem))]
#[post("/kb/{id}/files/ingest")]
pub(crate) async fn ingest_documents(
    caller: Caller<KbWrite>,
    PathId(base): PathId<KnowledgeBaseId>,
    body: JsonBody<DocumentsToIngest>,
    request: RequestContext,
    ids: NewIds,
    backend: web::Data<Backend>,
) -> Result<Answer, ApiError> {
    let client = caller.client;
    must_exist(&backend, client, base).await?;
    let count = body.value.files.len() + body.value.urls.len();
    if !(1..=MOST).contains(&count) {
        return Err(ApiError::invalid("files", "invalid", "give 1 to 50 files and addresses together"));
    }
    // whatever is found below: a request that runs again makes the same documents
    let fresh = (0..count).map(|_| DocumentId(ids.next())).collect();
    let wanted = check(&backend, client, base, (body.value, fresh)).await?;
    let mut written: Option<Position> = None;
    let mut documents = Vec::new();
    for Wanted { field, id, title, source, replaces } in wanted {
        let (origin, now) = (request.origin(), backend.runtime.clock.now());
        let command = DocumentCommand::Ingest { base, title, source, replaces, origin, now };
        let mut session = Session::<KnowledgeDocument>::new(backend.runtime.clone(), id.stream());
        let receipt = session.execute(&command, &context(&caller, &request, id.0), None).await;
        let receipt = receipt.map_err(|error| {
            tracing::debug!(field, "a document is refused");
            problem(error)
        })?;
        written = written.max(receipt.position);
        documents.push((id, receipt.version));
    }
    if let Some(position) = written {
        backend.caught_up(position).await;
    }
    let mut views = Vec::with_capacity(documents.len());
    for (id, version) in documents {
        views.push(answer_with(&backend, &caller, base, id, version).await?);
    }
    Ok(Answer::json_list(&views, None).accepted().written_at(written))
}

async fn check(
    backend: &Backend,
    client: ClientId,
    base: KnowledgeBaseId,
    (body, fresh): (DocumentsToIngest, Vec<DocumentId>),
) -> Result<Vec<Wanted>, ApiError> {
    let DocumentsToIngest { files, urls } = body;
    let sums = backend.views.base_sums(client, &[base]).await.map_err(ApiError::unavailable)?;
    let there = sums.get(&base).map_or(0, |sums| sums.documents);
    if there + fresh.len() as u64 > MOST_OF_BASE {
        return Err(ApiError::conflict("a knowledge base has at most 10000 documents: make another one"));
    }
    let model = backend.knowledge.model_of(client, base).await.map_err(ApiError::unavailable)?;
    let most = model.as_ref().map_or(u64::MAX, most_passages);
    if sums.get(&base).is_some_and(|sums| sums.chunks >= most) {
        let detail = format!("the knowledge base has the {most} passages it may have: make another one");
        return Err(ApiError::conflict(detail));
    }
    let mut fields = Fields::default();
    let mut wanted = Vec::with_capacity(fresh.len());
    let mut fresh = fresh.into_iter();
    // as many as there are files and addresses
    let mut next_id = || fresh.next().ok_or_else(|| ApiError::internal("a document has no id"));
    let mut seen = std::collections::HashSet::new();
    for (n, file) in files.into_iter().enumerate() {
        let (field, id) = (format!("files[{n}]"), file.upload_id.0);
        if !seen.insert(id) {
            fields.fault(format!("{field}.upload_id"), "repeated", "the request names the upload twice");
        }
        let fresh = next_id()?;
        let title = file.title.unwrap_or_else(|| id.to_string());
        let declared = match backend.objects.uploads.waiting(client, id).await {
            Ok(promised) => Ok(promised.content_type),
            Err(refused) => {
                let taken =
                    taken_before(backend, client, (id, title.trim()), fresh, file.document_id).await?;
                taken.ok_or_else(|| upload_problem(refused))
            }
        };
        let declared = match declared {
            Ok(declared) => declared,
            Err(fault) if fault.code().status().is_server_error() => return Err(fault),
            Err(fault) => {
                fields.fault(format!("{field}.upload_id"), "unusable", fault.detail().to_owned());
                continue;
            }
        };
        let source = DocumentSource::Upload { id, declared };
        wanted.push(Wanted::new(field, title, source, (fresh, file.document_id)));
    }
    for (n, url) in urls.into_iter().enumerate() {
        let (field, fresh) = (format!("urls[{n}]"), next_id()?);
        let page = match url {
            UrlBody::Plain(url) => PageBody { url, title: None, document_id: None },
            UrlBody::Page(page) => page,
        };
        if page.url.len() > LONGEST_URL {
            fields.fault(&field, "invalid", "an address has at most 2000 bytes");
            continue;
        }
        let url = match backend.webhooks.guard.reachable(&page.url).await {
            Ok(url) => url,
            Err(fault) => {
                fields.fault(&field, "unreachable", fault.to_string());
                continue;
            }
        };
        let bare = format!("{}{}", url.host_str().unwrap_or_default(), url.path());
        let title = page.title.unwrap_or_else(|| bare.chars().take(MAX_TITLE).collect());
        let source = DocumentSource::Url { url: String::from(url).into() };
        wanted.push(Wanted::new(field, title, source, (fresh, page.document_id)));
    }
    for one in &mut wanted {
        one.title = one.title.trim().to_owned();
        if one.title.is_empty() || one.title.chars().count() > MAX_TITLE {
            fields.fault(format!("{}.title", one.field), "invalid", "must have 1 to 300 characters");
        }
        if one.replaces {
            let known =
                backend.views.document_of(client, base, one.id).await.map_err(ApiError::unavailable)?;
            if known.is_none() {
                let detail = "the knowledge base has no such document";
                fields.fault(format!("{}.document_id", one.field), "unknown", detail);
            }
        }
    }
    fields.finish()?;
    Ok(wanted)
}

/// The declared type of an upload that the same request gave to this document before it was cut off; `None` if it did not.
async fn taken_before(
    backend: &Backend,
    client: ClientId,
    (upload, title): (UploadId, &str),
    fresh: DocumentId,
    replaced: Option<EdgeId<DocumentId>>,
) -> Result<Option<String>, ApiError> {
    let document = replaced.map_or(fresh, |id| id.0);
    let taken = backend.objects.uploads.used_by(client, upload, &document.to_string()).await;
    let declared = match taken {
        Ok(Some(promised)) => promised.content_type,
        Ok(None) => return Ok(None),
        Err(error) => {
            let fault = upload_problem(error);
            return if fault.code().status().is_server_error() { Err(fault) } else { Ok(None) };
        }
    };
    if document == fresh {
        return Ok(Some(declared));
    }
    let mut session = Session::<KnowledgeDocument>::new(backend.runtime.clone(), document.stream());
    session.ensure_loaded().await.map_err(problem)?;
    let is_newest = session.state().newest().is_some_and(|newest| {
        let given = matches!(&newest.source, DocumentSource::Upload { id, .. } if *id == upload);
        given && newest.title.reveal().is_some_and(|known| known == title)
    });
    Ok(is_newest.then_some(declared))
}
