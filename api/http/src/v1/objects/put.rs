//! Endpoint to which a file is uploaded by its signed URL.

use std::borrow::Cow;
use std::time::Duration;

use actix_web::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use actix_web::{HttpRequest, put, web};
use actors::uploads::UploadError;
use bytes::Bytes;
use domain::envelope::Actor;
use domain::media;
use domain::object_url::Grant;
use domain::ports::objects::{ObjectError, ObjectKey, ObjectLabels, ObjectWriter};
use domain::upload::{UploadPresigned, UploadRefusal};
use futures::StreamExt as _;
use serde::Serialize;
use utoipa::openapi::schema::{KnownFormat, Schema, SchemaFormat, Type};
use utoipa::openapi::{ObjectBuilder, RefOr};
use utoipa::{PartialSchema, ToSchema};

use super::super::commands::{AsProblem, context_of, problem};
use super::{forged, granted};
use crate::backend::Backend;
use crate::problem::{ApiError, Code, Problem};
use crate::{Answer, Enveloped, Query, RequestContext};

/// Longest pause of a sender in the middle of a file.
const SILENCE: Duration = Duration::from_secs(30);
/// Longest time for a whole file.
const WHOLE: Duration = Duration::from_secs(60 * 60);

/// A file that was uploaded.
#[derive(Serialize, ToSchema)]
#[schema(as = UploadedObject)]
pub(crate) struct UploadedView {
    /// Id of the upload, for the resource that takes the file: `upl_…`.
    upload_id: String,
    /// Size of the file.
    bytes: u64,
    /// SHA-256 of the file in hexadecimal.
    #[schema(pattern = "^[0-9a-f]{64}$")]
    sha256: String,
}

/// The body of an upload in the OpenAPI document.
#[derive(Debug)]
pub(crate) enum FileBytes {}

impl PartialSchema for FileBytes {
    fn schema() -> RefOr<Schema> {
        let binary = SchemaFormat::KnownFormat(KnownFormat::Binary);
        let bytes = ObjectBuilder::new().schema_type(Type::String).format(Some(binary));
        bytes.description(Some("The bytes of a file")).into()
    }
}

impl ToSchema for FileBytes {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("FileBytes")
    }
}

impl AsProblem for UploadRefusal {
    const KIND: &'static str = "upload";

    fn as_problem(&self) -> ApiError {
        match self {
            UploadRefusal::Unknown => ApiError::not_found(Self::KIND),
            UploadRefusal::Empty => ApiError::invalid("body", "empty", self.to_string()),
            UploadRefusal::TooLarge { max } => too_large(*max),
            UploadRefusal::BadType => ApiError::invalid("content_type", "invalid", self.to_string()),
            _ => ApiError::conflict(self.to_string()),
        }
    }
}

fn too_large(max: u64) -> ApiError {
    ApiError::payload_too_large(usize::try_from(max).unwrap_or(usize::MAX))
}

fn other_type(declared: &str) -> ApiError {
    let detail = format!("the URL is for a file of the type {declared}: send that, with its `Content-Type`");
    ApiError::new(Code::UnsupportedMediaType, detail)
}

pub(in super::super) fn upload_problem(error: UploadError) -> ApiError {
    match error {
        UploadError::Command(error) => problem(error),
        UploadError::Store(error) => of_store(error),
        UploadError::OtherType { declared } => other_type(&declared),
    }
}

fn of_store(error: ObjectError) -> ApiError {
    ApiError::unavailable(error)
}

/// Upload a file by its signed URL.
///
/// The token in the path is the right to put one file, once, until it expires: no credentials are needed. The file
/// must be of the type that was asked for, also by its first bytes, and have no more bytes. Until all of it is stored
/// there is none of it.
#[utoipa::path(put, path = "/api/v1/objects/{token}", tag = "files", operation_id = "uploadObject", security(()),
    params(("token" = String, Path, description = "Signed token, from a URL that this node gave out")),
    request_body(content = FileBytes, content_type = "application/octet-stream", description = "The file"),
    responses((status = 200, description = "The file is stored", body = Enveloped<UploadedView>), Problem))]
