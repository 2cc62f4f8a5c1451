//! Sends responses in small pieces, to clients that read them fast enough.
//!
//! The server copies a whole piece into the connection's buffer before it sends any of it. With small
//! pieces, a slow client costs one piece of buffer and not a copy of the response; a client that reads far
//! too slowly is disconnected.

use std::fmt;
use std::future::{Ready, ready};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use actix_web::Error;
use actix_web::body::{BodySize, MessageBody};
use actix_web::dev::{Service, ServiceRequest, ServiceResponse, Transform};
use bytes::Bytes;
use pin_project_lite::pin_project;
use tokio::time::Instant;

/// Most bytes handed to the connection at once.
const PIECE: usize = 32 << 10;
/// Time to read any response, however short.
const LEAST: Duration = Duration::from_secs(60);
/// Bytes for which a client gets another second.
const BYTES_A_SECOND: u64 = 8 << 10;

/// Middleware around the whole app.
#[derive(Debug, Clone, Copy, Default)]
pub struct Paced;

impl<S, B> Transform<S, ServiceRequest> for Paced
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error>,
    B: MessageBody,
{
    type Response = ServiceResponse<PacedBody<B>>;
    type Error = Error;
    type Transform = PacedService<S>;
    type InitError = ();
    type Future = Ready<Result<PacedService<S>, ()>>;

    fn new_transform(&self, service: S) -> Self::Future {
        ready(Ok(PacedService { service }))
    }
}

#[derive(Debug)]
pub struct PacedService<S> {
    service: S,
}

impl<S, B> Service<ServiceRequest> for PacedService<S>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error>,
    B: MessageBody,
{
    type Response = ServiceResponse<PacedBody<B>>;
    type Error = Error;
    type Future = Pacing<S::Future>;

    actix_web::dev::forward_ready!(service);

    fn call(&self, request: ServiceRequest) -> Self::Future {
        Pacing { inner: self.service.call(request) }
    }
}

pin_project! {
    /// Future of a response that is being produced.
    pub struct Pacing<F> {
        #[pin]
        inner: F,
    }
}

impl<F> fmt::Debug for Pacing<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pacing")
    }
}

impl<F, B> Future for Pacing<F>
where
    F: Future<Output = Result<ServiceResponse<B>, Error>>,
    B: MessageBody,
{
    type Output = Result<ServiceResponse<PacedBody<B>>, Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let served = ready!(self.project().inner.poll(cx));
        Poll::Ready(served.map(|response| response.map_body(|_, body| PacedBody::new(body))))
    }
}

pin_project! {
    /// A body in pieces, with a deadline for all of it.
    pub struct PacedBody<B> {
        #[pin]
        inner: B,
        rest: Bytes,
        ends: Option<Instant>,
    }
}

impl<B> fmt::Debug for PacedBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PacedBody").field("rest", &self.rest.len()).finish_non_exhaustive()
    }
}

/// The client read the response too slowly.
#[derive(Debug, thiserror::Error)]
#[error("the response was read too slowly")]
pub struct ReadTooSlowly;

impl<B: MessageBody> PacedBody<B> {
    fn new(inner: B) -> Self {
        let ends = match inner.size() {
            // for a single piece, the kernel's own limits are enough
            BodySize::Sized(length) if length > PIECE as u64 => {
                Some(Instant::now() + LEAST + Duration::from_secs(length / BYTES_A_SECOND))
            }
            // a stream has no deadline
            _ => None,
        };
        Self { inner, rest: Bytes::new(), ends }
    }
}

impl<B: MessageBody> MessageBody for PacedBody<B> {
    type Error = Box<dyn std::error::Error>;

    fn size(&self) -> BodySize {
        self.inner.size()
    }

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Self::Error>>> {
        let this = self.project();
        if this.ends.is_some_and(|ends| ends < Instant::now()) {
            return Poll::Ready(Some(Err(ReadTooSlowly.into())));
        }
        if this.rest.is_empty() {
            match ready!(this.inner.poll_next(cx)) {
                Some(Ok(bytes)) => *this.rest = bytes,
                Some(Err(error)) => return Poll::Ready(Some(Err(error.into()))),
                None => return Poll::Ready(None),
            }
        }
        let piece = this.rest.split_to(this.rest.len().min(PIECE));
        Poll::Ready(Some(Ok(piece)))
    }

    fn try_into_bytes(self) -> Result<Bytes, Self> {
        let Self { inner, rest, ends } = self;
        if !rest.is_empty() {
            return Err(Self { inner, rest, ends });
        }
        inner.try_into_bytes().map_err(|inner| Self { inner, rest, ends })
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;

    async fn next(body: &mut PacedBody<Bytes>) -> Option<Result<Bytes, String>> {
        let piece = poll_fn(|cx| Pin::new(&mut *body).poll_next(cx)).await;
        piece.map(|piece| piece.map_err(|error| error.to_string()))
    }

    #[tokio::test(start_paused = true)]
    async fn a_long_body_goes_out_in_pieces_and_not_for_ever() {
        let whole = Bytes::from(vec![7; 3 * PIECE + 1]);
        let mut body = PacedBody::new(whole.clone());
        assert_eq!(body.size(), BodySize::Sized(whole.len() as u64));
        let mut lengths = vec![];
        while let Some(piece) = next(&mut body).await {
            lengths.push(piece.unwrap().len());
        }
        assert_eq!(lengths, [PIECE, PIECE, PIECE, 1]);

        let mut slow = PacedBody::new(whole);
        assert!(next(&mut slow).await.unwrap().is_ok());
        tokio::time::advance(LEAST).await;
        assert!(next(&mut slow).await.unwrap().is_ok());
        tokio::time::advance(Duration::from_secs(60)).await;
        assert_eq!(next(&mut slow).await, Some(Err(ReadTooSlowly.to_string())));
    }
}
