//! Matches our calls with the carrier's own records and the ledger, day by day, for all clients. One node does it at a
//! time, under a lease. A run that was cut off is repeated, which lists nothing twice.

mod account;
mod load;
mod run;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::NaiveDate;
use domain::billing::matching::{MatchSchedule, MatchScheduleCommand, day_of_time};
use domain::envelope::{Actor, Position};
use domain::ids::{BillingMatchScheduleId, ClientId};
use domain::origin::Origin;
use domain::ports::StoreUnavailable;
use domain::ports::lease::Leases;
use domain::ports::matching::CallsToMatch;
use domain::ports::telephony::Telephony;
use tokio_util::sync::CancellationToken;

use self::run::DayRun;
use crate::context::{Appends, CommandContext};
use crate::outbox::{Ownership, while_owner};
use crate::runtime::Runtime;
use crate::session::Session;

/// Name of the lease.
pub const JOB: &str = "billing_match";

#[derive(Debug, Clone, Copy)]
pub struct MatchOptions {
    /// Interval between looks for days that are due.
    pub look: Duration,
    /// How long the lease lasts without being renewed.
    pub lease_ttl: Duration,
    /// Pause before a day is tried again whose records could not all be had; it doubles up to an hour.
    pub retry: Duration,
    /// Attempts after which such a day counts as matched, until it is looked at again.
    pub attempts: u32,
    /// Calls that are read at a time.
    pub page: u32,
    /// Legs of an account and day whose records are kept in memory.
    pub most_legs: usize,
}

impl Default for MatchOptions {
    fn default() -> Self {
        Self {
            look: Duration::from_secs(1),
            lease_ttl: Duration::from_secs(5),
            retry: Duration::from_secs(300),
            attempts: 5,
            page: 500,
            most_legs: 4_000_000,
        }
    }
}

/// The dependencies of the job.
#[derive(Debug, Clone)]
pub struct MatchDeps {
    pub runtime: Runtime,
    /// The carrier, which has records of each account.
    pub telephony: Arc<dyn Telephony>,
    pub calls: Arc<dyn CallsToMatch>,
    /// The client of the node's operator. It gets the records of the node's account that belong to no client's call.
    pub operator: ClientId,
    pub leases: Arc<dyn Leases>,
}

/// Matches what is due until `stop`, whenever this node holds the lease.
pub async fn run(deps: MatchDeps, options: MatchOptions, stop: CancellationToken) {
    let ownership = Ownership::of(&deps.runtime, deps.leases.clone(), options.lease_ttl);
    while_owner(&ownership, JOB, &stop, |_, lease_lost| {
        let deps = deps.clone();
        async move { keep_matching(&deps, options, &lease_lost).await }
    })
    .await;
}

/// Looks for days that are due, again and again, until the lease is lost.
async fn keep_matching(deps: &MatchDeps, options: MatchOptions, lease_lost: &CancellationToken) {
    let clock = &deps.runtime.clock;
    let mut schedule = Schedule::new(deps);
    while !lease_lost.is_cancelled() {
        let looked = lease_lost.run_until_cancelled(schedule.look(deps, options, lease_lost));
        if let Some(Err(error)) = looked.await {
            tracing::warn!(%error, "the match with the carrier's records waits");
        }
        tokio::select! {
            () = lease_lost.cancelled() => {}
            () = clock.sleep(options.look) => {}
        }
    }
}

/// A day whose records could not all be had.
#[derive(Debug)]
struct Waiting {
    attempts: u32,
    until: Instant,
    /// What is done of it; `None`: nothing yet.
    done: Option<DayRun>,
}

/// The schedule as this node has read it.
struct Schedule {
    session: Session<MatchSchedule>,
    /// The day on which the log began; `None` until that was read, or while the log is empty.
    first: Option<NaiveDate>,
    waiting: BTreeMap<NaiveDate, Waiting>,
    /// The end of the log that the views must have come to before a run begins.
    awaited: Option<Position>,
}

impl Schedule {
    fn new(deps: &MatchDeps) -> Self {
        let session = Session::new(deps.runtime.clone(), BillingMatchScheduleId::OF_NODE.stream());
        Self { session, first: None, waiting: BTreeMap::new(), awaited: None }
    }

