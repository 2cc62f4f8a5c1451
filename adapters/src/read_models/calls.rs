//! The table and queries of calls.

use super::SqlViews;
use std::borrow::Cow;
use std::collections::BTreeMap;

use async_trait::async_trait;
use domain::call::CallMetadata;
use domain::call::terms::Direction;
use domain::envelope::Time;
use domain::ids::{CallId, ClientId};
use domain::ports::StoreUnavailable;
use projections::calls::{
    CallCount, CallFiles, CallFilter, CallQueries, CallRow, CallSearch, CallView, Dial, LegIds,
};
use projections::page::{Page, PageRequest};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::blind::{blind_last_digits, blind_party, last_digits, normal};
use super::table::{Column, Table, changing, fixed, key};
use crate::sql::db::unavailable;
use crate::sql::list::Select;
use crate::sql::tenant::Of;
use crate::sql::value::{Dialect, Kind, SqlRow, Value, parsed};

/// State that the projection needs for the next event and no response shows.
#[derive(Serialize, Deserialize)]
struct Fold {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    dial: Option<Dial>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    record: bool,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    connected: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    leg: Option<LegIds>,
}

impl Table for CallRow {
    const NAME: &'static str = "calls";
    const COLUMNS: &'static [Column] = &[
        key("id", Kind::Uuid),
        fixed("client_id", Kind::Uuid),
        fixed("created_at", Kind::Time),
        changing("direction", Kind::Text),
        changing("from_party", Kind::Text),
        changing("to_party", Kind::Text),
        changing("agent_id", Kind::Uuid),
        changing("position", Kind::Int),
        changing("version", Kind::Int),
        changing("status", Kind::Text),
        changing("end_reason", Kind::Text),
        changing("tags", Kind::Json),
        changing("doc", Kind::Text),
        changing("recording", Kind::Text),
        changing("fold", Kind::Text),
        changing("provider_id", Kind::Text),
        changing("from_last", Kind::Text),
        changing("to_last", Kind::Text),
        fixed("customer_id", Kind::Uuid),
        changing("person", Kind::Text),
    ];

    fn values(&self) -> Result<Vec<Value<'_>>, serde_json::Error> {
        let view = &self.view;
        let (leg, connected) = (self.leg.clone(), self.connected);
        let fold = Fold { dial: self.dial, record: self.record, connected, leg };
        Ok(vec![
            Value::Uuid(view.id.0),
            Value::Uuid(self.client.0),
            Value::Time(view.created_at),
            Value::text(view.direction.as_str()),
            blind_party(self.client, view.from.as_deref()),
            blind_party(self.client, view.to.as_deref()),
            Value::uuid_option(view.agent_id.map(|id| id.0)),
            Value::position(self.position),
            Value::count(view.version),
            Value::text(view.status.as_str()),
            Value::text_option(view.end_reason.map(|reason| reason.as_str())),
            Value::Text(tags(&view.metadata)?),
            Value::Text(serde_json::to_string(view)?.into()),
            Value::Text(serde_json::to_string(&self.files)?.into()),
            Value::Text(serde_json::to_string(&fold)?.into()),
            view.provider_call_id.as_deref().map_or(Value::Null(Kind::Text), |id| Value::Text(clean(id))),
            blind_last_digits(self.client, view.from.as_deref()),
            blind_last_digits(self.client, view.to.as_deref()),
            Value::uuid_option(view.customer_id.map(|id| id.0)),
            blind_party(self.client, person(view)),
        ])
    }

    fn key_values(id: &Uuid) -> Vec<Value<'static>> {
        vec![Value::Uuid(*id)]
    }

    fn read(row: &SqlRow) -> Result<Self, sqlx::Error> {
        let view: CallView = parsed(serde_json::from_str(&row.text(12)?))?;
        let files: CallFiles = parsed(serde_json::from_str(&row.text(13)?))?;
        let fold: Fold = parsed(serde_json::from_str(&row.text(14)?))?;
        Ok(CallRow {
            client: ClientId(row.uuid(1)?),
            position: row.position(7)?,
            view,
            files,
            dial: fold.dial,
            record: fold.record,
            connected: fold.connected,
            leg: fold.leg,
        })
    }
}

/// The other party of a call, by whose number a customer is found; `None` where the call names its customer.
fn person(view: &CallView) -> Option<&str> {
    if view.customer_id.is_some() {
        return None;
    }
    match view.direction {
        Direction::Inbound => view.from.as_deref(),
        Direction::Outbound => view.to.as_deref(),
    }
}

/// Replaces NUL, which PostgreSQL does not store in texts, by U+FFFD in searched values; JSON escapes it in shown ones.
pub(super) fn clean(text: &str) -> Cow<'_, str> {
    if text.contains('\0') { text.replace('\0', "\u{fffd}").into() } else { text.into() }
}

