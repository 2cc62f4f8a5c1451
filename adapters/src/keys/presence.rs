//! Tells nodes which others are alive: each holds an advisory lock on the database server while it has a session.
//!
//! The server ends the session of a process that died at once, and that of a machine that is gone once its
//! keep-alive probes stay unanswered: after some ten seconds.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use domain::ports::clock::Clock;
use sqlx::postgres::{PgConnectOptions, PgConnection, PgPool};
use sqlx::{ConnectOptions as _, Connection as _};
use uuid::Uuid;

use super::db::KeysDb;
use crate::database::limited;

/// The longest that any statement here may take.
const LIMIT: Duration = Duration::from_secs(3);
/// Pause between two checks of the own session, and before a lost session is opened again.
const PAUSE: Duration = Duration::from_secs(5);

/// This node's advisory lock on the server of the keys. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Presence {
    node: Uuid,
    held: Arc<AtomicBool>,
    pool: PgPool,
}

impl KeysDb {
    /// Holds the lock that shows other nodes that `node` is alive, until `stop`. `None` for a file, which
    /// only one node uses.
    ///
    /// While the lock cannot be had, [`Presence::named`] is `None`.
    pub async fn present(
        &self,
        node: Uuid,
        clock: Arc<dyn Clock>,
        stop: impl Future<Output = ()> + Send + 'static,
    ) -> Option<Presence> {
        let Self::Postgres(pool) = self else { return None };
        let presence = Presence { node, held: Arc::default(), pool: pool.clone() };
        let first = presence.begin().await;
        let own = presence.clone();
        tokio::spawn(async move {
            tokio::select! {
                () = stop => {}
                () = own.stay(first, &*clock) => {}
            }
            own.held.store(false, Ordering::Release);
        });
        Some(presence)
    }
}

impl Presence {
    /// This node's id, while other nodes can tell whether it is alive.
    pub(super) fn named(&self) -> Option<Uuid> {
        self.held.load(Ordering::Acquire).then_some(self.node)
    }

    /// Whether `node`, another node that once held its lock, no longer holds it.
    pub(super) async fn is_dead(&self, node: Uuid) -> Result<bool, sqlx::Error> {
        if node == self.node {
            return Ok(false);
        }
        // the lock is acquired only while nobody holds it, and released when the statement ends
        let nobody_holds = "SELECT pg_try_advisory_xact_lock_shared($1)";
        sqlx::query_scalar(nobody_holds).bind(lock_of(node)).fetch_one(&self.pool).await
    }

    async fn stay(&self, mut session: Result<PgConnection, sqlx::Error>, clock: &dyn Clock) {
        loop {
            let error = match session {
                Ok(session) => match self.keep(session, clock).await {
                    Err(error) => error,
                },
                Err(error) => error,
            };
            if self.held.swap(false, Ordering::AcqRel) {
                let error = &error as &dyn std::error::Error;
                tracing::warn!(error, "other nodes cannot tell that this one is alive; it is tried again");
            }
            clock.sleep(PAUSE).await;
            session = self.begin().await;
        }
    }

    async fn begin(&self) -> Result<PgConnection, sqlx::Error> {
        let options: PgConnectOptions = (*self.pool.connect_options()).clone();
        let options = options.application_name("voxledger-alive").options([
            ("tcp_keepalives_idle", "5"),
            ("tcp_keepalives_interval", "2"),
            ("tcp_keepalives_count", "3"),
        ]);
        let mut session = limited(LIMIT, options.connect()).await?;
        let lock = sqlx::query("SELECT pg_advisory_lock($1)").bind(lock_of(self.node));
        limited(LIMIT, lock.execute(&mut session)).await?;
        self.held.store(true, Ordering::Release);
        Ok(session)
    }

    async fn keep(&self, mut session: PgConnection, clock: &dyn Clock) -> Result<Infallible, sqlx::Error> {
        loop {
            clock.sleep(PAUSE).await;
            limited(LIMIT, session.ping()).await?;
        }
    }
}

/// The node's advisory lock number in the database: the random half of its id.
fn lock_of(node: Uuid) -> i64 {
    let (_, random) = node.as_u64_pair();
    random.cast_signed()
}
