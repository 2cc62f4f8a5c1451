//! Rebuilds a view beside the active one.
//!
//! The next generation of rows is filled from the start of the log, while queries read the active generation and
//! the live projection keeps updating it. When the new rows have caught up they are compared with the old, and
//! become active in the transaction of a last step that leaves them no less current than the old. The live
//! projection notices at its next commit and continues with the new rows. The old rows are removed in batches.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use domain::envelope::{EventRef, Position, Time};
use domain::ports::StoreUnavailable;
use domain::ports::event_store::{History, ReadError, history_of};
use domain::ports::lease::Lease;

use super::feed::Feed;
use super::handle::Deps;
use super::rows::Rows;
use super::settings::{Settings, TraceHooks};
use crate::every::every_view;
use crate::store::{Checkpoint, CommitError, Comparison, Generation, Mode, Stall, Step, ViewRows};
use crate::view::View;

/// Rows removed in one transaction.
const DISCARD: u32 = 5_000;
/// A rebuild compares and switches when at most this many events are missing.
const CLOSE: u64 = 10_000;
/// Tries to switch before giving up on a log that grows faster than the rebuild reads it.
const SWITCH_TRIES: u32 = 1_000;

/// Why a view was not rebuilt. The active rows are untouched.
#[derive(Debug, thiserror::Error)]
pub enum RebuildError {
    /// There is no view of this name.
    #[error("there is no projection {0:?}; see `projections list`")]
    Unknown(String),
    /// Another process is rebuilding the view.
    #[error("another rebuild of this projection is under way")]
    Busy,
    /// The lease was lost, or another process changed the rows.
    #[error("the rebuild was taken over; start it again")]
    Deposed,
    /// An event of the log cannot be read.
    #[error("event {} ({}) cannot be read: {}; skip it, or run a version that knows it", .0.position, .0.event_type, .0.reason)]
    Stalled(Stall),
    /// The active rows hold events that are not in the log.
    #[error(
        "the view holds events up to {position} that are not in the log: its rows are of another history; \
         start the node, which makes it anew, or rebuild it"
    )]
    OtherHistory {
        /// Position of the last event that the rows hold.
        position: Position,
    },
    /// The log grew faster than the rebuild could read it.
    #[error("the log grows faster than it is read; try again at a quieter time")]
    Outrun,
    /// The store of views failed.
    #[error(transparent)]
    Views(#[from] StoreUnavailable),
    #[error(transparent)]
    Log(#[from] ReadError),
}

impl From<CommitError> for RebuildError {
    fn from(error: CommitError) -> Self {
        match error {
            CommitError::Deposed => RebuildError::Deposed,
            CommitError::Unavailable(error) => RebuildError::Views(error),
        }
    }
}

/// How far a rebuild has come.
#[derive(Debug, Clone, Copy)]
pub struct RebuildProgress {
    /// Position of the last event that was applied.
    pub position: Position,
    /// Newest position to reach before the switch.
    pub head: Position,
}

/// The result of a rebuild.
#[derive(Debug, Clone)]
pub struct RebuildReport {
    pub projection: String,
    /// The generation of rows that is active now.
    pub generation: Generation,
    /// Number of events that were read.
    pub events: u64,
    /// How long reading and applying them took.
    pub applying: Duration,
    /// How the old rows differed from the new ones.
    pub difference: Comparison,
    /// Number of old rows that were removed.
    pub discarded: u64,
}

/// Rebuilds a view while it is in use. `watch` is called with the progress about once a transaction. When it fails
/// the active rows are unchanged, and the next try removes what was built.
pub async fn rebuild(
    deps: &Deps,
    settings: &Settings,
    projection: &str,
    watch: &mut (dyn FnMut(RebuildProgress) + Send),
) -> Result<RebuildReport, RebuildError> {
    build(deps, settings, projection, Then::Switch, watch).await
}

/// Rebuilds a view beside the active rows and compares the two; the active rows stay as they are.
pub async fn compare(
    deps: &Deps,
    settings: &Settings,
    projection: &str,
    watch: &mut (dyn FnMut(RebuildProgress) + Send),
) -> Result<RebuildReport, RebuildError> {
    build(deps, settings, projection, Then::Discard, watch).await
}

/// Removes rows that no query reads: those that a view that began anew, or a rebuild that was cut off, left
/// behind. A running rebuild is left alone.
pub async fn discard_unused(deps: &Deps, settings: &Settings, projection: &str) -> Result<u64, RebuildError> {
    if deps.views.generations(projection).await?.len() < 2 {
        return Ok(0);
    }
    build(deps, settings, projection, Then::DiscardUnused, &mut |_| {}).await.map(|report| report.discarded)
}

/// Makes every view begin anew that holds events which are not in the log; answers the names of those views. Fails
/// when the views or the log cannot be read or written.
pub async fn drop_other_history(deps: &Deps) -> Result<Vec<String>, RebuildError> {
    let mut dropped = Vec::new();
    for view in deps.views.statuses().await? {
        let reached = EventRef { position: view.position, id: view.event };
        if history_of(&*deps.log, reached).await? != History::Same {
            deps.views.start_anew(&view.name).await?;
            dropped.push(view.name);
        }
    }
    Ok(dropped)
}

/// What happens with the new rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Then {
    Switch,
    Discard,
    /// No rows are built: only unused generations are removed.
    DiscardUnused,
}

