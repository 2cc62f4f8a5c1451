//! The process manager of webhooks: reads the log and turns events into public events and deliveries.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use chrono::TimeDelta;
use domain::aggregate::Aggregate;
use domain::envelope::{Position, Recorded, Time};
use domain::ids::{DeliveryId, EndpointId};
use domain::personal::Personal;
use domain::ports::deliveries::{DeliveryChange, DueDelivery, NewDelivery, RecordedAttempt, Replay};
use domain::ports::event_store::{History, ReadError, Subscription, history_of};
use domain::ports::lease::Lease;
use domain::ports::outbox::OutboxError;
use domain::ports::webhooks::PublishError;
use domain::webhook::delivery::{Cause, Delivery, DeliveryAttempted, DeliveryEvent, DeliveryOf, Then};
use domain::webhook::endpoint::{Endpoint, EndpointEvent, ReplayRequested};
use domain::webhook::public::{PublicEvent, TEST_TYPE};
use domain::wire::{DecodeError, DomainEvent};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::DeliveryDeps;
use super::target::{Target, Targets};
use crate::outbox::time::JobClock;

const BATCH: usize = 1_000;
const PAUSE_AFTER_FAULT: Duration = Duration::from_millis(500);

/// A delivery that has just begun, with its body.
#[derive(Debug)]
pub(super) struct FreshDelivery {
    pub(super) item: DueDelivery,
    pub(super) body: Bytes,
}

/// A message to the dispatcher.
#[derive(Debug)]
pub(super) enum Notice {
    /// The log was read to its end, and these are all endpoints: attempts may begin.
    Ready(Position, Vec<Arc<Target>>),
    /// The log was read further, with these consequences.
    Followed(Box<Step>),
}

/// The consequences of a page of the log.
#[derive(Debug, Default)]
pub(super) struct Step {
    pub(super) to: Position,
    /// New deliveries that are due at once.
    pub(super) fresh: Vec<FreshDelivery>,
    /// Endpoints with rows that are due from that time on.
    pub(super) due: Vec<(EndpointId, Time)>,
    /// Endpoints that have changed.
    pub(super) changed: Vec<Arc<Target>>,
    /// Endpoints that were deleted.
    pub(super) gone: Vec<EndpointId>,
}

