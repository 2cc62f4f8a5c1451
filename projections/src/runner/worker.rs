//! The life of one projection on one node.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Instant;

use domain::envelope::{EventRef, Position, Time};
use domain::ports::event_store::{History, ReadError, history_of};
use domain::ports::lease::Lease;
use tokio::sync::{Notify, watch};
use tokio::time::sleep;

use super::backoff::Backoff;
use super::feed::{Batch, Feed};
use super::handle::Deps;
use super::progress::Progress;
use super::report;
use super::rows::Rows;
use super::settings::Settings;
use crate::store::{Checkpoint, CommitError, Mode, Stall, Step, ViewRows};
use crate::view::View;

/// Why the work from the stored checkpoint came to an end.
enum Exit {
    /// The runner is being stopped.
    Stop,
    /// Another node or process has moved the checkpoint: acquire the lease again, and read where to go on.
    Deposed,
    /// The store of views failed.
    Failed(String),
    /// The projection cannot pass this event.
    Stalled(Stall, Time),
}

pub(super) struct ProjectionWorker<V: View> {
    pub(super) deps: Deps,
    pub(super) rows: Arc<dyn ViewRows<V::Row>>,
    pub(super) settings: Settings,
    pub(super) progress: Progress,
    pub(super) stop: watch::Receiver<bool>,
    /// Wakes a stalled projection after an operator's command.
    pub(super) nudge: Arc<Notify>,
}

impl<V: View> ProjectionWorker<V> {
    /// Works until the runner stops.
    pub(super) async fn run(mut self) {
        let mut backoff = Backoff::new(self.settings.backoff);
        while !*self.stop.borrow() {
            let Some(lease) = self.acquire(&mut backoff).await else { return };
            let exit = self.work(&lease, &mut backoff).await;
            match exit {
                Exit::Stop => self.release(&lease).await,
                Exit::Deposed => {
                    tracing::info!(projection = V::NAME, "projection was moved on elsewhere, looking again");
                    // two owners that depose each other must not do so in a tight loop
                    self.pause(&mut backoff).await;
                }
                Exit::Failed(reason) => {
                    tracing::warn!(projection = V::NAME, reason, "projection waits for the store of views");
                    self.pause(&mut backoff).await;
                }
                Exit::Stalled(stall, since) => self.stand_still(&lease, stall, since).await,
            }
        }
        self.progress.elsewhere(V::NAME);
    }

    fn job() -> String {
        format!("projection:{}", V::NAME)
    }

    /// Acquires the lease; `None` when the runner stops first.
    async fn acquire(&mut self, backoff: &mut Backoff) -> Option<Lease> {
        let job = Self::job();
        loop {
            match self.deps.views.acquire(&job, &self.deps.owner, self.settings.lease_ttl).await {
                Ok(Some(lease)) => return Some(lease),
                Ok(None) => {
                    self.progress.elsewhere(V::NAME);
                    backoff.reset();
                    let retry = self.settings.lease_retry;
                    self.or_stop(sleep(retry)).await;
                }
                Err(_) => self.pause(backoff).await,
            }
            if *self.stop.borrow() {
                self.progress.elsewhere(V::NAME);
                return None;
            }
        }
    }

    async fn release(&self, lease: &Lease) {
        self.progress.elsewhere(V::NAME);
        if let Err(error) = self.deps.views.release(lease).await {
            tracing::warn!(projection = V::NAME, %error, "lease not given up, it will expire");
        }
    }

    async fn pause(&mut self, backoff: &mut Backoff) {
        let mut stop = self.stop.clone();
        tokio::select! {
            () = backoff.pause() => {}
            () = stopped(&mut stop) => {}
        }
    }

    async fn or_stop(&mut self, wait: impl Future<Output = ()>) {
        let mut stop = self.stop.clone();
        tokio::select! {
            () = wait => {}
            () = stopped(&mut stop) => {}
        }
    }

