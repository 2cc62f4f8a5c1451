//! Endpoint that starts or continues a conversation in a single request.

use actix_web::{HttpRequest, HttpResponse, Responder, post, web};
use domain::conversation::{Channel, ConversationStarted, content_fault};
use domain::ids::{AgentId, ConversationId, MessageId};
use domain::ports::ids::Ids as _;
use projections::conversations::MessageView;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::answer::{UsageShown, shown, unanswered};
use super::resource::exists;
use super::say::{ask, said};
use super::turn_stream::{TurnEvent, tell, wants_stream};
use crate::auth::Caller;
use crate::auth::permissions::ConversationsWrite;
use crate::backend::Backend;
use crate::context::leave;
use crate::problem::{ApiError, Problem};
use crate::{Answer, EdgeId, Enveloped, JsonBody, NewIds, RequestContext};

/// A message, for a new conversation or for an existing one.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ConversationTurn)]
pub(crate) struct OneCall {
    /// Text of the message: 1 byte to 64 KiB.
    #[schema(example = "Hello", min_length = 1, max_length = 65_536)]
    message: String,
    /// Id of the conversation to continue; a new one, if left out.
    #[schema(value_type = Option<String>)]
    conversation_id: Option<EdgeId<ConversationId>>,
    /// Id of the agent in a new conversation; the default model without a prompt, if left out.
    #[schema(value_type = Option<String>)]
    agent_id: Option<EdgeId<AgentId>>,
    /// Your own name for the person, for a new conversation.
    #[schema(max_length = 200)]
    user_id: Option<String>,
}

/// Answer of the assistant to a message.
#[derive(Serialize, ToSchema)]
#[schema(as = ConversationAnswer)]
pub(crate) struct Answered {
    /// Id of the conversation: send it to continue.
    #[schema(example = "conv_01jd0xq8v4e5vsknk084sn02q7")]
    conversation_id: String,
    /// Message of the assistant, as stored.
    message: MessageView,
    /// Tokens that the turn used, tool calls included.
    usage: UsageShown,
}

/// Send a message and get the answer.
///
/// The whole exchange in one request: without `conversation_id` a conversation starts; with it, the
/// conversation continues and remembers what was said before. With `Accept: text/event-stream` the answer is
/// streamed as it is generated.
#[utoipa::path(post, path = "/api/v1/conversation", tag = "conversations", operation_id = "converse",
    request_body = OneCall,
    responses((status = 200, content((Enveloped<Answered> = "application/json"), (TurnEvent = "text/event-stream")),
        description = "The answer, whole or as server-sent events"), Problem))]
#[post("/conversation")]
pub(crate) async fn converse(
    caller: Caller<ConversationsWrite>,
    body: JsonBody<OneCall>,
    request: RequestContext,
    ids: NewIds,
    http: HttpRequest,
    backend: web::Data<Backend>,
) -> Result<HttpResponse, ApiError> {
    let (new, message) = (ConversationId(ids.next()), MessageId(ids.next()));
    let OneCall { message: content, conversation_id, agent_id, user_id } = body.value;
    if let Some(detail) = content_fault(&content) {
        return Err(ApiError::invalid("message", "invalid", detail));
    }
    let (id, start) = match conversation_id {
        Some(EdgeId(id)) => {
            exists(&backend, caller.client, id).await?;
            (id, None)
        }
        None => {
            let started = ConversationStarted {
                agent: None,
                channel: Channel::Api,
                call: None,
                user: user_id.map(Into::into),
                metadata: None,
                customer_id: None,
                at: backend.runtime.clock.now(),
            };
            (new, Some((started, agent_id.map(|id| id.0))))
        }
    };
    // opens the stream before the message is recorded: a refused stream then loses no answer
    let open = wants_stream(&http).then(|| backend.streams.open(caller.client)).transpose()?;
    let said = said(&backend, message, content);
    let (asked, feed) = ask(&backend, &caller, &request, id, start, said).await?;
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
    let answered = Answered { conversation_id: id.to_string(), message: shown.message, usage: shown.usage };
    Ok(Answer::data(&answered).written_at(position).respond_to(&http).map_into_boxed_body())
}
