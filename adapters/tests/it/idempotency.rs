//! Idempotency keys on both databases.

use std::any::Any;
use std::sync::Arc;

use adapters::database::Database;
use adapters::keys::{KeysDb, SqlIdempotency};
use conformance::idempotency::Subject;

async fn subject(database: &Database, keep: Box<dyn Any + Send + Sync>) -> Subject {
    let db = KeysDb::open(database).await.unwrap();
    Subject { keys: Arc::new(SqlIdempotency::new(db)), keep }
}

mod sqlite {
    use super::*;

    async fn fresh() -> Subject {
        let folder = tempfile::tempdir().unwrap();
        subject(&Database::Sqlite(folder.path().join("keys.db")), Box::new(folder)).await
    }

    conformance::idempotency_suite!(super::fresh);
}

mod postgres {
    use adapters::testing::postgres::Cluster;

    use super::*;

    async fn fresh() -> Subject {
        subject(&Database::Postgres(Cluster::shared().database().await), Box::new(())).await
    }

    conformance::idempotency_suite!(super::fresh);
}