    /// Matches each day that is due, the oldest first.
    async fn look(
        &mut self,
        deps: &MatchDeps,
        options: MatchOptions,
        lease_lost: &CancellationToken,
    ) -> Result<(), StoreUnavailable> {
        self.session.refresh().await.map_err(stuck)?;
        if self.first.is_none() {
            let first = deps.runtime.store.read_all(Position::START, 1).await.map_err(stuck)?;
            self.first = first.first().map(|first| day_of_time(first.recorded_at));
        }
        let Some(first) = self.first else { return Ok(()) };
        let now = deps.runtime.clock.now();
        let due = self.session.state().due(now, first);
        self.waiting.retain(|day, _| due.contains(day));
        for day in due {
            let now = deps.runtime.clock.monotonic();
            if self.waiting.get(&day).is_some_and(|waiting| now < waiting.until) {
                continue;
            }
            if lease_lost.is_cancelled() || !self.views_are_here(deps).await? {
                break;
            }
            if let Err(error) = self.match_day(deps, options, day, lease_lost).await {
                tracing::warn!(%error, %day, "the match with the carrier's records is tried again later");
                let done = self.waiting.get_mut(&day).and_then(|waiting| waiting.done.take());
                self.wait(deps, options, day, done);
            }
        }
        Ok(())
    }

    /// Whether the views hold the log up to its end, as that was when this was asked first. What they have not yet would be
    /// missing in a run, and all calls while one is built anew.
    async fn views_are_here(&mut self, deps: &MatchDeps) -> Result<bool, StoreUnavailable> {
        let (head, is_new) = match self.awaited {
            Some(head) => (head, false),
            None => (deps.runtime.store.head().await.map_err(stuck)?, true),
        };
        let reached = deps.calls.reached().await?;
        let are_here = reached >= head;
        self.awaited = (!are_here).then_some(head);
        if !are_here && is_new {
            tracing::info!(
                reached = reached.0,
                head = head.0,
                "the match with the carrier's records waits for the views"
            );
        }
        Ok(are_here)
    }

    /// Has the day wait, longer after each attempt.
    fn wait(&mut self, deps: &MatchDeps, options: MatchOptions, day: NaiveDate, done: Option<DayRun>) {
        let attempts = self.waiting.get(&day).map_or(0, |waiting| waiting.attempts) + 1;
        let pause = options.retry.saturating_mul(1 << (attempts - 1).min(8)).min(LONGEST_PAUSE);
        let until = deps.runtime.clock.monotonic() + pause;
        self.waiting.insert(day, Waiting { attempts, until, done });
        count("later");
    }

    async fn match_day(
        &mut self,
        deps: &MatchDeps,
        options: MatchOptions,
        day: NaiveDate,
        lease_lost: &CancellationToken,
    ) -> Result<(), StoreUnavailable> {
        let begun = deps.runtime.clock.monotonic();
        let before = self.waiting.get(&day).and_then(|waiting| waiting.done.as_ref());
        let done = run::match_day(deps, options, day, before, lease_lost).await?;
        let Some(done) = done else { return Ok(()) };
        let took = deps.runtime.clock.monotonic().saturating_duration_since(begun);
        metrics::histogram!(domain::metrics::MATCH_RUN_SECONDS).record(took.as_secs_f64());
        let attempts = self.waiting.get(&day).map_or(0, |waiting| waiting.attempts) + 1;
        if done.is_unfinished() && attempts < options.attempts {
            self.wait(deps, options, day, Some(done));
            return Ok(());
        }
        let matched = done.into_matched();
        let outcome = if matched.failed > 0 { "partial" } else { "complete" };
        let context = of_the_node(deps, deps.operator);
        self.session.execute(&MatchScheduleCommand::Finish(matched), &context, None).await.map_err(stuck)?;
        self.waiting.remove(&day);
        count(outcome);
        Ok(())
    }
}

/// Longest pause before a day is tried again.
const LONGEST_PAUSE: Duration = Duration::from_secs(3600);

fn count(outcome: &'static str) {
    metrics::counter!(domain::metrics::MATCH_RUNS, "outcome" => outcome).increment(1);
}

fn stuck(error: impl std::fmt::Display) -> StoreUnavailable {
    StoreUnavailable(error.to_string())
}

fn of_the_node(deps: &MatchDeps, client: ClientId) -> CommandContext {
    CommandContext {
        client,
        correlation_id: deps.runtime.ids.next(),
        causation_id: None,
        actor: Actor::System(JOB.to_owned()),
        request_id: None,
        traceparent: None,
        command_id: None,
        origin: Origin::default(),
        appends: Appends::default(),
    }
}
