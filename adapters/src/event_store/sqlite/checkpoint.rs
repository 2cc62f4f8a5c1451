//! Moving what was written from the journal into the database, beside the writer.
//!
//! The commit that fills the journal moves what is in it, and waits for it. Most of that is done here, on a connection of
//! its own, so that little is left to wait for.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use domain::envelope::Position;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions as _, Connection as _, Executor as _};
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::sleep;

/// How often, while something is written.
const EVERY: Duration = Duration::from_secs(1);

/// The task. It ends when this is dropped.
#[derive(Debug)]
pub(super) struct Checkpoints(Mutex<Option<(oneshot::Sender<()>, JoinHandle<()>)>>);

impl Checkpoints {
    /// Begins; `written` tells when there is something to move.
    pub(super) fn start(options: SqliteConnectOptions, written: watch::Receiver<Position>) -> Self {
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(async move {
            let mut connection = None;
            tokio::select! {
                () = keep_moving(&options, written, &mut connection) => {}
                // or whoever asked for it is gone
                _ = stopped => {}
            }
            if let Some(connection) = connection
                && let Err(error) = connection.close().await
            {
                tracing::debug!(%error, "the connection for checkpoints was not closed cleanly");
            }
        });
        Self(Mutex::new(Some((stop, task))))
    }

    /// Ends, and lets go of the file.
    pub(super) async fn close(&self) {
        let running = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some((stop, task)) = running {
            drop(stop);
            // one that ended before has nothing to say
            let _ = task.await;
        }
    }
}

async fn keep_moving(
    options: &SqliteConnectOptions,
    mut written: watch::Receiver<Position>,
    kept: &mut Option<SqliteConnection>,
) {
    while written.changed().await.is_ok() {
        sleep(EVERY).await;
        written.mark_unchanged();
        if let Err(error) = step(options, kept).await {
            // the writer moves it itself in the end, and says what is wrong
            tracing::debug!(%error, "the journal was not moved into the log");
            *kept = None;
        }
    }
}

async fn step(
    options: &SqliteConnectOptions,
    kept: &mut Option<SqliteConnection>,
) -> Result<(), sqlx::Error> {
    let connection = match kept {
        Some(connection) => connection,
        None => kept.insert(options.connect().await?),
    };
    // what cannot be moved without waiting for a reader or the writer stays
    connection.execute("PRAGMA wal_checkpoint(PASSIVE)").await?;
    Ok(())
}
