//! The views on every database, with a log in memory.

mod audit_log;
mod conversations;
mod customers;
mod exactly_once;
mod ivr;
mod matches;
mod other_history;
mod outages;
mod poison;
mod queries;
mod rebuilds;
mod row_security;
mod runs;

use std::any::Any;
use std::sync::Arc;
use std::time::Duration;

use adapters::clock::SystemClock;
use adapters::event_store::MemoryEventStore;
use adapters::read_models::{PostgresSettings, SqlViews};
use adapters::testing::call_lives::append_lives;
use adapters::testing::postgres::Cluster;
use domain::envelope::Position;
use domain::ids::{ClientId, TypedId};
use domain::ports::StoreUnavailable;
use domain::ports::event_store::EventStore;
use projections::Queries;
use projections::calls::CallRow;
use projections::page::Stored;
use projections::runner::{Deps, Runner, Settings, start};
use projections::store::{Digest, ViewRows, ViewStore};
use projections::transcripts::LineRow;
use projections::view::{Shown, View};

/// Long enough for anything here; a test that takes it has failed.
const PATIENCE: Duration = Duration::from_secs(30);

/// Fresh, empty views, and a log beside them.
struct World {
    log: Arc<dyn EventStore>,
    views: SqlViews,
    /// Whether several nodes may use them.
    shared: bool,
    _keep: Box<dyn Any + Send + Sync>,
}

impl World {
    /// One resource of the client, as JSON.
    async fn one<V: View<Row: Shown>>(
        &self,
        client: ClientId,
        id: impl TypedId + Send,
    ) -> Result<Option<Stored>, StoreUnavailable> {
        (&self.views as &dyn Queries).one::<V>(client, id).await
    }
}

async fn sqlite() -> World {
    let folder = tempfile::tempdir().unwrap();
    let views = SqlViews::open_sqlite(&folder.path().join("views.db")).await.unwrap();
    World { log: Arc::new(MemoryEventStore::default()), views, shared: false, _keep: Box::new(folder) }
}

async fn postgres() -> World {
    let url = Cluster::shared().database().await;
    let views = SqlViews::open_postgres(&url, PostgresSettings::default()).await.unwrap();
    World { log: Arc::new(MemoryEventStore::default()), views, shared: true, _keep: Box::new(()) }
}

/// Makes a test of each named function, on each database.
macro_rules! on_every_database {
    ($($case:ident),* $(,)?) => {
        mod sqlite { $(#[tokio::test] async fn $case() { super::$case(super::super::sqlite().await).await; })* }
        mod postgres { $(#[tokio::test] async fn $case() { super::$case(super::super::postgres().await).await; })* }
    };
}
use on_every_database;

impl World {
    fn deps(&self, owner: &str) -> Deps {
        Deps {
            log: self.log.clone(),
            views: Arc::new(self.views.clone()),
            clock: Arc::new(SystemClock),
            owner: owner.to_owned(),
        }
    }

    fn start(&self, owner: &str) -> Runner {
        start(self.deps(owner), brisk())
    }

    /// Runs the projections until they hold the whole log, then stops them.
    async fn catch_up(&self) {
        let runner = self.start("one");
        caught_up(&runner, self.log.head().await.unwrap()).await;
        runner.stop().await;
    }

    async fn lives(&self, calls: std::ops::Range<u64>) -> u64 {
        append_lives(&self.log, calls, 5, 2).await.unwrap()
    }

    /// What all rows of calls and of transcripts come down to.
    async fn digests(&self) -> (Digest, Digest) {
        let calls = ViewStore::checkpoint(&self.views, "calls").await.unwrap().generation;
        let lines = ViewStore::checkpoint(&self.views, "transcripts").await.unwrap().generation;
        let calls = ViewRows::<CallRow>::digest(&self.views, calls).await.unwrap();
        (calls, ViewRows::<LineRow>::digest(&self.views, lines).await.unwrap())
    }
}

/// Short waits and small pages, so that little data crosses many borders.
fn brisk() -> Settings {
    Settings {
        page: 7,
        pages_per_commit: 3,
        lease_ttl: Duration::from_secs(3),
        lease_retry: Duration::from_millis(20),
        idle_checkpoint: Duration::from_millis(1),
        report: Duration::from_millis(20),
        backoff: Duration::from_millis(5),
        ..Settings::default()
    }
}

async fn caught_up(runner: &Runner, head: Position) {
    assert!(runner.progress().wait_for(head, PATIENCE).await, "the views do not catch up");
}
