//! Waiting for a condition, never for a time.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};

/// How long is patient enough for what takes milliseconds, on a machine that is busy with everything else.
pub const SOON: Duration = Duration::from_secs(20);

const PAUSE: Duration = Duration::from_millis(5);

/// Asks until there is an answer. An error counts as "not yet"; the last one is told when time is up.
pub async fn until<T>(
    what: &str,
    limit: Duration,
    mut ask: impl AsyncFnMut() -> Result<Option<T>>,
) -> Result<T> {
    let begun = Instant::now();
    let mut last = None;
    loop {
        match ask().await {
            Ok(Some(answer)) => return Ok(answer),
            Ok(None) => {}
            Err(error) => last = Some(error),
        }
        if begun.elapsed() > limit {
            match last {
                Some(error) => bail!("{what}: not within {limit:?}; the last error: {error:#}"),
                None => bail!("{what}: not within {limit:?}"),
            }
        }
        tokio::time::sleep(PAUSE).await;
    }
}
