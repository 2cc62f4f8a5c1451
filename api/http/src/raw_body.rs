//! The body of a request as bytes, up to a limit.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use actix_web::dev::Payload;
use actix_web::http::header::CONTENT_LENGTH;
use actix_web::{FromRequest, HttpMessage as _, HttpRequest, web};
use bytes::{Bytes, BytesMut};
use futures::Stream;
use tokio::time::{Instant, Sleep, sleep_until};

use super::bodies::{Bodies, BudgetShare};
use crate::problem::ApiError;

/// `Retry-After` when the node's budget for bodies is used up.
const UNTIL_ROOM: Duration = Duration::from_secs(1);

/// Most bytes of a body, as app data; 1 MiB without it.
#[derive(Debug, Clone, Copy)]
pub struct BodyLimit(pub usize);

impl Default for BodyLimit {
    fn default() -> Self {
        Self(1 << 20)
    }
}

/// Request extension: the body is complete, and its share of the budget is taken.
#[derive(Debug, Clone, Copy)]
pub(super) struct Counted;

/// The bytes of a body as they were sent, which is what a signature covers.
#[derive(Debug, Clone)]
pub struct RawBody(pub Bytes);

impl FromRequest for RawBody {
    type Error = ApiError;
    type Future = ReadBody;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        ReadBody::begin(request, payload)
    }
}

/// Reads a body within the limit, the budget and the times of the app data.
pub struct ReadBody {
    payload: Payload,
    limit: usize,
    declared: usize,
    /// Share of the budget; `None` in a test of a single handler, where the app has no budget.
    held: Option<BudgetShare>,
    bodies: Option<Arc<Bodies>>,
    begun: Instant,
    /// Timer while the next piece is awaited; most bodies need none.
    patience: Option<Pin<Box<Sleep>>>,
    /// First piece; most bodies are one piece, which needs no copy.
    first: Option<Bytes>,
    rest: BytesMut,
}

impl ReadBody {
    #[must_use]
    pub fn begin(request: &HttpRequest, payload: &mut Payload) -> Self {
        let limit = request
            .app_data::<BodyLimit>()
            .copied()
            .or_else(|| request.app_data::<web::Data<BodyLimit>>().map(|limit| ***limit))
            .unwrap_or_default()
            .0;
        let counted = request.extensions().contains::<Counted>();
        let bodies = request.app_data::<web::Data<Bodies>>().filter(|_| !counted);
        let bodies = bodies.map(|bodies| bodies.clone().into_inner());
        let length =
            request.headers().get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
        Self {
            payload: payload.take(),
            limit,
            declared: length.unwrap_or(0),
            held: bodies.clone().map(BudgetShare::nothing),
            bodies,
            begun: Instant::now(),
            patience: None,
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

fn refused(reason: &'static str) {
    metrics::counter!(domain::metrics::HTTP_BODIES_REFUSED, "reason" => reason).increment(1);
}

impl ReadBody {
    /// Waits for the next piece, up to the sender's time limit.
    fn wait(&mut self, cx: &mut Context<'_>) -> Poll<ApiError> {
        let Some(bodies) = &self.bodies else { return Poll::Pending };
        let patience = self.patience.get_or_insert_with(|| {
            Box::pin(sleep_until((Instant::now() + bodies.silence).min(self.begun + bodies.whole)))
        });
        patience.as_mut().poll(cx).map(|()| {
            refused("too_slow");
            ApiError::request_timeout()
        })
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
            let piece = match Pin::new(&mut this.payload).poll_next(cx) {
                Poll::Ready(piece) => piece,
                Poll::Pending => return this.wait(cx).map(Err),
            };
            this.patience = None;
            match piece {
                Some(Ok(chunk)) => {
                    let so_far = this.first.as_ref().map_or(0, Bytes::len) + this.rest.len();
                    let length = so_far + chunk.len();
                    if length > this.limit {
                        return Poll::Ready(Err(ApiError::payload_too_large(this.limit)));
                    }
                    if this.held.as_mut().is_some_and(|held| !held.grow(length)) {
                        refused("no_room");
                        return Poll::Ready(Err(ApiError::overloaded(UNTIL_ROOM)));
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
                    return Poll::Ready(Err(ApiError::malformed_request(
                        "the body arrived incomplete: repeat the request",
                    )));
                }
                None => {
                    let body = this.first.take().unwrap_or_else(|| this.rest.split().freeze());
                    let body = match this.held.take() {
                        Some(held) => held.keep(body),
                        None => body,
                    };
                    return Poll::Ready(Ok(RawBody(body)));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use actix_web::error::PayloadError;
    use actix_web::test::TestRequest;
    use futures::StreamExt as _;

    use super::*;
    use crate::problem::Code;

    const SILENCE: Duration = Duration::from_secs(10);
    const WHOLE: Duration = Duration::from_secs(30);

    /// A body whose pieces arrive at intervals of `every`.
    fn body(bodies: &Arc<Bodies>, pieces: usize, every: Duration) -> ReadBody {
        let (request, _) = TestRequest::post().app_data(web::Data::from(bodies.clone())).to_http_parts();
        let pieces = futures::stream::iter(0..pieces).then(move |_| async move {
            tokio::time::sleep(every).await;
            Ok::<_, PayloadError>(Bytes::from(vec![b' '; 10 << 10]))
        });
        ReadBody::begin(&request, &mut Payload::Stream { payload: Box::pin(pieces) })
    }

    fn code(read: Result<RawBody, ApiError>) -> Option<Code> {
        read.err().map(|error| error.code())
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_trickles_or_stops_is_given_up() {
        let bodies = Arc::new(Bodies::new(1 << 20, SILENCE, WHOLE));
        assert_eq!(code(body(&bodies, 10, Duration::from_secs(2)).await), None);
        assert_eq!(
            code(body(&bodies, 2, SILENCE + Duration::from_secs(1)).await),
            Some(Code::RequestTimeout)
        );
        let begun = Instant::now();
        assert_eq!(code(body(&bodies, 10, Duration::from_secs(9)).await), Some(Code::RequestTimeout));
        assert_eq!(begun.elapsed(), WHOLE);
        assert_eq!(bodies.held(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn bodies_that_are_held_back_take_no_more_than_the_budget_together() {
        let bodies = Arc::new(Bodies::new(100 << 10, SILENCE, WHOLE));
        let mut reading: Vec<_> = (0..50).map(|_| body(&bodies, 8, Duration::from_secs(1))).collect();
        let mut refused = 0;
        for _ in 0..7 {
            tokio::time::advance(Duration::from_secs(1)).await;
            let mut left = vec![];
            for mut one in reading {
                match poll_fn(|cx| Poll::Ready(Pin::new(&mut one).poll(cx))).await {
                    Poll::Pending => left.push(one),
                    Poll::Ready(read) => {
                        assert_eq!(code(read), Some(Code::Overloaded));
                        refused += 1;
                    }
                }
            }
            reading = left;
            assert!(bodies.held() <= 100 << 10);
        }
        assert!(refused > 40, "{refused}");
        // small bodies need no budget
        assert_eq!(code(body(&bodies, 1, Duration::ZERO).await), None);
        drop(reading);
        assert_eq!(bodies.held(), 0);
    }
}
