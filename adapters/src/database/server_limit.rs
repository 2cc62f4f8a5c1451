//! Time limit for a database server that stopped answering.

use std::io;
use std::time::Duration;

/// Option of a connection: a node that stands still in the middle of a transaction loses it after as long as a lease
/// lasts, because its row locks would keep the node that takes over waiting.
pub(crate) const FROZEN_TRANSACTION: (&str, &str) = ("idle_in_transaction_session_timeout", "5s");

/// Awaits `step` on a server for at most `limit`. Fails with the error of `step`, or with an I/O error
/// when it takes longer.
pub(crate) async fn limited<T, E: From<sqlx::Error>>(
    limit: Duration,
    step: impl Future<Output = Result<T, E>>,
) -> Result<T, E> {
    tokio::time::timeout(limit, step).await.unwrap_or_else(|_| {
        let silent = io::Error::new(io::ErrorKind::TimedOut, "the server does not answer");
        Err(sqlx::Error::Io(silent).into())
    })
}
