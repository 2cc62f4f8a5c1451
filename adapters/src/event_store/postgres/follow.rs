//! Hearing of other nodes' appends, and telling them of ours.
//!
//! A notification is a hint and never a fact: it only makes a reader look sooner. Polling is what a reader can
//! rely on.

use std::time::Duration;

use domain::envelope::Position;
use sqlx::postgres::{PgConnectOptions, PgListener, PgPool, PgPoolOptions};
use tokio::time::{Instant, timeout};

use super::super::tail::SharedTail;
use super::{CONNECT, read};

const CHANNEL: &str = "voxledger_log";
/// Notifications are sent at most this often: under load one speaks for many appends. Committing one takes a
/// lock on the whole server, so it is never part of an append.
const TELL_EVERY: Duration = Duration::from_millis(20);
/// How often to look while the log moves …
const POLL_ACTIVE: Duration = Duration::from_millis(250);
/// … and when it has not moved for a while.
const POLL_IDLE: Duration = Duration::from_secs(1);
const ACTIVE_FOR: Duration = Duration::from_secs(5);

/// Tells other nodes of what this one wrote, for as long as it runs.
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

/// Notes how far other nodes have brought the log, for as long as it runs.
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
            // the connection was lost; a server that keeps dropping it is not to be pestered
            tokio::time::sleep(TELL_EVERY).await;
        }
        // whatever was told, and even if nothing was: the table says how far the log really is
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

/// The head as told by the next notification. None when the connection is lost; without one it never comes.
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
