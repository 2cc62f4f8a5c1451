//! The table and the queries of documents in knowledge bases.

use std::collections::BTreeMap;

use async_trait::async_trait;
use domain::envelope::Position;
use domain::ids::{ClientId, DocumentId, KnowledgeBaseId};
use domain::ports::StoreUnavailable;
use domain::ports::documents::{DocumentCatalogue, KnownDocument};
use projections::knowledge::{
    BaseSums, DocumentFilter, KnowledgeDocumentRow, KnowledgeDocumentView, KnowledgeDocuments,
    KnowledgeQueries,
};
use projections::page::{Page, PageRequest, Stored};
use projections::store::ViewStore as _;
use projections::view::View as _;
use uuid::Uuid;

use super::SqlViews;
use super::table::{Column, Table, changing, fixed, key};
use crate::sql::db::unavailable;
use crate::sql::list::Select;
use crate::sql::tenant::Of;
use crate::sql::value::{Kind, SqlRow, Value, parsed};

impl Table for KnowledgeDocumentRow {
    const NAME: &'static str = "kb_documents";
    const COLUMNS: &'static [Column] = &[
        key("id", Kind::Uuid),
        fixed("client_id", Kind::Uuid),
        fixed("created_at", Kind::Time),
        fixed("kb_id", Kind::Uuid),
        changing("position", Kind::Int),
        changing("version", Kind::Int),
        changing("removed", Kind::Bool),
        changing("status", Kind::Text),
        changing("chunks", Kind::Int),
        changing("bytes", Kind::Int),
        changing("doc", Kind::Text),
    ];

    fn values(&self) -> Result<Vec<Value<'_>>, serde_json::Error> {
        let view = &self.view;
        Ok(vec![
            Value::Uuid(view.id.0),
            Value::Uuid(self.client.0),
            Value::Time(view.created_at),
            Value::Uuid(view.knowledge_base_id.0),
            Value::position(self.position),
            Value::count(view.version),
            Value::Bool(self.removed),
            Value::text(&view.status),
            Value::count(view.chunks.unwrap_or_default().into()),
            Value::count(view.bytes.unwrap_or_default()),
            Value::Text(serde_json::to_string(view)?.into()),
        ])
    }

    fn key_values(id: &Uuid) -> Vec<Value<'static>> {
        vec![Value::Uuid(*id)]
    }

    fn read(row: &SqlRow) -> Result<Self, sqlx::Error> {
        let view: KnowledgeDocumentView = parsed(serde_json::from_str(&row.text(10)?))?;
        Ok(Self { client: ClientId(row.uuid(1)?), position: row.position(4)?, removed: row.bool(6)?, view })
    }
}

/// The documents that are there, of the active generation.
const THERE: &str = "FROM kb_documents WHERE generation = \
    (SELECT generation FROM projections WHERE name = 'kb_documents') AND NOT removed AND client_id = $1";

/// `IN (…)` of so many values, the first of which is the second of the statement.
fn one_of(column: &str, count: usize) -> String {
    let places: Vec<_> = (0..count).map(|n| format!("${}", n + 2)).collect();
    format!("{column} IN ({})", places.join(", "))
}

fn with_ids(client: ClientId, ids: impl Iterator<Item = Uuid>) -> Vec<Value<'static>> {
    std::iter::once(client.0).chain(ids).map(Value::Uuid).collect()
}

#[async_trait]
impl KnowledgeQueries for SqlViews {
    async fn base_sums(
        &self,
        client: ClientId,
        bases: &[KnowledgeBaseId],
    ) -> Result<BTreeMap<KnowledgeBaseId, BaseSums>, StoreUnavailable> {
        if bases.is_empty() {
            return Ok(BTreeMap::new());
        }
        let sql = format!(
            "SELECT kb_id, COUNT(*), \
             SUM(CASE WHEN status IN ('queued', 'parsing', 'embedding') THEN 1 ELSE 0 END), \
             SUM(CASE WHEN status = 'failed' THEN 1 ELSE 0 END), \
             CAST(SUM(chunks) AS bigint), CAST(SUM(bytes) AS bigint) {THERE} AND {} GROUP BY kb_id",
            one_of("kb_id", bases.len())
        );
        let rows =
            self.db.rows(Of::Client(client), sql, with_ids(client, bases.iter().map(|id| id.0))).await?;
        let sums = |row: &SqlRow| {
            let sums = BaseSums {
                documents: row.count(1)?,
                under_way: row.count(2)?,
                failed: row.count(3)?,
                chunks: row.count(4)?,
                bytes: row.count(5)?,
            };
            Ok((KnowledgeBaseId(row.uuid(0)?), sums))
        };
        let sums: Result<_, sqlx::Error> = rows.iter().map(sums).collect();
        sums.map_err(|error| unavailable(&error))
    }

