//! The dispatcher decides when each delivery attempt begins. One task holds all of its state.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use domain::envelope::{Position, Time};
use domain::ids::{DeliveryId, EndpointId};
use domain::ports::StoreUnavailable;
use domain::ports::deliveries::DueDelivery;
use domain::ports::lease::Lease;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::actor::{AttemptResult, DeliveryJob, WorkerPool};
use super::follow::{FreshDelivery, Notice, Step};
use super::target::Target;
use super::throttle::{Capacity, Throttle};
use super::{DeliveryDeps, WebhookOptions};
use crate::outbox::time::{JobClock, LONGEST_SLEEP};

/// New deliveries that may wait in memory, for one endpoint and for all. Others are read from the table.
const FRESH_OF_ONE: usize = 256;
const FRESH: usize = 10_000;
/// Most rows of one endpoint read at a time.
const PAGE: usize = 256;
/// Pause before the table is read again after a fault, or before a delivery that could not be
/// attempted is tried again.
const PAUSE_AFTER_FAULT: Duration = Duration::from_secs(1);
/// How long running attempts may take to finish once the lease is lost or the node stops. Attempts that are cut
/// off are not recorded, and are made again.
const GRACE: Duration = Duration::from_secs(2);

/// The dispatcher's state of one endpoint.
struct EndpointQueue {
    target: Arc<Target>,
    throttle: Throttle,
    fresh: VecDeque<FreshDelivery>,
    /// Deliveries that are in `fresh`, under way, or recorded but not read back yet: they are not
    /// taken from the table.
    begun: HashSet<DeliveryId>,
    /// Those of `begun` that were due in the table when it was last read.
    passed_over: HashSet<DeliveryId>,
    /// When to read the table; `None` when nothing is due there.
    look_at: Option<Time>,
    /// Whether the endpoint is queued for a visit.
    in_line: bool,
    /// When the endpoint's timer queues it for a visit.
    timer: Option<Time>,
}

impl EndpointQueue {
    fn look(&mut self, at: Time) {
        self.look_at = Some(self.look_at.map_or(at, |before| before.min(at)));
    }

    /// Allows a delivery to be taken from the table again. Answers whether it was due there when others were taken.
    fn let_go(&mut self, delivery: DeliveryId) -> bool {
        self.begun.remove(&delivery);
        self.passed_over.remove(&delivery)
    }

    fn has_work(&self, now: Time) -> bool {
        !self.fresh.is_empty() || self.look_at.is_some_and(|at| at <= now)
    }
}

/// What the table holds for an endpoint.
struct StoredDeliveries {
    /// Deliveries to attempt, with their bodies.
    jobs: Vec<(DueDelivery, Bytes)>,
    /// Due deliveries that are begun already.
    passed_over: Vec<DeliveryId>,
    /// When to read the table again.
    next: Option<Time>,
}

struct Dispatcher<'b> {
    deps: &'b DeliveryDeps,
    lease: &'b Lease,
    time: &'b JobClock,
    options: WebhookOptions,
    workers: WorkerPool,
    done: mpsc::UnboundedSender<AttemptResult>,
    stops: HashMap<EndpointId, EndpointQueue>,
    line: VecDeque<EndpointId>,
    timers: BTreeSet<(Time, EndpointId)>,
    /// Recorded attempts that the process manager has not read back yet.
    recorded: BTreeMap<Position, (EndpointId, DeliveryId)>,
    /// Position up to which the process manager has read the log.
    applied: Position,
    under_way: usize,
    fresh: usize,
    /// Endpoints that wait for capacity: all concurrent attempts are in use.
    waiting: VecDeque<EndpointId>,
}

