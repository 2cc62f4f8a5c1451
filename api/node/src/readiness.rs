//! The checks behind `/readyz`.

use std::sync::Arc;
use std::time::{Duration, Instant};

use actors::sealer::HistoryHealth;
use adapters::event_store::EventLog;
use adapters::keys::KeysDb;
use adapters::outbox::SqlOutbox;
use adapters::seals::SealsDb;
use async_trait::async_trait;
use domain::envelope::Position;
use domain::ports::StoreUnavailable;
use domain::ports::clock::Clock;
use domain::ports::event_store::EventStore;
use futures::future::join_all;
use parking_lot::Mutex;
use projections::store::{ProjectionStatus, ViewStore};

use api_http::system::{Lag, NotReady, ReadinessCheck};

/// A view that is more events behind than this is not ready.
const MAX_LAG: u64 = 50_000;
/// How long a store's answer is reused: a store is written about once a second, however often `/readyz` is asked.
const STANDS: Duration = Duration::from_secs(1);

/// A store whose write access can be tested with a flushed write.
#[async_trait]
pub trait Probe: Send + Sync {
    async fn probe(&self) -> Result<(), StoreUnavailable>;
}

macro_rules! probes {
    ($($store:ty),*) => {$(
        #[async_trait]
        impl Probe for $store {
            async fn probe(&self) -> Result<(), StoreUnavailable> {
                <$store>::probe(self).await
            }
        }
    )*};
}

probes!(EventLog, KeysDb, SealsDb, SqlOutbox);

/// Whether a store accepts writes, tested at most once a second.
pub struct Writable {
    name: &'static str,
    store: Box<dyn Probe>,
    last: Mutex<Option<(Instant, Result<(), NotReady>)>>,
}

impl Writable {
    pub fn new(name: &'static str, store: impl Probe + 'static) -> Self {
        Self { name, store: Box::new(store), last: Mutex::default() }
    }
}

#[async_trait]
impl ReadinessCheck for Writable {
    fn name(&self) -> &str {
        self.name
    }

    async fn check(&self) -> Result<(), NotReady> {
        let last = self.last.lock().clone();
        if let Some((at, answer)) = last
            && at.elapsed() < STANDS
        {
            return answer;
        }
        let answer = self.store.probe().await.map_err(|error| NotReady(error.to_string()));
        *self.last.lock() = Some((Instant::now(), answer.clone()));
        answer
    }
}

#[derive(Debug)]
pub struct Views {
    pub log: Arc<dyn EventStore>,
    pub views: Arc<dyn ViewStore>,
    pub clock: Arc<dyn Clock>,
    /// Lags found by the last check.
    lags: Mutex<Vec<Lag>>,
}

impl Views {
    pub fn new(log: Arc<dyn EventStore>, views: Arc<dyn ViewStore>, clock: Arc<dyn Clock>) -> Self {
        Self { log, views, clock, lags: Mutex::default() }
    }

    async fn lag(&self, view: &ProjectionStatus, head: Position) -> Lag {
        let lag_events = head.0.saturating_sub(view.position.0);
        // the check of the log reports when it cannot be read
        let oldest = match lag_events {
            0 => None,
            _ => self.log.read_all(view.position, 1).await.ok().and_then(|events| events.into_iter().next()),
        };
        let age = oldest.map_or(0.0, |event| (self.clock.now() - event.recorded_at).as_seconds_f64());
        Lag { name: view.name.to_string(), position: view.position.0, lag_events, lag_seconds: age.max(0.0) }
    }
}

#[async_trait]
impl ReadinessCheck for Views {
    fn name(&self) -> &str {
        "projections"
    }

    async fn check(&self) -> Result<(), NotReady> {
        self.lags.lock().clear();
        let head = self.log.head().await.map_err(|error| NotReady(error.to_string()))?;
        let statuses = self.views.statuses().await.map_err(|error| NotReady(error.to_string()))?;
        let lags = join_all(statuses.iter().map(|view| self.lag(view, head))).await;
        *self.lags.lock() = lags;
        let faults: Vec<_> = statuses
            .iter()
            .filter_map(|view| match &view.stall {
                Some(stall) => Some(format!("{} stands still at {}", view.name, stall.position)),
                None if view.position > head => {
                    Some(format!("{} is at {}, beyond the log's end at {head}", view.name, view.position))
                }
                None => {
                    let lag = head.0.saturating_sub(view.position.0);
                    (lag > MAX_LAG).then(|| format!("{} is {lag} events behind", view.name))
                }
            })
            .collect();
        if faults.is_empty() { Ok(()) } else { Err(NotReady(faults.join("; "))) }
    }

    fn lags(&self) -> Vec<Lag> {
        self.lags.lock().clone()
    }
}

/// History is what was sealed, as far as this node has checked, and is being sealed.
#[derive(Debug)]
pub struct History(pub Arc<HistoryHealth>);

#[async_trait]
impl ReadinessCheck for History {
    fn name(&self) -> &str {
        "history"
    }

    async fn check(&self) -> Result<(), NotReady> {
        self.0.fault().map_or(Ok(()), |fault| Err(NotReady(fault)))
    }
}
