//! Starts and stops the projections.

use std::sync::Arc;

use domain::envelope::Position;
use domain::ports::StoreUnavailable;
use domain::ports::clock::Clock;
use domain::ports::event_store::EventStore;
use tokio::sync::{Notify, watch};
use tokio::task::{JoinHandle, JoinSet};

use super::follower::Follower;
use super::progress::Progress;
use super::rebuild::{RebuildError, discard_unused};
use super::report;
use super::settings::Settings;
use crate::agents::Agents;
use crate::api_keys::ApiKeys;
use crate::audit_log::AuditLog;
use crate::calls::Calls;
use crate::clients::Clients;
use crate::conversations::{Conversations, Messages};
use crate::ivr_menus::IvrMenus;
use crate::ivr_sessions::IvrSessions;
use crate::numbers::Numbers;
use crate::store::{ViewRows, ViewStore};
use crate::tools::Tools;
use crate::transcripts::Transcripts;
use crate::users::Users;
use crate::view::View;
use crate::webhooks::Endpoints;

const NAMES: [&str; 14] = [
    Calls::NAME,
    Transcripts::NAME,
    Numbers::NAME,
    Clients::NAME,
    ApiKeys::NAME,
    Users::NAME,
    AuditLog::NAME,
    Endpoints::NAME,
    IvrMenus::NAME,
    IvrSessions::NAME,
    Agents::NAME,
    Tools::NAME,
    Conversations::NAME,
    Messages::NAME,
];

/// The names of all projections.
#[must_use]
pub fn projection_names() -> &'static [&'static str] {
    &NAMES
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
    followers: JoinSet<()>,
    poller: JoinHandle<()>,
}

/// Starts every projection. Must be called inside a tokio runtime.
#[must_use]
pub fn start(deps: Deps, settings: Settings) -> Runner {
    let progress = Progress::new(&NAMES);
    let (stop, stopped) = watch::channel(false);
    let nudge = Arc::new(Notify::new());
    let mut followers = JoinSet::new();
    let mut crew = Crew { deps: &deps, settings: &settings, progress: &progress, stopped, nudge: &nudge };
    crew.follow::<Calls>(&mut followers, deps.views.clone());
    crew.follow::<Transcripts>(&mut followers, deps.views.clone());
    crew.follow::<Numbers>(&mut followers, deps.views.clone());
    crew.follow::<Clients>(&mut followers, deps.views.clone());
    crew.follow::<ApiKeys>(&mut followers, deps.views.clone());
    crew.follow::<Users>(&mut followers, deps.views.clone());
    crew.follow::<AuditLog>(&mut followers, deps.views.clone());
    crew.follow::<Endpoints>(&mut followers, deps.views.clone());
    crew.follow::<IvrMenus>(&mut followers, deps.views.clone());
    crew.follow::<IvrSessions>(&mut followers, deps.views.clone());
    crew.follow::<Agents>(&mut followers, deps.views.clone());
    crew.follow::<Tools>(&mut followers, deps.views.clone());
    crew.follow::<Conversations>(&mut followers, deps.views.clone());
    crew.follow::<Messages>(&mut followers, deps.views.clone());
    followers.spawn(tidy(deps.clone(), settings.clone(), crew.stopped));
    let poller = tokio::spawn(progress.clone().watch_others(deps.views.clone(), settings));
    Runner { progress, stop, nudge, views: deps.views, followers, poller }
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

struct Crew<'a> {
    deps: &'a Deps,
    settings: &'a Settings,
    progress: &'a Progress,
    stopped: watch::Receiver<bool>,
    nudge: &'a Arc<Notify>,
}

impl Crew<'_> {
    fn follow<V: View>(&mut self, followers: &mut JoinSet<()>, rows: Arc<dyn ViewRows<V::Row>>) {
        report::begin(V::NAME);
        let follower = Follower::<V> {
            deps: self.deps.clone(),
            rows,
            settings: self.settings.clone(),
            progress: self.progress.clone(),
            stop: self.stopped.clone(),
            nudge: self.nudge.clone(),
        };
        followers.spawn(follower.run());
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
        while let Some(finished) = self.followers.join_next().await {
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
