//! Starts and stops the projections.

use std::sync::Arc;

use domain::envelope::Position;
use domain::ports::StoreUnavailable;
use domain::ports::clock::Clock;
use domain::ports::event_store::EventStore;
use tokio::sync::{Notify, watch};
use tokio::task::{JoinHandle, JoinSet};

use super::progress::Progress;
use super::rebuild::{RebuildError, discard_unused};
use super::report;
use super::settings::Settings;
use super::worker::ProjectionWorker;
use crate::every::every_view;
use crate::store::{ViewRows, ViewStore};
use crate::view::View;

/// Makes a projection follow the log.
type Follow = fn(&mut Workers<'_>, &mut JoinSet<()>, Arc<dyn ViewStore>);

macro_rules! projections {
    ($($view:ty),+ $(,)?) => {
        const NAMES: &[&str] = &[$(<$view as View>::NAME),+];
        const ALL: &[Follow] = &[$(|all, workers, views| all.follow::<$view>(workers, views)),+];
    };
}

every_view!(projections);

/// The names of all projections.
#[must_use]
pub fn projection_names() -> &'static [&'static str] {
    NAMES
}

/// The dependencies of the runner.
#[derive(Debug, Clone)]
pub struct Deps {
    /// The event store that the projections follow.
    pub log: Arc<dyn EventStore>,
    /// The store of rows, checkpoints and leases.
    pub views: Arc<dyn ViewStore>,
    /// Clock that measures the lag of the views.
    pub clock: Arc<dyn Clock>,
    /// Id of the node incarnation. It must be unique, or two nodes take each other for one.
    pub owner: String,
}

/// The running projections. Dropping it stops them at once; [`Runner::stop`] lets them finish their commit.
#[derive(Debug)]
pub struct Runner {
    progress: Progress,
    stop: watch::Sender<bool>,
    nudge: Arc<Notify>,
    views: Arc<dyn ViewStore>,
    workers: JoinSet<()>,
    poller: JoinHandle<()>,
}

/// Starts every projection. Must be called inside a tokio runtime.
#[must_use]
pub fn start(deps: Deps, settings: Settings) -> Runner {
    let progress = Progress::new(NAMES);
    let (stop, stopped) = watch::channel(false);
    let nudge = Arc::new(Notify::new());
    let mut workers = JoinSet::new();
    let mut all = Workers { deps: &deps, settings: &settings, progress: &progress, stopped, nudge: &nudge };
    for follow in ALL {
        follow(&mut all, &mut workers, deps.views.clone());
    }
    workers.spawn(tidy(deps.clone(), settings.clone(), all.stopped));
    let poller = tokio::spawn(progress.clone().watch_others(deps.views.clone(), settings));
    Runner { progress, stop, nudge, views: deps.views, workers, poller }
}

/// Removes rows that no query reads, once, while the projections work.
async fn tidy(deps: Deps, settings: Settings, mut stopped: watch::Receiver<bool>) {
    let discard = async {
        for name in NAMES {
            match discard_unused(&deps, &settings, name).await {
                Ok(0) | Err(RebuildError::Busy) => {}
                Ok(discarded) => tracing::info!(projection = name, discarded, "unused rows removed"),
                Err(error) => {
                    let error = &error as &dyn std::error::Error;
                    tracing::warn!(projection = name, error, "unused rows stay until the next start");
                }
            }
        }
    };
    tokio::select! {
        () = discard => {}
        _ = stopped.wait_for(|stop| *stop) => {}
    }
}

struct Workers<'a> {
    deps: &'a Deps,
    settings: &'a Settings,
    progress: &'a Progress,
    stopped: watch::Receiver<bool>,
    nudge: &'a Arc<Notify>,
}

impl Workers<'_> {
    fn follow<V: View>(&mut self, workers: &mut JoinSet<()>, rows: Arc<dyn ViewRows<V::Row>>) {
        report::begin(V::NAME);
        let worker = ProjectionWorker::<V> {
            deps: self.deps.clone(),
            rows,
            settings: self.settings.clone(),
            progress: self.progress.clone(),
            stop: self.stopped.clone(),
            nudge: self.nudge.clone(),
        };
        workers.spawn(worker.run());
    }
}

impl Runner {
    /// The positions that the views have reached.
    #[must_use]
    pub fn progress(&self) -> Progress {
        self.progress.clone()
    }

    /// Lets a projection skip an event on every node; on this node at once. Fails when the store cannot be written.
    pub async fn skip(&self, projection: &str, position: Position) -> Result<(), StoreUnavailable> {
        self.views.skip(projection, position).await?;
        self.progress.resumes(projection);
        self.nudge.notify_waiters();
        Ok(())
    }

    /// Finishes the commits under way, releases the leases and returns.
    pub async fn stop(mut self) {
        self.stop.send_replace(true);
        while let Some(finished) = self.workers.join_next().await {
            if let Err(error) = finished {
                tracing::error!(%error, "a projection ended abnormally");
            }
        }
    }
}

impl Drop for Runner {
    fn drop(&mut self) {
        self.poller.abort();
    }
}
