//! From facts to public events: the resource as it is with the fact, in an envelope.

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use domain::call::terms::Status;
use domain::conversation::ConversationEvent;
use domain::envelope::{Position, Recorded, Time, Version};
use domain::ids::{AgentId, CallId, ClientId, ConversationId, event_type_id};
use domain::ports::event_store::{Direction, EventStore, ReadError};
use domain::ports::webhooks::{PublicEvents, PublishError};
use domain::webhook::public::PublicEvent;
use domain::wire::{DecodeError, DomainEvent as _};
use lru::LruCache;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::occurrences::{ErrorView, FunctionView};
use crate::agents::{AgentRow, Agents};
use crate::calls::{CallRow, Calls};
use crate::conversations::{ConversationRow, Conversations};
use crate::view::{At, View};

/// Resources of each kind remembered between their events; with a kilobyte or two each, some tens of megabytes at
/// most.
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
    /// `call`, `conversation` or `agent`.
    #[serde(rename = "type")]
    #[schema(example = "call")]
    pub kind: String,
    /// Its id.
    #[schema(example = "call_01h455vb4pex5vsknk084sn02q")]
    pub id: String,
}

/// A resource as far as its events were read.
#[derive(Debug)]
struct Known<V: View> {
    version: Version,
    row: Option<V::Row>,
}

impl<V: View> Default for Known<V> {
    fn default() -> Self {
        Self { version: Version::NONE, row: None }
    }
}

impl<V: View> Known<V> {
    fn take(&mut self, fact: &Recorded) -> Result<(), DecodeError> {
        if let Some((_, meaning)) = V::read(fact)? {
            V::apply(&mut self.row, &At::from(fact), meaning);
        }
        self.version = fact.version;
        Ok(())
    }
}

/// Resources of one kind, remembered between their events.
#[derive(Debug)]
struct Shelf<V: View>(Mutex<LruCache<Uuid, Known<V>>>);

/// Says what is told of facts.
#[derive(Debug)]
pub struct Publisher {
    log: Arc<dyn EventStore>,
    calls: Shelf<Calls>,
    conversations: Shelf<Conversations>,
    agents: Shelf<Agents>,
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

/// Whether anything is told of facts of that type.
fn is_told(event_type: &str) -> bool {
    matches!(
        event_type,
        "call.received"
            | "call.queued"
            | "call.ringing"
            | "call.answered"
            | "call.recording_saved"
            | "call.ended"
            | "conversation.turn_completed"
            | "conversation.turn_failed"
            | "conversation.function_executed"
            | "conversation.ended"
            | "agent.updated"
            | "agent.deployed"
    )
}

/// The bytes that are sent of a fact.
pub(super) fn body_of<T: Serialize>(
    name: &str,
    event: Uuid,
    (client, at, sequence): (ClientId, Time, u64),
    subject: Subject,
    data: T,
) -> Result<Bytes, serde_json::Error> {
    let (id, event_type, client_id) = (event_type_id(event), name.to_owned(), client.to_string());
    let body = PublicBody { id, event_type, timestamp: at, client_id, sequence, subject, data };
    serde_json::to_vec(&body).map(Bytes::from)
}

/// What an event is about.
pub(super) fn subject(kind: &str, id: impl std::fmt::Display) -> Subject {
    Subject { kind: kind.to_owned(), id: id.to_string() }
}

fn unreadable(position: Position) -> impl FnOnce(DecodeError) -> PublishError {
    move |error| PublishError::Event { position, error }
}

impl<V: View> Shelf<V> {
    fn new() -> Self {
        Self(Mutex::new(LruCache::new(REMEMBERED)))
    }

    fn lock(&self) -> MutexGuard<'_, LruCache<Uuid, Known<V>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Applies the fact to what is known of its resource, if that is everything before it.
    fn follow(&self, fact: &Recorded) -> Result<bool, PublishError> {
        let mut known = self.lock();
        let id = fact.stream.id();
        if fact.version == Version(1) {
            known.put(id, Known::default());
        }
        match known.get_mut(&id) {
            Some(known) if known.version.0 + 1 == fact.version.0 => {
                known.take(fact).map_err(unreadable(fact.position))?;
                Ok(true)
            }
            _ => {
                known.pop(&id);
                Ok(false)
            }
        }
    }

