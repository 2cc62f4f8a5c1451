//! Tables and queries of conversations and messages.

use super::SqlViews;
use async_trait::async_trait;
use domain::ids::{AgentId, ClientId, ConversationId, MessageId};
use domain::ports::StoreUnavailable;
use projections::conversations::{
    ConversationFilter, ConversationQueries, ConversationRow, ConversationView, MessageRow, MessageView,
    UnansweredView,
};
use projections::page::{Page, PageRequest};
use projections::said::{Place, SaidPage, SaidRows};
use uuid::Uuid;

use super::blind::blind;
use super::said::SaidTable;
use super::table::{Column, Table, changing, fixed, key};
use crate::sql::db::unavailable;
use crate::sql::list::{RowPage, Select};
use crate::sql::tenant::Of;
use crate::sql::value::{Kind, SqlRow, Value, parsed};

impl Table for ConversationRow {
    const NAME: &'static str = "conversations";
    const COLUMNS: &'static [Column] = &[
        key("id", Kind::Uuid),
        fixed("client_id", Kind::Uuid),
        fixed("created_at", Kind::Time),
        fixed("agent_id", Kind::Uuid),
        fixed("call_id", Kind::Uuid),
        fixed("channel", Kind::Text),
        changing("position", Kind::Int),
        changing("version", Kind::Int),
        changing("ended", Kind::Bool),
        changing("judged", Kind::Int),
        changing("judged_sum", Kind::Int),
        changing("doc", Kind::Text),
        changing("user_name", Kind::Text),
        fixed("customer_id", Kind::Uuid),
    ];

    fn values(&self) -> Result<Vec<Value<'_>>, serde_json::Error> {
        let view = &self.view;
        Ok(vec![
            Value::Uuid(view.id.0),
            Value::Uuid(self.client.0),
            Value::Time(view.created_at),
            Value::uuid_option(view.agent_id.map(|id| id.0)),
            Value::uuid_option(view.call_id.map(|id| id.0)),
            Value::text(view.channel.as_str()),
            Value::position(self.position),
            Value::count(view.version),
            Value::Bool(view.ended_at.is_some()),
            Value::count(self.judged),
            Value::Int(self.judged_sum),
            Value::Text(serde_json::to_string(view)?.into()),
            blind(self.client, view.user_id.as_deref()),
            Value::uuid_option(view.customer_id.map(|id| id.0)),
        ])
    }

    fn key_values(id: &Uuid) -> Vec<Value<'static>> {
        vec![Value::Uuid(*id)]
    }

    fn read(row: &SqlRow) -> Result<Self, sqlx::Error> {
        let view: ConversationView = parsed(serde_json::from_str(&row.text(11)?))?;
        Ok(ConversationRow {
            client: ClientId(row.uuid(1)?),
            position: row.position(6)?,
            judged: row.count(9)?,
            judged_sum: row.int(10)?,
            view,
        })
    }
}

impl Table for MessageRow {
    const NAME: &'static str = "messages";
    const COLUMNS: &'static [Column] = &[
        key("conversation_id", Kind::Uuid),
        key("seq", Kind::Int),
        fixed("client_id", Kind::Uuid),
        fixed("id", Kind::Uuid),
        changing("position", Kind::Int),
        changing("doc", Kind::Text),
        fixed("place", Kind::Int),
        fixed("said_at", Kind::Int),
        fixed("created_at", Kind::Time),
        fixed("part", Kind::Text),
    ];

    fn values(&self) -> Result<Vec<Value<'_>>, serde_json::Error> {
        Ok(vec![
            Value::Uuid(self.conversation.0),
            Value::Int(i64::from(self.view.seq)),
            Value::Uuid(self.client.0),
            Value::Uuid(self.view.id.0),
            Value::position(self.position),
            Value::Text(serde_json::to_string(&self.view)?.into()),
            Value::Int(i64::from(self.place.before)),
            Value::Int(self.place.at),
            Value::Time(self.view.created_at),
            Value::text(self.part().as_str()),
        ])
    }

    fn key_values((conversation, seq): &(Uuid, u32)) -> Vec<Value<'static>> {
        vec![Value::Uuid(*conversation), Value::Int(i64::from(*seq))]
    }

    fn read(row: &SqlRow) -> Result<Self, sqlx::Error> {
        let view: MessageView = parsed(serde_json::from_str(&row.text(5)?))?;
        let before = u32::try_from(row.count(6)?).unwrap_or(view.seq);
        let place = Place { before, at: row.int(7)?, seq: view.seq };
        Ok(MessageRow {
            conversation: ConversationId(row.uuid(0)?),
            client: ClientId(row.uuid(2)?),
            position: row.position(4)?,
            place,
            view,
        })
    }
}

