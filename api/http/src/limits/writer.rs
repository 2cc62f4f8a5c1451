//! Writes the use of keys to the log: one event for each key, every few seconds.

use std::sync::Arc;
use std::time::Duration;

use actors::Runtime;
use domain::api_key::{KeyUsage, KeyUsageEvent};
use domain::envelope::{Metadata, NewEvent};
use domain::ports::event_store::Expected;
use domain::wire::DomainEvent as _;
use futures::StreamExt as _;
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;

use super::gate::Gate;
use super::meter::Use;

/// The most concurrent appends; the log commits what arrives together at once.
const AT_ONCE: usize = 64;
/// The shortest pause; without one the loop would do nothing else.
const SHORTEST: Duration = Duration::from_millis(10);

/// Writes what the meter counts.
///
/// An append that fails is repeated with the next flush under the same event id. Should the first have succeeded
/// after all, the log recognises the second, so nothing is counted twice.
#[derive(Debug)]
pub struct UsageWriter {
    runtime: Runtime,
    gate: Arc<Gate>,
    unsent: Mutex<Vec<Use>>,
}

impl UsageWriter {
    #[must_use]
    pub fn new(runtime: Runtime, gate: Arc<Gate>) -> Self {
        Self { runtime, gate, unsent: Mutex::default() }
    }

    /// Writes every `pause` until `stop`. [`finish`](Self::finish) writes the rest, once no request is
    /// in progress any more.
    pub async fn run(self: Arc<Self>, pause: Duration, stop: CancellationToken) {
        let clock = self.runtime.clock.clone();
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = clock.sleep(pause.max(SHORTEST)) => self.flush(false).await,
            }
        }
    }

    /// Writes the last use, when nothing is counted any more and nobody follows the log.
    pub async fn finish(&self) {
        self.flush(true).await;
    }

    /// Writes what was counted since the last flush, and what could not be written then.
    async fn flush(&self, last: bool) {
        let mut unsent = self.unsent.lock().await;
        let ids = &self.runtime.ids;
        unsent.extend(self.gate.meter.take(last, || ids.next()));
        let appends =
            unsent.drain(..).map(|usage| async { (self.append(&usage).await).err().map(|_| usage) });
        let outcomes: Vec<Option<Use>> =
            futures::stream::iter(appends).buffer_unordered(AT_ONCE).collect().await;
        let failed: Vec<Use> = outcomes.into_iter().flatten().collect();
        if !failed.is_empty() {
            tracing::warn!(keys = failed.len(), "the use of keys cannot be written now, trying again later");
        }
        *unsent = failed;
    }

    async fn append(&self, usage: &Use) -> Result<(), domain::ports::event_store::AppendError> {
        let event = KeyUsageEvent::from(usage.used.clone());
        let metadata =
            Metadata { node: Some(self.runtime.node.to_string()), ..Metadata::system("usage", usage.id) };
        let event = NewEvent {
            id: usage.id,
            event_type: event.event_type().to_owned(),
            schema: event.schema(),
            client_id: usage.client,
            payload: event.encode(),
            metadata,
            recorded_at: usage.used.at,
        };
        self.runtime.store.append(&KeyUsage::stream(usage.key), Expected::Any, vec![event]).await.map(drop)
    }
}
