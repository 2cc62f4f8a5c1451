//! The view of conversations.

use domain::aggregate::Aggregate;
use domain::conversation::{Channel, Conversation, ConversationEvent, Metadata};
use domain::envelope::{Position, Recorded, Time, Version};
use domain::ids::{AgentId, CallId, ClientId, ConversationId};
use domain::wire::{DecodeError, DomainEvent};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::counted;
use crate::numbers::knows;
use crate::tally::{Contribution, Counted};
use crate::view::{At, Row, Shown, View};

/// A conversation. Every field is always present; what is not known is `null`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = Conversation)]
pub struct ConversationView {
    /// TypeID `conv_…`.
    #[serde(with = "crate::edge::type_id")]
    #[schema(value_type = String, example = "conv_01jd0xq8v4e5vsknk084sn02q7")]
    pub id: ConversationId,
    /// Who talks: TypeID `agt_…`.
    #[serde(with = "crate::edge::type_id_option")]
    #[schema(value_type = Option<String>, required)]
    pub agent_id: Option<AgentId>,
    /// The version of the agent that last answered.
    #[schema(required)]
    pub agent_version: Option<u64>,
    /// The call it takes place on: TypeID `call_…`.
    #[serde(with = "crate::edge::type_id_option")]
    #[schema(value_type = Option<String>, required)]
    pub call_id: Option<CallId>,
    /// `api` or `voice`.
    #[schema(value_type = crate::words::ConversationChannel)]
    pub channel: Channel,
    /// `active` or `ended`.
    #[schema(value_type = crate::words::ConversationStatus)]
    pub status: String,
    /// Your own name of the person; `[erased]` once erased.
    #[schema(required)]
    pub user_id: Option<String>,
    /// Your own data.
    #[schema(value_type = std::collections::BTreeMap<String, String>)]
    pub metadata: Metadata,
    /// How many messages there are.
    pub message_count: u32,
    /// Tokens that were read.
    pub tokens_input: u64,
    /// Tokens that were written.
    pub tokens_output: u64,
    /// How what the person said was meant, on average: -1 (very bad) to 1 (very good).
    #[schema(required, minimum = -1, maximum = 1)]
    pub sentiment: Option<f64>,
    /// `positive`, `neutral` or `negative`.
    #[schema(value_type = Option<crate::words::SentimentLabel>, required)]
    pub sentiment_label: Option<String>,
    /// When it began.
    #[serde(with = "crate::edge::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Time,
    /// When something was last said.
    #[serde(with = "crate::edge::rfc3339_option")]
    #[schema(value_type = Option<String>, format = DateTime, required)]
    pub last_message_at: Option<Time>,
    /// When it ended.
    #[serde(with = "crate::edge::rfc3339_option")]
    #[schema(value_type = Option<String>, format = DateTime, required)]
    pub ended_at: Option<Time>,
    /// Version of its stream; its `ETag`.
    #[schema(minimum = 1)]
    pub version: u64,
}

/// A conversation's row.
#[derive(Debug, Clone, PartialEq)]
pub struct ConversationRow {
    /// Whose it is.
    pub client: ClientId,
    /// The last event that touched it.
    pub position: Position,
    /// Messages that were judged.
    pub judged: u64,
    /// The sum of their scores, in thousandths.
    pub judged_sum: i64,
    /// What is shown.
    pub view: ConversationView,
}

impl Row for ConversationRow {
    type Key = Uuid;

    fn key(&self) -> Uuid {
        self.view.id.0
    }
}

impl Shown for ConversationRow {
    type Resource = ConversationView;

    fn resource(&self) -> &ConversationView {
        &self.view
    }

    fn version(&self) -> Version {
        Version(self.view.version)
    }
}

/// Where a conversation may stand.
pub(crate) const STATUSES: [&str; 2] = ["active", "ended"];
/// How what somebody said may have been meant.
pub(crate) const SENTIMENTS: [&str; 3] = ["positive", "neutral", "negative"];

pub(super) fn label(score_permille: i64) -> &'static str {
    match score_permille {
        ..=-150 => SENTIMENTS[2],
        150.. => SENTIMENTS[0],
        _ => SENTIMENTS[1],
    }
}

/// The view of conversations.
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
