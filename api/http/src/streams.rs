//! Counts the streams that each client holds open.

use std::collections::HashMap;
use std::sync::Arc;

use actix_web::HttpResponse;
use actix_web::http::header::{CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE};
use bytes::Bytes;
use domain::ids::ClientId;
use futures::{Stream, StreamExt as _};
use parking_lot::Mutex;

use crate::problem::{ApiError, Code};

/// Header in which a client names the last event it received.
pub const LAST_EVENT_ID: &str = "Last-Event-ID";

/// Number of open streams of each client on this node.
#[derive(Debug)]
pub struct Streams {
    most: usize,
    open: Mutex<HashMap<ClientId, usize>>,
}

impl Streams {
    /// Each client may hold `most` streams open at once on this node.
    #[must_use]
    pub fn new(most: usize) -> Arc<Self> {
        Arc::new(Self { most, open: Mutex::default() })
    }

    /// Counts a stream of `client` until the returned value is dropped. Answers 429 `too_many_streams` when the
    /// client has the most open already.
    pub fn open(self: &Arc<Self>, client: ClientId) -> Result<OpenStream, ApiError> {
        let mut open = self.open.lock();
        let count = open.entry(client).or_default();
        if *count >= self.most {
            metrics::counter!(domain::metrics::LIMIT_REFUSALS, "limit" => "streams").increment(1);
            let detail = format!("your client has {} streams open: close one of them first", self.most);
            return Err(
                ApiError::new(Code::TooManyStreams, detail).retry_after(std::time::Duration::from_secs(1))
            );
        }
        *count += 1;
        metrics::gauge!(domain::metrics::HTTP_STREAMS_OPEN).increment(1.0);
        Ok(OpenStream { of: self.clone(), client })
    }
}

/// One open stream of a client, counted until it is dropped.
#[derive(Debug)]
pub struct OpenStream {
    of: Arc<Streams>,
    client: ClientId,
}

impl OpenStream {
    /// Answers server-sent events, with headers against caching, compression and buffering. The stream counts as
    /// open until the response is dropped.
    pub fn answer(self, events: impl Stream<Item = Result<Bytes, ApiError>> + 'static) -> HttpResponse {
        let held = events.map(move |event| {
            let _place = &self;
            event
        });
        HttpResponse::Ok()
            .insert_header((CONTENT_TYPE, "text/event-stream"))
            .insert_header((CONTENT_ENCODING, "identity"))
            .insert_header((CACHE_CONTROL, "no-store"))
            .insert_header(("X-Accel-Buffering", "no"))
            .streaming(held)
    }
}

impl Drop for OpenStream {
    fn drop(&mut self) {
        let mut open = self.of.open.lock();
        if let Some(count) = open.get_mut(&self.client) {
            *count -= 1;
            if *count == 0 {
                open.remove(&self.client);
            }
        }
        metrics::gauge!(domain::metrics::HTTP_STREAMS_OPEN).decrement(1.0);
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn a_client_has_so_many_streams_and_no_more_whatever_others_have() {
        let streams = Streams::new(2);
        let [one, other] = [1, 2].map(|n| ClientId(Uuid::from_u128(n)));
        let first = streams.open(one).unwrap();
        let held = streams.open(one).unwrap().answer(futures::stream::iter([Ok(Bytes::new())]));
        assert_eq!(streams.open(one).unwrap_err().code(), Code::TooManyStreams);
        assert!(streams.open(other).is_ok());
        drop(held);
        assert!(streams.open(one).is_ok(), "a stream that ended makes room");
        drop(first);
        assert!(streams.open.lock().is_empty());
    }
}
