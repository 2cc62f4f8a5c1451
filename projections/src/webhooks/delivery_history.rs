//! A delivery's whole history: its own events, and entries that follow from other events.
//!
//! A delivery begins without an event of its own: that it is due follows from the public event and its endpoint.
//! In the same way a replay of its endpoint makes it due again, and the deletion of its endpoint ends it. Such
//! entries have the position and the id of the event they follow from.

use bytes::Bytes;
use domain::aggregate::Aggregate as _;
use domain::envelope::{Position, Recorded, Time, Version};
use domain::ids::DeliveryId;
use domain::ports::deliveries::RecordedAttempt;
use domain::webhook::delivery::{
    Cause, Delivery, DeliveryAttempted, DeliveryEvent, DeliveryOf, DeliveryStatus, Then,
};
use domain::webhook::endpoint::{Endpoint, EndpointEvent, ReplayRequested};
use domain::webhook::public::PublicEvent;
use domain::wire::{DecodeError, DomainEvent as _};

/// What happened to a delivery.
#[derive(Debug, Clone, PartialEq)]
pub enum Happened {
    /// The delivery became due for the first time.
    Scheduled,
    /// An event of the delivery's own stream.
    Own(Box<DeliveryEvent>),
    /// A replay of its endpoint made it due again.
    Replayed,
    /// The endpoint of the delivery was deleted.
    EndpointDeleted,
}

impl Happened {
    /// Name in the history, for example `delivery.scheduled`.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Scheduled => "delivery.scheduled",
            Self::Own(event) => event.event_type(),
            Self::Replayed => "delivery.replayed",
            Self::EndpointDeleted => "delivery.endpoint_deleted",
        }
    }

    /// The attempt that the entry records; `None` for other entries.
    #[must_use]
    pub fn attempt(&self) -> Option<&DeliveryAttempted> {
        match self {
            Self::Own(event) => match &**event {
                DeliveryEvent::Attempted(fact) => Some(fact),
                _ => None,
            },
            _ => None,
        }
    }
}

/// An entry of the history.
#[derive(Debug, Clone)]
pub struct DeliveryEntry<'e> {
    /// The event that the entry is, or follows from.
    pub source: &'e Recorded,
    pub happened: Happened,
    /// Version of the delivery's stream after it, which is the number of its own events.
    pub version: Version,
    /// Status of the delivery after it.
    pub status: DeliveryStatus,
}

/// The entries, oldest first. `fact` is the event that the delivery is about, `None` for a test; `endpoint` are
/// all events of its endpoint, `own` all of its own. Fails when an event cannot be read.
pub fn delivery_entries<'e>(
    of: &DeliveryOf,
    fact: Option<&'e Recorded>,
    endpoint: &'e [Recorded],
    own: &'e [Recorded],
) -> Result<Vec<DeliveryEntry<'e>>, DecodeError> {
    let mut history = History::new(of, fact);
    let mut others = fact.into_iter().chain(endpoint).collect::<Vec<_>>();
    others.sort_by_key(|event| event.position);
    // the delivered event may be one of the endpoint's
    others.dedup_by_key(|event| event.position);
    let (mut others, mut own) = (others.into_iter().peekable(), own.iter().peekable());
    loop {
        let next = match (others.peek(), own.peek()) {
            (None, None) => return Ok(history.entries),
            (Some(_), None) => others.next(),
            (None, Some(_)) => own.next(),
            (Some(other), Some(mine)) if other.position < mine.position => others.next(),
            (Some(_), Some(_)) => own.next(),
        };
        let Some(event) = next else { return Ok(history.entries) };
        history.take(event)?;
    }
}

struct History<'e, 'o> {
    of: &'o DeliveryOf,
    fact: Option<&'e Recorded>,
    endpoint: Endpoint,
    delivery: Delivery,
    status: DeliveryStatus,
    version: Version,
    entries: Vec<DeliveryEntry<'e>>,
}

impl<'e, 'o> History<'e, 'o> {
    fn new(of: &'o DeliveryOf, fact: Option<&'e Recorded>) -> Self {
        let (endpoint, delivery) = (Endpoint::default(), Delivery::default());
        let status = DeliveryStatus::Pending;
        Self { of, fact, endpoint, delivery, status, version: Version::NONE, entries: Vec::new() }
    }

