//! A resource's event history, and reading the resource as it was.

use domain::envelope::{Recorded, StreamId, Time, Version};
use domain::ids::{ClientId, event_type_id};
use domain::merkle::Entry;
use domain::ports::event_store::{Direction, EventStore as _};
use domain::wire::{DecodeError, readable, readable_sealed};
use projections::edge::format_time;
use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::backend::Backend;
use crate::problem::{ApiError, Code};
use crate::{Answer, Cursor, Paging, Query};

/// Most events that a time-travelling read takes from the log at once.
const PAGE: usize = 512;

/// An event of a resource's history.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = HistoryEvent)]
pub struct HistoryEvent {
    /// Position of the event in the log.
    #[schema(minimum = 1)]
    position: u64,
    /// Name of the stream that the event belongs to.
    #[schema(example = "call-018f6d3c-1f1e-7c3a-9a55-0d9f3b6a7e10")]
    stream: String,
    /// Version of the event in its stream, from 1. For an entry derived from another stream's event: the number of
    /// own events before it.
    #[schema(minimum = 0)]
    version: u64,
    /// Id of the event: `evt_…`.
    #[schema(example = "evt_01h455vb4pex5vsknk084sn02q")]
    id: String,
    /// Type of the event, such as `call.answered`.
    #[serde(rename = "type")]
    #[schema(example = "call.answered")]
    event_type: String,
    /// Version of the shape of `data`.
    schema: u16,
    /// What the event records; the fields depend on `type` and `schema`.
    data: serde_json::Value,
    /// Who caused it and in what context: actor, correlation, causation, request and trace.
    #[schema(value_type = Object)]
    metadata: Box<RawValue>,
    /// When it was recorded, in RFC 3339.
    #[schema(value_type = String, format = DateTime)]
    recorded_at: String,
    /// Hash of its leaf in the Merkle tree, in base64: an inclusion proof is about this hash. A derived entry is no
    /// leaf and has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    leaf_hash: Option<String>,
}

impl HistoryEvent {
    pub(crate) fn version(&self) -> Version {
        Version(self.version)
    }

    pub(crate) fn event_type(&self) -> &str {
        &self.event_type
    }

    /// A stored event of `log` whose personal values this node cannot decrypt, with its leaf hash. Fails when the
    /// stored bytes cannot be decoded.
    pub fn sealed(log: Uuid, event: &Recorded) -> Result<Self, ApiError> {
        let leaf_hash = Some(Entry::of(log, event).leaf().to_string());
        Ok(Self { leaf_hash, ..Self::told(event, readable_sealed(&event.event_type, &event.payload))? })
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
            leaf_hash: None,
        })
    }

    /// An entry that follows from an event of another stream: it has that event's position and id. Fails when the
    /// event's metadata is not UTF-8 JSON.
    pub(super) fn derived(
        source: &Recorded,
        stream: &StreamId,
        version: Version,
        event_type: &str,
        data: serde_json::Value,
    ) -> Result<Self, ApiError> {
        let metadata = String::from_utf8(source.metadata.to_vec()).map_err(ApiError::internal)?;
        Ok(Self {
            position: source.position.0,
            stream: stream.to_string(),
            version: version.0,
            id: event_type_id(source.id),
            event_type: event_type.to_owned(),
            schema: 1,
            data,
            metadata: RawValue::from_string(metadata).map_err(ApiError::internal)?,
            recorded_at: format_time(source.recorded_at),
            leaf_hash: None,
        })
    }

    /// Decrypts stored events for display and adds their leaf hashes, which cover the stored bytes. Fails when the
    /// keys of personal data are unavailable, or stored bytes cannot be decoded.
    pub(crate) async fn proven(backend: &Backend, stored: Vec<Recorded>) -> Result<Vec<Self>, ApiError> {
        // decrypts for display only: what the privacy settings do not keep of a call stays hidden
        let opened =
            backend.private.redacted().opened(stored.clone()).await.map_err(ApiError::unavailable)?;
        let proven = |(stored, opened)| Self::with_leaf(backend.log_id, stored, opened);
        stored.iter().zip(&opened).map(proven).collect()
    }

    /// An event of `log`, from its stored form (for the leaf hash) and its decrypted form (for the data). Fails
    /// when the bytes cannot be decoded.
    pub fn with_leaf(log: Uuid, stored: &Recorded, opened: &Recorded) -> Result<Self, ApiError> {
        let leaf_hash = Some(Entry::of(log, stored).leaf().to_string());
        Ok(Self { leaf_hash, ..Self::told(opened, readable(&opened.event_type, &opened.payload))? })
    }
}