#[put("/objects/{token}")]
pub(crate) async fn upload_object(
    token: web::Path<String>,
    query: Query,
    http: HttpRequest,
    mut body: web::Payload,
    request: RequestContext,
    backend: web::Data<Backend>,
) -> Result<Answer, ApiError> {
    query.finish()?;
    let Grant::Upload { client, upload } = granted(&backend, &token)? else { return Err(forged()) };
    let uploads = &backend.objects.uploads;
    let promised = uploads.promised(client, upload).await.map_err(upload_problem)?;
    check_head(&http, &promised)?;
    let object = ObjectKey::of_upload(client, upload.0, backend.runtime.ids.next());
    let labels = ObjectLabels { content_type: promised.content_type.clone(), file_name: upload.to_string() };
    let mut writer = backend.objects.store.begin(&object, &labels).await.map_err(of_store)?;
    let copied = tokio::time::timeout(WHOLE, copy(&mut body, &promised, &mut writer)).await;
    if let Err(error) = copied.unwrap_or_else(|_| Err(ApiError::request_timeout())) {
        writer.abort().await;
        return Err(error);
    }
    let written = writer.finish().await.map_err(of_store)?;
    let context = context_of(client, Actor::System("upload".to_owned()), &request, upload.0);
    let received = uploads.received(&context, upload, &object, written).await;
    if let Err(error) = received {
        // another request was faster: this one's file is nobody's
        if let Err(error) = backend.objects.store.delete(&object).await {
            tracing::warn!(%error, "a file that nobody knows of stays in the object store");
        }
        return Err(upload_problem(error));
    }
    let (bytes, sha256) = (written.bytes, written.sha256_hex());
    Ok(Answer::data(&UploadedView { upload_id: upload.to_string(), bytes, sha256 }))
}

/// Checks what the request says of its body. Answers 413 or 415.
fn check_head(http: &HttpRequest, promised: &UploadPresigned) -> Result<(), ApiError> {
    let text = |name| http.headers().get(name).and_then(|value| value.to_str().ok());
    let declared = text(CONTENT_TYPE).unwrap_or_default().split(';').next().unwrap_or_default().trim();
    if !declared.eq_ignore_ascii_case(&promised.content_type) {
        return Err(other_type(&promised.content_type));
    }
    match text(CONTENT_LENGTH).and_then(|length| length.parse::<u64>().ok()) {
        Some(length) if length > promised.max_bytes => Err(too_large(promised.max_bytes)),
        _ => Ok(()),
    }
}

/// Copies the body, and looks at its first bytes before anything is stored. Answers 408, 413, 415 or 422.
async fn copy(
    body: &mut web::Payload,
    promised: &UploadPresigned,
    writer: &mut Box<dyn ObjectWriter>,
) -> Result<(), ApiError> {
    let (mut bytes, mut head) = (0, Vec::new());
    let mut looked = false;
    loop {
        let piece =
            tokio::time::timeout(SILENCE, body.next()).await.map_err(|_| ApiError::request_timeout())?;
        let piece = piece
            .transpose()
            .map_err(|_| ApiError::malformed_request("the file arrived incomplete: upload it again"))?;
        let is_last = piece.is_none();
        if let Some(piece) = piece {
            bytes += piece.len() as u64;
            if bytes > promised.max_bytes {
                return Err(too_large(promised.max_bytes));
            }
            if looked {
                writer.write(piece).await.map_err(of_store)?;
                continue;
            }
            head.extend_from_slice(&piece);
        }
        if !looked && (is_last || head.len() >= media::HEAD) {
            if head.is_empty() {
                return Err(UploadRefusal::Empty.as_problem());
            }
            if !media::may_be(&promised.content_type, &head) {
                return Err(other_type(&promised.content_type));
            }
            looked = true;
            writer.write(Bytes::from(std::mem::take(&mut head))).await.map_err(of_store)?;
        }
        if is_last {
            return Ok(());
        }
    }
}