/// Begins attempts until the lease is lost; then waits a while for those that are under way.
pub(super) async fn dispatch(
    deps: &DeliveryDeps,
    workers: WorkerPool,
    options: WebhookOptions,
    owned: (&Lease, &JobClock),
    mut news: mpsc::Receiver<Notice>,
    lease_lost: &CancellationToken,
) {
    // unbounded, but never longer than the attempts under way: a full queue must not keep an actor from ending
    let (sender, mut done) = mpsc::unbounded_channel();
    let mut dispatcher = Dispatcher::new(deps, workers, options, owned, sender);
    let time = owned.1;
    while !lease_lost.is_cancelled() {
        dispatcher.keep_up().await;
        if let Some(id) = dispatcher.line.pop_front() {
            dispatcher.visit(id).await;
            // takes the messages that have arrived, without waiting for more
            while let Ok(news) = news.try_recv() {
                dispatcher.on_notice(news);
            }
            while let Ok(done) = done.try_recv() {
                dispatcher.end(&done);
            }
            dispatcher.ring(time.now());
            continue;
        }
        let latest = time.now() + LONGEST_SLEEP;
        let until = dispatcher.timers.first().map_or(latest, |(at, _)| latest.min(*at));
        tokio::select! {
            () = lease_lost.cancelled() => {}
            Some(news) = news.recv() => dispatcher.on_notice(news),
            Some(done) = done.recv() => dispatcher.end(&done),
            () = time.sleep_until(until) => {}
        }
        dispatcher.ring(time.now());
    }
    let finish = async {
        while dispatcher.under_way > 0 {
            let Some(done) = done.recv().await else { return };
            dispatcher.end(&done);
        }
    };
    if tokio::time::timeout(GRACE, finish).await.is_err() {
        tracing::info!("attempts are cut off; they will be made again");
    }
}

/// Gauge of the endpoints whose circuit breaker is not closed.
fn left_alone() -> metrics::Gauge {
    metrics::gauge!(domain::metrics::BREAKERS_OPEN, "guards" => "webhook")
}

impl<'b> Dispatcher<'b> {
    fn new(
        deps: &'b DeliveryDeps,
        workers: WorkerPool,
        options: WebhookOptions,
        (lease, time): (&'b Lease, &'b JobClock),
        done: mpsc::UnboundedSender<AttemptResult>,
    ) -> Self {
        left_alone().set(0.0);
        Self {
            deps,
            lease,
            time,
            options,
            workers,
            done,
            stops: HashMap::new(),
            line: VecDeque::new(),
            timers: BTreeSet::new(),
            recorded: BTreeMap::new(),
            applied: Position::START,
            under_way: 0,
            fresh: 0,
            waiting: VecDeque::new(),
        }
    }

    /// When the wall clock has jumped, moves all due times by the same amount: rows first, then the state in memory.
    async fn keep_up(&mut self) {
        let shift = |by| self.deps.store.shift(self.lease, by);
        let by = match self.time.keep_up(shift).await {
            Ok(Some(by)) => by,
            Ok(None) => return,
            Err(error) => {
                return tracing::warn!(%error, "the machine's clock was set, and due times cannot be moved yet");
            }
        };
        self.timers.clear();
        let now = self.time.now();
        for stop in self.stops.values_mut() {
            // a due time that the process manager told before the rows were moved may arrive after it: every
            // endpoint's rows are looked at, whatever is told
            (stop.look_at, stop.timer) = (Some(now), None);
            stop.fresh.iter_mut().for_each(|fresh| fresh.item.due += by);
            stop.throttle.shift(by);
        }
        let ids: Vec<_> = self.stops.keys().copied().collect();
        ids.into_iter().for_each(|id| self.plan(id));
    }

    fn on_notice(&mut self, news: Notice) {
        match news {
            Notice::Ready(position, targets) => {
                self.read_up_to(position);
                let now = self.time.now();
                for target in targets {
                    let id = target.id;
                    self.change(target);
                    if let Some(stop) = self.stops.get_mut(&id) {
                        stop.look(now);
                    }
                    self.plan(id);
                }
            }
            Notice::Followed(step) => self.follow(*step),
        }
    }

    fn follow(&mut self, step: Step) {
        self.read_up_to(step.to);
        for target in step.changed {
            self.change(target);
        }
        for id in step.gone {
            if let Some(stop) = self.stops.remove(&id) {
                self.fresh -= stop.fresh.len();
                if stop.throttle.is_left_alone() {
                    left_alone().decrement(1.0);
                }
                if let Some(at) = stop.timer {
                    self.timers.remove(&(at, id));
                }
            }
        }
        let now = self.time.now();
        for (id, at) in step.due {
            if let Some(stop) = self.stops.get_mut(&id) {
                stop.look(at);
            }
            self.plan(id);
        }
        for fresh in step.fresh {
            self.take(fresh, now);
        }
    }

    /// Keeps a new delivery in memory if nothing is due before it and there is room; otherwise it is read
    /// from the table later.
    fn take(&mut self, fresh: FreshDelivery, now: Time) {
        let id = fresh.item.of.endpoint;
        let Some(stop) = self.stops.get_mut(&id) else { return };
        if stop.begun.contains(&fresh.item.id) {
            // it was read from the table before its notice came
            return;
        }
        let behind = stop.look_at.is_some_and(|at| at <= now);
        let room = stop.fresh.len() < FRESH_OF_ONE && self.fresh < FRESH;
        if stop.target.endpoint.is_open() && !behind && room {
            stop.begun.insert(fresh.item.id);
            stop.fresh.push_back(fresh);
            self.fresh += 1;
        } else {
            stop.look(fresh.item.due);
        }
        self.plan(id);
    }

