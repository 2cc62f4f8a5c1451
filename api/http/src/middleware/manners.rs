//! General HTTP behaviour of all endpoints: `HEAD` wherever there is `GET`, 304 for a client that knows the newest
//! version, tolerance of a trailing slash, and caching headers.

use std::cell::RefCell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::dev::{Payload, ServiceRequest, ServiceResponse};
use actix_web::error::PayloadError;
use actix_web::http::header::{
    CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, ETAG, HeaderMap, HeaderValue,
    IF_NONE_MATCH, X_CONTENT_TYPE_OPTIONS,
};
use actix_web::http::uri::{PathAndQuery, Uri};
use actix_web::http::{Method, StatusCode};
use actix_web::middleware::Next;
use actix_web::{Error, HttpMessage as _, ResponseError as _};
use bytes::Bytes;
use futures::{Stream, StreamExt as _};

use crate::problem::ApiError;

/// Prefix of the API's paths; the console's pages and files set their own headers.
const API: &str = "/api/";
const IDENTITY: &str = "identity";

/// Most bytes of a refused request's body that are read to the end, and for how long.
const DRAINED: usize = 64 << 10;
const DRAINED_WITHIN: Duration = Duration::from_secs(1);

/// A request body shared by its handler and this middleware.
#[derive(Clone)]
struct SharedBody(Rc<RefCell<Payload>>);

impl Stream for SharedBody {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Pin::new(&mut *self.0.borrow_mut()).poll_next(cx)
    }
}

/// The request's body, if its `Content-Length` is small.
fn small_body(request: &mut ServiceRequest) -> Option<SharedBody> {
    let length = request.headers().get(CONTENT_LENGTH)?.to_str().ok()?.parse::<usize>().ok()?;
    if length == 0 || length > DRAINED {
        return None;
    }
    let body = SharedBody(Rc::new(RefCell::new(request.take_payload())));
    let shared: Pin<Box<dyn Stream<Item = Result<Bytes, PayloadError>>>> = Box::pin(body.clone());
    request.set_payload(Payload::from(shared));
    Some(body)
}

async fn drain(mut body: SharedBody) {
    while let Some(Ok(_)) = body.next().await {}
}

/// Middleware around everything except request ids, spans and metrics. Fails with the errors of what it wraps.
pub async fn manners(
    mut request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let head = request.method() == Method::HEAD;
    if head {
        // the server sends no body for HEAD anyway
        request.head_mut().method = Method::GET;
    }
    let api = request.path().starts_with(API);
    if api {
        drop_last_slash(&mut request);
    }
    let packed = request.headers().get(CONTENT_ENCODING).is_some_and(|encoding| encoding != IDENTITY);
    let body = small_body(&mut request);
    let reads = request.method() == Method::GET;
    let known = request.headers().get(IF_NONE_MATCH).filter(|_| reads).cloned();
    let mut response = match packed {
        true => request.into_response(ApiError::unsupported_encoding().error_response()),
        false => next.call(request).await?.map_into_boxed_body(),
    };
    // a body that timed out once is not waited for again
    let refused = response.status().is_client_error() && response.status() != StatusCode::REQUEST_TIMEOUT;
    if let Some(body) = body.filter(|_| refused) {
        // an unread body would stand before the next request, and force the connection to close
        let _ = tokio::time::timeout(DRAINED_WITHIN, drain(body)).await;
    }
    let ok = response.status() == StatusCode::OK;
    let headers = response.headers_mut();
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if api && !headers.contains_key(CACHE_CONTROL) {
        // answers hold personal data and secrets: no shared cache may store them, and clients must revalidate
        let kept = if reads && headers.contains_key(ETAG) { "private, no-cache" } else { "no-store" };
        headers.insert(CACHE_CONTROL, HeaderValue::from_static(kept));
    }
    if headers.get(CONTENT_ENCODING).is_some_and(|encoding| encoding == IDENTITY) {
        // `identity` only kept the answer from being compressed, and is not sent
        headers.remove(CONTENT_ENCODING);
    }
    if ok && known.is_some_and(|known| knows(&known, headers)) {
        headers.remove(CONTENT_TYPE);
        *response.response_mut().status_mut() = StatusCode::NOT_MODIFIED;
        return Ok(response.map_body(|_, _| BoxBody::new(())));
    }
    Ok(response.map_body(|_, body| match body.size() {
        // HEAD must not wait for an endless body
        BodySize::Stream if head => BoxBody::new(()),
        _ => body,
    }))
}

/// Whether the `If-None-Match` names the answer's version (RFC 9110 §13.1.2: weakly compared).
fn knows(known: &HeaderValue, headers: &HeaderMap) -> bool {
    let (Ok(known), Some(Ok(etag))) = (known.to_str(), headers.get(ETAG).map(HeaderValue::to_str)) else {
        return false;
    };
    let plain = |tag: &str| tag.trim().trim_start_matches("W/").to_owned();
    known.split(',').any(|tag| tag.trim() == "*" || plain(tag) == plain(etag))
}

fn drop_last_slash(request: &mut ServiceRequest) {
    let path = request.path();
    if !path.ends_with('/') || path.len() <= API.len() {
        return;
    }
    let mut shortened = path.trim_end_matches('/').to_owned();
    if let Some(query) = request.uri().query() {
        shortened.push('?');
        shortened.push_str(query);
    }
    let mut parts = request.uri().clone().into_parts();
    let Ok(path_and_query) = PathAndQuery::try_from(shortened) else { return };
    parts.path_and_query = Some(path_and_query);
    let Ok(uri) = Uri::from_parts(parts) else { return };
    request.match_info_mut().get_mut().update(&uri);
    request.head_mut().uri = uri;
}
