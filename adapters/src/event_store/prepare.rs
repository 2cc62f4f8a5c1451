//! Checks an append before it may queue.

use std::collections::HashSet;

use domain::envelope::{MAX_PAYLOAD_BYTES, NewEvent, Position, Recorded, StreamId, Time, Version};
use domain::ports::event_store::{AppendError, MAX_APPEND_BYTES, MAX_APPEND_EVENTS};

/// Validates an append and converts its events into their stored form. Runs in the caller's task, so that the
/// writer need not do it.
pub(super) fn prepare(stream: &StreamId, events: Vec<NewEvent>) -> Result<Vec<Recorded>, AppendError> {
    let refused = |why| Err(AppendError::Refused(why));
    if events.is_empty() {
        return refused("it has no event");
    }
    if events.len() > MAX_APPEND_EVENTS {
        return refused("it has more than 512 events");
    }
    let mut ids = HashSet::with_capacity(events.len());
    let mut bytes = 0;
    let mut prepared = Vec::with_capacity(events.len());
    for event in events {
        if !ids.insert(event.id) {
            return refused("two of its events have the same id");
        }
        if event.payload.len() > MAX_PAYLOAD_BYTES {
            return refused("a payload is larger than 1 MiB");
        }
        bytes += event.payload.len();
        if bytes > MAX_APPEND_BYTES {
            return refused("its payloads are larger than 8 MiB in all");
        }
        if !is_event_type(&event.event_type) {
            return refused("an event type is not 1 to 100 lower-case letters, digits, dots and underscores");
        }
        let Some(recorded_at) = to_the_microsecond(event.recorded_at) else {
            return refused("a time lies outside of the years 1970 to 9999");
        };
        let Ok(metadata) = serde_json::to_vec(&event.metadata) else {
            return refused("its metadata cannot be written as JSON");
        };
        prepared.push(Recorded {
            position: Position::START,
            stream: stream.clone(),
            version: Version::NONE,
            id: event.id,
            event_type: event.event_type,
            schema: event.schema,
            client_id: event.client_id,
            payload: event.payload.into(),
            metadata: metadata.into(),
            recorded_at,
        });
    }
    Ok(prepared)
}

fn is_event_type(name: &str) -> bool {
    let allowed =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'.' | b'_');
    (1..=100).contains(&name.len()) && name.bytes().all(allowed)
}

fn to_the_microsecond(time: Time) -> Option<Time> {
    const END_OF_9999: i64 = 253_402_300_800_000_000;
    let micros = time.timestamp_micros();
    (0..END_OF_9999).contains(&micros).then(|| Time::from_timestamp_micros(micros)).flatten()
}