    /// What the resource was with the fact, by its whole history up to there.
    async fn look_up(&self, log: &dyn EventStore, fact: &Recorded) -> Result<(), PublishError> {
        let mut known = Known::<V>::default();
        while known.version < fact.version {
            let page = log.read_stream(&fact.stream, known.version, Direction::Forwards, PAGE).await?;
            if page.is_empty() {
                let detail = format!("{} ends before version {}", fact.stream, fact.version);
                return Err(ReadError::Damaged { position: fact.position, detail }.into());
            }
            for before in page.iter().take_while(|before| before.version <= fact.version) {
                known.take(before).map_err(unreadable(before.position))?;
            }
        }
        self.lock().put(fact.stream.id(), known);
        Ok(())
    }

    /// What `tell` makes of the resource as it is with the fact.
    async fn told(
        &self,
        log: &dyn EventStore,
        fact: &Recorded,
        tell: impl FnOnce(&V::Row) -> Result<Option<PublicEvent>, PublishError>,
    ) -> Result<Option<PublicEvent>, PublishError> {
        let follows = self.follow(fact)?;
        if !is_told(&fact.event_type) {
            return Ok(None);
        }
        if !follows {
            self.look_up(log, fact).await?;
        }
        let mut known = self.lock();
        known.get(&fact.stream.id()).and_then(|known| known.row.as_ref()).map_or(Ok(None), tell)
    }
}

/// A public event of a fact.
fn public(
    fact: &Recorded,
    name: &str,
    agent: Option<AgentId>,
    subject: Subject,
    data: impl Serialize,
) -> Result<Option<PublicEvent>, PublishError> {
    let of = (fact.client_id, fact.recorded_at, fact.version.0);
    let body = body_of(name, fact.id, of, subject, data);
    let body =
        body.map_err(|error| PublishError::Body { position: fact.position, reason: error.to_string() })?;
    Ok(Some(PublicEvent {
        id: fact.id,
        client: fact.client_id,
        position: fact.position,
        event_type: name.to_owned(),
        subject: fact.stream.id(),
        agent,
        at: fact.recorded_at,
        body,
    }))
}

fn of_call(fact: &Recorded, row: &CallRow) -> Result<Option<PublicEvent>, PublishError> {
    let Some(name) = call_event(&fact.event_type, row) else { return Ok(None) };
    public(fact, name, row.view.agent_id, subject(CallId::CATEGORY, row.view.id), &row.view)
}

fn of_agent(fact: &Recorded, row: &AgentRow) -> Result<Option<PublicEvent>, PublishError> {
    let about = subject(AgentId::CATEGORY, row.view.id);
    public(fact, &fact.event_type, Some(row.view.id), about, &row.view)
}

fn of_conversation(fact: &Recorded, row: &ConversationRow) -> Result<Option<PublicEvent>, PublishError> {
    let view = &row.view;
    let about = subject(ConversationId::CATEGORY, view.id);
    let name = match &*fact.event_type {
        "conversation.turn_completed" => "conversation.updated",
        "conversation.ended" => "conversation.ended",
        _ => {
            let event = ConversationEvent::decode(&fact.event_type, fact.schema, &fact.payload);
            return match event.map_err(unreadable(fact.position))? {
                ConversationEvent::FunctionExecuted(executed) => {
                    let data = FunctionView::of(view.id, view.agent_id, executed);
                    public(fact, "function.executed", view.agent_id, about, &data)
                }
                ConversationEvent::TurnFailed(failed) => {
                    let data = ErrorView::of(view.id, view.agent_id, &failed);
                    public(fact, "error.occurred", view.agent_id, about, &data)
                }
                _ => Ok(None),
            };
        }
    };
    public(fact, name, view.agent_id, about, view)
}

impl Publisher {
    /// Says what is told of the facts in `log`.
    #[must_use]
    pub fn new(log: Arc<dyn EventStore>) -> Self {
        Self { log, calls: Shelf::new(), conversations: Shelf::new(), agents: Shelf::new() }
    }
}

#[async_trait]
impl PublicEvents for Publisher {
    async fn of(&self, facts: &[Recorded]) -> Result<Vec<PublicEvent>, PublishError> {
        let mut told = Vec::new();
        let log = &*self.log;
        for fact in facts {
            told.extend(match fact.stream.category() {
                CallId::CATEGORY => self.calls.told(log, fact, |row| of_call(fact, row)).await?,
                ConversationId::CATEGORY => {
                    self.conversations.told(log, fact, |row| of_conversation(fact, row)).await?
                }
                AgentId::CATEGORY => self.agents.told(log, fact, |row| of_agent(fact, row)).await?,
                _ => None,
            });
        }
        Ok(told)
    }
}
