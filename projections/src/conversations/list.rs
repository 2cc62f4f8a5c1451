//! The view of conversations.

use domain::aggregate::Aggregate;
use domain::conversation::{Channel, Conversation, ConversationEvent, Metadata};
use domain::envelope::{Position, Recorded, Time, Version};
use domain::ids::{AgentId, CallId, ClientId, ConversationId, CustomerId};
use domain::wire::{DecodeError, DomainEvent};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::counted;
use crate::document::DocumentTable;
use crate::numbers::knows;
use crate::rollup::{Contribution, Counted};
use crate::view::{At, Row, Shown, View};

/// A conversation. Every field is always present; what is not known is `null`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = Conversation)]
pub struct ConversationView {
    /// Id of the conversation: TypeID `conv_…`.
    #[serde(with = "crate::edge::type_id")]
    #[schema(value_type = String, example = "conv_01jd0xq8v4e5vsknk084sn02q7")]
    pub id: ConversationId,
    /// Agent of the conversation: TypeID `agt_…`; `null` without one.
    #[serde(with = "crate::edge::type_id_option")]
    #[schema(value_type = Option<String>, required)]
    pub agent_id: Option<AgentId>,
    /// Version of the agent in the last turn, or at the beginning; `null` without an agent.
    #[schema(required)]
    pub agent_version: Option<u64>,
    /// Call that the conversation is held on: TypeID `call_…`; `null` over the API.
    #[serde(with = "crate::edge::type_id_option")]
    #[schema(value_type = Option<String>, required)]
    pub call_id: Option<CallId>,
    /// Customer that the conversation was started for: TypeID `cus_…`; `null` if none was named.
    #[serde(with = "crate::edge::type_id_option", default)]
    #[schema(value_type = Option<String>, required)]
    pub customer_id: Option<CustomerId>,
    /// Channel of the conversation: `api` or `voice`.
    #[schema(value_type = crate::words::ConversationChannel)]
    pub channel: Channel,
    /// Status of the conversation: `active` or `ended`.
    #[schema(value_type = crate::words::ConversationStatus)]
    pub status: String,
    /// Your own name of the person; `[erased]` once erased.
    #[schema(required)]
    pub user_id: Option<String>,
    /// Your own data, as names and texts.
    #[schema(value_type = std::collections::BTreeMap<String, String>)]
    pub metadata: Metadata,
    /// Number of messages in the conversation.
    pub message_count: u32,
    /// Tokens that models read.
    pub tokens_input: u64,
    /// Tokens that models wrote.
    pub tokens_output: u64,
    /// Average sentiment of the person's messages, from -1 (very bad) to 1 (very good); `null` when none was scored.
    #[schema(required, minimum = -1, maximum = 1)]
    pub sentiment: Option<f64>,
    /// The sentiment in a word: `positive`, `neutral` or `negative`.
    #[schema(value_type = Option<crate::words::SentimentLabel>, required)]
    pub sentiment_label: Option<String>,
    /// When the conversation began.
    #[serde(with = "crate::edge::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Time,
    /// When the last message was added; `null` before the first one.
    #[serde(with = "crate::edge::rfc3339_option")]
    #[schema(value_type = Option<String>, format = DateTime, required)]
    pub last_message_at: Option<Time>,
    /// When the conversation ended; `null` until then.
    #[serde(with = "crate::edge::rfc3339_option")]
    #[schema(value_type = Option<String>, format = DateTime, required)]
    pub ended_at: Option<Time>,
    /// Version of the conversation's stream, which is also its `ETag`.
    #[schema(minimum = 1)]
    pub version: u64,
}

#[derive(Debug, Clone, PartialEq)]
pub struct ConversationRow {
    pub client: ClientId,
    /// Position of the last event in the row.
    pub position: Position,
    /// Messages whose sentiment was scored.
    pub judged: u64,
    /// Sum of the sentiment scores, in thousandths.
    pub judged_sum: i64,
    pub view: ConversationView,
}

impl Row for ConversationRow {
    type Key = Uuid;

    fn key(&self) -> Uuid {
        self.view.id.0
    }
}

impl Shown for ConversationRow {
    const TABLE: DocumentTable = DocumentTable { name: "conversations", keeps_removed: false };

    type Resource = ConversationView;

    fn resource(&self) -> &ConversationView {
        &self.view
    }

    fn version(&self) -> Version {
        Version(self.view.version)
    }
}

