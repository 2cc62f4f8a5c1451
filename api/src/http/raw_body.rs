//! The request's body as bytes, up to a limit.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use actix_web::dev::Payload;
use actix_web::http::header::CONTENT_LENGTH;
use actix_web::{FromRequest, HttpRequest, web};
use bytes::{Bytes, BytesMut};
use futures::Stream;

use crate::problem::ApiError;

/// Most bytes a body may have. Put it into the app's data; without it the limit is 1 MiB.
#[derive(Debug, Clone, Copy)]
pub struct BodyLimit(pub usize);

impl Default for BodyLimit {
    fn default() -> Self {
        Self(1 << 20)
    }
}

/// The bytes of the body, as they came: what a signature is made over.
#[derive(Debug, Clone)]
pub struct RawBody(pub Bytes);

impl FromRequest for RawBody {
    type Error = ApiError;
    type Future = ReadBody;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        ReadBody::begin(request, payload)
    }
}

/// Reads a body.
pub struct ReadBody {
    payload: Payload,
    limit: usize,
    declared: usize,
    /// Most bodies come in one piece, which needs no copy.
    first: Option<Bytes>,
    rest: BytesMut,
}

impl ReadBody {
    /// Takes the payload of the request.
    #[must_use]
    pub fn begin(request: &HttpRequest, payload: &mut Payload) -> Self {
        let limit = request
            .app_data::<BodyLimit>()
            .copied()
            .or_else(|| request.app_data::<web::Data<BodyLimit>>().map(|limit| ***limit))
            .unwrap_or_default()
            .0;
        let length =
            request.headers().get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
        Self {
            payload: payload.take(),
            limit,
            declared: length.unwrap_or(0),
            first: None,
            rest: BytesMut::new(),
        }
    }
}

impl fmt::Debug for ReadBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReadBody").field("limit", &self.limit).finish_non_exhaustive()
    }
}

impl Future for ReadBody {
    type Output = Result<RawBody, ApiError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        if this.declared > this.limit {
            return Poll::Ready(Err(ApiError::payload_too_large(this.limit)));
        }
        loop {
            match ready!(Pin::new(&mut this.payload).poll_next(cx)) {
                Some(Ok(chunk)) => {
                    let so_far = this.first.as_ref().map_or(0, Bytes::len) + this.rest.len();
                    if so_far + chunk.len() > this.limit {
                        return Poll::Ready(Err(ApiError::payload_too_large(this.limit)));
                    }
                    if so_far == 0 {
                        this.first = Some(chunk);
                    } else {
                        if let Some(first) = this.first.take() {
                            this.rest.extend_from_slice(&first);
                        }
                        this.rest.extend_from_slice(&chunk);
                    }
                }
                Some(Err(_)) => {
                    return Poll::Ready(Err(ApiError::malformed_request("the body did not arrive whole")));
                }
                None => {
                    let body = this.first.take().unwrap_or_else(|| this.rest.split().freeze());
                    return Poll::Ready(Ok(RawBody(body)));
                }
            }
        }
    }
}
