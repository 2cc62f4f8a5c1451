//! Checkpoints, stalls and generations of the projections.

use async_trait::async_trait;
use domain::envelope::Position;
use domain::ids::{AgentId, ClientId};
use domain::ports::StoreUnavailable;
use domain::ports::hosted::AgentCatalogue;
use projections::agents::Agents;
use projections::store::{Checkpoint, Generation, ProjectionStatus, Stall, ViewStore};
use projections::view::View as _;
use sqlx::SqlSafeStr;

use super::SqlViews;
use crate::sql::db::{args, limited, made, unavailable};
use crate::sql::tenant::Of;
use crate::sql::value::{Kind, SqlRow, Value};

/// The longest that a switch between generations may take.
const LIMIT: std::time::Duration = std::time::Duration::from_secs(10);

const ADD_VIEW: &str =
    "INSERT INTO projections (name, generation) VALUES ($1, 1) ON CONFLICT (name) DO NOTHING";
const ADD_FIRST: &str = "INSERT INTO projection_generations (projection, generation, position) \
    SELECT name, generation, 0 FROM projections WHERE name = $1 ON CONFLICT (projection, generation) DO NOTHING";
const ACTIVE: &str = "SELECT p.generation, g.position, g.event_id FROM projections p JOIN projection_generations g \
    ON g.projection = p.name AND g.generation = p.generation WHERE p.name = $1";
const GENERATIONS: &str = "SELECT g.generation, g.position, g.event_id FROM projection_generations g JOIN projections p \
    ON p.name = g.projection WHERE p.name = $1 \
    ORDER BY CASE WHEN g.generation = p.generation THEN 0 ELSE 1 END, g.generation";
const AGENTS: &str = "SELECT id FROM agents WHERE generation = \
    (SELECT generation FROM projections WHERE name = 'agents') AND client_id = $1";
const ADD_NEXT: &str = "INSERT INTO projection_generations (projection, generation, position) \
    SELECT projection, max(generation) + 1, 0 FROM projection_generations WHERE projection = $1 \
    GROUP BY projection";
const ACTIVATE_NEWEST: &str = "UPDATE projections SET generation = \
    (SELECT max(generation) FROM projection_generations WHERE projection = $1), \
    stalled_position = NULL, stalled_type = NULL, stalled_reason = NULL WHERE name = $1";
const FORGET: &str = "DELETE FROM projection_generations WHERE projection = $1 AND generation = $2 \
    AND NOT EXISTS (SELECT 1 FROM projections WHERE name = $1 AND generation = $2)";
const STATUSES: &str = "SELECT p.name, p.generation, g.position, p.stalled_position, p.stalled_type, \
    p.stalled_reason, (SELECT l.owner FROM leases l WHERE l.job = 'projection:' || p.name AND l.owner <> '' \
    AND (l.expires_at IS NULL OR l.expires_at > CURRENT_TIMESTAMP)), g.event_id \
    FROM projections p JOIN projection_generations g \
    ON g.projection = p.name AND g.generation = p.generation ORDER BY p.name";
const SET_STALL: &str = "UPDATE projections SET stalled_position = $2, stalled_type = $3, stalled_reason = $4 \
    WHERE name = $1 AND (stalled_position IS NOT NULL OR $2 IS NOT NULL)";
const SKIP: &str = "INSERT INTO projection_skips (projection, position) VALUES ($1, $2) \
    ON CONFLICT (projection, position) DO NOTHING";
const SKIPS: &str = "SELECT position FROM projection_skips WHERE projection = $1 ORDER BY position";

impl SqlViews {
    /// All rows of a query about projections, which belong to no client.
    async fn all(&self, sql: &'static str, values: Vec<Value<'_>>) -> Result<Vec<SqlRow>, StoreUnavailable> {
        let bound = args(self.db.dialect(), values).map_err(|error| unavailable(&error))?;
        self.db.query(Of::Nobody, sql.into_sql_str(), bound).await
    }
}

#[async_trait]
impl AgentCatalogue for SqlViews {
    async fn agents_of(
        &self,
        client: ClientId,
        position: Position,
    ) -> Result<Option<Vec<AgentId>>, StoreUnavailable> {
        let reached = self.all(ACTIVE, vec![Value::Text(Agents::NAME.into())]).await?;
        let reached = reached.first().map(checkpoint).transpose()?;
        if reached.is_none_or(|reached| reached.position < position) {
            return Ok(None);
        }
        let rows = self.db.rows(Of::Client(client), AGENTS.to_owned(), vec![Value::Uuid(client.0)]).await?;
        let id = |row: &SqlRow| row.uuid(0).map(AgentId).map_err(|error| unavailable(&error));
        rows.iter().map(id).collect::<Result<Vec<_>, _>>().map(Some)
    }
}

