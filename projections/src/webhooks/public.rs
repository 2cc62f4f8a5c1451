//! What is sent to endpoints and can be pulled: a resource as it is with a fact, in an envelope.

use bytes::Bytes;
use domain::envelope::{Recorded, Time};
use domain::ids::{ClientId, event_type_id};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::told::{Instead, Told};
use crate::view::Shown as _;

/// A public event: what is sent to endpoints and can be pulled.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = PublicEvent)]
pub struct PublicBody<T> {
    /// `evt_…`; the same on every attempt, as the header `webhook-id`.
    #[schema(example = "evt_01h455vb4pex5vsknk084sn02q")]
    pub id: String,
    /// What happened.
    #[serde(rename = "type")]
    #[schema(example = "call.ended")]
    pub event_type: String,
    /// When it happened.
    #[serde(with = "crate::edge::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    pub timestamp: Time,
    /// Whose it is.
    #[schema(example = "cli_01h455vb4pex5vsknk084sn02q")]
    pub client_id: String,
    /// Version of the subject with this event: of two events about the same subject the one with the higher number is
    /// the later one. Numbers in between belong to changes that are not told.
    pub sequence: u64,
    /// What it is about.
    pub subject: Subject,
    /// The subject, as it is with this event.
    pub data: T,
}

/// What an event is about.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = EventSubject)]
pub struct Subject {
    /// `call`, `ivr_session`, ….
    #[serde(rename = "type")]
    #[schema(example = "call")]
    pub kind: String,
    /// Its id.
    #[schema(example = "call_01h455vb4pex5vsknk084sn02q")]
    pub id: String,
}

/// When and to whom something is told.
#[derive(Debug, Clone, Copy)]
pub(super) struct Telling {
    pub(super) event: Uuid,
    pub(super) client: ClientId,
    pub(super) at: Time,
}

impl From<&Recorded> for Telling {
    fn from(fact: &Recorded) -> Self {
        Self { event: fact.id, client: fact.client_id, at: fact.recorded_at }
    }
}

/// The bytes that are sent of a resource, or of what is told in its stead; `None` when nothing is told.
pub(super) fn body<V: Told>(
    name: &str,
    telling: Telling,
    row: &V::Row,
    instead: Instead,
) -> Result<Option<Bytes>, serde_json::Error> {
    match instead {
        Instead::Resource => written::<V, _>(name, telling, row, row.resource()).map(Some),
        Instead::This(data) => written::<V, _>(name, telling, row, data).map(Some),
        Instead::Nothing => Ok(None),
    }
}

fn written<V: Told, T: Serialize>(
    name: &str,
    telling: Telling,
    row: &V::Row,
    data: T,
) -> Result<Bytes, serde_json::Error> {
    let body = PublicBody {
        id: event_type_id(telling.event),
        event_type: name.to_owned(),
        timestamp: telling.at,
        client_id: telling.client.to_string(),
        sequence: row.version().0,
        subject: Subject { kind: V::CATEGORY.to_owned(), id: V::subject(row) },
        data,
    };
    serde_json::to_vec(&body).map(Bytes::from)
}
