//! The suites of leases, of work and of deliveries, on both databases.

use std::any::Any;
use std::sync::Arc;

use adapters::database::Database;
use adapters::outbox::SqlOutbox;
use adapters::read_models::SqlViews;
use adapters::testing::postgres::Cluster;
use conformance::{deliveries, lease, outbox};

type Keep = Box<dyn Any + Send + Sync>;

async fn sqlite() -> (Database, bool, Keep) {
    let folder = tempfile::tempdir().unwrap();
    (Database::Sqlite(folder.path().join("store.db")), true, Box::new(folder))
}

async fn postgres() -> (Database, bool, Keep) {
    (Database::Postgres(Cluster::shared().database().await), false, Box::new(()))
}

async fn work_of((database, _, keep): (Database, bool, Keep)) -> outbox::Subject {
    let store = Arc::new(SqlOutbox::open(&database).await.unwrap());
    outbox::Subject { store: store.clone(), leases: store, keep }
}

async fn deliveries_of((database, _, keep): (Database, bool, Keep)) -> deliveries::Subject {
    let store = Arc::new(SqlOutbox::open(&database).await.unwrap());
    deliveries::Subject { store: store.clone(), leases: store, keep }
}

async fn leases_of_work((database, exclusive, keep): (Database, bool, Keep)) -> lease::Subject {
    lease::Subject { leases: Arc::new(SqlOutbox::open(&database).await.unwrap()), exclusive, keep }
}

async fn leases_of_views((database, exclusive, keep): (Database, bool, Keep)) -> lease::Subject {
    lease::Subject { leases: Arc::new(SqlViews::open(&database).await.unwrap()), exclusive, keep }
}

macro_rules! on {
    ($database:ident) => {
        mod $database {
            async fn fresh_outbox() -> super::outbox::Subject {
                super::work_of(super::$database().await).await
            }

            async fn fresh_deliveries() -> super::deliveries::Subject {
                super::deliveries_of(super::$database().await).await
            }

            mod of_work {
                async fn fresh_leases() -> super::super::lease::Subject {
                    super::super::leases_of_work(super::super::$database().await).await
                }
                conformance::lease_suite!(super::fresh_leases);
            }

            mod of_views {
                async fn fresh_leases() -> super::super::lease::Subject {
                    super::super::leases_of_views(super::super::$database().await).await
                }
                conformance::lease_suite!(super::fresh_leases);
            }

            conformance::outbox_store_suite!(super::fresh_outbox);
            conformance::delivery_store_suite!(super::fresh_deliveries);
        }
    };
}

on!(sqlite);
on!(postgres);