async fn build(
    deps: &Deps,
    settings: &Settings,
    projection: &str,
    then: Then,
    watch: &mut (dyn FnMut(RebuildProgress) + Send),
) -> Result<RebuildReport, RebuildError> {
    let rows = deps.views.clone();
    macro_rules! by_name {
        ($($view:ty),+ $(,)?) => {
            match projection {
                $(<$view as View>::NAME => build_view::<$view>(deps, rows, settings, then, watch).await,)+
                other => Err(RebuildError::Unknown(other.to_owned())),
            }
        };
    }
    every_view!(by_name)
}

async fn build_view<V: View>(
    deps: &Deps,
    rows: Arc<dyn ViewRows<V::Row>>,
    settings: &Settings,
    then: Then,
    watch: &mut (dyn FnMut(RebuildProgress) + Send),
) -> Result<RebuildReport, RebuildError> {
    // a second rebuild on the same node takes over, and the first one ends as deposed
    let job = format!("rebuild:{}", V::NAME);
    let views = &deps.views;
    let lease = views.acquire(&job, &deps.owner, settings.lease_ttl).await?.ok_or(RebuildError::Busy)?;
    let result = match then {
        Then::DiscardUnused => discard_inactive::<V>(deps, &rows).await.map(|discarded| RebuildReport {
            projection: V::NAME.to_owned(),
            generation: Generation(0),
            events: 0,
            applying: Duration::ZERO,
            difference: Comparison::default(),
            discarded,
        }),
        Then::Switch | Then::Discard => {
            let lease = lease.clone();
            async { Rebuild::<V>::begin(deps, rows, settings, lease).await?.run(then, watch).await }.await
        }
    };
    // whatever the result, the next try need not wait for the lease to expire
    let _ = views.release(&lease).await;
    result
}

struct Rebuild<'a, V: View> {
    deps: &'a Deps,
    settings: &'a Settings,
    store: Arc<dyn ViewRows<V::Row>>,
    rows: Rows<V>,
    feed: Feed<V>,
    at: Checkpoint,
    lease: Lease,
    renewed: Instant,
}

impl<'a, V: View> Rebuild<'a, V> {
    async fn begin(
        deps: &'a Deps,
        store: Arc<dyn ViewRows<V::Row>>,
        settings: &'a Settings,
        lease: Lease,
    ) -> Result<Self, RebuildError> {
        discard_inactive::<V>(deps, &store).await?;
        let at = deps.views.add_generation(V::NAME).await?;
        let skips: HashSet<_> = deps.views.skips(V::NAME).await?.into_iter().collect();
        // a rebuild belongs to no trace
        let trace = TraceHooks::default();
        let feed = Feed::start(deps.log.clone(), at.position, settings.page, skips, settings.backoff, trace);
        let rows = Rows::new(store.clone(), deps.views.clone(), at.generation);
        Ok(Self { deps, settings, store, rows, feed, at, lease, renewed: Instant::now() })
    }