/// Why following the log stopped.
#[derive(Debug, thiserror::Error)]
enum FollowError {
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error(transparent)]
    Work(#[from] OutboxError),
    #[error(transparent)]
    Publish(#[from] PublishError),
    #[error("event {position} cannot be read")]
    Event {
        position: Position,
        #[source]
        error: DecodeError,
    },
    #[error("what is remembered of an endpoint cannot be read or written")]
    Target(#[from] serde_json::Error),
    #[error("nobody dispatches any more")]
    Alone,
}

/// Follows the log until the lease is lost. A fault is reported and tried again: skipping an event
/// could lose a delivery.
pub(super) async fn follow(
    deps: &DeliveryDeps,
    lease: &Lease,
    time: &JobClock,
    news: &mpsc::Sender<Notice>,
    lease_lost: &CancellationToken,
) {
    while !lease_lost.is_cancelled() {
        let error = tokio::select! {
            () = lease_lost.cancelled() => return,
            Err(error) = keep_following(deps, lease, time, news) => error,
        };
        if matches!(error, FollowError::Work(OutboxError::Deposed) | FollowError::Alone) {
            tracing::warn!("another node keeps the deliveries now");
            return lease_lost.cancel();
        }
        tracing::error!(error = &error as &dyn std::error::Error, "the deliveries do not follow the log");
        let clock = &deps.runtime.clock;
        tokio::select! {
            () = lease_lost.cancelled() => {}
            () = clock.sleep(PAUSE_AFTER_FAULT) => {}
        }
    }
}

async fn keep_following(
    deps: &DeliveryDeps,
    lease: &Lease,
    time: &JobClock,
    news: &mpsc::Sender<Notice>,
) -> Result<Infallible, FollowError> {
    let mut at = checkpoint(deps).await?;
    let mut targets = Targets::load(deps.store.targets().await.map_err(OutboxError::from)?)?;
    // attempts that are recorded but not read yet must not be made again
    let head = deps.runtime.store.head().await?;
    let mut ready = false;
    let store = &deps.runtime.store;
    let told = deps.public.personal().and_then(|types| store.for_reader_of(types));
    let mut log = Subscription::new(told.unwrap_or_else(|| store.clone()), at, BATCH);
    loop {
        if !ready && at >= head {
            ready = true;
            tell(news, Notice::Ready(at, targets.all())).await?;
        }
        let events = log.next().await?;
        let held = time.hold().await;
        let (changes, mut step) = read(deps, &events, time, &mut targets).await?;
        deps.store.commit(lease, at, log.reached(), &changes).await?;
        drop(held);
        at = log.position();
        step.to = at;
        if ready {
            tell(news, Notice::Followed(Box::new(step))).await?;
        }
    }
}

/// How far the deliveries have come in this log. Deliveries of another history begin anew.
async fn checkpoint(deps: &DeliveryDeps) -> Result<Position, FollowError> {
    let reached = deps.store.checkpoint().await.map_err(OutboxError::from)?;
    match history_of(&*deps.runtime.store, reached).await? {
        History::Same => Ok(reached.position),
        found => {
            tracing::error!(
                position = reached.position.0,
                ?found,
                "deliveries hold events that are not in the log: they are made anew from the log"
            );
            deps.store.start_anew().await.map_err(OutboxError::from)?;
            Ok(Position::START)
        }
    }
}

async fn tell(news: &mpsc::Sender<Notice>, what: Notice) -> Result<(), FollowError> {
    news.send(what).await.map_err(|_| FollowError::Alone)
}

async fn read(
    deps: &DeliveryDeps,
    events: &[Recorded],
    time: &JobClock,
    targets: &mut Targets,
) -> Result<(Vec<DeliveryChange>, Step), FollowError> {
    let mut told = deps.public.of(events).await?.into_iter().peekable();
    let mut reading = Reading { targets, time, changes: Vec::new(), step: Step::default() };
    for recorded in events {
        if let Some(event) = told.next_if(|event| event.position == recorded.position) {
            reading.publish(event);
        }
        let unreadable = |error| FollowError::Event { position: recorded.position, error };
        match recorded.stream.category() {
            Endpoint::CATEGORY => {
                let event = EndpointEvent::decode(&recorded.event_type, recorded.schema, &recorded.payload);
                reading.endpoint(recorded, &event.map_err(unreadable)?)?;
            }
            Delivery::CATEGORY => {
                let event = DeliveryEvent::decode(&recorded.event_type, recorded.schema, &recorded.payload);
                reading.delivery(recorded, event.map_err(unreadable)?)?;
            }
            _ => {}
        }
    }
    Ok((reading.changes, reading.step))
}

struct Reading<'t> {
    targets: &'t mut Targets,
    time: &'t JobClock,
    changes: Vec<DeliveryChange>,
    step: Step,
}

impl Reading<'_> {
    /// When something due at once is due: when it was recorded, or now if the recorder's clock is ahead.
    fn at_once(&self, recorded_at: Time) -> Time {
        self.time.due(recorded_at, TimeDelta::zero())
    }

    fn publish(&mut self, event: PublicEvent) {
        let due = self.at_once(event.at);
        for target in self.targets.wanting(&event) {
            let new = NewDelivery {
                id: DeliveryId::of(target.id, event.id),
                client: event.client,
                of: DeliveryOf {
                    endpoint: target.id,
                    event: event.id,
                    event_type: event.event_type.clone(),
                    source: event.position,
                    subject: event.subject,
                },
                at: event.at,
                due,
                ordered: target.is_ordered(),
            };
            if new.ordered {
                self.step.due.push((target.id, due));
            } else {
                let item = DueDelivery {
                    id: new.id,
                    client: new.client,
                    of: new.of.clone(),
                    due,
                    before: 0,
                    version: domain::envelope::Version::NONE,
                };
                self.step.fresh.push(FreshDelivery { item, body: event.body.clone() });
            }
            self.changes.push(DeliveryChange::Schedule(new));
        }
        self.changes.push(DeliveryChange::Publish(event));
    }

    fn endpoint(&mut self, recorded: &Recorded, event: &EndpointEvent) -> Result<(), FollowError> {
        let (id, due) = (EndpointId(recorded.stream.id()), self.at_once(recorded.recorded_at));
        let was_ordered = self.targets.get(id).is_some_and(|target| target.is_ordered());
        let target = self.targets.take(recorded, event);
        match event {
            EndpointEvent::Deleted(_) => {
                self.targets.remove(id);
                self.changes.extend([DeliveryChange::CancelAll(id), DeliveryChange::Forget(id)]);
                self.step.gone.push(id);
                return Ok(());
            }
            EndpointEvent::ReplayRequested(replay) => {
                self.changes.push(DeliveryChange::Replay(asked(&target, replay, due, recorded.position)));
                self.step.due.push((id, due));
            }
            EndpointEvent::Updated(_) if was_ordered && !target.is_ordered() => {
                self.changes.push(DeliveryChange::Unblock(id, due));
                self.step.due.push((id, due));
            }
            _ => {}
        }
        self.remember(target)
    }

    fn remember(&mut self, target: Arc<Target>) -> Result<(), FollowError> {
        self.changes.push(DeliveryChange::Remember(target.stored()?));
        self.step.changed.push(target);
        Ok(())
    }

    fn delivery(&mut self, recorded: &Recorded, event: DeliveryEvent) -> Result<(), FollowError> {
        let delivery = DeliveryId(recorded.stream.id());
        let (version, now) = (recorded.version, self.at_once(recorded.recorded_at));
        match event {
            DeliveryEvent::Attempted(fact) => self.attempted(recorded, delivery, fact),
            DeliveryEvent::RedeliveryRequested(_) => {
                self.changes.push(DeliveryChange::Redeliver { delivery, due: now, version });
                self.look_everywhere(recorded, now);
                Ok(())
            }
            DeliveryEvent::Cancelled(_) => {
                self.changes.push(DeliveryChange::Cancel { delivery, at: now, version });
                self.look_everywhere(recorded, now);
                Ok(())
            }
        }
    }

    /// A replay request does not name its endpoint; a client has few of them, so all are looked at.
    fn look_everywhere(&mut self, recorded: &Recorded, at: Time) {
        let of_client = self.targets.all().into_iter().filter(|target| target.client == recorded.client_id);
        self.step.due.extend(of_client.map(|target| (target.id, at)));
    }

    fn attempted(
        &mut self,
        recorded: &Recorded,
        delivery: DeliveryId,
        mut fact: DeliveryAttempted,
    ) -> Result<(), FollowError> {
        if fact.cause == Cause::Test {
            // a test's body is stored nowhere else
            fact.of.source = recorded.position;
            let sent = fact.sent.take().and_then(Personal::into_inner);
            self.changes.push(DeliveryChange::Publish(PublicEvent {
                id: fact.of.event,
                client: recorded.client_id,
                position: recorded.position,
                event_type: TEST_TYPE.to_owned(),
                subject: fact.of.subject,
                agent: None,
                at: fact.attempt.began_at,
                body: sent.map(|sent| Bytes::from(sent.into_vec())).unwrap_or_default(),
            }));
        } else {
            let endpoint = fact.of.endpoint;
            let judged = self.targets.judge(endpoint, fact.attempt.succeeded(), fact.attempt.began_at);
            let now = self.at_once(recorded.recorded_at);
            match &mut fact.then {
                Then::Again { due } => {
                    *due = self.time.due(recorded.recorded_at, *due - fact.at);
                    self.step.due.push((endpoint, *due));
                }
                // the attempt may unblock the next delivery, or its delivery may have been requested again
                _ if self.targets.get(endpoint).is_some_and(|target| target.is_ordered()) => {
                    self.step.due.push((endpoint, now));
                }
                Then::Failed { .. } => self.step.due.push((endpoint, now)),
                Then::Succeeded | Then::Cancelled => {}
            }
            if let Some(target) = judged {
                self.remember(target)?;
            }
        }
        self.changes.push(DeliveryChange::Attempted(Box::new(RecordedAttempt {
            delivery,
            client: recorded.client_id,
            id: recorded.id,
            version: recorded.version,
            fact,
        })));
        Ok(())
    }
}

fn asked(target: &Target, replay: &ReplayRequested, due: Time, position: Position) -> Replay {
    Replay {
        endpoint: target.id,
        client: target.client,
        since: replay.since,
        until: replay.until.unwrap_or(replay.at),
        events: replay.events.clone(),
        agent: target.endpoint.terms().and_then(|terms| terms.agent_id),
        only_failed: replay.only_failed,
        due,
        position,
    }
}
