//! The tables and queries of customers, and of what is linked to them.

use std::fmt::Write as _;

use async_trait::async_trait;
use domain::ids::{ClientId, CustomerId};
use domain::ports::StoreUnavailable;
use projections::customers::{
    CustomerFilter, CustomerKey, CustomerQueries, CustomerRow, CustomerView, Links, TimelineEntry,
    TimelineKind, TimelinePage,
};
use projections::page::{Cursor, Order, Page, PageRequest};
use uuid::Uuid;

use super::SqlViews;
use super::blind::normal;
use super::table::{Column, Table, changing, fixed, key};
use crate::sql::db::unavailable;
use crate::sql::list::Select;
use crate::sql::tenant::Of;
use crate::sql::value::{Kind, SqlRow, Value, parsed};

impl Table for CustomerRow {
    const NAME: &'static str = "customers";
    const COLUMNS: &'static [Column] = &[
        key("id", Kind::Uuid),
        fixed("client_id", Kind::Uuid),
        fixed("created_at", Kind::Time),
        changing("position", Kind::Int),
        changing("version", Kind::Int),
        changing("removed", Kind::Bool),
        changing("listed", Kind::Bool),
        changing("doc", Kind::Text),
        changing("name", Kind::Text),
    ];
    const KEYS: Option<&'static str> = Some("customer_keys");

    fn key_entries(&self) -> Vec<[Value<'_>; 4]> {
        let entry = |key: CustomerKey| {
            [
                Value::Uuid(self.client.0),
                Value::Uuid(self.view.id.0),
                Value::Blind(self.client.0, key.indexed().into()),
                Value::Time(self.view.created_at),
            ]
        };
        self.view.keys().into_iter().map(entry).collect()
    }

    fn values(&self) -> Result<Vec<Value<'_>>, serde_json::Error> {
        let view = &self.view;
        let listed = !self.removed && view.stands_for_itself();
        let name = view.name.as_deref().filter(|_| listed).map(folded);
        Ok(vec![
            Value::Uuid(view.id.0),
            Value::Uuid(self.client.0),
            Value::Time(view.created_at),
            Value::position(self.position),
            Value::count(view.version),
            Value::Bool(self.removed),
            Value::Bool(listed),
            Value::Text(serde_json::to_string(view)?.into()),
            name.map_or(Value::Null(Kind::Text), |name| Value::Text(name.into())),
        ])
    }

    fn key_values(id: &Uuid) -> Vec<Value<'static>> {
        vec![Value::Uuid(*id)]
    }

    fn read(row: &SqlRow) -> Result<Self, sqlx::Error> {
        let view: CustomerView = parsed(serde_json::from_str(&row.text(7)?))?;
        Ok(Self { client: ClientId(row.uuid(1)?), position: row.position(3)?, removed: row.bool(5)?, view })
    }
}

/// The form names are searched in: no case, no control characters.
fn folded(name: &str) -> String {
    name.to_lowercase().replace(char::is_control, " ")
}

const WITH: &str = "SELECT owner FROM customer_keys WHERE generation = \
    (SELECT generation FROM projections WHERE name = 'customers') AND client_id = $1 AND key_hash = $2 \
    ORDER BY created_at, owner LIMIT $3 + 0";
/// The condition of customers that have a key.
const HAS: &str = "id IN (SELECT owner FROM customer_keys WHERE generation = \
    (SELECT generation FROM projections WHERE name = 'customers') AND client_id = ? AND key_hash = ?)";

#[async_trait]
impl CustomerQueries for SqlViews {
    async fn customers(
        &self,
        client: ClientId,
        filter: &CustomerFilter,
        page: &PageRequest,
    ) -> Result<Page, StoreUnavailable> {
        let mut select = Select::from("customers", "customers", Of::Client(client));
        // as the indexes say it, in both dialects
        select.push("listed", []);
        let has = |key: &CustomerKey| [Value::Uuid(client.0), self.blind.of(client, &key.indexed())];
        for key in &filter.keys {
            select.push(HAS, has(key));
        }
        if let Some(part) = &filter.name_part {
            let pattern = Value::Text(format!("%{}%", escaped(&folded(part))).into());
            let any: Vec<_> = filter.or_keys.iter().map(|_| format!(" OR {HAS}")).collect();
            let values = std::iter::once(pattern).chain(filter.or_keys.iter().flat_map(has));
            let condition = format!("((name IS NOT NULL AND name LIKE ? ESCAPE '!'){})", any.concat());
            select.push(&condition, values);
        }
        select.page(&self.db, page).await
    }

    async fn customers_with(
        &self,
        client: ClientId,
        key: &CustomerKey,
        limit: u32,
    ) -> Result<Vec<CustomerId>, StoreUnavailable> {
        let values =
            vec![Value::Uuid(client.0), self.blind.of(client, &key.indexed()), Value::Int(i64::from(limit))];
        let rows = self.db.rows(Of::Client(client), WITH.to_owned(), values).await?;
        let owners: Result<Vec<_>, _> = rows.iter().map(|row| row.uuid(0).map(CustomerId)).collect();
        owners.map_err(|error| unavailable(&error))
    }