    async fn documents_of(
        &self,
        client: ClientId,
        base: KnowledgeBaseId,
        filter: &DocumentFilter,
        page: &PageRequest,
    ) -> Result<Page, StoreUnavailable> {
        let mut select = Select::from("kb_documents", "kb_documents", Of::Client(client));
        // as the index says it, in both dialects
        select.push("NOT removed", []);
        select.push("kb_id = ?", [Value::Uuid(base.0)]);
        if let Some(status) = filter.status {
            select.push("status = ?", [Value::text(status.as_str())]);
        }
        if let Some(after) = filter.created_after {
            select.push("created_at > ?", [Value::Time(after)]);
        }
        if let Some(before) = filter.created_before {
            select.push("created_at < ?", [Value::Time(before)]);
        }
        select.page(&self.db, page).await
    }

    async fn document_of(
        &self,
        client: ClientId,
        base: KnowledgeBaseId,
        id: DocumentId,
    ) -> Result<Option<Stored>, StoreUnavailable> {
        const GET: &str = "SELECT version, doc FROM kb_documents WHERE generation = \
            (SELECT generation FROM projections WHERE name = 'kb_documents') AND NOT removed \
            AND id = $1 AND client_id = $2 AND kb_id = $3";
        let values = [Value::Uuid(id.0), Value::Uuid(client.0), Value::Uuid(base.0)];
        self.db.stored(Of::Client(client), GET, values).await
    }
}

#[async_trait]
impl DocumentCatalogue for SqlViews {
    async fn known(
        &self,
        client: ClientId,
        ids: &[DocumentId],
    ) -> Result<Vec<KnownDocument>, StoreUnavailable> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let sql = format!("SELECT id, doc {THERE} AND {}", one_of("id", ids.len()));
        let rows = self.db.rows(Of::Client(client), sql, with_ids(client, ids.iter().map(|id| id.0))).await?;
        let known = |row: &SqlRow| {
            let view: KnowledgeDocumentView = parsed(serde_json::from_str(&row.text(1)?))?;
            Ok(KnownDocument { id: DocumentId(row.uuid(0)?), title: view.title.unwrap_or_default() })
        };
        let known: Result<_, sqlx::Error> = rows.iter().map(known).collect();
        known.map_err(|error| unavailable(&error))
    }

    async fn of_base(
        &self,
        client: ClientId,
        base: KnowledgeBaseId,
        at: Position,
        limit: u32,
    ) -> Result<Option<Vec<DocumentId>>, StoreUnavailable> {
        if self.checkpoint(KnowledgeDocuments::NAME).await?.position < at {
            return Ok(None);
        }
        let sql = format!("SELECT id {THERE} AND kb_id = $2 ORDER BY created_at, id LIMIT $3 + 0");
        let mut values = with_ids(client, std::iter::once(base.0));
        values.push(Value::Int(i64::from(limit)));
        let rows = self.db.rows(Of::Client(client), sql, values).await?;
        let ids: Result<Vec<_>, _> = rows.iter().map(|row| row.uuid(0).map(DocumentId)).collect();
        Ok(Some(ids.map_err(|error| unavailable(&error))?))
    }

    async fn passages_beside(
        &self,
        client: ClientId,
        base: KnowledgeBaseId,
        document: DocumentId,
    ) -> Result<u64, StoreUnavailable> {
        let sql =
            format!("SELECT CAST(COALESCE(SUM(chunks), 0) AS bigint) {THERE} AND kb_id = $2 AND id <> $3");
        let rows = self.db.rows(Of::Client(client), sql, with_ids(client, [base.0, document.0].into_iter()));
        let rows = rows.await?;
        let count = rows.first().map_or(Ok(0), |row| row.count(0));
        count.map_err(|error| unavailable(&error))
    }
}
