//! Endpoint that promises a URL to upload a document at.

use std::collections::BTreeMap;

use actix_web::{post, web};
use actors::uploads::PutUrl;
use domain::ids::{KnowledgeBaseId, UploadId};
use domain::ports::ids::Ids as _;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::super::commands::context;
use super::super::objects::upload_problem;
use super::resource::must_exist;
use crate::auth::Caller;
use crate::auth::permissions::KbWrite;
use crate::backend::Backend;
use crate::problem::{ApiError, Fields, Problem};
use crate::{Answer, Enveloped, JsonBody, NewIds, PathId, RequestContext};

/// Types of documents that can be uploaded.
const TYPES: [&str; 6] = [
    "application/pdf",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "text/html",
    "text/markdown",
    "text/plain",
    "text/csv",
];

/// A file to upload.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewUpload {
    /// Name of the file, for people: 1 to 255 characters.
    #[schema(example = "prices.pdf", min_length = 1, max_length = 255)]
    file_name: String,
    /// Type of the file: PDF, DOCX, HTML, Markdown, plain text or CSV, as a MIME type.
    #[schema(example = "application/pdf")]
    content_type: String,
    /// Size of the file.
    #[schema(minimum = 1, example = 48213)]
    size_bytes: u64,
}

/// Where to put a file.
#[derive(Serialize, ToSchema)]
#[schema(as = PresignedUpload)]
pub(crate) struct PresignedView {
    /// Id of the upload, for the resource that takes the file: `upl_…`.
    upload_id: String,
    /// HTTP method of the upload.
    #[schema(example = "PUT")]
    method: &'static str,
    /// URL to put the file at, once; it needs no credentials.
    #[schema(format = "uri")]
    url: String,
    /// Headers to send with the file.
    #[schema(value_type = BTreeMap<String, String>)]
    headers: BTreeMap<&'static str, String>,
    /// Most bytes that are taken.
    max_bytes: u64,
    /// When the URL ceases to work.
    expires_at: String,
}

/// Get a URL to upload a document at.
///
/// Put the file there within 15 minutes, then ingest it by its `upload_id`. A file that is not ingested is removed after
/// a day.
#[utoipa::path(post, path = "/api/v1/kb/{id}/files/presign", tag = "knowledge", operation_id = "presignDocument",
    params(("id" = String, Path, description = "Id of the knowledge base: `kb_…`")),
    request_body = NewUpload,
    responses((status = 201, description = "Where to put the file", body = Enveloped<PresignedView>), Problem))]
#[post("/kb/{id}/files/presign")]
pub(crate) async fn presign_document(
    caller: Caller<KbWrite>,
    PathId(base): PathId<KnowledgeBaseId>,
    body: JsonBody<NewUpload>,
    request: RequestContext,
    ids: NewIds,
    backend: web::Data<Backend>,
) -> Result<Answer, ApiError> {
    let NewUpload { file_name, content_type, size_bytes } = body.value;
    let upload = UploadId(ids.next());
    let mut fields = Fields::default();
    if file_name.trim().is_empty() || file_name.chars().count() > 255 {
        fields.fault("file_name", "invalid", "must have 1 to 255 characters");
    }
    let declared = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    if !TYPES.contains(&declared.as_str()) {
        fields.fault("content_type", "unsupported", format!("give one of {}", TYPES.join(", ")));
    }
    if size_bytes == 0 {
        fields.fault("size_bytes", "invalid", "a file has at least one byte");
    }
    fields.finish()?;
    let max = backend.document_bytes;
    if size_bytes > max {
        return Err(ApiError::payload_too_large(usize::try_from(max).unwrap_or(usize::MAX)));
    }
    must_exist(&backend, caller.client, base).await?;
    let context = context(&caller, &request, upload.0);
    let promised = backend.objects.uploads.presign(&context, upload, &declared, size_bytes).await;
    let promised = promised.map_err(upload_problem)?;
    let url = match promised.url {
        PutUrl::Bucket(url) => url.0,
        PutUrl::Node(token) => format!("{}/api/v1/objects/{}", request.public_url(), token.0),
    };
    let view = PresignedView {
        upload_id: upload.to_string(),
        method: "PUT",
        url,
        headers: BTreeMap::from([("Content-Type", declared)]),
        max_bytes: promised.max_bytes,
        expires_at: projections::edge::format_time(promised.expires_at),
    };
    Ok(Answer::data(&view).created())
}