    fn change(&mut self, target: Arc<Target>) {
        let now = self.time.now();
        let (id, rate) = (target.id, target.endpoint.terms().and_then(|terms| terms.rate_limit_per_second));
        let stop = self.stops.entry(id).or_insert_with(|| EndpointQueue {
            target: target.clone(),
            throttle: Throttle::new(self.options.per_endpoint),
            fresh: VecDeque::new(),
            begun: HashSet::new(),
            passed_over: HashSet::new(),
            look_at: None,
            in_line: false,
            timer: None,
        });
        let opened = target.endpoint.is_open() && !stop.target.endpoint.is_open();
        stop.throttle.limit(rate, now);
        stop.target = target;
        if opened {
            stop.look(now);
        }
        if !stop.target.endpoint.is_open() {
            // the rows stay: deliveries held in memory are found there again
            self.fresh -= stop.fresh.len();
            for fresh in std::mem::take(&mut stop.fresh) {
                stop.let_go(fresh.item.id);
            }
        }
        self.plan(id);
    }

    /// The process manager has read the log up to `position`: attempts recorded up to there are in the table.
    fn read_up_to(&mut self, position: Position) {
        self.applied = self.applied.max(position);
        let now = self.time.now();
        while let Some(entry) = self.recorded.first_entry()
            && *entry.key() <= self.applied
        {
            let (endpoint, delivery) = entry.remove();
            if let Some(stop) = self.stops.get_mut(&endpoint)
                && stop.let_go(delivery)
            {
                // it was due when others were taken, so nobody looks for it
                stop.look(now);
                self.plan(endpoint);
            }
        }
    }

    fn end(&mut self, done: &AttemptResult) {
        let now = self.time.now();
        self.under_way -= 1;
        if let Some(stop) = self.stops.get_mut(&done.endpoint) {
            let before = stop.throttle.is_left_alone();
            stop.throttle.end(done.verdict, now);
            if done.recorded.is_none() {
                // nothing was sent, or the result cannot be recorded: every further attempt would end alike
                stop.throttle.rest(now);
            }
            match (before, stop.throttle.is_left_alone()) {
                (false, true) => left_alone().increment(1.0),
                (true, false) => left_alone().decrement(1.0),
                _ => {}
            }
            match done.recorded {
                Some(position) if position > self.applied => {
                    self.recorded.insert(position, (done.endpoint, done.delivery));
                }
                Some(_) => {
                    // the row was read back before the result arrived: it may be due again for any reason
                    if stop.let_go(done.delivery) {
                        stop.look(now);
                    }
                }
                None => {
                    stop.let_go(done.delivery);
                    stop.look(now + PAUSE_AFTER_FAULT);
                }
            }
        }
        if let Some(id) = self.waiting.pop_front() {
            if let Some(stop) = self.stops.get_mut(&id) {
                stop.in_line = false;
            }
            self.plan(id);
        }
        self.plan(done.endpoint);
    }

    /// Queues the endpoints whose timer has run out.
    fn ring(&mut self, now: Time) {
        while let Some((at, id)) = self.timers.first().copied()
            && at <= now
        {
            self.timers.remove(&(at, id));
            if let Some(stop) = self.stops.get_mut(&id) {
                stop.timer = None;
            }
            self.plan(id);
        }
    }

    /// Decides when an endpoint is visited next: at once, at a time, or when something else happens.
    fn plan(&mut self, id: EndpointId) {
        let now = self.time.now();
        let Some(stop) = self.stops.get_mut(&id) else { return };
        if stop.in_line || !stop.target.endpoint.is_open() {
            return;
        }
        let at = if stop.has_work(now) {
            match stop.throttle.room(now) {
                Capacity::Now(_) => {
                    stop.in_line = true;
                    self.line.push_back(id);
                    return;
                }
                Capacity::At(at) => Some(at),
                Capacity::AfterOne => None,
            }
        } else {
            stop.look_at
        };
        if let Some(before) = stop.timer.take() {
            self.timers.remove(&(before, id));
        }
        if let Some(at) = at {
            stop.timer = Some(at);
            self.timers.insert((at, id));
        }
    }