/// The metadata with every value as text, so that both databases compare it alike.
fn tags(metadata: &CallMetadata) -> Result<Cow<'static, str>, serde_json::Error> {
    if metadata.is_empty() {
        return Ok("{}".into());
    }
    let text = |value: &serde_json::Value| match value {
        serde_json::Value::String(text) => clean(text).into_owned(),
        other => other.to_string(),
    };
    let tags: BTreeMap<_, _> = metadata.iter().map(|(key, value)| (clean(key), text(value))).collect();
    serde_json::to_string(&tags).map(Cow::from)
}

const RECORDING: &str = "SELECT recording FROM calls WHERE generation = \
                         (SELECT generation FROM projections WHERE name = 'calls') AND id = $1 AND client_id = $2";

// per client, as the indexes are; records of a client that its view does not show yet are newer than what all views
// hold
const OPEN: &str = "SELECT c.id, c.client_id FROM clients AS k CROSS JOIN calls AS c \
    WHERE k.generation = (SELECT generation FROM projections WHERE name = 'clients') \
    AND c.generation = (SELECT generation FROM projections WHERE name = 'calls') AND c.client_id = k.id \
    AND c.status IN ('queued', 'dialing', 'ringing', 'in_progress', 'dial_unknown') AND c.id > $1 \
    ORDER BY c.id LIMIT $2 + 0";
// one statement, so that counts and position are of the same moment
const PLACED: &str = "SELECT k.id, count(*), max(g.position) FROM clients AS k CROSS JOIN calls AS c \
    JOIN projections AS p ON p.name = 'calls' AND p.generation = c.generation \
    JOIN projection_generations AS g ON g.projection = p.name AND g.generation = p.generation \
    WHERE k.generation = (SELECT generation FROM projections WHERE name = 'clients') AND k.id > $2 \
    AND c.generation = (SELECT generation FROM projections WHERE name = 'calls') AND c.client_id = k.id \
    AND c.created_at >= $1 AND c.direction = 'outbound' GROUP BY k.id ORDER BY k.id LIMIT $3 + 0";
// transcript lines are found by their call, so that only this client's are read
const BYTES: &str = "WITH own AS (SELECT id, doc FROM calls WHERE client_id = $1 \
    AND generation = (SELECT generation FROM projections WHERE name = 'calls')) \
    SELECT coalesce((SELECT sum(octet_length(doc)) FROM own), 0) \
    + coalesce((SELECT sum(octet_length(t.doc)) FROM own JOIN transcript_lines AS t ON t.call_id = own.id \
    AND t.generation = (SELECT generation FROM projections WHERE name = 'transcripts')), 0)";

impl SqlViews {
    /// The SQL condition and its values for a search. Each way to find a call has an index except the metadata, for
    /// which all of the client's calls with metadata are read.
    fn found_by<'v>(&self, client: ClientId, search: &'v CallSearch) -> (String, Vec<Value<'v>>) {
        const OWN: &str = "SELECT id FROM calls WHERE generation = \
            (SELECT generation FROM projections WHERE name = 'calls') AND client_id = ? AND ";
        let (no_tags, tags, shown): (_, _, fn(&str) -> String) = match self.db.dialect() {
            Dialect::Sqlite => ("'{}'", "json_each(tags)", |field| format!("json_extract(doc, '$.{field}')")),
            Dialect::Postgres => {
                ("'{}'::jsonb", "jsonb_each_text(tags)", |field| format!("(doc::json ->> '{field}')"))
            }
        };
        let party = || self.blind.of(client, &normal(&search.party));
        let mut ways = vec![
            ("from_party = ?".to_owned(), vec![party()]),
            ("to_party = ?".to_owned(), vec![party()]),
            ("provider_id = ?".to_owned(), vec![Value::Text(clean(&search.text))]),
            (
                format!("tags <> {no_tags} AND EXISTS (SELECT 1 FROM {tags} AS tag WHERE tag.value = ?)"),
                vec![Value::Text(clean(&search.text))],
            ),
        ];
        if let Some(id) = search.id {
            ways.push(("id = ?".to_owned(), vec![Value::Uuid(id.0)]));
        }
        if let Some((digits, last)) =
            search.last_digits.as_deref().and_then(|digits| Some((digits, last_digits(digits)?)))
        {
            for (column, field) in [("from_last", "from"), ("to_last", "to")] {
                let condition = format!("{column} = ? AND {} LIKE ?", shown(field));
                ways.push((
                    condition,
                    vec![self.blind.of(client, &last), Value::Text(format!("%{digits}%").into())],
                ));
            }
        }
        let (conditions, values): (Vec<_>, Vec<_>) = ways.into_iter().unzip();
        let any = conditions
            .iter()
            .map(|condition| format!("{OWN}{condition}"))
            .collect::<Vec<_>>()
            .join(" UNION ");
        let own = |values: Vec<Value<'v>>| std::iter::once(Value::Uuid(client.0)).chain(values);
        (format!("id IN ({any})"), values.into_iter().flat_map(own).collect())
    }
}