    async fn timeline(
        &self,
        client: ClientId,
        links: &Links,
        kinds: &[TimelineKind],
        page: &PageRequest,
    ) -> Result<TimelinePage, StoreUnavailable> {
        let mut phones = Vec::new();
        let mut shared_phones = Vec::new();
        for phone in &links.phones {
            let having = self.customers_with(client, &CustomerKey::Phone(phone.clone()), 2).await?;
            // whose call it was cannot be told
            if having.len() > 1 { &mut shared_phones } else { &mut phones }.push(phone.clone());
        }
        let mut union = Union::new(client, kinds, page);
        for customer in &links.customers {
            union.add(TimelineKind::Call, "customer_id = ?", Value::Uuid(customer.0));
            union.add(TimelineKind::Conversation, "customer_id = ?", Value::Uuid(customer.0));
            union.add(TimelineKind::Memory, "customer_id = ? AND NOT removed", Value::Uuid(customer.0));
        }
        for phone in &phones {
            union.add(TimelineKind::Call, "person = ?", self.blind.of(client, &normal(phone)));
        }
        const BY_NAME: &str = "customer_id IS NULL AND call_id IS NULL AND user_name = ?";
        for name in phones.iter().chain(&links.external_ids) {
            union.add(TimelineKind::Conversation, BY_NAME, self.blind.of(client, name));
        }
        if union.branches.is_empty() {
            return Ok(TimelinePage { entries: Vec::new(), next: None, shared_phones });
        }
        let (sql, values, limit) = union.finish();
        let mut rows = self.db.rows(Of::Client(client), sql, values).await?;
        let more = rows.len() > limit;
        rows.truncate(limit);
        let entry = |row: &SqlRow| {
            let kind = TimelineKind::from_name(&row.text(0)?);
            let kind = kind.ok_or_else(|| sqlx::Error::Decode("an unknown kind of entry".into()))?;
            Ok(TimelineEntry { kind, id: row.uuid(1)?, at: row.time(2)?, json: row.text(3)? })
        };
        let entries: Result<Vec<_>, sqlx::Error> = rows.iter().map(entry).collect();
        let entries = entries.map_err(|error| unavailable(&error))?;
        let next = entries.last().filter(|_| more).map(|last| Cursor { created_at: last.at, id: last.id });
        Ok(TimelinePage { entries, next, shared_phones })
    }
}

/// The text with the characters escaped that `LIKE … ESCAPE '!'` gives a meaning.
fn escaped(text: &str) -> String {
    text.replace('!', "!!").replace('%', "!%").replace('_', "!_")
}

/// One list out of several, each of which an index has in the wanted order: of each only as many rows are read as the
/// page can show.
struct Union<'p> {
    branches: Vec<String>,
    values: Vec<Value<'static>>,
    page: &'p PageRequest,
    /// Kinds that are wanted.
    wanted: &'p [TimelineKind],
    /// Kind of each branch.
    kinds: Vec<TimelineKind>,
}

impl<'p> Union<'p> {
    fn new(client: ClientId, wanted: &'p [TimelineKind], page: &'p PageRequest) -> Self {
        let (values, kinds) = (vec![Value::Uuid(client.0)], Vec::new());
        Self { branches: Vec::new(), values, page, wanted, kinds }
    }

    /// Adds rows of a kind that meet a condition, in which `?` stands for the value.
    fn add(&mut self, kind: TimelineKind, condition: &str, value: Value<'static>) {
        // a value that was erased is found nowhere
        if matches!(value, Value::Null(_)) || !self.wanted.contains(&kind) {
            return;
        }
        self.values.push(value);
        self.branches.push(condition.replace('?', &format!("${}", self.values.len())));
        self.kinds.push(kind);
    }

    /// The statement, its values, and how many of its rows the page shows; one more tells that there are more.
    fn finish(mut self) -> (String, Vec<Value<'static>>, usize) {
        let (beyond, order) = match self.page.order {
            Order::Asc => (">", "ASC"),
            Order::Desc => ("<", "DESC"),
        };
        let limit = self.page.capped_limit();
        let tail = format!(" ORDER BY created_at {order}, id {order} LIMIT {}", limit + 1);
        let mut bounds = String::new();
        if let Some(after) = self.page.after {
            self.values.push(Value::Time(after.created_at));
            self.values.push(Value::Uuid(after.id));
            let at = self.values.len();
            let _ = write!(bounds, " AND (created_at, id) {beyond} (${}, ${at})", at - 1);
        }
        for (bound, sign) in [(self.page.created_after, ">"), (self.page.created_before, "<")] {
            if let Some(bound) = bound {
                self.values.push(Value::Time(bound));
                let _ = write!(bounds, " AND created_at {sign} ${}", self.values.len());
            }
        }
        let branch = |(at, (condition, kind)): (usize, (&String, &TimelineKind))| {
            let name = kind.as_str();
            let table = match kind {
                TimelineKind::Call => "calls",
                TimelineKind::Conversation => "conversations",
                TimelineKind::Memory => "memories",
            };
            format!(
                "SELECT * FROM (SELECT '{name}' AS kind, id, created_at, doc FROM {table} WHERE generation = \
                 (SELECT generation FROM projections WHERE name = '{table}') AND client_id = $1 \
                 AND {condition}{bounds}{tail}) AS of_{at}"
            )
        };
        let branches: Vec<_> = self.branches.iter().zip(&self.kinds).enumerate().map(branch).collect();
        let sql = format!(
            "SELECT kind, id, created_at, doc FROM ({}) AS together{tail}",
            branches.join(" UNION ALL ")
        );
        (sql, self.values, limit)
    }
}
