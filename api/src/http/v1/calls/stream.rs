//! A call's history, live.

use std::collections::VecDeque;
use std::time::Duration;

use actix_web::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use actix_web::web::{self, Bytes};
use actix_web::{HttpRequest, HttpResponse, get};
use domain::envelope::{Recorded, Version};
use domain::ids::CallId;
use domain::ports::event_store::Direction;
use futures::Stream;
use utoipa::ToSchema;

use super::super::history::HistoryEvent;
use crate::http::auth::Caller;
use crate::http::auth::permissions::CallsRead;
use crate::http::{PathId, Query};
use crate::node::{Backend, CallBell};
use crate::problem::{ApiError, Problem};

const PAGE: usize = 100;
/// A comment now and then keeps proxies from closing an idle stream.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// An event of the stream (WHATWG HTML, "Server-sent events").
#[derive(ToSchema)]
#[expect(dead_code, reason = "only described here: it is written as text")]
pub(crate) struct StreamedEvent {
    /// Its version in the call's history.
    #[schema(example = "3")]
    id: String,
    /// Its type.
    #[schema(example = "call.answered")]
    event: String,
    /// The event as JSON, as `GET /api/v1/calls/{id}/events` has it.
    #[schema(content_media_type = "application/json")]
    data: String,
}

/// Follow a call's events.
///
/// Server-sent events: first what happened so far, then what happens. The event's id is its version in the
/// call's history; `Last-Event-ID` resumes after it.
#[utoipa::path(get, path = "/api/v1/calls/{id}/stream", tag = "calls", operation_id = "streamCallEvents",
    params(("id" = String, Path, description = "The call"),
        ("Last-Event-ID" = Option<u64>, Header, description = "Resume after this event")),
    responses((status = 200, description = "What each event of the stream holds", body = StreamedEvent,
        content_type = "text/event-stream"), Problem))]
#[get("/calls/{id}/stream")]
pub(crate) async fn stream_call_events(
    caller: Caller<CallsRead>,
    PathId(id): PathId<CallId>,
    query: Query,
    http: HttpRequest,
    backend: web::Data<Backend>,
) -> Result<HttpResponse, ApiError> {
    query.finish()?;
    let open = backend.streams.open(caller.client)?;
    let resume = http.headers().get("Last-Event-ID").and_then(|value| value.to_str().ok()?.parse().ok());
    let first = backend.runtime.store.read_stream(&id.stream(), Version::NONE, Direction::Forwards, 1).await;
    let first = first.map_err(ApiError::unavailable)?;
    if first.first().map(|event| event.client_id) != Some(caller.client) {
        return Err(ApiError::not_found("call"));
    }
    // before the first look at what is there, so that nothing between the two is missed
    let bell = backend.call_feed.bell(id);
    let after = Version(resume.unwrap_or(0));
    let follower = Follower { backend, call: id, bell, after, ready: VecDeque::new() };
    Ok(HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, "text/event-stream"))
        .insert_header((CACHE_CONTROL, "no-store"))
        .streaming(open.hold(caller.warrant().ends(follower.into_stream()))))
}

struct Follower {
    backend: web::Data<Backend>,
    call: CallId,
    bell: CallBell,
    after: Version,
    ready: VecDeque<Recorded>,
}

impl Follower {
    fn into_stream(self) -> impl Stream<Item = Result<Bytes, ApiError>> {
        futures::stream::unfold(self, |mut follower| async move {
            let chunk = follower.next().await?;
            Some((chunk, follower))
        })
    }

    /// The next event, or a comment when nothing happens for a while; nothing when the node stops.
    async fn next(&mut self) -> Option<Result<Bytes, ApiError>> {
        let stop = self.backend.stop.clone();
        let keep_alive = tokio::time::sleep(KEEP_ALIVE);
        tokio::pin!(keep_alive);
        loop {
            if let Some(event) = self.ready.pop_front() {
                self.after = event.version;
                return Some(frame(&event));
            }
            let store = &self.backend.runtime.store;
            match store.read_stream(&self.call.stream(), self.after, Direction::Forwards, PAGE).await {
                Ok(events) if !events.is_empty() => {
                    self.ready.extend(events);
                    continue;
                }
                Ok(_) => {}
                Err(error) => return Some(Err(ApiError::unavailable(error))),
            }
            tokio::select! {
                () = stop.cancelled() => return None,
                () = &mut keep_alive => return Some(Ok(Bytes::from_static(b": nothing new\n\n"))),
                () = self.bell.rung() => {}
            }
        }
    }
}

fn frame(event: &Recorded) -> Result<Bytes, ApiError> {
    let data = serde_json::to_string(&HistoryEvent::of(event)?).map_err(ApiError::internal)?;
    Ok(Bytes::from(format!("id: {}\nevent: {}\ndata: {data}\n\n", event.version, event.event_type)))
}