#[async_trait]
impl CallQueries for SqlViews {
    async fn calls(
        &self,
        client: ClientId,
        filter: &CallFilter,
        page: &PageRequest,
    ) -> Result<Page, StoreUnavailable> {
        let mut select = Select::from("calls", "calls", Of::Client(client));
        select.push_any_of("status", filter.status.iter().map(|status| status.as_str()));
        if let Some(direction) = filter.direction {
            select.push("direction = ?", [Value::text(direction.as_str())]);
        }
        if let Some(from) = &filter.from {
            select.push("from_party = ?", [self.blind.of(client, &normal(from))]);
        }
        if let Some(to) = &filter.to {
            select.push("to_party = ?", [self.blind.of(client, &normal(to))]);
        }
        if let Some(agent) = filter.agent_id {
            select.push("agent_id = ?", [Value::Uuid(agent.0)]);
        }
        select.push_any_of("end_reason", filter.end_reason.iter().map(|reason| reason.as_str()));
        if let Some(after) = filter.created_after {
            select.push("created_at > ?", [Value::Time(after)]);
        }
        if let Some(before) = filter.created_before {
            select.push("created_at < ?", [Value::Time(before)]);
        }
        for (name, value) in &filter.metadata {
            let (name, value) = (clean(name), clean(value));
            match self.db.dialect() {
                // not `->>`: it would take a name that begins with a dollar sign for a path
                Dialect::Sqlite => select.push(
                    "EXISTS (SELECT 1 FROM json_each(tags) AS tag WHERE tag.key = ? AND tag.value = ?)",
                    [Value::Text(name), Value::Text(value)],
                ),
                Dialect::Postgres => select.push(
                    "tags @> jsonb_build_object(?::text, ?::text)",
                    [Value::Text(name), Value::Text(value)],
                ),
            }
        }
        if let Some(search) = &filter.search {
            let (condition, values) = self.found_by(client, search);
            select.push(&condition, values);
        }
        select.page(&self.db, page).await
    }

    async fn call_files(&self, client: ClientId, id: CallId) -> Result<Option<CallFiles>, StoreUnavailable> {
        let row =
            self.db.row(Of::Client(client), RECORDING, [Value::Uuid(id.0), Value::Uuid(client.0)]).await?;
        let files = |row: SqlRow| parsed(serde_json::from_str(&row.text(0)?));
        row.map(files).transpose().map_err(|error| unavailable(&error))
    }

    async fn open_calls(
        &self,
        after: Option<CallId>,
        limit: u32,
    ) -> Result<Vec<(ClientId, CallId)>, StoreUnavailable> {
        let after = after.map_or(Uuid::nil(), |id| id.0);
        let values = vec![Value::Uuid(after), Value::Int(i64::from(limit))];
        let rows = self.db.rows(Of::System, OPEN.to_owned(), values).await?;
        let open = |row: &SqlRow| Ok((ClientId(row.uuid(1)?), CallId(row.uuid(0)?)));
        rows.iter().map(open).collect::<Result<_, sqlx::Error>>().map_err(|error| unavailable(&error))
    }

    async fn calls_placed(
        &self,
        since: Time,
        after: Option<ClientId>,
        limit: u32,
    ) -> Result<Vec<CallCount>, StoreUnavailable> {
        let after = after.map_or(Uuid::nil(), |id| id.0);
        let values = vec![Value::Time(since), Value::Uuid(after), Value::Int(i64::from(limit))];
        let rows = self.db.rows(Of::System, PLACED.to_owned(), values).await?;
        let count = |row: &SqlRow| {
            let (client, placed, position) = (ClientId(row.uuid(0)?), row.count(1)?, row.position(2)?);
            Ok(CallCount { client, placed, position })
        };
        rows.iter().map(count).collect::<Result<_, sqlx::Error>>().map_err(|error| unavailable(&error))
    }

    async fn stored_bytes(&self, client: ClientId) -> Result<u64, StoreUnavailable> {
        let row = self.db.row(Of::Client(client), BYTES, [Value::Uuid(client.0)]).await?;
        row.map_or(Ok(0), |row| row.count(0)).map_err(|error| unavailable(&error))
    }
}