    /// Follows the log from the stored checkpoint.
    async fn work(&mut self, lease: &Lease, backoff: &mut Backoff) -> Exit {
        let views = &self.deps.views;
        let skips = match views.skips(V::NAME).await {
            Ok(skips) => skips.into_iter().collect(),
            Err(error) => return Exit::Failed(error.to_string()),
        };
        let checkpoint = match views.checkpoint(V::NAME).await {
            Ok(checkpoint) => checkpoint,
            Err(error) => return Exit::Failed(error.to_string()),
        };
        match history_of(&*self.deps.log, checkpoint.reached()).await {
            Ok(History::Same) => {}
            Ok(found) => {
                tracing::error!(
                    projection = V::NAME,
                    position = checkpoint.position.0,
                    ?found,
                    "the view holds events that are not in the log: it is made anew from the log"
                );
                report::made_anew(V::NAME);
                return match views.start_anew(V::NAME).await {
                    Ok(()) => Exit::Deposed,
                    Err(error) => Exit::Failed(error.to_string()),
                };
            }
            Err(error) => return Exit::Failed(error.to_string()),
        }
        if let Err(error) = views.set_stall(V::NAME, None).await {
            return Exit::Failed(error.to_string());
        }
        report::stalled(V::NAME, false);
        self.progress.here(V::NAME, checkpoint.position, false);
        let mut run = Run::new(self, lease, checkpoint, skips);
        let exit = run.until_exit().await;
        // a store that can be read but not written is still failing
        if run.stored != checkpoint {
            backoff.reset();
        }
        exit
    }

    /// Holds the lease and reports the stall, until an operator skips the event or another node takes the lease.
    async fn stand_still(&mut self, lease: &Lease, stall: Stall, since: Time) {
        tracing::error!(
            projection = V::NAME,
            position = stall.position.0,
            event_type = stall.event_type,
            reason = stall.reason,
            "projection stands still: fix the cause and restart, or skip the event"
        );
        report::stalled(V::NAME, true);
        let before = Position(stall.position.0.saturating_sub(1));
        self.progress.here(V::NAME, before, true);
        let mut noted = false;
        let mut renewed = Instant::now();
        while !*self.stop.borrow() {
            let views = &self.deps.views;
            // tries again until it is stored, because operators on other nodes must see it
            noted = noted || views.set_stall(V::NAME, Some(&stall)).await.is_ok();
            if views.skips(V::NAME).await.is_ok_and(|skips| skips.contains(&stall.position)) {
                return;
            }
            if renewed.elapsed() >= self.settings.lease_ttl / 3 {
                match views.renew(lease, self.settings.lease_ttl).await {
                    Ok(true) => renewed = Instant::now(),
                    Ok(false) => return,
                    Err(_) => {}
                }
            }
            if let Ok(head) = self.deps.log.head().await {
                report::lag(V::NAME, before, head, Some(since), self.deps.clock.now());
            }
            let wait = self.settings.report.min(self.settings.lease_ttl / 3);
            let nudge = self.nudge.clone();
            self.or_stop(async move {
                tokio::select! {
                    () = nudge.notified() => {}
                    () = sleep(wait) => {}
                }
            })
            .await;
        }
        self.release(lease).await;
    }
}

/// Returns once the runner stops or is dropped.
async fn stopped(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}

/// One run of a projection, from acquiring the lease to its end.
struct Run<'a, V: View> {
    worker: &'a ProjectionWorker<V>,
    lease: &'a Lease,
    rows: Rows<V>,
    feed: Feed<V>,
    /// The checkpoint as it is stored.
    stored: Checkpoint,
    /// The last event that was read; ahead of `stored` while no event concerns the view.
    seen: EventRef,
    seen_recorded_at: Time,
    seen_since: Instant,
    renewed: Instant,
    reported: Instant,
}

impl<'a, V: View> Run<'a, V> {
    fn new(
        worker: &'a ProjectionWorker<V>,
        lease: &'a Lease,
        stored: Checkpoint,
        skips: HashSet<Position>,
    ) -> Self {
        let settings = &worker.settings;
        let log = worker.deps.log.clone();
        let trace = settings.trace;
        let feed = Feed::start(log, stored.position, settings.page, skips, settings.backoff, trace);
        let now = Instant::now();
        Self {
            worker,
            lease,
            rows: Rows::new(worker.rows.clone(), worker.deps.views.clone(), stored.generation),
            feed,
            stored,
            seen: stored.reached(),
            seen_recorded_at: Time::default(),
            seen_since: now,
            renewed: now,
            reported: now,
        }
    }

