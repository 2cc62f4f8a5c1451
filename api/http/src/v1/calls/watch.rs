//! Endpoint that streams the changes of all calls of a client.

use std::time::Duration;

use actix_web::web::{self, Bytes};
use actix_web::{HttpRequest, HttpResponse, get};
use domain::envelope::Position;
use futures::Stream;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;
use utoipa::ToSchema;

use crate::auth::Caller;
use crate::auth::permissions::CallsRead;
use crate::backend::{Backend, BoardWatch};
use crate::problem::{ApiError, Problem};
use crate::{LAST_EVENT_ID, Query};

/// How often an idle stream sends a comment, so that proxies do not close it.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// How long one stream lasts, so that reconnecting clients spread over newly started nodes.
const LONGEST: Duration = Duration::from_secs(10 * 60);
/// Most log positions a stream can resume behind the head; a client farther behind must read the list instead.
const FARTHEST: u64 = 10_000;

/// An event of the stream (WHATWG HTML, "Server-sent events").
#[derive(ToSchema)]
#[expect(dead_code, reason = "only described here: it is written as text")]
pub(crate) struct StreamedCall {
    /// Position in the log, to resume with `Last-Event-ID`.
    #[schema(example = "4711")]
    id: String,
    /// `ready`, once, when the stream begins; `reset` in its place when too much was missed: read the list again;
    /// `call` for each call that changed.
    #[schema(value_type = crate::words::CallStreamEventType)]
    event: String,
    /// JSON text. Of `ready` and `reset`: the `position` after which the stream reports changes. Of `call`:
    /// `{"events": ["call.answered", …], "call": {…}}`, the types of the new events in order, and the call as
    /// `GET /api/v1/calls/{id}` shows it after them.
    #[schema(content_media_type = "application/json")]
    data: String,
}

/// Follow all calls live.
///
/// Server-sent events: from now on, each call that changed, as it is after the change; changes that come close
/// together are sent as one. The event's id is a position in the log; `Last-Event-ID` resumes after it. The stream
/// ends after ten minutes: resume it.
#[utoipa::path(get, path = "/api/v1/calls/stream", tag = "calls", operation_id = "streamCalls",
    params(("Last-Event-ID" = Option<u64>, Header,
            description = "Id of the last event received: resume after it")),
    responses((status = 200, description = "Server-sent events; each has the form of the schema",
        body = StreamedCall,
        content_type = "text/event-stream"), Problem))]
#[get("/calls/stream")]
pub(crate) async fn stream_calls(
    caller: Caller<CallsRead>,
    query: Query,
    http: HttpRequest,
    backend: web::Data<Backend>,
) -> Result<HttpResponse, ApiError> {
    query.finish()?;
    let open = backend.streams.open(caller.client)?;
    let head = backend.runtime.store.head().await.map_err(ApiError::unavailable)?;
    let told = http.headers().get(LAST_EVENT_ID);
    // a position beyond the head is another log's, and one too far back cannot be resumed
    let resume = told.and_then(|value| value.to_str().ok()?.parse().ok());
    let resume = resume.filter(|position| *position <= head.0 && head.0 - *position <= FARTHEST);
    let from = resume.map_or(head, Position);
    let hello = if told.is_some() && resume.is_none() { "reset" } else { "ready" };
    let hello = format!("id: {from}\nevent: {hello}\nretry: 1000\ndata: {{\"position\":{from}}}\n\n");
    let teller = StreamWriter {
        watch: backend.call_boards.watch(caller.client, from, head),
        hello: Some(Bytes::from(hello)),
        stop: backend.stop.clone(),
        ends: Instant::now() + LONGEST,
    };
    Ok(open.answer(caller.warrant().ends(teller.into_stream())))
}

struct StreamWriter {
    watch: BoardWatch,
    hello: Option<Bytes>,
    stop: CancellationToken,
    ends: Instant,
}

impl StreamWriter {
    fn into_stream(self) -> impl Stream<Item = Result<Bytes, ApiError>> {
        futures::stream::unfold(self, |mut teller| async move {
            let chunk = teller.next().await.transpose()?;
            Some((chunk, teller))
        })
    }

    /// The next frame, or a comment after [`KEEP_ALIVE`] without one; `None` when the node stops
    /// or [`LONGEST`] has passed.
    async fn next(&mut self) -> Result<Option<Bytes>, ApiError> {
        if let Some(hello) = self.hello.take() {
            return Ok(Some(hello));
        }
        let quiet = Instant::now() + KEEP_ALIVE;
        tokio::select! {
            () = self.stop.cancelled() => Ok(None),
            () = sleep_until(self.ends) => Ok(None),
            news = self.watch.next() => news.map(Some).map_err(ApiError::unavailable),
            () = sleep_until(quiet) => {
                Ok(Some(Bytes::from(format!(": nothing new\nid: {}\n\n", self.watch.position()))))
            }
        }
    }
}
