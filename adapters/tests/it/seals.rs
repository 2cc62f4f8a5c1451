//! The tree over the log in both databases.

use std::any::Any;
use std::sync::Arc;

use adapters::database::Database;
use adapters::seals::SealsDb;
use conformance::seals::Subject;

async fn subject(database: &Database, keep: Box<dyn Any + Send + Sync>) -> Subject {
    Subject { store: Arc::new(SealsDb::open(database).await.unwrap()), keep }
}

mod sqlite {
    use super::*;

    async fn fresh() -> Subject {
        let folder = tempfile::tempdir().unwrap();
        subject(&Database::Sqlite(folder.path().join("seals.db")), Box::new(folder)).await
    }

    conformance::seals_suite!(super::fresh);
}

mod postgres {
    use adapters::testing::postgres::Cluster;

    use super::*;

    async fn fresh() -> Subject {
        subject(&Database::Postgres(Cluster::shared().database().await), Box::new(())).await
    }

    conformance::seals_suite!(super::fresh);
}
