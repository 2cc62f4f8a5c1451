//! What a copy holds in memory does not grow with the log.

use std::process::{Command, Stdio};

use adapters::event_store::EventLog;
use anyhow::{Context as _, Result, ensure};
use domain::envelope::{Metadata, NewEvent, StreamId, Time};
use domain::ids::ClientId;
use domain::ports::event_store::Expected;
use domain::testing::ids::sequential;
use tests::server::binary;
use tests::until::{SOON, until};

use super::{database, sqlite};

/// The log is this large, in MiB; a copy may hold a few pages of 16 MiB, buffers and caches.
const LOG: u64 = 400;
const MOST: u64 = 330;

async fn fill(address: &str) -> Result<()> {
    let log = EventLog::open(&address.parse()?).await?;
    for first in (0..LOG).step_by(4) {
        let events = (first..first + 4).map(|n| NewEvent {
            id: sequential(n),
            event_type: "call.noted".to_owned(),
            schema: 1,
            client_id: ClientId(sequential(1)),
            payload: vec![n as u8; 1 << 20],
            metadata: Metadata::system("test", sequential(n)),
            recorded_at: Time::from_timestamp(1_767_225_600, 0).unwrap_or_default(),
        });
        let call = StreamId::new("call", sequential(first));
        log.store().append(&call, Expected::NoStream, events.collect()).await?;
    }
    log.close().await;
    Ok(())
}

/// The most memory that a process ever held, in MiB; `None` once it has ended.
fn peak(pid: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    let kib: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kib >> 10)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_of_large_events_holds_a_few_pages_and_not_the_log() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let from = sqlite(&folder.path().join("events.db"));
    fill(&from).await?;
    for to in [database().await, sqlite(&folder.path().join("copy.db"))] {
        let mut command = Command::new(binary()?);
        command.args(["log", "copy", "--from", &from, "--to", &to]).env_clear();
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
        let (mut most, mut samples) = (0, 0);
        let status = until("the copy to end", 6 * SOON, async || {
            if let Some(now) = peak(child.id()) {
                (most, samples) = (most.max(now), samples + 1);
            }
            Ok(child.try_wait()?)
        })
        .await;
        // or it would outlive a test that fails
        let _ = child.kill();
        ensure!(status.context("it did not end")?.success());
        ensure!(samples > 10, "it was looked at {samples} times only");
        ensure!(most < MOST, "{most} MiB for a log of {LOG}");
    }
    Ok(())
}
