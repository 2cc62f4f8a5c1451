//! A resource's own history, and the resource as it was.

use domain::envelope::{Recorded, StreamId, Time, Version};
use domain::ids::{ClientId, event_type_id};
use domain::ports::event_store::{Direction, EventStore};
use domain::wire::{DecodeError, readable, readable_sealed};
use projections::edge::format_time;
use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use crate::http::{Answer, Cursor, Paging, Query};
use crate::problem::ApiError;

/// Most events a time-travelling read folds at once from the log.
const PAGE: usize = 512;

/// An event of a resource's history.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = HistoryEvent)]
pub struct HistoryEvent {
    /// Its number in the log.
    #[schema(minimum = 1)]
    position: u64,
    /// Its stream.
    #[schema(example = "call-018f6d3c-1f1e-7c3a-9a55-0d9f3b6a7e10")]
    stream: String,
    /// Its number in the stream.
    #[schema(minimum = 1)]
    version: u64,
    /// Its id.
    #[schema(example = "evt_01h455vb4pex5vsknk084sn02q")]
    id: String,
    /// What happened.
    #[serde(rename = "type")]
    #[schema(example = "call.answered")]
    event_type: String,
    /// Version of the shape of `data`.
    schema: u16,
    /// The facts.
    data: serde_json::Value,
    /// Who caused it, in what connection.
    #[schema(value_type = Object)]
    metadata: Box<RawValue>,
    /// When it was recorded.
    #[schema(value_type = String, format = DateTime)]
    recorded_at: String,
}

impl HistoryEvent {
    /// The event as the edge shows it.
    ///
    /// # Errors
    /// When the stored bytes cannot be read.
    pub(crate) fn of(event: &Recorded) -> Result<Self, ApiError> {
        Self::told(event, readable(&event.event_type, &event.payload))
    }

    /// The same of an event as it is stored, whose personal values nobody here can open.
    ///
    /// # Errors
    /// When the stored bytes cannot be read.
    pub(crate) fn sealed(event: &Recorded) -> Result<Self, ApiError> {
        Self::told(event, readable_sealed(&event.event_type, &event.payload))
    }

    fn told(event: &Recorded, data: Result<serde_json::Value, DecodeError>) -> Result<Self, ApiError> {
        let data = data.map_err(ApiError::internal)?;
        let metadata = String::from_utf8(event.metadata.to_vec()).map_err(ApiError::internal)?;
        Ok(Self {
            position: event.position.0,
            stream: event.stream.to_string(),
            version: event.version.0,
            id: event_type_id(event.id),
            event_type: event.event_type.clone(),
            schema: event.schema,
            data,
            metadata: RawValue::from_string(metadata).map_err(ApiError::internal)?,
            recorded_at: format_time(event.recorded_at),
        })
    }
}

/// A page of a stream's history; 404 when it does not exist for this client.
pub(super) async fn page(
    store: &dyn EventStore,
    client: ClientId,
    stream: &StreamId,
    kind: &str,
    query: Query,
) -> Result<Answer, ApiError> {
    let mut query = query;
    // a history is read oldest first, unless somebody says otherwise
    let backwards = query.text("order").is_some_and(|order| order == "desc");
    let Paging { limit, cursor, .. } = query.paging();
    query.finish()?;
    let from = cursor.map(|cursor| cursor.read::<u64>()).transpose()?.unwrap_or(0);
    let direction = if backwards { Direction::Backwards } else { Direction::Forwards };
    if backwards && from == 1 {
        return Ok(Answer::list::<HistoryEvent>(&[], None));
    }
    let mut events: Vec<Recorded> = Vec::new();
    // a page of large events may come up short: only an empty one is the end
    while events.len() <= limit {
        let from = events.last().map_or(Version(from), |last| last.version);
        if backwards && from == Version(1) {
            break;
        }
        let page = store.read_stream(stream, from, direction, limit + 1 - events.len()).await;
        let page = page.map_err(ApiError::unavailable)?;
        if page.is_empty() {
            break;
        }
        events.extend(page);
    }
    belongs(store, client, stream, kind, events.first()).await?;
    let more = events.len() > limit;
    events.truncate(limit);
    let next = events.last().filter(|_| more).map(|last| Cursor::after(&last.version.0)).transpose()?;
    let items = events.iter().map(HistoryEvent::of).collect::<Result<Vec<_>, _>>()?;
    Ok(Answer::list(&items, next))
}

/// Whether the stream exists and is this client's: another client's id is as unknown as no id at all.
async fn belongs(
    store: &dyn EventStore,
    client: ClientId,
    stream: &StreamId,
    kind: &str,
    seen: Option<&Recorded>,
) -> Result<(), ApiError> {
    let owner = match seen {
        Some(event) => Some(event.client_id),
        None => {
            let first = store.read_stream(stream, Version::NONE, Direction::Forwards, 1).await;
            first.map_err(ApiError::unavailable)?.first().map(|event| event.client_id)
        }
    };
    if owner == Some(client) { Ok(()) } else { Err(ApiError::not_found(kind)) }
}

/// Which moment of a resource is asked for.
#[derive(Debug, Clone, Copy)]
pub(super) enum Moment {
    /// As it was at this time.
    At(Time),
    /// As it was at this version.
    Version(Version),
}

/// Takes `at` and `version` from the query.
pub(super) fn moment(query: &mut Query) -> Option<Moment> {
    let (at, version) = (query.time("at"), query.take::<u64>("version"));
    match (at, version) {
        (Some(_), Some(_)) => {
            query.fault("version", "give either at or version");
            None
        }
        (Some(at), None) => Some(Moment::At(at)),
        (None, Some(version)) => Some(Moment::Version(Version(version))),
        (None, None) => None,
    }
}

/// The events of a stream up to a moment; 404 when it did not exist for this client then.
pub(super) async fn events_until(
    store: &dyn EventStore,
    client: ClientId,
    stream: &StreamId,
    kind: &str,
    moment: Moment,
) -> Result<Vec<Recorded>, ApiError> {
    let mut events: Vec<Recorded> = Vec::new();
    loop {
        let after = events.last().map_or(Version::NONE, |last| last.version);
        let page = store.read_stream(stream, after, Direction::Forwards, PAGE).await;
        let page = page.map_err(ApiError::unavailable)?;
        let wanted = |event: &Recorded| match moment {
            Moment::At(time) => event.recorded_at <= time,
            Moment::Version(version) => event.version <= version,
        };
        let (before, read) = (events.len(), page.len());
        events.extend(page.into_iter().take_while(wanted));
        if read == 0 || events.len() - before < read {
            break;
        }
    }
    match events.first() {
        Some(first) if first.client_id == client => Ok(events),
        _ => Err(ApiError::not_found(kind)),
    }
}
