//! Endpoint that starts a conversation.

use actix_web::{post, web};
use domain::conversation::{Channel, ConversationCommand, ConversationStarted, Metadata};
use domain::ids::{AgentId, ConversationId, CustomerId};
use domain::ports::ids::Ids as _;
use projections::conversations::ConversationView;
use projections::words;
use serde::Deserialize;
use utoipa::ToSchema;

use super::super::commands::{context, problem};
use super::super::customers::known_customer;
use super::super::resource::written;
use super::resource::{ConversationResource, talk_problem};
use crate::auth::Caller;
use crate::auth::permissions::ConversationsWrite;
use crate::backend::Backend;
use crate::problem::{ApiError, Fields, Problem};
use crate::{Answer, EdgeId, Enveloped, NewIds, OptionalJson, RequestContext};

#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ChannelBody {
    #[default]
    Api,
    /// A voice channel of the client's own. Calls of this node start their conversations themselves.
    Voice,
}

/// A conversation to start.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewConversation {
    /// Id of the agent that conversations; the default model without a prompt, if left out.
    #[schema(value_type = Option<String>)]
    agent_id: Option<EdgeId<AgentId>>,
    /// Channel of the conversation; `api`, if left out.
    #[schema(value_type = Option<words::ConversationChannel>)]
    channel: Option<ChannelBody>,
    /// Your own name for the person: 1 to 200 characters.
    #[schema(max_length = 200)]
    user_id: Option<String>,
    /// Your own data: at most 50 entries, names of 64 and values of 500 characters.
    #[schema(value_type = Option<std::collections::BTreeMap<String, String>>)]
    metadata: Option<Metadata>,
    /// Id of the customer that the conversation is with. If left out, it is linked by `user_id`: to the customer with
    /// this `external_id`, or to the one who has this number.
    #[schema(value_type = Option<String>)]
    customer_id: Option<EdgeId<CustomerId>>,
}

impl From<ChannelBody> for Channel {
    fn from(body: ChannelBody) -> Self {
        match body {
            ChannelBody::Api => Self::Api,
            ChannelBody::Voice => Self::Voice,
        }
    }
}

/// Start a new conversation.
///
/// With one of your agents, or with the default model when `agent_id` is left out.
#[utoipa::path(post, path = "/api/v1/conversations", tag = "conversations", operation_id = "createConversation",
    request_body(content = Option<NewConversation>),
    responses((status = 201, description = "The new conversation",
        body = Enveloped<ConversationView>), Problem))]
#[post("/conversations")]
pub(crate) async fn create_conversation(
    caller: Caller<ConversationsWrite>,
    OptionalJson(new): OptionalJson<NewConversation>,
    request: RequestContext,
    ids: NewIds,
    backend: web::Data<Backend>,
) -> Result<Answer, ApiError> {
    let id = ConversationId(ids.next());
    let agent = match new.agent_id {
        Some(EdgeId(agent)) => {
            Some(backend.conversations.agent(caller.client, agent).await.map_err(talk_problem)?)
        }
        None => None,
    };
    let mut fields = Fields::default();
    let customer_id = new.customer_id.map(|id| id.0);
    let customer_id = known_customer(&backend, caller.client, customer_id, &mut fields).await?;
    fields.finish()?;
    let started = ConversationStarted {
        agent,
        channel: new.channel.unwrap_or_default().into(),
        call: None,
        user: new.user_id.map(Into::into),
        metadata: new.metadata.filter(|metadata| !metadata.is_empty()).map(Into::into),
        customer_id,
        at: backend.runtime.clock.now(),
    };
    let start = ConversationCommand::Start(Box::new(started));
    let context = context(&caller, &request, id.0);
    let receipt = backend.conversations.execute(id, start, context, None).await.map_err(problem)?;
    if let Some(position) = receipt.position {
        backend.caught_up(position).await;
    }
    let answer = written::<ConversationResource>(&backend, &caller, id, receipt).await?;
    Ok(answer.created().location(&format!("/api/v1/conversations/{id}")))
}
