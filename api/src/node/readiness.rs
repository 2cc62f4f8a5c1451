//! What `/readyz` asks.

use std::sync::Arc;

use actors::sealer::HistoryHealth;
use async_trait::async_trait;
use domain::ports::clock::Clock;
use domain::ports::event_store::EventStore;
use domain::ports::work::WorkStore;
use projections::store::ViewStore;

use crate::http::system::{NotReady, ReadinessCheck};

/// A view this many events behind is not ready to be read.
const MAX_LAG: u64 = 50_000;

#[derive(Debug)]
pub(super) struct Log(pub(super) Arc<dyn EventStore>);

#[async_trait]
impl ReadinessCheck for Log {
    fn name(&self) -> &str {
        "event_store"
    }

    async fn check(&self) -> Result<(), NotReady> {
        self.0.head().await.map(|_| ()).map_err(|error| NotReady(error.to_string()))
    }
}

#[derive(Debug)]
pub(super) struct Views {
    pub(super) log: Arc<dyn EventStore>,
    pub(super) views: Arc<dyn ViewStore>,
}

#[async_trait]
impl ReadinessCheck for Views {
    fn name(&self) -> &str {
        "projections"
    }

    async fn check(&self) -> Result<(), NotReady> {
        let head = self.log.head().await.map_err(|error| NotReady(error.to_string()))?;
        let statuses = self.views.statuses().await.map_err(|error| NotReady(error.to_string()))?;
        let faults: Vec<_> = statuses
            .iter()
            .filter_map(|view| match &view.stall {
                Some(stall) => Some(format!("{} stands still at {}", view.name, stall.position)),
                None => {
                    let lag = head.0.saturating_sub(view.position.0);
                    (lag > MAX_LAG).then(|| format!("{} is {lag} events behind", view.name))
                }
            })
            .collect();
        if faults.is_empty() { Ok(()) } else { Err(NotReady(faults.join("; "))) }
    }
}

#[derive(Debug)]
pub(super) struct Outbox {
    pub(super) work: Arc<dyn WorkStore>,
    pub(super) clock: Arc<dyn Clock>,
}

#[async_trait]
impl ReadinessCheck for Outbox {
    fn name(&self) -> &str {
        "outbox"
    }

    async fn check(&self) -> Result<(), NotReady> {
        let stats = self.work.stats(self.clock.now()).await;
        stats.map(|_| ()).map_err(|error| NotReady(error.to_string()))
    }
}

/// History is what was sealed, as far as this node has looked, and is being sealed.
#[derive(Debug)]
pub(super) struct History(pub(super) Arc<HistoryHealth>);

#[async_trait]
impl ReadinessCheck for History {
    fn name(&self) -> &str {
        "history"
    }

    async fn check(&self) -> Result<(), NotReady> {
        self.0.fault().map_or(Ok(()), |fault| Err(NotReady(fault)))
    }
}