/// Columns of an unanswered question: the last one is the question that was asked last before the answer.
const UNANSWERED: &str = "id, created_at, conversation_id, doc, (SELECT question.doc FROM messages AS question \
    WHERE question.generation = messages.generation AND question.conversation_id = messages.conversation_id \
    AND question.seq < messages.seq AND question.part = 'question' ORDER BY question.seq DESC LIMIT 1)";
const OF_AGENT: &str = "EXISTS (SELECT 1 FROM conversations WHERE generation = \
    (SELECT generation FROM projections WHERE name = 'conversations') AND conversations.id = messages.conversation_id \
    AND conversations.client_id = ? AND conversations.agent_id = ?)";
const MESSAGES: SaidTable = SaidTable { table: "messages", view: "messages", parent: "conversation_id" };
const MESSAGE: &str = "SELECT seq, doc FROM messages WHERE generation = \
    (SELECT generation FROM projections WHERE name = 'messages') AND conversation_id = $1 AND client_id = $2 \
    AND id = $3";

#[async_trait]
impl ConversationQueries for SqlViews {
    async fn conversations(
        &self,
        client: ClientId,
        filter: &ConversationFilter,
        page: &PageRequest,
    ) -> Result<Page, StoreUnavailable> {
        let mut select = Select::from("conversations", "conversations", Of::Client(client));
        if let Some(ended) = filter.ended {
            select.push("ended = ?", [Value::Bool(ended)]);
        }
        if let Some(agent) = filter.agent_id {
            select.push("agent_id = ?", [Value::Uuid(agent.0)]);
        }
        if let Some(call) = filter.call_id {
            select.push("call_id = ?", [Value::Uuid(call.0)]);
        }
        if let Some(channel) = filter.channel {
            select.push("channel = ?", [Value::text(channel.as_str())]);
        }
        if let Some(user) = &filter.user_id {
            select.push("user_name = ?", [self.blind.of(client, user)]);
        }
        if let Some(after) = filter.created_after {
            select.push("created_at > ?", [Value::Time(after)]);
        }
        if let Some(before) = filter.created_before {
            select.push("created_at < ?", [Value::Time(before)]);
        }
        select.page(&self.db, page).await
    }

    async fn unanswered(
        &self,
        client: ClientId,
        agent: Option<AgentId>,
        page: &PageRequest,
    ) -> Result<Page, StoreUnavailable> {
        let mut select = Select::from("messages", "messages", Of::Client(client));
        select.push("part = 'unanswered'", []);
        if let Some(agent) = agent {
            select.push(OF_AGENT, [Value::Uuid(client.0), Value::Uuid(agent.0)]);
        }
        let RowPage { rows, next, total } = select.page_of(UNANSWERED, &self.db, page).await?;
        let item = |row: &SqlRow| {
            let answer: MessageView = parsed(serde_json::from_str(&row.text(3)?))?;
            let question = row.text_option(4)?;
            let question = question.map(|doc| parsed(serde_json::from_str(&doc))).transpose()?;
            let view = UnansweredView::of(ConversationId(row.uuid(2)?), answer, question);
            parsed(serde_json::to_string(&view))
        };
        let items: Result<Vec<_>, sqlx::Error> = rows.iter().map(item).collect();
        Ok(Page { items: items.map_err(|error| unavailable(&error))?, next, total })
    }

    async fn messages(
        &self,
        client: ClientId,
        conversation: ConversationId,
        page: SaidPage,
    ) -> Result<SaidRows, StoreUnavailable> {
        self.said(&MESSAGES, client, conversation.0, page).await
    }

    async fn message(
        &self,
        client: ClientId,
        conversation: ConversationId,
        id: MessageId,
    ) -> Result<Option<String>, StoreUnavailable> {
        let values = [Value::Uuid(conversation.0), Value::Uuid(client.0), Value::Uuid(id.0)];
        let row = self.db.row(Of::Client(client), MESSAGE, values).await?;
        row.map(|row| row.text(1)).transpose().map_err(|error| unavailable(&error))
    }
}