/// Values of a conversation's `status`.
pub(crate) const STATUSES: [&str; 2] = ["active", "ended"];
/// Values of a `sentiment_label`.
pub(crate) const SENTIMENTS: [&str; 3] = ["positive", "neutral", "negative"];

pub(super) fn label(score_permille: i64) -> &'static str {
    match score_permille {
        ..=-150 => SENTIMENTS[2],
        150.. => SENTIMENTS[0],
        _ => SENTIMENTS[1],
    }
}

/// The view of conversations: one row a conversation.
#[derive(Debug)]
pub struct Conversations;

impl View for Conversations {
    const NAME: &'static str = "conversations";
    const FOLDS: bool = true;
    const PERSONAL: Option<&'static [&'static str]> = Some(&[
        "conversation.started",
        "conversation.message_added",
        "conversation.turn_completed",
        "conversation.summarised",
    ]);
    type Row = ConversationRow;
    type Fact = ConversationEvent;

    fn read(event: &Recorded) -> Result<Option<(Uuid, ConversationEvent)>, DecodeError> {
        if event.stream.category() != Conversation::CATEGORY || !knows::<ConversationEvent>(&event.event_type)
        {
            return Ok(None);
        }
        let fact = ConversationEvent::decode(&event.event_type, event.schema, &event.payload)?;
        Ok(Some((event.stream.id(), fact)))
    }

    const COUNTED: Option<Counted> = Some(Counted::Conversations);

    fn adds(row: &ConversationRow) -> Option<Contribution> {
        Some(counted::count(row))
    }

    fn apply(row: &mut Option<ConversationRow>, at: &At, fact: ConversationEvent) {
        match (row.as_mut(), fact) {
            (None, ConversationEvent::Started(started)) => {
                let view = ConversationView {
                    id: ConversationId(at.id),
                    agent_id: started.agent.map(|agent| agent.id),
                    agent_version: started.agent.map(|agent| agent.version.0),
                    call_id: started.call,
                    customer_id: started.customer_id,
                    channel: started.channel,
                    status: STATUSES[0].to_owned(),
                    user_id: started.user.and_then(|user| user.shown(String::clone)),
                    metadata: started.metadata.and_then(|metadata| metadata.into_inner()).unwrap_or_default(),
                    message_count: 0,
                    tokens_input: 0,
                    tokens_output: 0,
                    sentiment: None,
                    sentiment_label: None,
                    created_at: started.at,
                    last_message_at: None,
                    ended_at: None,
                    version: 0,
                };
                let (client, position) = (at.client, at.position);
                *row = Some(ConversationRow { client, position, judged: 0, judged_sum: 0, view });
            }
            (Some(row), fact) => take(row, fact),
            (None, _) => {}
        }
        if let Some(row) = row {
            row.position = at.position;
            row.view.version = at.version.0;
        }
    }
}

fn take(row: &mut ConversationRow, fact: ConversationEvent) {
    let view = &mut row.view;
    let mut said = |seq: u32, at: Time| {
        view.message_count = seq;
        view.last_message_at = Some(at);
    };
    match fact {
        ConversationEvent::MessageAdded(added) => said(added.seq, added.at),
        ConversationEvent::ToolsCalled(called) => {
            said(called.seq, called.at);
            view.tokens_input += called.usage.input;
            view.tokens_output += called.usage.output;
        }
        ConversationEvent::FunctionExecuted(executed) => said(executed.seq, executed.at),
        ConversationEvent::TurnCompleted(completed) => {
            said(completed.seq, completed.at);
            view.tokens_input += completed.usage.input;
            view.tokens_output += completed.usage.output;
        }
        ConversationEvent::TurnStarted(started) => {
            view.agent_version = started.agent.map(|agent| agent.version.0).or(view.agent_version);
        }
        ConversationEvent::SentimentJudged(judged) => {
            row.judged += 1;
            row.judged_sum += i64::from(judged.score_permille);
            let mean = row.judged_sum / i64::try_from(row.judged).unwrap_or(i64::MAX);
            view.sentiment = Some(mean as f64 / 1_000.0);
            view.sentiment_label = Some(label(mean).to_owned());
        }
        ConversationEvent::Ended(ended) => {
            STATUSES[1].clone_into(&mut view.status);
            view.ended_at = Some(ended.at);
        }
        ConversationEvent::Started(_)
        | ConversationEvent::TurnFailed(_)
        | ConversationEvent::TurnCancelled(_)
        | ConversationEvent::UpdatesTold(_)
        | ConversationEvent::Summarised(_) => {}
    }
}
