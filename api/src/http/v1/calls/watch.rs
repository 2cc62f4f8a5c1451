//! All calls of a client, live.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use actix_web::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use actix_web::web::{self, Bytes};
use actix_web::{HttpRequest, HttpResponse, get};
use domain::envelope::Position;
use domain::ids::{CallId, ClientId};
use futures::Stream;
use serde::Serialize;
use serde_json::value::RawValue;
use tokio::time::{Instant, sleep_until};
use utoipa::ToSchema;

use crate::http::Query;
use crate::http::auth::Caller;
use crate::http::auth::permissions::CallsRead;
use crate::node::{Backend, CallWatch, Changes};
use crate::problem::{ApiError, Problem};

/// A comment now and then keeps proxies from closing an idle stream.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// A stream ends after this long, so that those who follow spread over nodes that came since.
const LONGEST: Duration = Duration::from_secs(10 * 60);
/// Whoever resumes from farther behind is told to read the list instead.
const FARTHEST: u64 = 10_000;

/// An event of the stream (WHATWG HTML, "Server-sent events").
#[derive(ToSchema)]
#[expect(dead_code, reason = "only described here: it is written as text")]
pub(crate) struct StreamedCall {
    /// A position in the log, for `Last-Event-ID`.
    #[schema(example = "4711")]
    id: String,
    /// `ready`, once, when the stream stands; `reset` in its place when too much was missed: read the list again;
    /// `call` for each call that changed.
    #[schema(example = "call")]
    event: String,
    /// As JSON: of `ready` and `reset` the `position` from which on changes are told; of `call`
    /// `{"events": ["call.answered", …], "call": {…}}`, what happened, in order, and the call as
    /// `GET /api/v1/calls/{id}` has it since.
    #[schema(content_media_type = "application/json")]
    data: String,
}

/// What `data` of an event of the stream holds.
#[derive(Serialize)]
struct ChangedCall<'a> {
    /// What happened, in order: `call.answered`, ….
    events: &'a [String],
    /// The call as it is since.
    call: &'a RawValue,
}

/// Follow all calls.
///
/// Server-sent events: from now on, each call that changed, as it is then; changes that come close to each other are
/// told as one. The event's id is a position in the log; `Last-Event-ID` resumes after it. The stream ends after ten
/// minutes: resume it.
#[utoipa::path(get, path = "/api/v1/calls/stream", tag = "calls", operation_id = "streamCalls",
    params(("Last-Event-ID" = Option<u64>, Header, description = "Resume after this event")),
    responses((status = 200, description = "What each event of the stream holds", body = StreamedCall,
        content_type = "text/event-stream"), Problem))]
#[get("/calls/stream")]
pub(crate) async fn stream_calls(
    caller: Caller<CallsRead>,
    query: Query,
    http: HttpRequest,
    backend: web::Data<Backend>,
) -> Result<HttpResponse, ApiError> {
    query.finish()?;
    let head = backend.runtime.store.head().await.map_err(ApiError::unavailable)?;
    let resume = http.headers().get("Last-Event-ID").and_then(|value| value.to_str().ok()?.parse().ok());
    // a position that is not there yet is that of another log
    let resume = resume.filter(|position| *position <= head.0);
    let too_far = resume.is_some_and(|position| head.0 - position > FARTHEST);
    let from = if too_far { head } else { resume.map_or(head, Position) };
    let hello = if too_far { "reset" } else { "ready" };
    let hello = format!("id: {from}\nevent: {hello}\nretry: 1000\ndata: {{\"position\":{from}}}\n\n");
    let teller = Teller {
        watch: backend.call_feed.watch(from),
        client: caller.client,
        backend,
        catching_up: true,
        ready: VecDeque::from([Bytes::from(hello)]),
        ends: Instant::now() + LONGEST,
    };
    Ok(HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, "text/event-stream"))
        .insert_header((CACHE_CONTROL, "no-store"))
        .streaming(caller.warrant().ends(teller.into_stream())))
}

struct Teller {
    backend: web::Data<Backend>,
    client: ClientId,
    watch: CallWatch,
    catching_up: bool,
    ready: VecDeque<Bytes>,
    ends: Instant,
}

impl Teller {
    fn into_stream(self) -> impl Stream<Item = Result<Bytes, ApiError>> {
        futures::stream::unfold(self, |mut teller| async move {
            let chunk = teller.next().await.transpose()?;
            Some((chunk, teller))
        })
    }

    /// What is told next, or a comment when nothing happens for a while; nothing when the node stops or the time is up.
    async fn next(&mut self) -> Result<Option<Bytes>, ApiError> {
        let stop = self.backend.stop.clone();
        let quiet = Instant::now() + KEEP_ALIVE;
        loop {
            if let Some(chunk) = self.ready.pop_front() {
                return Ok(Some(chunk));
            }
            let changes = if self.catching_up {
                let missed = self.watch.missed().await.map_err(ApiError::unavailable)?;
                self.catching_up = missed.is_some();
                missed
            } else {
                tokio::select! {
                    () = stop.cancelled() => return Ok(None),
                    () = sleep_until(self.ends) => return Ok(None),
                    () = sleep_until(quiet) => {
                        return Ok(Some(Bytes::from(format!(": nothing new\nid: {}\n\n", self.watch.position()))));
                    }
                    changes = self.watch.next() => match changes.map_err(ApiError::unavailable)? {
                        None => return Ok(None),
                        changes => changes,
                    },
                }
            };
            if let Some(changes) = changes {
                self.tell(&changes).await?;
            }
        }
    }

    /// Each call once, where it stands last: whoever resumes in between misses none.
    async fn tell(&mut self, changes: &Changes) -> Result<(), ApiError> {
        let mut latest: BTreeMap<CallId, (Position, Vec<String>)> = BTreeMap::new();
        for change in changes.changes.iter().filter(|change| change.client == self.client) {
            let (position, events) = latest.entry(change.call).or_default();
            *position = change.position;
            events.push(change.event_type.clone());
        }
        let Some(last) = latest.values().map(|(position, _)| *position).max() else { return Ok(()) };
        self.backend.caught_up(last).await;
        let mut calls: Vec<_> = latest.into_iter().collect();
        calls.sort_by_key(|(_, (position, _))| *position);
        for (id, (position, events)) in calls {
            let stored = self.backend.views.call(self.client, id).await.map_err(ApiError::unavailable)?;
            let Some(stored) = stored else { continue };
            let call = RawValue::from_string(stored.json).map_err(ApiError::internal)?;
            let data = serde_json::to_string(&ChangedCall { events: &events, call: &call });
            let data = data.map_err(ApiError::internal)?;
            self.ready.push_back(Bytes::from(format!("id: {position}\nevent: call\ndata: {data}\n\n")));
        }
        Ok(())
    }
}
