//! A delivery's whole history, and its state at an earlier moment.

use domain::envelope::{Position, Recorded, Time, Version};
use domain::ids::{ClientId, DeliveryId, event_type_id};
use domain::ports::event_store::{Direction, EventStore as _};
use domain::webhook::delivery::{DeliveryEvent, DeliveryOf, DeliveryRefusal, DeliveryStatus};
use domain::wire::DomainEvent as _;
use projections::page::Stored;
use projections::webhooks::{
    AttemptView, DeliveryEntry, DeliveryView, Happened, attempts_among, delivery_entries, is_test,
};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::super::super::commands::AsProblem as _;
use super::super::super::history::{HistoryEvent, Moment, events_until};
use crate::backend::Backend;
use crate::problem::{ApiError, Code};

/// Most events of a delivery that one read takes.
const PAGE: usize = 200;

/// All events that a delivery's history derives from.
pub(super) struct Sources {
    id: DeliveryId,
    of: DeliveryOf,
    /// The delivered event; `None` for a test.
    fact: Option<Recorded>,
    endpoint: Vec<Recorded>,
    /// The delivery's own events, with personal data encrypted as the log stores it.
    stored: Vec<Recorded>,
    /// The delivery's own events with personal data decrypted.
    own: Vec<Recorded>,
}

impl Sources {
    /// Answers 404 when the delivery is not the client's; 503 when a store is away.
    pub(super) async fn read(backend: &Backend, client: ClientId, id: DeliveryId) -> Result<Self, ApiError> {
        let deliveries = &backend.webhooks.deliveries;
        let known = deliveries.delivery_summary(client, id).await.map_err(ApiError::unavailable)?;
        let stored = own_events(backend, id).await?;
        let theirs = stored.first().is_none_or(|first| first.client_id == client);
        let own = backend.private.redacted().opened(stored.clone()).await.map_err(ApiError::unavailable)?;
        // the view forgets a delivery after its retention, the log never does
        let of = known.map(|known| known.of).or_else(|| named(&own)).filter(|_| theirs);
        let of = of.ok_or_else(|| ApiError::not_found(DeliveryRefusal::KIND))?;
        let endpoint = events_until(backend, client, &of.endpoint.stream(), "webhook", None).await?;
        let fact = match is_test(&own) {
            true => None,
            false => fact(backend, client, of.source).await?,
        };
        Ok(Self { id, of, fact, endpoint, stored, own })
    }

