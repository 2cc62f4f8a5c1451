//! Copies that are killed (`kill -9`) at several points, and go on.

use std::process::{Child, Command, Stdio};

use adapters::event_store::{EventLog, Target};
use anyhow::{Context as _, Result, ensure};
use domain::envelope::Recorded;
use fake_kurrentdb::FakeKurrentDb;
use tests::server::binary;
use tests::until::{SOON, until};

use super::{copy, database, events, fill, sqlite};

/// How far the target is, once it is there at all.
async fn head(target: &Target) -> Result<u64> {
    let log = EventLog::open_read_only(target).await?;
    let head = log.store().head().await;
    log.close().await;
    Ok(head?.0)
}

fn start(from: &str, to: &str, batch: &str) -> Result<Child> {
    let mut command = Command::new(binary()?);
    command.args(["log", "copy", "--from", from, "--to", to, "--batch", batch]);
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
    let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
    Ok(child)
}

/// Kills the copy whenever the target has come past one of these points, then lets it finish.
async fn survives(from: &str, original: &[Recorded], to: &str, batch: &str) -> Result<()> {
    let target: Target = to.parse()?;
    let count = original.len() as u64;
    let mut killed = 0;
    for point in [1, count / 4, count / 2] {
        let mut child = start(from, to, batch)?;
        let reached = until("the copy to get on", 3 * SOON, async || {
            if let Some(status) = child.try_wait()? {
                return Ok(Some(Some(status)));
            }
            Ok((head(&target).await? >= point).then_some(None))
        })
        .await;
        child.kill()?;
        child.wait()?;
        if reached?.is_none() {
            killed += 1;
        }
        // whatever was cut off: a beginning of the source, and nothing else
        let there = events(&target).await?;
        ensure!(there.len() as u64 >= point, "{} of {point}", there.len());
        ensure!(there == original[..there.len()], "not a beginning of the source, at {point}");
    }
    ensure!(killed == 3, "{killed} copies were killed: they were done before");
    let whole = copy(from, to, &[])?.succeeded();
    ensure!(!whole.out.contains(" 0 were there already"), "{}", whole.out);
    ensure!(events(&target).await? == original);
    Ok(())
}

async fn source(count: u64) -> Result<(tempfile::TempDir, String, Vec<Recorded>)> {
    let folder = tempfile::tempdir()?;
    let from = sqlite(&folder.path().join("events.db"));
    fill(&from, 1, count).await?;
    let original = events(&from.parse()?).await?;
    ensure!(original.len() as u64 == count);
    Ok((folder, from, original))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_into_sqlite_that_is_killed_goes_on() -> Result<()> {
    let (folder, from, original) = source(20_000).await?;
    survives(&from, &original, &sqlite(&folder.path().join("copy.db")), "10").await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_into_postgresql_that_is_killed_goes_on() -> Result<()> {
    let (_folder, from, original) = source(20_000).await?;
    survives(&from, &original, &database().await, "10").await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_into_kurrentdb_that_is_killed_goes_on() -> Result<()> {
    let (_folder, from, original) = source(3_000).await?;
    let server = FakeKurrentDb::start().await?;
    survives(&from, &original, &server.address(), "20").await.context("into KurrentDB")
}
