//! A schema of its own in somebody's database, for a short while.

use std::time::Duration;

use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, Executor as _};
use tokio::time::timeout;
use uuid::Uuid;

use super::SecretUrl;

/// Time limit for making the schema, and for dropping it.
const LIMIT: Duration = Duration::from_secs(60);

/// A new, empty schema of a PostgreSQL database. Nothing else in the database is touched.
#[derive(Debug)]
pub struct ScratchSchema {
    database: SecretUrl,
    name: String,
}

impl ScratchSchema {
    /// Creates the schema `<prefix>_<id>`. Fails when the server cannot be reached, or the role may not create schemas.
    pub async fn create(database: &SecretUrl, prefix: &str, id: Uuid) -> Result<Self, sqlx::Error> {
        let name = format!("{prefix}_{}", id.simple());
        execute(database, format!("CREATE SCHEMA {name}")).await?;
        Ok(Self { database: database.clone(), name })
    }

    /// Name of the schema, to tell an operator of it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The address of the database, where every name means one of this schema.
    #[must_use]
    pub fn url(&self) -> SecretUrl {
        self.database.in_schema(&self.name)
    }

    /// Drops the schema with everything in it. Fails when it could not be dropped: then it stays.
    pub async fn drop(&self) -> Result<(), sqlx::Error> {
        execute(&self.database, format!("DROP SCHEMA {} CASCADE", self.name)).await
    }
}

async fn execute(database: &SecretUrl, sql: String) -> Result<(), sqlx::Error> {
    let run = async {
        let mut connection: PgConnection = database.options()?.disable_statement_logging().connect().await?;
        connection.execute(AssertSqlSafe(sql)).await?;
        connection.close().await
    };
    let late = |_| Err(sqlx::Error::Io(std::io::ErrorKind::TimedOut.into()));
    timeout(LIMIT, run).await.unwrap_or_else(late)
}
