//! How an event of ours is stored in KurrentDB.
//!
//! The payload is the event's data, as bytes. The metadata is JSON: the database's own keys `$correlationId` and
//! `$causationId`, what the payload does not hold (schema, client, time), and the event's metadata as it was given,
//! byte by byte, because hashes of the log cover it.

use bytes::Bytes;
use domain::envelope::{Position, Recorded, StreamId, Time, Version};
use domain::ids::ClientId;
use eventstore::{EventData, RecordedEvent, ResolvedEvent};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use uuid::Uuid;

#[derive(Serialize, Deserialize)]
struct Stored<'a> {
    #[serde(rename = "$correlationId")]
    correlation_id: Uuid,
    #[serde(rename = "$causationId", default, skip_serializing_if = "Option::is_none")]
    causation_id: Option<Uuid>,
    schema: u16,
    client_id: Uuid,
    /// Time of recording, in microseconds since 1970.
    recorded_at: i64,
    #[serde(borrow)]
    metadata: &'a RawValue,
}

/// The ids that the database's tools look for.
#[derive(Deserialize)]
struct Causes {
    correlation_id: Uuid,
    #[serde(default)]
    causation_id: Option<Uuid>,
}

/// Name of a stream in the database.
pub(super) fn stream_name(prefix: &str, stream: &StreamId) -> String {
    format!("{prefix}{stream}")
}

/// The event as the client takes it. Fails when its metadata is no JSON of ours.
pub(super) fn encode(event: &Recorded) -> Result<EventData, serde_json::Error> {
    let causes: Causes = serde_json::from_slice(&event.metadata)?;
    let stored = Stored {
        correlation_id: causes.correlation_id,
        causation_id: causes.causation_id,
        schema: event.schema,
        client_id: event.client_id.0,
        recorded_at: event.recorded_at.timestamp_micros(),
        metadata: serde_json::from_slice(&event.metadata)?,
    };
    let payload = Bytes::copy_from_slice(&event.payload);
    let metadata = serde_json::to_vec(&stored)?.into();
    Ok(EventData::binary(event.event_type.clone(), payload).id(event.id).metadata(metadata))
}

/// An event of one of our streams, not numbered yet.
#[derive(Debug, Clone)]
pub(super) struct Found {
    /// Place in the database's log.
    pub(super) commit: u64,
    /// The event, without its position.
    pub(super) event: Recorded,
}

impl Found {
    pub(super) fn at(self, position: Position) -> Recorded {
        Recorded { position, ..self.event }
    }

    /// Revision of the event in its stream, from 0.
    pub(super) fn revision(&self) -> u64 {
        self.event.version.0.saturating_sub(1)
    }
}

/// What a record of `$all` is to us.
#[derive(Debug)]
pub(super) enum Kind {
    /// An event of ours.
    Ours(Found),
    /// The record belongs to nobody here.
    Foreign,
    /// Metadata of one of our streams lets the database forget events.
    Forgetting { stream: String },
    /// Somebody deleted one of our streams for ever.
    Deleted { stream: String },
    /// A record in one of our streams that we did not write.
    Intruder { stream: String, why: String },
}

/// Tells what a record is.
pub(super) fn classify(prefix: &str, resolved: ResolvedEvent) -> Kind {
    let Some(record) = resolved.link.or(resolved.event) else { return Kind::Foreign };
    // the client does not check what the server sends
    let Ok(name) = std::str::from_utf8(record.stream_id().as_bytes()).map(str::to_owned) else {
        return Kind::Foreign;
    };
    if let Some(of) = name.strip_prefix("$$").filter(|of| of.starts_with(prefix)) {
        return if forgets(&record) { Kind::Forgetting { stream: of.to_owned() } } else { Kind::Foreign };
    }
    let Some(ours) = name.strip_prefix(prefix) else { return Kind::Foreign };
    if record.event_type == "$streamDeleted" {
        return Kind::Deleted { stream: name };
    }
    match decode(ours, &record) {
        Ok(event) if record.position.commit == record.position.prepare => {
            Kind::Ours(Found { commit: record.position.commit, event })
        }
        Ok(_) => Kind::Intruder { stream: name, why: "it was written in an explicit transaction".to_owned() },
        Err(why) => Kind::Intruder { stream: name, why },
    }
}

/// Whether metadata of a stream sets an age, a count or a revision before which events go.
fn forgets(record: &RecordedEvent) -> bool {
    let metadata: serde_json::Value = serde_json::from_slice(&record.data).unwrap_or_default();
    ["$maxAge", "$maxCount", "$tb"].iter().any(|key| metadata.get(key).is_some())
}

fn decode(stream: &str, record: &RecordedEvent) -> Result<Recorded, String> {
    let stream: StreamId =
        stream.parse().map_err(|error: domain::envelope::BadStreamId| error.to_string())?;
    if record.event_type.starts_with('$') {
        return Err(format!("its type is {}", record.event_type));
    }
    let stored: Stored<'_> = serde_json::from_slice(&record.custom_metadata)
        .map_err(|error| format!("its metadata is not ours ({error})"))?;
    let recorded_at = Time::from_timestamp_micros(stored.recorded_at).ok_or("its time is out of range")?;
    Ok(Recorded {
        position: Position::START,
        stream,
        version: Version(record.revision.saturating_add(1)),
        id: record.id,
        event_type: record.event_type.clone(),
        schema: stored.schema,
        client_id: ClientId(stored.client_id),
        payload: record.data.clone(),
        metadata: Bytes::copy_from_slice(stored.metadata.get().as_bytes()),
        recorded_at,
    })
}
