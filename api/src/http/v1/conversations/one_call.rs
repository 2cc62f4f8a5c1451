//! The one-call way in.

use actix_web::{HttpRequest, HttpResponse, Responder, post, web};
use domain::conversation::{Channel, ConversationStarted, content_fault};
use domain::ids::{AgentId, ConversationId, MessageId};
use domain::ports::ids::Ids as _;
use projections::conversations::MessageView;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::answer::{UsageShown, failure, shown};
use super::resource::exists;
use super::say::{ask, said};
use super::telling::{ToldEvent, tell, wants_stream};
use crate::http::auth::Caller;
use crate::http::auth::permissions::ConversationsWrite;
use crate::http::context::leave;
use crate::http::{Answer, EdgeId, Enveloped, JsonBody, NewIds, RequestContext};
use crate::node::Backend;
use crate::problem::{ApiError, Problem};

/// Something to say, in a new conversation or in one that is there.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ConversationTurn)]
pub(crate) struct OneCall {
    /// What: 1 byte to 64 KiB.
    #[schema(example = "Hello", min_length = 1, max_length = 65_536)]
    message: String,
    /// In which conversation; a new one, if left out.
    #[schema(value_type = Option<String>)]
    conversation_id: Option<EdgeId<ConversationId>>,
    /// Who talks in a new one; the default model without a prompt, if left out.
    #[schema(value_type = Option<String>)]
    agent_id: Option<EdgeId<AgentId>>,
    /// Your own name of the person, for a new one.
    #[schema(max_length = 200)]
    user_id: Option<String>,
}

/// What was answered.
#[derive(Serialize, ToSchema)]
#[schema(as = ConversationAnswer)]
pub(crate) struct Answered {
    /// The conversation: name it to go on.
    #[schema(example = "conv_01jd0xq8v4e5vsknk084sn02q7")]
    conversation_id: String,
    /// The assistant's message.
    message: MessageView,
    /// What it took, tools included.
    usage: UsageShown,
}

/// Say something, and hear the answer.
///
/// The one-call way in: without `conversation_id` a conversation begins; with it, it goes on and knows what was said
/// before. With `Accept: text/event-stream` the answer is told as it comes.
#[utoipa::path(post, path = "/api/v1/conversation", tag = "conversations", operation_id = "converse",
    request_body = OneCall,
    responses((status = 200, content((Enveloped<Answered> = "application/json"), (ToldEvent = "text/event-stream")),
        description = "The answer"), Problem))]
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
                at: backend.runtime.clock.now(),
            };
            (new, Some((started, agent_id.map(|id| id.0))))
        }
    };
    // before anything is said: a refused stream is no lost answer
    let open = wants_stream(&http).then(|| backend.streams.open(caller.client)).transpose()?;
    let said = said(&backend, message, content);
    let (_, feed) = ask(&backend, &caller, &request, id, start, said).await?;
    if let Some(open) = open {
        return tell(backend, caller.warrant(), feed, 0, open).await;
    }
    leave();
    let told = caller.warrant().during(feed.outcome()).await?.map_err(|failed| failure(&failed))?;
    let position = told.position;
    if let Some(position) = position {
        backend.caught_up(position).await;
    }
    let shown = shown(&backend, caller.client, id, told).await?;
    let answered = Answered { conversation_id: id.to_string(), message: shown.message, usage: shown.usage };
    Ok(Answer::data(&answered).written_at(position).respond_to(&http).map_into_boxed_body())
}
