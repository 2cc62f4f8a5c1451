//! Lists ordered by `created_at` and id, page by page.

use domain::ports::StoreUnavailable;
use projections::page::{Cursor, FieldFilter, FieldValue, Order, Page, PageRequest};

use super::db::{Db, unavailable};
use super::tenant::Of;
use super::value::{Dialect, SqlRow, Value};

/// Builds a query of one table's active rows. The parts are fixed texts; values from clients go into placeholders.
pub(crate) struct Select<'v> {
    of: Of,
    table: &'static str,
    /// Name of the projection whose active generation is read; `None` for a table without generations.
    projection: Option<&'static str>,
    conditions: String,
    values: Vec<Value<'v>>,
    /// A column that must be one of several values: its name, and the placeholder numbers (from 1) of these.
    one_of: Option<(&'static str, std::ops::RangeInclusive<usize>)>,
}

/// With more values than this the column is filtered row by row.
const MOST_BRANCHES: usize = 8;

pub(crate) struct RowPage {
    pub(crate) rows: Vec<SqlRow>,
    /// Start of the next page; `None` on the last one.
    pub(crate) next: Option<Cursor>,
    /// Number of all matching rows, if the request asked for it.
    pub(crate) total: Option<u64>,
}

impl<'v> Select<'v> {
    /// Rows of a table; only the client's, when `of` names one.
    pub(crate) fn from(table: &'static str, projection: &'static str, of: Of) -> Self {
        Self::rows_of(table, Some(projection), of)
    }

    /// Rows of a table without generations.
    pub(crate) fn plain(table: &'static str, of: Of) -> Self {
        Self::rows_of(table, None, of)
    }

    fn rows_of(table: &'static str, projection: Option<&'static str>, of: Of) -> Self {
        let select =
            Self { of, table, projection, conditions: String::new(), values: Vec::new(), one_of: None };
        match of {
            Of::Client(client) => select.and("client_id = ?", Value::Uuid(client.0)),
            Of::System | Of::Nobody => select,
        }
    }

    /// Adds a condition in which `?` stands for the value.
    pub(crate) fn and(mut self, condition: &str, value: Value<'v>) -> Self {
        self.push(condition, [value]);
        self
    }

    /// Adds a condition in which each `?` stands for one of the values, in order.
    pub(crate) fn push(&mut self, condition: &str, values: impl IntoIterator<Item = Value<'v>>) {
        self.conditions.push_str(" AND ");
        let mut values = values.into_iter();
        for part in condition.split_inclusive('?') {
            match part.strip_suffix('?') {
                Some(text) => {
                    self.values.extend(values.next());
                    self.conditions.push_str(text);
                    self.conditions.push_str(&format!("${}", self.values.len()));
                }
                None => self.conditions.push_str(part),
            }
        }
    }

    /// Adds a condition that the column is one of these words; no condition when there are none.
    pub(crate) fn push_any_of(&mut self, column: &'static str, words: impl Iterator<Item = &'v str>) {
        let words: Vec<_> = words.map(Value::text).collect();
        match words.len() {
            0 => {}
            1 => self.push(&format!("{column} = ?"), words),
            2..=MOST_BRANCHES if self.one_of.is_none() => {
                let first = self.values.len() + 1;
                self.values.extend(words);
                self.one_of = Some((column, first..=self.values.len()));
            }
            several => self.push(&format!("{column} IN ({})", vec!["?"; several].join(", ")), words),
        }
    }

    fn text(&self, what: &str, tail: &str) -> String {
        let any = self.one_of.as_ref().map_or_else(String::new, |(column, places)| {
            let places: Vec<_> = places.clone().map(|place| format!("${place}")).collect();
            format!(" AND {column} IN ({})", places.join(", "))
        });
        self.rows_with(what, &any, tail)
    }

    /// SQL for the first rows where a column is one of several values. Each value has its rows in order in an
    /// index: the first ones of each are read and merged. A single query for all values would make a database
    /// without statistics walk the table in the wanted order, to its end if there are few such rows.
    fn first_text(&self, what: &str, tail: &str) -> String {
        let Some((column, places)) = &self.one_of else { return self.text(what, tail) };
        let branches: Vec<_> = places
            .clone()
            .map(|place| {
                let branch = self.rows_with(what, &format!(" AND {column} = ${place}"), tail);
                format!("SELECT * FROM ({branch}) AS of_{place}")
            })
            .collect();
        format!("SELECT * FROM ({}) AS together{tail}", branches.join(" UNION ALL "))
    }

