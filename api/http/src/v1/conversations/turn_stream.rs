//! Streams a turn as server-sent events.

use std::sync::Arc;
use std::time::Duration;

use actix_web::http::header::ACCEPT;
use actix_web::web::{self, Bytes};
use actix_web::{HttpRequest, HttpResponse};
use actors::conversation::{Feed, Piece};
use domain::ids::{ClientId, MessageId};
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::answer::{failure, shown};
use crate::auth::Warrant;
use crate::backend::Backend;
use crate::context::leave;
use crate::problem::ApiError;
use crate::streams::OpenStream;

/// How long to wait for an immediate failure, to answer it with a status code instead of an event.
const AT_ONCE: Duration = Duration::from_millis(250);

/// An event of the stream (WHATWG HTML, "Server-sent events").
#[derive(ToSchema)]
#[schema(as = TurnEvent)]
#[expect(dead_code, reason = "only described here: it is written as text")]
pub(crate) struct TurnEvent {
    /// Place in the stream: as `Last-Event-ID` it resumes after this event.
    #[schema(example = "msg_01h455vb4pex5vsknk084sn02q.3")]
    id: String,
    /// Type of the event: `delta`, `tool_call`, `message`, `error` or `done`.
    #[schema(value_type = crate::words::TurnEventType)]
    event: String,
    /// JSON text. Of `delta`: `{"content": "…"}`; of `tool_call`: `{"id", "name", "arguments"}`; of
    /// `message`: the message and its `usage`; of `error`: a problem's `code`, `title`, `status` and
    /// `detail`; of `done`: `{"conversation_id", "message_id"}`.
    #[schema(content_media_type = "application/json")]
    data: String,
}

/// Whether the client asks for `text/event-stream`.
pub(super) fn wants_stream(http: &HttpRequest) -> bool {
    let accept = http.headers().get(ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    accept.split(',').any(|kind| kind.split(';').next().unwrap_or_default().trim() == "text/event-stream")
}

/// Reads `Last-Event-ID`: the turn, and how many of its pieces the client has.
pub(super) fn last_event(http: &HttpRequest) -> Option<(MessageId, usize)> {
    let text = http.headers().get("Last-Event-ID")?.to_str().ok()?;
    let (turn, after) = text.rsplit_once('.')?;
    Some((turn.parse().ok()?, after.parse().ok()?))
}

struct StreamWriter {
    backend: web::Data<Backend>,
    client: ClientId,
    feed: Arc<Feed>,
    told: usize,
    over: bool,
}

/// Streams a turn after its first `after` pieces, as long as the caller keeps the right to it. A failure within
/// [`AT_ONCE`] is answered as an error instead.
pub(super) async fn tell(
    backend: web::Data<Backend>,
    right: Warrant,
    feed: Arc<Feed>,
    after: usize,
    open: OpenStream,
) -> Result<HttpResponse, ApiError> {
    leave();
    if after == 0
        && let Ok(Some(Piece::Error(failed))) = tokio::time::timeout(AT_ONCE, feed.next(0)).await
    {
        return Err(failure(&failed));
    }
    let client = right.principal().client;
    let teller = StreamWriter { backend, client, feed, told: after, over: false };
    let stream = futures::stream::unfold(teller, |mut teller| async move {
        let chunk = teller.next().await?;
        Some((Ok::<_, ApiError>(chunk), teller))
    });
    Ok(open.answer(right.ends(stream)))
}

impl StreamWriter {
    async fn next(&mut self) -> Option<Bytes> {
        if self.over {
            return None;
        }
        let stop = self.backend.stop.clone();
        let piece = tokio::select! {
            biased;
            piece = self.feed.next(self.told) => piece,
            () = tokio::time::sleep(self.backend.keep_alive) => return Some(Bytes::from_static(b": the model is at work\n\n")),
            // the actor records the turn under way as failed in a moment
            () = stopped(&stop) => None,
        };
        let Some(piece) = piece else {
            self.over = true;
            return Some(self.frame("done", &self.done()));
        };
        self.told += 1;
        let frame = match piece {
            Piece::Delta(content) => self.frame("delta", &json!({ "content": content })),
            Piece::ToolCall { id, name, arguments } => {
                self.frame("tool_call", &json!({"id": id, "name": name, "arguments": arguments}))
            }
            Piece::Message(told) => {
                let position = told.position;
                let frame = match shown(&self.backend, self.client, self.feed.conversation(), *told).await {
                    Ok(shown) => {
                        let mut message = serde_json::to_value(&shown.message).unwrap_or_default();
                        message["usage"] = serde_json::to_value(shown.usage).unwrap_or_default();
                        self.frame("message", &message)
                    }
                    Err(error) => self.error(&error),
                };
                if let Some(position) = position {
                    // a client that reads the conversation after `done` must find the message
                    self.backend.caught_up(position).await;
                }
                frame
            }
            Piece::Error(failed) => self.error(&failure(&failed)),
            Piece::Done => {
                self.over = true;
                self.frame("done", &self.done())
            }
        };
        Some(frame)
    }

    fn done(&self) -> Value {
        json!({"conversation_id": self.feed.conversation().to_string(), "message_id": self.feed.turn().to_string()})
    }

    fn error(&self, error: &ApiError) -> Bytes {
        let problem = json!({
            "code": error.code().as_str(), "title": error.code().title(), "status": error.code().status().as_u16(),
            "detail": error.detail(),
        });
        self.frame("error", &problem)
    }

    fn frame(&self, event: &str, data: &Value) -> Bytes {
        Bytes::from(format!("id: {}.{}\nevent: {event}\ndata: {data}\n\n", self.feed.turn(), self.told))
    }
}

/// Resolves one second after the node was asked to stop.
async fn stopped(stop: &tokio_util::sync::CancellationToken) {
    stop.cancelled().await;
    tokio::time::sleep(Duration::from_secs(1)).await;
}