    async fn run(
        &mut self,
        then: Then,
        watch: &mut (dyn FnMut(RebuildProgress) + Send),
    ) -> Result<RebuildReport, RebuildError> {
        let started = Instant::now();
        let active = self.deps.views.checkpoint(V::NAME).await?;
        if history_of(&*self.deps.log, active.reached()).await? != History::Same {
            if then != Then::Switch {
                discard_inactive::<V>(self.deps, &self.store).await?;
                return Err(RebuildError::OtherHistory { position: active.position });
            }
            self.deps.views.start_anew(V::NAME).await?;
        }
        let active = self.deps.views.checkpoint(V::NAME).await?;
        let mut head = self.deps.log.head().await?;
        while self.at.position < head {
            self.step(Mode::Rebuild).await?;
            watch(RebuildProgress { position: self.at.position, head });
            if self.at.position >= head {
                let newest = self.deps.log.head().await?;
                // a few more come while the last ones are applied; the switch handles those
                head = if newest.0 - head.0 > CLOSE { newest } else { head };
            }
        }
        let (applying, events) = (started.elapsed(), self.at.position.0);
        let active = Checkpoint { position: self.deps.views.checkpoint(V::NAME).await?.position, ..active };
        let mut difference = self.store.compare(active, self.at).await?;
        if let Some(counted) = V::COUNTED {
            difference = difference.and(self.deps.views.compare_rollups(counted, active, self.at).await?);
        }
        if then == Then::Switch {
            self.switch().await?;
        }
        let discarded = discard_inactive::<V>(self.deps, &self.store).await?;
        let (projection, generation) = (V::NAME.to_owned(), self.at.generation);
        Ok(RebuildReport { projection, generation, events, applying, difference, discarded })
    }

    /// Applies the events that came meanwhile, until the new rows are active.
    async fn switch(&mut self) -> Result<(), RebuildError> {
        for _ in 0..SWITCH_TRIES {
            let behind = self.deps.log.head().await? > self.at.position;
            let done = if behind {
                self.step(Mode::RebuildAndSwitch).await?
            } else {
                self.commit(self.at.reached(), Vec::new(), None, Mode::RebuildAndSwitch).await?
            };
            if done {
                return Ok(());
            }
        }
        Err(RebuildError::Outrun)
    }

    /// Applies the pages that are ready, at least one; answers whether the new rows became active.
    async fn step(&mut self, mode: Mode) -> Result<bool, RebuildError> {
        let (mut facts, mut to) = (Vec::new(), self.at.reached());
        let (mut pages, mut retires) = (0, None);
        while pages < self.settings.pages_per_commit && retires.is_none() {
            let batch = if pages == 0 { self.feed.next().await } else { self.feed.ready() };
            let Some(batch) = batch else { break };
            let batch = batch?;
            pages += 1;
            if let Some((stall, _)) = batch.stall {
                return Err(RebuildError::Stalled(stall));
            }
            if batch.to.position > to.position {
                to = batch.to;
            }
            facts.extend(batch.facts);
            retires = batch.retires;
        }
        self.commit(to, facts, retires, mode).await
    }

    async fn commit(
        &mut self,
        to: EventRef,
        facts: Vec<super::rows::KeyedFact<V>>,
        retires: Option<Time>,
        mode: Mode,
    ) -> Result<bool, RebuildError> {
        if self.renewed.elapsed() >= self.settings.lease_ttl / 3 {
            if !self.deps.views.renew(&self.lease, self.settings.lease_ttl).await? {
                return Err(RebuildError::Deposed);
            }
            self.renewed = Instant::now();
        }
        let (generation, expected) = (self.at.generation, self.at.position);
        let lease = self.lease.clone();
        let step = Step { projection: V::NAME, generation, expected, to, lease, mode, retires };
        let switched = self.rows.commit(&step, facts).await?;
        (self.at.position, self.at.event) = (to.position, to.id);
        Ok(switched)
    }
}

/// Removes every generation but the active one.
async fn discard_inactive<V: View>(
    deps: &Deps,
    store: &Arc<dyn ViewRows<V::Row>>,
) -> Result<u64, RebuildError> {
    // reading the checkpoint makes sure that there is an active generation
    deps.views.checkpoint(V::NAME).await?;
    let mut discarded = 0;
    for inactive in deps.views.generations(V::NAME).await?.into_iter().skip(1) {
        loop {
            let removed = store.discard(inactive.generation, DISCARD).await?;
            discarded += removed;
            if removed < u64::from(DISCARD) {
                break;
            }
            // lets the tasks that write live rows run first
            tokio::task::yield_now().await;
        }
        if let Some(counted) = V::COUNTED {
            deps.views.discard_rollups(counted, inactive.generation).await?;
        }
        deps.views.forget_generation(V::NAME, inactive.generation).await?;
    }
    Ok(discarded)
}