    fn take(&mut self, event: &'e Recorded) -> Result<(), DecodeError> {
        // the delivered event may be the endpoint's own: whether it wants that is decided as it was before
        if self.fact.is_some_and(|fact| fact.position == event.position) && self.wanted(event) {
            self.add(event, Happened::Scheduled);
        }
        match event.stream.category() {
            Delivery::CATEGORY => self.own(event)?,
            Endpoint::CATEGORY => {
                let change = EndpointEvent::decode(&event.event_type, event.schema, &event.payload)?;
                self.endpoint.evolve(&change);
                match change {
                    EndpointEvent::ReplayRequested(replay) if self.is_meant(&replay, event.position) => {
                        let begun = !self.entries.is_empty();
                        self.add(event, if begun { Happened::Replayed } else { Happened::Scheduled });
                    }
                    EndpointEvent::Deleted(_) if self.is_pending() => {
                        self.add(event, Happened::EndpointDeleted)
                    }
                    _ => {}
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn own(&mut self, event: &'e Recorded) -> Result<(), DecodeError> {
        let fact = DeliveryEvent::decode(&event.event_type, event.schema, &event.payload)?;
        self.delivery.evolve(&fact);
        self.version = event.version;
        // an attempt that was under way when the endpoint was deleted revives nothing, unless it succeeded
        let cancelled = self.status == DeliveryStatus::Cancelled;
        self.status = match &fact {
            DeliveryEvent::Attempted(made) if cancelled && made.then != Then::Succeeded => self.status,
            _ => self.delivery.status(),
        };
        self.add(event, Happened::Own(Box::new(fact)));
        Ok(())
    }

    fn add(&mut self, source: &'e Recorded, happened: Happened) {
        self.status = match happened {
            Happened::Scheduled | Happened::Replayed => DeliveryStatus::Pending,
            Happened::EndpointDeleted => DeliveryStatus::Cancelled,
            Happened::Own(_) => self.status,
        };
        self.entries.push(DeliveryEntry { source, happened, version: self.version, status: self.status });
    }

    fn is_pending(&self) -> bool {
        !self.entries.is_empty() && self.status == DeliveryStatus::Pending
    }

    /// Whether the endpoint, as it was then, wanted the event. The agent of the event is not known here; because
    /// there is a delivery, it was one that the endpoint wanted.
    fn wanted(&self, fact: &Recorded) -> bool {
        self.endpoint.wants(&PublicEvent {
            id: fact.id,
            client: fact.client_id,
            position: fact.position,
            event_type: self.of.event_type.clone(),
            subject: self.of.subject,
            agent: self.endpoint.terms().and_then(|terms| terms.agent_id),
            at: fact.recorded_at,
            body: Bytes::new(),
        })
    }

    /// Whether a replay includes this delivery, in its present state.
    fn is_meant(&self, replay: &ReplayRequested, position: Position) -> bool {
        let Some(fact) = self.fact else { return false };
        let until = replay.until.unwrap_or(replay.at);
        let within = replay.since <= fact.recorded_at && fact.recorded_at < until && fact.position < position;
        let stands = match (self.entries.is_empty(), self.status) {
            (true, _) => !replay.only_failed,
            (_, DeliveryStatus::Pending) => false,
            (_, DeliveryStatus::Succeeded) => !replay.only_failed,
            (_, DeliveryStatus::Failed | DeliveryStatus::Cancelled) => true,
        };
        within && stands && replay.events.contains(&self.of.event_type)
    }
}

/// The attempts among these entries, and when the next one was due after them; `None` when the delivery was over,
/// or when it is not known.
#[must_use]
pub fn attempts_among(
    delivery: DeliveryId,
    entries: &[DeliveryEntry<'_>],
) -> (Vec<RecordedAttempt>, Option<Time>) {
    let made = entries.iter().filter_map(|entry| {
        Some(RecordedAttempt {
            delivery,
            client: entry.source.client_id,
            id: entry.source.id,
            version: entry.version,
            fact: entry.happened.attempt()?.clone(),
        })
    });
    let next = entries.last().filter(|last| last.status == DeliveryStatus::Pending);
    let next = next.and_then(|last| match last.happened.attempt().map(|fact| fact.then) {
        Some(Then::Again { due }) => Some(due),
        Some(_) => None,
        None => Some(last.source.recorded_at),
    });
    (made.collect(), next)
}

/// Whether a delivery is a test of its endpoint, which is about no event.
#[must_use]
pub fn is_test(own: &[Recorded]) -> bool {
    own.first().is_some_and(|first| {
        let fact = DeliveryEvent::decode(&first.event_type, first.schema, &first.payload);
        matches!(fact, Ok(DeliveryEvent::Attempted(attempted)) if attempted.cause == Cause::Test)
    })
}
