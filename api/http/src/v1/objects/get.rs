//! Endpoint from which a file is downloaded by its signed URL.

use std::ops::Range;

use actix_web::body::SizedStream;
use actix_web::http::StatusCode;
use actix_web::http::header::{
    ACCEPT_RANGES, CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_ENCODING, CONTENT_RANGE,
    CONTENT_SECURITY_POLICY, CONTENT_TYPE, RANGE, X_CONTENT_TYPE_OPTIONS,
};
use actix_web::{HttpRequest, HttpResponse, get, web};
use adapters::objects::{ObjectSecret, OpeningReader, sealed_range, secret_place};
use bytes::Bytes;
use domain::call::StoredFile;
use domain::ids::ClientId;
use domain::media::is_sound;
use domain::object_url::Grant;
use domain::ports::objects::{ObjectError, ObjectKey, ObjectReader};
use futures::Stream;

use super::super::commands::problem;
use super::range::{Wanted, wanted};
use super::{forged, granted};
use crate::Query;
use crate::backend::Backend;
use crate::problem::{ApiError, Code, Problem};

/// Download a file by its signed URL.
///
/// The token in the path is the right to fetch one file until it expires: no credentials are needed. Other endpoints
/// hand such URLs out. A single `Range` of bytes is served.
#[utoipa::path(get, path = "/api/v1/objects/{token}", tag = "files", operation_id = "downloadObject", security(()),
    params(("token" = String, Path, description = "Signed token, from a URL that this node gave out"),
        ("Range" = Option<String>, Header, description = "A range of bytes: `bytes=0-1023`")),
    responses(
        (status = 200, description = "The file", content((String = "audio/mpeg"), (String = "audio/wav"),
            (String = "audio/ogg"), (String = "audio/flac"), (String = "application/octet-stream"))),
        (status = 206, description = "The range of the file", content((String = "audio/mpeg"),
            (String = "audio/wav"), (String = "audio/ogg"), (String = "audio/flac"),
            (String = "application/octet-stream"))), Problem))]
#[get("/objects/{token}")]
pub(crate) async fn download_object(
    token: web::Path<String>,
    query: Query,
    http: HttpRequest,
    backend: web::Data<Backend>,
) -> Result<HttpResponse, ApiError> {
    query.finish()?;
    let grant = granted(&backend, &token)?;
    let (Grant::Download { client, call, content_type, .. }, Some(key)) = (&grant, grant.object()) else {
        return Err(forged());
    };
    let gone = || ApiError::not_found("file");
    // the call knows what became of its files since the URL was signed
    if backend.calls.client_of(*call).await.map_err(problem)? != Some(*client) {
        return Err(gone());
    }
    let state = backend.calls.inspect(*call).await.map_err(problem)?;
    let file = state.stored_file(key.as_str()).ok_or_else(gone)?;
    let asked = http.headers().get(RANGE).and_then(|range| range.to_str().ok());
    let range = match wanted(asked, file.bytes) {
        Wanted::All => None,
        Wanted::Part(range) => Some(range),
        Wanted::Behind => {
            let detail = format!("the file has only {} bytes", file.bytes);
            return Err(ApiError::new(Code::RangeNotSatisfiable, detail));
        }
    };
    let reader = open(&backend, *client, &key, file, range.clone()).await?;
    let mut response = HttpResponse::build(match range {
        Some(_) => StatusCode::PARTIAL_CONTENT,
        None => StatusCode::OK,
    });
    let read = reader.range();
    if range.is_some() {
        let shown = format!("bytes {}-{}/{}", read.start, read.end.saturating_sub(1), file.bytes);
        response.insert_header((CONTENT_RANGE, shown));
    }
    // anything but sound is saved and never shown, whatever it holds
    let place = if is_sound(content_type) { "inline" } else { "attachment" };
    let extension = key.as_str().rsplit_once('.').map_or("bin", |(_, extension)| extension);
    response
        .insert_header((CONTENT_TYPE, content_type.as_str()))
        .insert_header((CONTENT_DISPOSITION, format!("{place}; filename=\"{call}.{extension}\"")))
        .insert_header((CONTENT_ENCODING, "identity"))
        .insert_header((ACCEPT_RANGES, "bytes"))
        .insert_header((CACHE_CONTROL, "private, no-store"))
        .insert_header((X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .insert_header((CONTENT_SECURITY_POLICY, "default-src 'none'; sandbox"));
    Ok(response.body(SizedStream::new(read.end - read.start, pieces(reader))))
}

/// Opens the file, decrypting it if it is encrypted. Answers 404 when it is gone, or its key was destroyed.
async fn open(
    backend: &Backend,
    client: ClientId,
    key: &ObjectKey,
    file: &StoredFile,
    range: Option<Range<u64>>,
) -> Result<Box<dyn ObjectReader>, ApiError> {
    let failed = |error: ObjectError| match error {
        ObjectError::Missing => ApiError::not_found("file"),
        other => ApiError::unavailable(other),
    };
    let Some(sealed) = &file.key else {
        return backend.objects.store.get(key, range).await.map_err(failed);
    };
    let sealed = sealed.reveal().ok_or_else(|| ApiError::not_found("file"))?;
    let secret =
        backend.vault.open(client, &secret_place(key), sealed).await.map_err(ApiError::unavailable)?;
    let secret = ObjectSecret::from_slice(&secret).ok_or_else(|| ApiError::not_found("file"))?;
    let stored = backend.objects.store.get(key, range.as_ref().map(sealed_range)).await.map_err(failed)?;
    Ok(Box::new(OpeningReader::new(stored, secret, range).map_err(failed)?))
}

/// The content piece by piece; an error cuts the connection, so that nobody takes half a file for a whole one.
fn pieces(reader: Box<dyn ObjectReader>) -> impl Stream<Item = Result<Bytes, ApiError>> {
    futures::stream::unfold(Some(reader), |reader| async move {
        let mut reader = reader?;
        match reader.next().await {
            Ok(piece) => piece.map(|piece| (Ok(piece), Some(reader))),
            Err(error) => Some((Err(ApiError::unavailable(error)), None)),
        }
    })
}
