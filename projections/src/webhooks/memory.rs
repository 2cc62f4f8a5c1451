//! Resources as they are at an event: cached from event to event, otherwise rebuilt from the log.

use std::num::NonZeroUsize;

use domain::envelope::{Position, Recorded, Version};
use domain::ports::event_store::{Direction, EventStore, ReadError};
use domain::ports::webhooks::PublishError;
use domain::webhook::public::PublicEvent;
use domain::wire::DecodeError;
use lru::LruCache;
use parking_lot::Mutex;
use uuid::Uuid;

use super::public::{EventEnvelope, body};
use super::published::Published;
use crate::view::At;

const PAGE: usize = 512;

/// A resource, as far as its events were read.
#[derive(Debug)]
struct RememberedResource<V: Published> {
    version: Version,
    row: Option<V::Row>,
}

impl<V: Published> Default for RememberedResource<V> {
    fn default() -> Self {
        Self { version: Version::NONE, row: None }
    }
}

impl<V: Published> RememberedResource<V> {
    fn take(&mut self, fact: &Recorded) -> Result<(), DecodeError> {
        if let Some((_, meaning)) = V::read(fact)? {
            V::apply(&mut self.row, &At::from(fact), meaning);
        }
        self.version = fact.version;
        Ok(())
    }
}

/// The cached resources of a view.
#[derive(Debug)]
pub(super) struct Memory<V: Published>(Mutex<LruCache<Uuid, RememberedResource<V>>>);

impl<V: Published> Default for Memory<V> {
    fn default() -> Self {
        Self(Mutex::new(LruCache::new(NonZeroUsize::new(V::REMEMBERED).unwrap_or(NonZeroUsize::MIN))))
    }
}

fn unreadable(position: Position) -> impl FnOnce(DecodeError) -> PublishError {
    move |error| PublishError::Event { position, error }
}

impl<V: Published> Memory<V> {
    /// Drops all cached resources.
    pub(super) fn forget(&self) {
        self.0.lock().clear();
    }

    /// Applies the next event of a resource; answers the public event that follows from it.
    pub(super) async fn take(
        &self,
        log: &dyn EventStore,
        fact: &Recorded,
    ) -> Result<Option<PublicEvent>, PublishError> {
        let follows = self.follow(fact)?;
        if !V::is_published(&fact.event_type) {
            return Ok(None);
        }
        if !follows {
            let known = look_up(log, fact).await?;
            self.0.lock().put(fact.stream.id(), known);
        }
        self.0.lock().get(&fact.stream.id()).map_or(Ok(None), |known| tell(fact, known))
    }

    /// Applies the event to the cached resource. Answers `false` when the cache lacks events before it.
    fn follow(&self, fact: &Recorded) -> Result<bool, PublishError> {
        let mut all = self.0.lock();
        let id = fact.stream.id();
        if fact.version == Version(1) {
            all.put(id, RememberedResource::default());
        }
        match all.get_mut(&id) {
            Some(known) if known.version.0 + 1 == fact.version.0 => {
                known.take(fact).map_err(unreadable(fact.position))?;
                Ok(true)
            }
            _ => {
                all.pop(&id);
                Ok(false)
            }
        }
    }
}

/// Rebuilds the resource from its whole history up to the event.
async fn look_up<V: Published>(
    log: &dyn EventStore,
    fact: &Recorded,
) -> Result<RememberedResource<V>, PublishError> {
    let mut known = RememberedResource::default();
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
    Ok(known)
}

fn tell<V: Published>(
    fact: &Recorded,
    known: &RememberedResource<V>,
) -> Result<Option<PublicEvent>, PublishError> {
    let Some(row) = &known.row else { return Ok(None) };
    let Some(name) = V::name(fact, row) else { return Ok(None) };
    let content = V::body(fact, row).map_err(unreadable(fact.position))?;
    let Some(body) = body::<V>(name, EventEnvelope::from(fact), row, content)
        .map_err(|error| PublishError::Body { position: fact.position, reason: error.to_string() })?
    else {
        return Ok(None);
    };
    Ok(Some(PublicEvent {
        id: fact.id,
        client: fact.client_id,
        position: fact.position,
        event_type: name.to_owned(),
        subject: fact.stream.id(),
        agent: V::agent(row),
        at: fact.recorded_at,
        body,
    }))
}
