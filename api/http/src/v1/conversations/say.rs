//! Endpoint that adds a message to a conversation.

use std::sync::Arc;

use actix_web::{HttpRequest, HttpResponse, Responder, post, web};
use actors::Receipt;
use actors::conversation::{Feed, Question};
use domain::conversation::{ConversationStarted, MessageKind, MessageRole, Said};
use domain::ids::{AgentId, ConversationId, MessageId};
use domain::ports::ids::Ids as _;
use projections::conversations::MessageView;
use serde::Deserialize;
use utoipa::ToSchema;

use super::super::commands::context;
use super::answer::{shown, unanswered};
use super::resource::{exists, talk_problem};
use super::turn_stream::{TurnEvent, last_event, tell, wants_stream};
use crate::auth::permissions::ConversationsWrite;
use crate::auth::{Caller, Principal};
use crate::backend::Backend;
use crate::context::leave;
use crate::problem::{ApiError, Problem};
use crate::{Answer, Enveloped, JsonBody, NewIds, PathId, RequestContext};

/// A message to send to a conversation.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewMessage {
    /// Text of the message: 1 byte to 64 KiB.
    #[schema(example = "Can I move my booking?", min_length = 1, max_length = 65_536)]
    content: String,
}

/// A text message of the person, sent now.
pub(super) fn said(backend: &Backend, id: MessageId, content: String) -> Said {
    let (role, kind) = (MessageRole::User, MessageKind::Text);
    Said { id, role, kind, content: content.into(), line: None, at: backend.runtime.clock.now() }
}

/// Adds a message to a conversation, or starts the conversation with it, and returns the feed of the answer.
pub(super) async fn ask(
    backend: &Backend,
    caller: &Principal,
    request: &RequestContext,
    conversation: ConversationId,
    start: Option<(ConversationStarted, Option<AgentId>)>,
    said: Said,
) -> Result<(Receipt, Arc<Feed>), ApiError> {
    let context = context(caller, request, conversation.0);
    let question = Question { conversation, start, said: Some(said) };
    backend.conversations.ask(question, context).await.map_err(talk_problem)
}

/// Send a message to a conversation.
///
/// Answers with the assistant's message once it is stored. With `Accept: text/event-stream` the answer is
/// streamed as it is generated: `delta`, `tool_call`, then `message` and `done`, or `error` and `done`. After a
/// disconnect the whole answer is in the conversation; `Last-Event-ID` resumes the stream, and the request's
/// message is not sent then.
#[utoipa::path(post, path = "/api/v1/conversations/{id}/messages", tag = "conversations", operation_id = "sendMessage",
    params(("id" = String, Path, description = "Id of the conversation: `conv_…`"),
        ("Last-Event-ID" = Option<String>, Header,
            description = "Resume a stream after this event; the message is not sent then")),
    request_body = NewMessage,
    responses((status = 201, description = "The assistant's message, as stored",
        body = Enveloped<MessageView>),
        (status = 200, description = "The answer as server-sent events while it is generated",
            body = TurnEvent, content_type = "text/event-stream"), Problem))]
#[post("/conversations/{id}/messages")]
pub(crate) async fn send_message(
    caller: Caller<ConversationsWrite>,
    PathId(id): PathId<ConversationId>,
    body: JsonBody<NewMessage>,
    request: RequestContext,
    ids: NewIds,
    http: HttpRequest,
    backend: web::Data<Backend>,
) -> Result<HttpResponse, ApiError> {
    let message = MessageId(ids.next());
    exists(&backend, caller.client, id).await?;
    if let Some((turn, after)) = last_event(&http) {
        let open = backend.streams.open(caller.client)?;
        let feed = backend.conversations.feed(id, turn).await.map_err(talk_problem)?;
        return tell(backend, caller.warrant(), feed, after, open).await;
    }
    // opens the stream before the message is recorded: a refused stream then loses no answer
    let open = wants_stream(&http).then(|| backend.streams.open(caller.client)).transpose()?;
    let said = said(&backend, message, body.value.content);
    let (asked, feed) = ask(&backend, &caller, &request, id, None, said).await?;
    if let Some(open) = open {
        return tell(backend, caller.warrant(), feed, 0, open).await;
    }
    leave();
    let told = match caller.warrant().during(feed.outcome()).await? {
        Ok(told) => told,
        Err(failed) => return Err(unanswered(&backend, asked.position, &failed).await),
    };
    let position = told.position;
    if let Some(position) = position {
        backend.caught_up(position).await;
    }
    let shown = shown(&backend, caller.client, id, told).await?;
    let answer = Answer::data(&shown.message).created().written_at(position);
    Ok(answer.respond_to(&http).map_into_boxed_body())
}
