//! The newest sealed head, kept in both databases of keys.

use std::any::Any;
use std::sync::Arc;

use adapters::clock::SystemClock;
use adapters::database::Database;
use adapters::ids::RandomIds;
use adapters::keys::{KeyVault, KeysDb, MasterKey};
use conformance::head_keeper::{Damage, Subject};

async fn subject(database: &Database, keep: Box<dyn Any + Send + Sync>) -> Subject {
    let db = KeysDb::open(database).await.unwrap();
    let (master, ids) = (MasterKey::new([3; 32]), Arc::new(RandomIds));
    let vault = KeyVault::new(db.clone(), master, Arc::new(SystemClock), ids);
    let damage = move |damage| {
        let sql = match damage {
            Damage::Remove => "DELETE FROM kept_head".to_owned(),
            Damage::Shrink(size) => format!("UPDATE kept_head SET size = {size}"),
        };
        let db = db.clone();
        let done: std::pin::Pin<Box<dyn Future<Output = ()> + Send>> = Box::pin(async move {
            let sql = sqlx::AssertSqlSafe(sql);
            match db {
                KeysDb::Sqlite(pool) => drop(sqlx::query(sql).execute(&pool).await.unwrap()),
                KeysDb::Postgres(pool) => drop(sqlx::query(sql).execute(&pool).await.unwrap()),
            }
        });
        done
    };
    Subject { keeper: Arc::new(vault.head_keeper()), damage: Box::new(damage), keep }
}

mod sqlite {
    use super::*;

    async fn fresh() -> Subject {
        let folder = tempfile::tempdir().unwrap();
        subject(&Database::Sqlite(folder.path().join("keys.db")), Box::new(folder)).await
    }

    conformance::head_keeper_suite!(super::fresh);
}

mod postgres {
    use adapters::testing::postgres::Cluster;

    use super::*;

    async fn fresh() -> Subject {
        subject(&Database::Postgres(Cluster::shared().database().await), Box::new(())).await
    }

    conformance::head_keeper_suite!(super::fresh);
}