/// A page of a stream's history. Answers 404 when the stream does not exist for this client.
pub(super) async fn page(
    backend: &Backend,
    client: ClientId,
    stream: &StreamId,
    kind: &str,
    query: Query,
) -> Result<Answer, ApiError> {
    let Page { events, next } = read_page(backend, stream, query).await?;
    belongs(backend, client, stream, kind, events.first()).await?;
    Ok(Answer::list(&HistoryEvent::proven(backend, events).await?, next))
}

/// A page of the history of something that every client has from the beginning, such as settings: without events it
/// is empty. `stream` must belong to the caller's client by its name.
pub(super) async fn page_or_empty(
    backend: &Backend,
    stream: &StreamId,
    query: Query,
) -> Result<Answer, ApiError> {
    let Page { events, next } = read_page(backend, stream, query).await?;
    Ok(Answer::list(&HistoryEvent::proven(backend, events).await?, next))
}

struct Page {
    events: Vec<Recorded>,
    next: Option<Cursor>,
}

async fn read_page(backend: &Backend, stream: &StreamId, query: Query) -> Result<Page, ApiError> {
    let store = &*backend.private.stored();
    let mut query = query;
    // oldest first by default, unlike other lists
    let backwards = query.text("order").is_some_and(|order| order == "desc");
    let Paging { limit, cursor, .. } = query.paging();
    query.finish()?;
    let from = cursor.map(|cursor| cursor.read::<u64>()).transpose()?.unwrap_or(0);
    let direction = if backwards { Direction::Backwards } else { Direction::Forwards };
    if backwards && from == 1 {
        return Ok(Page { events: Vec::new(), next: None });
    }
    let mut events: Vec<Recorded> = Vec::new();
    // a page of large events may be short: only an empty one is the end
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
    let more = events.len() > limit;
    events.truncate(limit);
    let next = events.last().filter(|_| more).map(|last| Cursor::after(&last.version.0)).transpose()?;
    Ok(Page { events, next })
}

/// Checks that the stream exists and is this client's: another client's id answers 404 like an unknown one.
async fn belongs(
    backend: &Backend,
    client: ClientId,
    stream: &StreamId,
    kind: &str,
    seen: Option<&Recorded>,
) -> Result<(), ApiError> {
    let owner = match seen {
        Some(event) => Some(event.client_id),
        None => {
            let store = backend.private.stored();
            let first = store.read_stream(stream, Version::NONE, Direction::Forwards, 1).await;
            first.map_err(ApiError::unavailable)?.first().map(|event| event.client_id)
        }
    };
    if owner == Some(client) { Ok(()) } else { Err(ApiError::not_found(kind)) }
}

/// The moment at which a request wants a resource.
#[derive(Debug, Clone, Copy)]
pub(super) enum Moment {
    At(Time),
    Version(Version),
}

/// Takes `at` and `version` from the query; notes a fault when both are given.
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

/// The events of a stream up to a moment, or all of them; empty when there were none yet. Answers 404 when the
/// stream is another client's, or has no such version yet.
pub(super) async fn events_until(
    backend: &Backend,
    client: ClientId,
    stream: &StreamId,
    kind: &str,
    moment: Option<Moment>,
) -> Result<Vec<Recorded>, ApiError> {
    let store = backend.private.redacted();
    let mut events: Vec<Recorded> = Vec::new();
    loop {
        let after = events.last().map_or(Version::NONE, |last| last.version);
        let page = store.read_stream(stream, after, Direction::Forwards, PAGE).await;
        let page = page.map_err(ApiError::unavailable)?;
        let wanted = |event: &Recorded| match moment {
            None => true,
            Some(Moment::At(time)) => event.recorded_at <= time,
            Some(Moment::Version(version)) => event.version <= version,
        };
        let (before, read) = (events.len(), page.len());
        events.extend(page.into_iter().take_while(wanted));
        if read == 0 || events.len() - before < read {
            break;
        }
    }
    match (events.first(), events.last(), moment) {
        (Some(first), ..) if first.client_id != client => Err(ApiError::not_found(kind)),
        (_, Some(last), Some(Moment::Version(asked))) if last.version < asked => {
            let detail = format!("this {kind} has no version {asked}: its newest is {}", last.version);
            Err(ApiError::new(Code::NotFound, detail))
        }
        _ => Ok(events),
    }
}