    fn rows_with(&self, what: &str, more: &str, tail: &str) -> String {
        let Self { table, projection, conditions, .. } = self;
        let active = projection.map_or_else(
            || "1 = 1".to_owned(),
            |name| format!("generation = (SELECT generation FROM projections WHERE name = '{name}')"),
        );
        format!("SELECT {what} FROM {table} WHERE {active}{conditions}{more}{tail}")
    }

    /// A page of the rows' documents, newest or oldest first.
    pub(crate) async fn page(self, db: &Db, page: &PageRequest) -> Result<Page, StoreUnavailable> {
        let RowPage { rows, next, total } = self.page_of("id, created_at, doc", db, page).await?;
        let items: Result<Vec<_>, _> = rows.iter().map(|row| row.text(2)).collect();
        Ok(Page { items: items.map_err(|error| unavailable(&error))?, next, total })
    }

    /// A page of these columns, of which the first two are `id` and `created_at`.
    pub(crate) async fn page_of(
        mut self,
        what: &str,
        db: &Db,
        page: &PageRequest,
    ) -> Result<RowPage, StoreUnavailable> {
        self.fit(db.dialect(), page);
        let total = if page.with_total { Some(self.total(db).await?) } else { None };
        let (beyond, order) = match page.order {
            Order::Asc => (">", "ASC"),
            Order::Desc => ("<", "DESC"),
        };
        if let Some(after) = page.after {
            let condition = format!("(created_at, id) {beyond} (?, ?)");
            self.push(&condition, [Value::Time(after.created_at), Value::Uuid(after.id)]);
        }
        let limit = page.capped_limit();
        // one row more than wanted tells whether there is another page
        let tail = format!(" ORDER BY created_at {order}, id {order} LIMIT {}", limit + 1);
        let sql = self.first_text(what, &tail);
        let mut rows = db.rows(self.of, sql, self.values).await?;
        let more = rows.len() > limit;
        rows.truncate(limit);
        let place = |row: &SqlRow| Ok(Cursor { created_at: row.time(1)?, id: row.uuid(0)? });
        let next = rows.last().filter(|_| more).map(place).transpose();
        Ok(RowPage { rows, next: next.map_err(|error: sqlx::Error| unavailable(&error))?, total })
    }

    /// Adds the conditions of a page request that every list shares.
    fn fit(&mut self, dialect: Dialect, page: &PageRequest) {
        if let Some(after) = page.created_after {
            self.push("created_at > ?", [Value::Time(after)]);
        }
        if let Some(before) = page.created_before {
            self.push("created_at < ?", [Value::Time(before)]);
        }
        for FieldFilter { path, value } in &page.fields {
            let field = match dialect {
                Dialect::Sqlite => format!("json_extract(doc, '$.{path}')"),
                // PostgreSQL's JSON has no NUL; this character stands for it, and all others stay as they are
                Dialect::Postgres => format!(
                    "(replace(doc, '\\u0000', '\\u0020')::jsonb #>> '{{{}}}')",
                    path.replace('.', ",")
                ),
            };
            let value = match (value, dialect) {
                (FieldValue::Text(text), _) => Value::Text(text.clone().into()),
                (FieldValue::Flag(flag), Dialect::Sqlite) => Value::Bool(*flag),
                (FieldValue::Flag(flag), Dialect::Postgres) => Value::Text(flag.to_string().into()),
            };
            self.push(&format!("{field} = ?"), [value]);
        }
    }

    /// These columns of all matching rows; `tail` must bound their number.
    pub(crate) async fn all(self, what: &str, tail: &str, db: &Db) -> Result<Vec<SqlRow>, StoreUnavailable> {
        let sql = self.text(what, tail);
        db.rows(self.of, sql, self.values).await
    }

    async fn total(&self, db: &Db) -> Result<u64, StoreUnavailable> {
        let sql = self.text("count(*)", "");
        let rows = db.rows(self.of, sql, self.values.clone()).await?;
        rows.first().map_or(Ok(0), |row| row.count(0)).map_err(|error| unavailable(&error))
    }
}
