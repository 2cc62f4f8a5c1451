//! From facts to public events: the resource as it is with the fact, in an envelope.

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use domain::call::terms::Status;
use domain::envelope::{Position, Recorded, Time, Version};
use domain::ids::{CallId, ClientId, event_type_id};
use domain::ports::event_store::{Direction, EventStore, ReadError};
use domain::ports::webhooks::{PublicEvents, PublishError};
use domain::webhook::public::PublicEvent;
use domain::wire::DecodeError;
use lru::LruCache;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::calls::{CallRow, Calls};
use crate::view::{At, View};

/// Calls remembered between their events; with a kilobyte or two each, some tens of megabytes at most.
const REMEMBERED: NonZeroUsize = NonZeroUsize::MIN.saturating_add(19_999);
const PAGE: usize = 512;

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
pub struct Subject {
    /// `call`.
    #[serde(rename = "type")]
    #[schema(example = "call")]
    pub kind: String,
    /// Its id.
    #[schema(example = "call_01h455vb4pex5vsknk084sn02q")]
    pub id: String,
}

/// A call as far as its events were read.
#[derive(Debug, Default)]
struct Known {
    version: Version,
    row: Option<CallRow>,
}

/// Says what is told of facts.
#[derive(Debug)]
pub struct Publisher {
    log: Arc<dyn EventStore>,
    calls: Mutex<LruCache<Uuid, Known>>,
}

/// What a fact of a call is called in public.
fn call_event(event_type: &str, row: &CallRow) -> Option<&'static str> {
    Some(match event_type {
        "call.received" | "call.queued" => "call.started",
        "call.ringing" => "call.ringing",
        "call.answered" => "call.answered",
        "call.recording_saved" => "call.recording_ready",
        "call.ended" if row.view.status == Status::Failed => "call.failed",
        "call.ended" => "call.ended",
        _ => return None,
    })
}

fn is_told(event_type: &str) -> bool {
    matches!(
        event_type,
        "call.received"
            | "call.queued"
            | "call.ringing"
            | "call.answered"
            | "call.recording_saved"
            | "call.ended"
    )
}

/// The bytes that are sent of a call.
pub(super) fn call_body(
    name: &str,
    event: Uuid,
    client: ClientId,
    at: Time,
    row: &CallRow,
) -> Result<Bytes, serde_json::Error> {
    let body = PublicBody {
        id: event_type_id(event),
        event_type: name.to_owned(),
        timestamp: at,
        client_id: client.to_string(),
        sequence: row.view.version,
        subject: Subject { kind: CallId::CATEGORY.to_owned(), id: row.view.id.to_string() },
        data: &row.view,
    };
    serde_json::to_vec(&body).map(Bytes::from)
}

impl Known {
    fn take(&mut self, fact: &Recorded) -> Result<(), DecodeError> {
        if let Some((_, meaning)) = Calls::read(fact)? {
            Calls::apply(&mut self.row, &At::from(fact), meaning);
        }
        self.version = fact.version;
        Ok(())
    }
}

fn unreadable(position: Position) -> impl FnOnce(DecodeError) -> PublishError {
    move |error| PublishError::Event { position, error }
}

impl Publisher {
    /// Says what is told of the facts in `log`.
    #[must_use]
    pub fn new(log: Arc<dyn EventStore>) -> Self {
        Self { log, calls: Mutex::new(LruCache::new(REMEMBERED)) }
    }

    fn calls(&self) -> MutexGuard<'_, LruCache<Uuid, Known>> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Applies the fact to what is known of its call, if that is everything before it.
    fn follow(&self, fact: &Recorded) -> Result<bool, PublishError> {
        let mut calls = self.calls();
        let id = fact.stream.id();
        if fact.version == Version(1) {
            calls.put(id, Known::default());
        }
        match calls.get_mut(&id) {
            Some(known) if known.version.0 + 1 == fact.version.0 => {
                known.take(fact).map_err(unreadable(fact.position))?;
                Ok(true)
            }
            _ => {
                calls.pop(&id);
                Ok(false)
            }
        }
    }

    /// What the call was with the fact, by its whole history up to there.
    async fn look_up(&self, fact: &Recorded) -> Result<Known, PublishError> {
        let mut known = Known::default();
        while known.version < fact.version {
            let page = self.log.read_stream(&fact.stream, known.version, Direction::Forwards, PAGE).await?;
            if page.is_empty() {
                let detail = format!("{} ends before version {}", fact.stream, fact.version);
                return Err(ReadError::Damaged { position: fact.position, detail }.into());
            }
            for before in page.iter().take_while(|before| before.version <= fact.version) {
                known.take(before).map_err(unreadable(before.position))?;
            }
        }
        Ok(known)
    }

    fn told(fact: &Recorded, known: &Known) -> Result<Option<PublicEvent>, PublishError> {
        let Some(row) = &known.row else { return Ok(None) };
        let Some(name) = call_event(&fact.event_type, row) else { return Ok(None) };
        let body = call_body(name, fact.id, fact.client_id, fact.recorded_at, row);
        let body =
            body.map_err(|error| PublishError::Body { position: fact.position, reason: error.to_string() })?;
        Ok(Some(PublicEvent {
            id: fact.id,
            client: fact.client_id,
            position: fact.position,
            event_type: name.to_owned(),
            subject: fact.stream.id(),
            agent: row.view.agent_id,
            at: fact.recorded_at,
            body,
        }))
    }
}

#[async_trait]
impl PublicEvents for Publisher {
    async fn of(&self, facts: &[Recorded]) -> Result<Vec<PublicEvent>, PublishError> {
        let mut told = Vec::new();
        for fact in facts.iter().filter(|fact| fact.stream.category() == CallId::CATEGORY) {
            let follows = self.follow(fact)?;
            if !is_told(&fact.event_type) {
                continue;
            }
            if !follows {
                let known = self.look_up(fact).await?;
                self.calls().put(fact.stream.id(), known);
            }
            let mut calls = self.calls();
            if let Some(known) = calls.get(&fact.stream.id()) {
                told.extend(Self::told(fact, known)?);
            }
        }
        Ok(told)
    }
}