    /// How many more attempts may begin. The last quarter of the limit is for endpoints that are known to respond
    /// well: others could hold it for as long as a timeout lasts.
    fn headroom(&self, proven: bool) -> usize {
        let limit = self.options.concurrency;
        let limit = if proven { limit } else { (limit - limit / 4).max(1) };
        limit.saturating_sub(self.under_way)
    }

    async fn visit(&mut self, id: EndpointId) {
        let now = self.time.now();
        let Some(stop) = self.stops.get_mut(&id) else { return };
        stop.in_line = false;
        if !stop.target.endpoint.is_open() {
            return;
        }
        let (room, proven) = (stop.throttle.room(now), stop.throttle.is_proven());
        let Capacity::Now(room) = room else { return self.plan(id) };
        let room = room.min(self.headroom(proven));
        if room == 0 {
            if let Some(stop) = self.stops.get_mut(&id) {
                stop.in_line = true;
            }
            self.waiting.push_back(id);
            return;
        }
        let mut jobs = self.at_hand(id, room);
        if jobs.len() < room {
            jobs.extend(self.waiting_of(id, room - jobs.len(), now).await);
        }
        for (item, body) in jobs {
            self.begin(id, item, body, now);
        }
        self.plan(id);
    }

    fn at_hand(&mut self, id: EndpointId, room: usize) -> Vec<(DueDelivery, Bytes)> {
        let Some(stop) = self.stops.get_mut(&id) else { return Vec::new() };
        let count = room.min(stop.fresh.len());
        self.fresh -= count;
        stop.fresh.drain(..count).map(|fresh| (fresh.item, fresh.body)).collect()
    }

    async fn waiting_of(&mut self, id: EndpointId, room: usize, now: Time) -> Vec<(DueDelivery, Bytes)> {
        let Some(stop) = self.stops.get(&id) else { return Vec::new() };
        if stop.look_at.is_none_or(|at| at > now) {
            return Vec::new();
        }
        let known = stop.begun.clone();
        match self.look(id, &known, room, now).await {
            Ok(StoredDeliveries { jobs, passed_over, next }) => {
                if let Some(stop) = self.stops.get_mut(&id) {
                    stop.look_at = next;
                    stop.passed_over.extend(passed_over);
                    stop.begun.extend(jobs.iter().map(|(item, _)| item.id));
                }
                jobs
            }
            Err(error) => {
                tracing::warn!(%error, "due deliveries cannot be read");
                if let Some(stop) = self.stops.get_mut(&id) {
                    stop.look_at = Some(now + PAUSE_AFTER_FAULT);
                }
                Vec::new()
            }
        }
    }

    /// Reads due deliveries that are not begun from the table.
    async fn look(
        &self,
        id: EndpointId,
        known: &HashSet<DeliveryId>,
        room: usize,
        now: Time,
    ) -> Result<StoredDeliveries, StoreUnavailable> {
        let store = &self.deps.store;
        let _held = self.time.hold().await;
        // one more than there is room for tells whether there are more
        let limit = room.min(PAGE) + known.len() + 1;
        let mut rows = store.due(id, now, limit).await?;
        let full = rows.len() == limit;
        let passed_over = rows.extract_if(.., |row| known.contains(&row.id)).map(|row| row.id).collect();
        let more = full || rows.len() > room;
        rows.truncate(room);
        let next = if more { Some(now) } else { store.next_due(id, now).await? };
        let positions: Vec<_> = rows.iter().map(|row| row.of.source).collect();
        let bodies: HashMap<_, _> = store.bodies(&positions).await?.into_iter().collect();
        let mut jobs = Vec::with_capacity(rows.len());
        for row in rows {
            match bodies.get(&row.of.source) {
                Some(body) => jobs.push((row, body.clone())),
                None => {
                    tracing::error!(delivery.id = %row.id, "what is to be delivered is not kept any more")
                }
            }
        }
        Ok(StoredDeliveries { jobs, passed_over, next })
    }

    fn begin(&mut self, id: EndpointId, item: DueDelivery, body: Bytes, now: Time) {
        let Some(stop) = self.stops.get_mut(&id) else { return };
        stop.throttle.begin();
        self.under_way += 1;
        if item.version.0 == 0 {
            let waited = (now - item.due).as_seconds_f64().max(0.0);
            metrics::histogram!(domain::metrics::WEBHOOK_FIRST_ATTEMPT_SECONDS).record(waited);
        }
        let job = DeliveryJob {
            delivery_sender: self.deps.delivery_sender.clone(),
            target: stop.target.clone(),
            item,
            body,
            patience: self.deps.runtime.clock.now() - self.options.failing_for,
        };
        self.workers.begin(job, self.done.clone());
    }
}
