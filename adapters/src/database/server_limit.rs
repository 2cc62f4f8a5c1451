//! An end to waiting for a server that is cut off without a word.

use std::io;
use std::time::Duration;

/// Erasing or wrapping all of a client's keys anew takes seconds.
const LIMIT: Duration = Duration::from_secs(60);

/// `step` on a server, for at most a minute.
///
/// # Errors
/// Those of `step`; an I/O error when it takes longer.
pub(crate) async fn limited<T, E: From<sqlx::Error>>(
    step: impl Future<Output = Result<T, E>>,
) -> Result<T, E> {
    tokio::time::timeout(LIMIT, step).await.unwrap_or_else(|_| {
        let silent = io::Error::new(io::ErrorKind::TimedOut, "the server does not answer");
        Err(sqlx::Error::Io(silent).into())
    })
}
