//! Receives notifications of other nodes' appends, and sends ours.
//!
//! A notification is only a hint that makes a reader poll sooner. Readers rely on polling alone.

use std::time::Duration;

use domain::envelope::Position;
use sqlx::postgres::{PgConnectOptions, PgListener, PgPool, PgPoolOptions};
use tokio::time::{Instant, timeout};

use super::super::tail::SharedTail;
use super::{CONNECT, read};

const CHANNEL: &str = "voxledger_log";
/// The shortest pause between two notifications: under load one stands for many appends. Committing one takes a
/// lock on the whole server, so it is never part of an append.
const TELL_EVERY: Duration = Duration::from_millis(20);
/// Polling interval while the log grows.
const POLL_ACTIVE: Duration = Duration::from_millis(250);
/// Polling interval when the log has not grown for a while.
const POLL_IDLE: Duration = Duration::from_secs(1);
const ACTIVE_FOR: Duration = Duration::from_secs(5);

/// Notifies other nodes of this node's appends until it is aborted.
pub(super) async fn tell(pool: PgPool, tail: SharedTail) {
    let mut written = tail.watch_written();
    while written.changed().await.is_ok() {
        let head = written.borrow_and_update().0.to_string();
        let notify = sqlx::query("SELECT pg_notify($1, $2)").bind(CHANNEL).bind(head).execute(&pool);
        if let Ok(Err(error)) = timeout(CONNECT, notify).await {
            tracing::debug!(%error, "other nodes were not told of an append; they will find it by looking");
        }
        tokio::time::sleep(TELL_EVERY).await;
    }
}

/// Follows the head of the log as other nodes move it, until it is aborted.
pub(super) async fn hear(options: PgConnectOptions, pool: PgPool, tail: SharedTail) {
    let mut listener = None;
    let mut moved = Instant::now();
    loop {
        if listener.is_none() {
            listener = timeout(CONNECT, listen(options.clone())).await.ok().and_then(Result::ok);
        }
        let known = tail.head();
        let poll = if moved.elapsed() < ACTIVE_FOR { POLL_ACTIVE } else { POLL_IDLE };
        let told = timeout(poll, notification(&mut listener)).await;
        if let Ok(None) = told {
            // the connection was lost: wait, so as not to flood a server that keeps dropping it
            tokio::time::sleep(TELL_EVERY).await;
        }
        // whatever the notification said, and even without one: the table says how far the log really is
        if !matches!(told, Ok(Some(head)) if head <= known)
            && let Ok(Ok(head)) = timeout(CONNECT, read::head(&pool)).await
        {
            tail.saw(head);
        }
        if tail.head() > known {
            moved = Instant::now();
        }
    }
}

async fn listen(options: PgConnectOptions) -> Result<PgListener, sqlx::Error> {
    let pool = PgPoolOptions::new().max_connections(1).acquire_timeout(CONNECT).connect_lazy_with(options);
    let mut listener = PgListener::connect_with(&pool).await?;
    listener.eager_reconnect(false);
    listener.listen(CHANNEL).await?;
    Ok(listener)
}

/// The head named by the next notification. `None` when the connection is lost; pending forever without one.
async fn notification(listener: &mut Option<PgListener>) -> Option<Position> {
    let Some(open) = listener else { return std::future::pending().await };
    match open.try_recv().await {
        Ok(Some(notification)) => Some(Position(notification.payload().parse().unwrap_or(u64::MAX))),
        Ok(None) | Err(_) => {
            *listener = None;
            None
        }
    }
}
