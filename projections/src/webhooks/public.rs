//! The body of a public event: a resource as it is at an event, in an envelope.

use bytes::Bytes;
use domain::envelope::{Recorded, Time};
use domain::ids::{ClientId, event_type_id};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::published::{Body, Published};
use crate::view::Shown as _;

/// A public event, as it is sent to endpoints and listed by the API.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = PublicEvent)]
pub struct PublicBody<T> {
    /// Id of the event, `evt_…`; the same on every attempt, as the header `webhook-id`.
    #[schema(example = "evt_01h455vb4pex5vsknk084sn02q")]
    pub id: String,
    /// Type of the event, which says what happened.
    #[serde(rename = "type")]
    #[schema(example = "call.ended")]
    pub event_type: String,
    /// When the event happened.
    #[serde(with = "crate::edge::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    pub timestamp: Time,
    /// Client that the event belongs to: TypeID `cli_…`.
    #[schema(example = "cli_01h455vb4pex5vsknk084sn02q")]
    pub client_id: String,
    /// Version of the subject with this event: of two events about the same subject the one with the higher number
    /// is the later one. Numbers in between belong to changes that are not published.
    pub sequence: u64,
    /// Resource that the event is about.
    pub subject: Subject,
    /// The subject, as it is with this event.
    pub data: T,
}

/// The resource that an event is about.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = EventSubject)]
pub struct Subject {
    /// Kind of resource: `call`, `ivr_session`, ….
    #[serde(rename = "type")]
    #[schema(example = "call")]
    pub kind: String,
    /// TypeID of the resource.
    #[schema(example = "call_01h455vb4pex5vsknk084sn02q")]
    pub id: String,
}

/// The id, client and time of a public event.
#[derive(Debug, Clone, Copy)]
pub(super) struct EventEnvelope {
    pub(super) event: Uuid,
    pub(super) client: ClientId,
    pub(super) at: Time,
}

impl From<&Recorded> for EventEnvelope {
    fn from(fact: &Recorded) -> Self {
        Self { event: fact.id, client: fact.client_id, at: fact.recorded_at }
    }
}

/// The body of a public event, with the resource or what replaces it; `None` when nothing is published.
pub(super) fn body<V: Published>(
    name: &str,
    envelope: EventEnvelope,
    row: &V::Row,
    content: Body,
) -> Result<Option<Bytes>, serde_json::Error> {
    match content {
        Body::Resource => written::<V, _>(name, envelope, row, row.resource()).map(Some),
        Body::This(data) => written::<V, _>(name, envelope, row, data).map(Some),
        Body::Nothing => Ok(None),
    }
}

fn written<V: Published, T: Serialize>(
    name: &str,
    envelope: EventEnvelope,
    row: &V::Row,
    data: T,
) -> Result<Bytes, serde_json::Error> {
    let body = PublicBody {
        id: event_type_id(envelope.event),
        event_type: name.to_owned(),
        timestamp: envelope.at,
        client_id: envelope.client.to_string(),
        sequence: row.version().0,
        subject: Subject { kind: V::CATEGORY.to_owned(), id: V::subject(row) },
        data,
    };
    serde_json::to_vec(&body).map(Bytes::from)
}