    /// Everything that happened to the delivery, oldest first. Fails when an event cannot be decoded.
    pub(super) fn entries(&self) -> Result<Vec<DeliveryEntry<'_>>, ApiError> {
        let entries = delivery_entries(&self.of, self.fact.as_ref(), &self.endpoint, &self.own);
        entries.map_err(ApiError::internal)
    }

    /// The history as the API shows it, oldest first, each entry with its log position. Fails when an
    /// event cannot be decoded.
    pub(super) fn shown(&self, backend: &Backend) -> Result<Vec<(Position, HistoryEvent)>, ApiError> {
        let mut own = self.stored.iter().zip(&self.own);
        let mut shown = Vec::new();
        for entry in self.entries()? {
            let event = match entry.happened {
                Happened::Own(_) => {
                    let Some((stored, opened)) = own.next() else { break };
                    HistoryEvent::with_leaf(backend.log_id, stored, opened)?
                }
                _ => self.derived(&entry)?,
            };
            shown.push((entry.source.position, event));
        }
        Ok(shown)
    }

    fn derived(&self, entry: &DeliveryEntry<'_>) -> Result<HistoryEvent, ApiError> {
        let source = entry.source;
        let data = json!({
            "endpoint_id": self.of.endpoint.to_string(),
            "event": self.of.event_type,
            "event_id": event_type_id(self.of.event),
            "follows_from": {
                "stream": source.stream.to_string(),
                "type": source.event_type,
                "version": source.version.0,
            },
        });
        HistoryEvent::derived(source, &self.id.stream(), entry.version, entry.happened.name(), data)
    }

    /// The delivery as it was, with the payload of what is `shown` of it now. Answers 404 for a time before it existed
    /// and for a version it does not have.
    pub(super) fn at(self, moment: Moment, shown: Option<&Stored>) -> Result<DeliveryView, ApiError> {
        let entries = self.entries()?;
        let until = match moment {
            Moment::At(time) => entries.partition_point(|entry| entry.source.recorded_at <= time),
            Moment::Version(asked) => {
                let newest = entries.last().map_or(Version::NONE, |last| last.version);
                if asked > newest {
                    let detail = format!("this delivery has no version {asked}: its newest is {newest}");
                    return Err(ApiError::new(Code::NotFound, detail));
                }
                // the delivery as its own event of that version left it; for version 0 as it began
                1 + entries.partition_point(|entry| entry.version < asked)
            }
        };
        let then = entries.get(..until.min(entries.len())).unwrap_or_default();
        let (Some(first), Some(last)) = (then.first(), then.last()) else {
            return Err(ApiError::not_found(DeliveryRefusal::KIND));
        };
        let (attempts, due) = attempts_among(self.id, then);
        let attempts = attempts.iter().map(AttemptView::of).map(raw).collect::<Result<Vec<_>, _>>()?;
        Ok(DeliveryView {
            id: self.id,
            endpoint_id: self.of.endpoint,
            event: self.of.event_type.clone(),
            event_id: event_type_id(self.of.event),
            status: last.status.as_str().to_owned(),
            attempt_count: attempts.len() as u64,
            next_attempt_at: due.filter(|_| last.status == DeliveryStatus::Pending),
            created_at: began(first),
            version: last.version.0,
            attempts,
            payload: shown.and_then(|shown| payload_of(&shown.json)),
        })
    }
}

/// When the delivered event happened; for a test, when the attempt began.
fn began(first: &DeliveryEntry<'_>) -> Time {
    first.happened.attempt().map_or(first.source.recorded_at, |fact| fact.attempt.began_at)
}

fn raw(view: AttemptView) -> Result<Box<RawValue>, ApiError> {
    serde_json::value::to_raw_value(&view).map_err(ApiError::internal)
}

/// Event and endpoint of a delivery, read from its first attempt.
fn named(own: &[Recorded]) -> Option<DeliveryOf> {
    let first = own.first()?;
    match DeliveryEvent::decode(&first.event_type, first.schema, &first.payload) {
        Ok(DeliveryEvent::Attempted(fact)) => Some(fact.of),
        _ => None,
    }
}

fn payload_of(json: &str) -> Option<Box<RawValue>> {
    let mut shown: Value = serde_json::from_str(json).ok()?;
    let payload = shown.get_mut("payload").map(Value::take).filter(|payload| !payload.is_null())?;
    serde_json::value::to_raw_value(&payload).ok()
}

async fn own_events(backend: &Backend, id: DeliveryId) -> Result<Vec<Recorded>, ApiError> {
    let (store, stream) = (backend.private.stored(), id.stream());
    let mut events: Vec<Recorded> = Vec::new();
    loop {
        let after = events.last().map_or(Version::NONE, |last| last.version);
        let page = store.read_stream(&stream, after, Direction::Forwards, PAGE).await;
        let page = page.map_err(ApiError::unavailable)?;
        if page.is_empty() {
            return Ok(events);
        }
        events.extend(page);
    }
}

async fn fact(backend: &Backend, client: ClientId, position: Position) -> Result<Option<Recorded>, ApiError> {
    let before = Position(position.0.saturating_sub(1));
    let found = backend.private.redacted().read_all(before, 1).await.map_err(ApiError::unavailable)?;
    Ok(found.into_iter().find(|event| event.position == position && event.client_id == client))
}