    async fn until_exit(&mut self) -> Exit {
        let mut stop = self.worker.stop.clone();
        loop {
            let wait = self.until_housekeeping();
            let batch = tokio::select! {
                biased;
                () = stopped(&mut stop) => {
                    // if the checkpoint is not stored now, the events are read again
                    let _ = self.store_checkpoint().await;
                    return Exit::Stop;
                }
                batch = self.feed.next() => Some(batch),
                () = sleep(wait) => None,
            };
            let outcome = match batch {
                None => Ok(()),
                Some(None) => Err(Exit::Failed("the reader of the log is gone".to_owned())),
                Some(Some(Err(error @ ReadError::Rewound { .. }))) => {
                    tracing::error!(projection = V::NAME, %error, "projection looks anew at where it stands");
                    Err(Exit::Deposed)
                }
                Some(Some(Err(error))) => {
                    tracing::warn!(projection = V::NAME, %error, "projection waits for the log");
                    Ok(())
                }
                Some(Some(Ok(batch))) => self.take(batch).await,
            };
            if let Err(exit) = outcome {
                return exit;
            }
            if let Err(exit) = self.do_housekeeping().await {
                return exit;
            }
        }
    }

    /// Applies a batch, and whatever else is ready, in one transaction.
    async fn take(&mut self, mut batch: Batch<V>) -> Result<(), Exit> {
        let mut pages = 1;
        while batch.stall.is_none()
            && batch.retires.is_none()
            && pages < self.worker.settings.pages_per_commit
        {
            let Some(Ok(next)) = self.feed.ready() else { break };
            pages += 1;
            batch.facts.extend(next.facts);
            batch.traces.extend(next.traces);
            (batch.retires, batch.stall) = (next.retires, next.stall);
            if next.to.position > batch.to.position {
                (batch.to, batch.recorded_at) = (next.to, next.recorded_at);
            }
        }
        if batch.to.position > self.seen.position {
            if self.seen.position == self.stored.position {
                self.seen_since = Instant::now();
            }
            (self.seen, self.seen_recorded_at) = (batch.to, batch.recorded_at);
        }
        if !batch.facts.is_empty() || batch.retires.is_some() {
            let _spans = batch.traces.spans(self.worker.settings.trace, V::NAME);
            self.commit(batch.facts, batch.retires).await?;
        }
        self.worker.progress.here(V::NAME, self.seen.position, false);
        match batch.stall {
            Some((stall, since)) => {
                self.store_checkpoint().await?;
                Err(Exit::Stalled(stall, since))
            }
            None => Ok(()),
        }
    }

    async fn commit(
        &mut self,
        facts: Vec<super::rows::KeyedFact<V>>,
        retires: Option<Time>,
    ) -> Result<(), Exit> {
        let step = Step {
            projection: V::NAME,
            generation: self.stored.generation,
            expected: self.stored.position,
            to: self.seen,
            lease: self.lease.clone(),
            mode: Mode::Live,
            retires,
        };
        match self.rows.commit(&step, facts).await {
            Ok(_) => {
                (self.stored.position, self.stored.event) = (self.seen.position, self.seen.id);
                Ok(())
            }
            Err(CommitError::Deposed) => Err(Exit::Deposed),
            Err(CommitError::Unavailable(error)) => Err(Exit::Failed(error.to_string())),
        }
    }

    async fn store_checkpoint(&mut self) -> Result<(), Exit> {
        if self.seen.position > self.stored.position { self.commit(Vec::new(), None).await } else { Ok(()) }
    }

    fn until_housekeeping(&self) -> std::time::Duration {
        let settings = &self.worker.settings;
        let renewal = (settings.lease_ttl / 3).saturating_sub(self.renewed.elapsed());
        let report = settings.report.saturating_sub(self.reported.elapsed());
        let mut wait = renewal.min(report);
        if self.seen.position > self.stored.position {
            wait = wait.min(settings.idle_checkpoint.saturating_sub(self.seen_since.elapsed()));
        }
        wait
    }

    async fn do_housekeeping(&mut self) -> Result<(), Exit> {
        let settings = &self.worker.settings;
        if self.seen.position > self.stored.position && self.seen_since.elapsed() >= settings.idle_checkpoint
        {
            self.store_checkpoint().await?;
        }
        if self.renewed.elapsed() >= settings.lease_ttl / 3 {
            match self.worker.deps.views.renew(self.lease, settings.lease_ttl).await {
                Ok(true) => self.renewed = Instant::now(),
                Ok(false) => return Err(Exit::Deposed),
                Err(error) => return Err(Exit::Failed(error.to_string())),
            }
        }
        if self.reported.elapsed() >= settings.report {
            self.reported = Instant::now();
            if let Ok(head) = self.worker.deps.log.head().await {
                let now = self.worker.deps.clock.now();
                report::lag(V::NAME, self.seen.position, head, Some(self.seen_recorded_at), now);
            }
        }
        Ok(())
    }
}
