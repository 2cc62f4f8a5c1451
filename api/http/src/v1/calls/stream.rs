//! Endpoint that streams a call's events as they happen.

use std::collections::VecDeque;
use std::time::Duration;

use actix_web::web::{self, Bytes};
use actix_web::{HttpRequest, HttpResponse, get};
use chrono::{DateTime, TimeDelta, Utc};
use domain::envelope::Version;
use domain::ids::{CallId, ClientId};
use domain::ports::event_store::Direction;
use futures::Stream;
use serde::Deserialize;
use utoipa::ToSchema;

use super::super::history::HistoryEvent;
use crate::auth::Caller;
use crate::auth::permissions::CallsRead;
use crate::backend::{Backend, CallBell};
use crate::problem::{ApiError, Problem};
use crate::{LAST_EVENT_ID, PathId, Query};

const PAGE: usize = 100;
/// How often an idle stream sends a comment, so that proxies do not close it.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// How long after a call's end more events may follow, such as its recording and its cost.
const AFTERMATH: TimeDelta = TimeDelta::minutes(1);

/// An event of the stream (WHATWG HTML, "Server-sent events").
#[derive(ToSchema)]
#[expect(dead_code, reason = "only described here: it is written as text")]
pub(crate) struct StreamedEvent {
    /// Version of the event in the call's history.
    #[schema(example = "3")]
    id: String,
    /// Type of the call's event, or `reset` or `done`.
    #[schema(example = "call.answered")]
    event: String,
    /// The event as JSON, as `GET /api/v1/calls/{id}/events` shows it.
    #[schema(content_media_type = "application/json")]
    data: String,
}

/// Follow one call's events live.
///
/// Server-sent events: first the events so far, then new ones as they happen. The event's id is its version in the
/// call's history; `Last-Event-ID` resumes after it. If the call has no such version, the stream sends an event
/// `reset` and then everything from the beginning. Once the call has ended and no more events come, an event `done`
/// ends the stream; resuming after that is answered 204.
#[utoipa::path(get, path = "/api/v1/calls/{id}/stream", tag = "calls", operation_id = "streamCallEvents",
    params(("id" = String, Path, description = "Id of the call: `call_…`"),
        ("Last-Event-ID" = Option<u64>, Header,
            description = "Id of the last event received: resume after it")),
    responses((status = 200, description = "Server-sent events; each has the form of the schema",
        body = StreamedEvent,
        content_type = "text/event-stream"),
        (status = 204, description = "The call has ended and you have all its events"), Problem))]
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
    let first = backend.runtime.store.read_stream(&id.stream(), Version::NONE, Direction::Forwards, 1).await;
    let first = first.map_err(ApiError::unavailable)?;
    if first.first().map(|event| event.client_id) != Some(caller.client) {
        return Err(ApiError::not_found("call"));
    }
    // subscribes before it reads the last version, so that no event between the two is missed
    let bell = backend.call_feed.bell(id);
    let last = backend.runtime.store.read_stream(&id.stream(), Version::NONE, Direction::Backwards, 1).await;
    let last = last.map_err(ApiError::unavailable)?.first().map_or(Version::NONE, |event| event.version);
    let told = http.headers().get(LAST_EVENT_ID);
    let resume = told.and_then(|value| value.to_str().ok()?.parse().ok()).map(Version);
    let resume = resume.filter(|version| *version <= last);
    let over = is_long_over(&backend, caller.client, id).await?;
    if over && resume == Some(last) {
        // the client resumes after the end and has received everything: 204 makes browsers stay away
        return Ok(HttpResponse::NoContent().finish());
    }
    let unknown = told.is_some() && resume.is_none();
    let hello = unknown.then(|| Bytes::from_static(b"id: 0\nevent: reset\ndata: {\"version\":0}\n\n"));
    let after = resume.unwrap_or(Version::NONE);
    let follower =
        Follower { backend, call: id, bell, after, ready: VecDeque::new(), hello, over, told: false };
    Ok(open.answer(caller.warrant().ends(follower.into_stream())))
}

struct Follower {
    backend: web::Data<Backend>,
    call: CallId,
    bell: CallBell,
    after: Version,
    ready: VecDeque<HistoryEvent>,
    /// Frame to send before any event: the `reset`.
    hello: Option<Bytes>,
    /// The stream has sent the call's end, or no more events will come.
    over: bool,
    /// The stream has sent `done`.
    told: bool,
}

/// Whether the call ended so long ago that no more events follow.
async fn is_long_over(backend: &Backend, client: ClientId, id: CallId) -> Result<bool, ApiError> {
    #[derive(Deserialize)]
    struct End {
        ended_at: Option<DateTime<Utc>>,
    }
    let shown =
        backend.views.one::<projections::calls::Calls>(client, id).await.map_err(ApiError::unavailable)?;
    let Some(shown) = shown else { return Ok(false) };
    let end: End = serde_json::from_str(&shown.json).map_err(ApiError::internal)?;
    Ok(end.ended_at.is_some_and(|at| backend.runtime.clock.now() - at > AFTERMATH))
}

impl Follower {
    fn into_stream(self) -> impl Stream<Item = Result<Bytes, ApiError>> {
        futures::stream::unfold(self, |mut follower| async move {
            let chunk = follower.next().await?;
            Some((chunk, follower))
        })
    }

    async fn read(&self) -> Result<Vec<HistoryEvent>, ApiError> {
        let store = self.backend.private.stored();
        let events = store.read_stream(&self.call.stream(), self.after, Direction::Forwards, PAGE).await;
        HistoryEvent::proven(&self.backend, events.map_err(ApiError::unavailable)?).await
    }

    /// The next frame: an event, or a comment after [`KEEP_ALIVE`] without one, or `done` in its place once the
    /// call is over. `None` after `done` and when the node stops.
    async fn next(&mut self) -> Option<Result<Bytes, ApiError>> {
        if self.told {
            return None;
        }
        let stop = self.backend.stop.clone();
        let keep_alive = tokio::time::sleep(KEEP_ALIVE);
        tokio::pin!(keep_alive);
        loop {
            if let Some(hello) = self.hello.take() {
                return Some(Ok(hello));
            }
            if let Some(event) = self.ready.pop_front() {
                self.after = event.version();
                self.over |= event.event_type() == "call.ended";
                return Some(frame(&event));
            }
            match self.read().await {
                Ok(events) if !events.is_empty() => {
                    self.ready.extend(events);
                    continue;
                }
                Ok(_) => {}
                Err(error) => return Some(Err(error)),
            }
            tokio::select! {
                () = stop.cancelled() => return None,
                () = &mut keep_alive => {
                    self.told = self.over;
                    let frame = match self.over {
                        true => format!("id: {}\nevent: done\ndata: {{}}\n\n", self.after),
                        false => ": nothing new\n\n".to_owned(),
                    };
                    return Some(Ok(Bytes::from(frame)));
                }
                () = self.bell.rung() => {}
            }
        }
    }
}

fn frame(event: &HistoryEvent) -> Result<Bytes, ApiError> {
    let data = serde_json::to_string(event).map_err(ApiError::internal)?;
    Ok(Bytes::from(format!("id: {}\nevent: {}\ndata: {data}\n\n", event.version(), event.event_type())))
}