fn checkpoint(row: &SqlRow) -> Result<Checkpoint, StoreUnavailable> {
    let read = || {
        Ok(Checkpoint {
            generation: Generation(row.int(0)?),
            position: row.position(1)?,
            event: row.uuid_option(2)?,
        })
    };
    read().map_err(|error: sqlx::Error| unavailable(&error))
}

fn status(row: &SqlRow) -> Result<ProjectionStatus, sqlx::Error> {
    let stall = match row.int_option(3)? {
        None => None,
        Some(position) => Some(Stall {
            position: Position(u64::try_from(position).unwrap_or(0)),
            event_type: row.text_option(4)?.unwrap_or_default(),
            reason: row.text_option(5)?.unwrap_or_default(),
        }),
    };
    Ok(ProjectionStatus {
        name: row.text(0)?,
        generation: Generation(row.int(1)?),
        position: row.position(2)?,
        event: row.uuid_option(7)?,
        stall,
        owner: row.text_option(6)?,
    })
}

#[async_trait]
impl ViewStore for SqlViews {
    async fn checkpoint(&self, projection: &str) -> Result<Checkpoint, StoreUnavailable> {
        let name = || vec![Value::text(projection)];
        if let Some(row) = self.all(ACTIVE, name()).await?.first() {
            return checkpoint(row);
        }
        self.db.change(ADD_VIEW, name()).await?;
        self.db.change(ADD_FIRST, name()).await?;
        match self.all(ACTIVE, name()).await?.first() {
            Some(row) => checkpoint(row),
            None => Err(StoreUnavailable(format!("the checkpoint of {projection} cannot be made"))),
        }
    }

    async fn generations(&self, projection: &str) -> Result<Vec<Checkpoint>, StoreUnavailable> {
        self.all(GENERATIONS, vec![Value::text(projection)]).await?.iter().map(checkpoint).collect()
    }

    async fn add_generation(&self, projection: &str) -> Result<Checkpoint, StoreUnavailable> {
        self.checkpoint(projection).await?;
        self.db.change(ADD_NEXT, vec![Value::text(projection)]).await?;
        let newest = self.generations(projection).await?.into_iter().max_by_key(|it| it.generation);
        newest.ok_or_else(|| StoreUnavailable(format!("no generation of {projection} can be made")))
    }

    async fn forget_generation(
        &self,
        projection: &str,
        generation: Generation,
    ) -> Result<(), StoreUnavailable> {
        self.db.change(FORGET, vec![Value::text(projection), Value::Int(generation.0)]).await.map(drop)
    }

    async fn start_anew(&self, projection: &str) -> Result<(), StoreUnavailable> {
        self.checkpoint(projection).await?;
        limited(LIMIT, async {
            let mut tx = self.db.begin().await?;
            let name = || args(self.db.dialect(), [Value::text(projection)]);
            tx.execute(made(ADD_NEXT), name()?).await?;
            tx.execute(made(ACTIVATE_NEWEST), name()?).await?;
            tx.commit().await
        })
        .await
    }

    async fn statuses(&self) -> Result<Vec<ProjectionStatus>, StoreUnavailable> {
        let rows = self.all(STATUSES, Vec::new()).await?;
        let statuses: Result<Vec<_>, _> = rows.iter().map(status).collect();
        statuses.map_err(|error| unavailable(&error))
    }

    async fn set_stall(&self, projection: &str, stall: Option<&Stall>) -> Result<(), StoreUnavailable> {
        let values = match stall {
            None => vec![
                Value::text(projection),
                Value::Null(Kind::Int),
                Value::Null(Kind::Text),
                Value::Null(Kind::Text),
            ],
            Some(stall) => vec![
                Value::text(projection),
                Value::position(stall.position),
                Value::text(&stall.event_type),
                Value::text(&stall.reason),
            ],
        };
        self.db.change(SET_STALL, values).await.map(drop)
    }

    async fn skip(&self, projection: &str, position: Position) -> Result<(), StoreUnavailable> {
        self.db.change(SKIP, vec![Value::text(projection), Value::position(position)]).await.map(drop)
    }

    async fn skips(&self, projection: &str) -> Result<Vec<Position>, StoreUnavailable> {
        let rows = self.all(SKIPS, vec![Value::text(projection)]).await?;
        let skips: Result<Vec<_>, _> = rows.iter().map(|row| row.position(0)).collect();
        skips.map_err(|error| unavailable(&error))
    }
}
