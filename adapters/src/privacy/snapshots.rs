//! Snapshots of long streams' state, encrypted like the events they were made of.
//!
//! A snapshot is encrypted under the keys of all persons in its stream together: once one of them is destroyed it
//! cannot be decrypted, and the stream is read from its beginning, without the erased data.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use async_trait::async_trait;
use domain::aggregate::RULES;
use domain::envelope::{Recorded, StreamId, Version};
use domain::ids::ClientId;
use domain::ports::StoreUnavailable;
use domain::ports::clock::Clock;
use domain::ports::event_store::Direction;
use domain::ports::snapshots::{Snapshot, Snapshots};
use domain::privacy::Subject;
use uuid::Uuid;

use super::form::{MOST_KEYS, Place, Sealed, seal};
use super::store::EncryptingEventStore;
use super::walk::{Form, bytes_of, find};
use crate::keys::{SubjectKey, SubjectKeyState};
use crate::outbox::{SealedSnapshot, SqlOutbox};

const PAGE: usize = 512;
/// Stands in for event type and field path when a state is encrypted.
const KIND: (&str, &str) = ("snapshot", "state");

/// [`Snapshots`] in the work store.
#[derive(Debug, Clone)]
pub struct SealedSnapshots {
    log: EncryptingEventStore,
    work: SqlOutbox,
    clock: Arc<dyn Clock>,
}

impl SealedSnapshots {
    #[must_use]
    pub fn new(log: EncryptingEventStore, work: SqlOutbox, clock: Arc<dyn Clock>) -> Self {
        Self { log, work, clock }
    }

    /// The keys of the stream's personal data up to an event, in the order of their ids; `None` when there are too
    /// many, or one of them is destroyed.
    async fn keys_of(
        &self,
        client: ClientId,
        stream: &StreamId,
        upto: Version,
    ) -> Result<Option<Vec<Arc<SubjectKey>>>, StoreUnavailable> {
        let (stored, mut ids, mut after) = (self.log.stored(), BTreeSet::new(), Version::NONE);
        while after < upto {
            let page = stored.read_stream(stream, after, Direction::Forwards, PAGE).await;
            let page = page.map_err(|error| StoreUnavailable(error.to_string()))?;
            let Some(last) = page.last() else { break };
            after = last.version;
            let known = ids.len();
            page.iter().filter(|event| event.version <= upto).for_each(|event| add_keys(event, &mut ids));
            let usable =
                ids.len() == known || (ids.len() <= MOST_KEYS && self.alive(client, &ids).await?.is_some());
            if !usable {
                return Ok(None);
            }
        }
        self.alive(client, &ids).await
    }

    /// These keys in their order, if all of them are alive.
    async fn alive<'i>(
        &self,
        client: ClientId,
        ids: impl IntoIterator<Item = &'i Uuid> + Copy,
    ) -> Result<Option<Vec<Arc<SubjectKey>>>, StoreUnavailable> {
        let found = self.log.keys().opening(ids.into_iter().map(|id| (client, *id))).await;
        let found: HashMap<Uuid, SubjectKeyState> =
            found.map_err(|error| StoreUnavailable(error.to_string()))?;
        let key = |id: &Uuid| match found.get(id) {
            Some(SubjectKeyState::Alive(key)) => Some(key.clone()),
            _ => None,
        };
        Ok(ids.into_iter().map(key).collect())
    }

    /// The key of the stream itself, for a state without personal data.
    async fn own_key(
        &self,
        client: ClientId,
        stream: &StreamId,
    ) -> Result<Vec<Arc<SubjectKey>>, StoreUnavailable> {
        let of_vault = |error: domain::ports::vault::VaultError| StoreUnavailable(error.to_string());
        let keys = self.log.keys();
        let own = keys.pseudonym(client, &Subject::Stream(stream.clone())).await.map_err(of_vault)?;
        keys.sealing(client, &[own]).await.map_err(of_vault)
    }
}

/// Adds the ids of the keys that an event's personal fields are encrypted under.
fn add_keys(event: &Recorded, ids: &mut BTreeSet<Uuid>) {
    if !Form::Sealed.may_be_in(&event.payload) {
        return;
    }
    for field in find(&event.payload, Form::Sealed).unwrap_or_default() {
        if let Some(sealed) = bytes_of(&event.payload[field.value]).and_then(Sealed::read) {
            ids.extend(sealed.keys());
        }
    }
}

fn place<'p>(client: ClientId, stream: &'p StreamId, event: Uuid) -> Place<'p> {
    Place { client, stream, event, event_type: KIND.0, schema: 1 }
}

#[async_trait]
impl Snapshots for SealedSnapshots {
    async fn load(&self, client: ClientId, stream: &StreamId) -> Result<Option<Snapshot>, StoreUnavailable> {
        let Some(kept) = self.work.snapshot(client, stream, RULES).await? else { return Ok(None) };
        let SealedSnapshot { client, version, event, state } = kept;
        let Some(sealed) = Sealed::read(&state) else { return Ok(None) };
        let ids: Vec<Uuid> = sealed.keys().collect();
        let Some(keys) = self.alive(client, &ids).await? else { return Ok(None) };
        let mut state = Vec::new();
        let opened = sealed.open(&mut state, &keys, (&place(client, stream, event), KIND.1), &mut Vec::new());
        Ok(opened.then_some(Snapshot { client, version, event, state }))
    }

    async fn save(&self, stream: &StreamId, snapshot: &Snapshot) -> Result<(), StoreUnavailable> {
        let Snapshot { client, version, event, state: plain } = snapshot;
        let Some(mut keys) = self.keys_of(*client, stream, *version).await? else { return Ok(()) };
        if keys.is_empty() {
            keys = self.own_key(*client, stream).await?;
        }
        let (place, nonce, mut state) =
            (place(*client, stream, *event), self.log.keys().random(), Vec::new());
        if !seal(&mut state, &keys, nonce, &place, (KIND.1, false), plain) {
            return Ok(());
        }
        let kept = SealedSnapshot { client: *client, version: *version, event: *event, state };
        self.work.keep_snapshot(stream, RULES, kept, self.clock.now()).await
    }
}
