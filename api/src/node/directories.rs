//! What every request needs to know, in memory: who owns a key, and where a called number leads.
//!
//! Filled from the views on start, then kept up to date from the log.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use actors::Runtime;
use actors::directory::{KnownNumber, NumberDirectory};
use domain::api_key::ApiKeyEvent;
use domain::envelope::{Position, Recorded};
use domain::ids::ApiKeyId;
use domain::ports::StoreUnavailable;
use domain::ports::event_store::Subscription;
use domain::wire::DomainEvent as _;
use projections::Queries;
use projections::api_keys::KeyHash;
use tokio_util::sync::CancellationToken;

use crate::http::auth::{KeyDirectory, Principal, Scopes};

const PAGE: u32 = 1_000;
const PAUSE_AFTER_FAULT: Duration = Duration::from_millis(500);

/// The directories of a node.
#[derive(Debug, Clone)]
pub(super) struct Directories {
    pub(super) numbers: Arc<NumberDirectory>,
    pub(super) keys: Arc<MemoryKeys>,
}

impl Directories {
    /// Reads what the views hold as of `position`, a position all views have reached.
    pub(super) async fn load(views: &dyn Queries, position: Position) -> Result<Self, StoreUnavailable> {
        let (mut numbers, mut after) = (Vec::new(), None);
        loop {
            let page = views.number_directory(after, PAGE).await?;
            after = page.last().map(|last| last.id);
            let full = page.len() == PAGE as usize;
            numbers.extend(page.into_iter().map(|entry| KnownNumber {
                id: entry.id,
                client: entry.client,
                number: entry.number,
                route: entry.route,
            }));
            if !full {
                break;
            }
        }
        let (keys, mut after) = (MemoryKeys::default(), None);
        loop {
            let page = views.api_key_directory(after, PAGE).await?;
            after = page.last().map(|last| last.id);
            let full = page.len() == PAGE as usize;
            for entry in page {
                let scopes = Scopes::parse_known(&entry.scopes);
                keys.insert(entry.hash, Principal { client: entry.client, key: entry.id, scopes });
            }
            if !full {
                break;
            }
        }
        Ok(Self { numbers: Arc::new(NumberDirectory::new(numbers, position)), keys: Arc::new(keys) })
    }

    /// Follows the log from `after` until `stop`.
    pub(super) async fn follow(self, runtime: Runtime, after: Position, stop: CancellationToken) {
        let mut log = Subscription::new(runtime.store.clone(), after, 1_000);
        loop {
            let events = tokio::select! {
                () = stop.cancelled() => return,
                events = log.next() => events,
            };
            match events {
                Ok(events) => {
                    self.keys.apply(&events);
                    self.numbers.apply(&events);
                }
                Err(error) => {
                    tracing::warn!(%error, "keys and numbers do not follow the log");
                    let again = runtime.clock.now() + PAUSE_AFTER_FAULT;
                    tokio::select! {
                        () = stop.cancelled() => return,
                        () = runtime.clock.sleep_until(again) => {}
                    }
                }
            }
        }
    }

    /// Waits until the event at `position` is known here.
    pub(super) async fn wait_for(&self, position: Position) {
        // the directory outlives every request, so its end needs no answer
        let _ = self.numbers.position().wait_for(|known| *known >= position).await;
    }
}

/// Every key that may be used now.
#[derive(Debug, Default)]
pub(super) struct MemoryKeys(RwLock<HashMap<KeyHash, Principal>>);

impl MemoryKeys {
    fn insert(&self, hash: KeyHash, principal: Principal) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).insert(hash, principal);
    }

    fn apply(&self, events: &[Recorded]) {
        for event in events.iter().filter(|event| event.stream.category() == ApiKeyId::CATEGORY) {
            match ApiKeyEvent::decode(&event.event_type, event.schema, &event.payload) {
                Ok(ApiKeyEvent::Created(created)) => {
                    let Ok(hash) = <[u8; 32]>::try_from(created.key_hash.as_slice()) else { continue };
                    let scopes = Scopes::parse_known(&created.scopes);
                    let key = ApiKeyId(event.stream.id());
                    self.insert(KeyHash(hash), Principal { client: event.client_id, key, scopes });
                }
                Err(error) => {
                    tracing::error!(position = event.position.0, %error, "key event not understood");
                }
            }
        }
    }
}

impl KeyDirectory for MemoryKeys {
    fn find(&self, hash: &KeyHash) -> Option<Principal> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(hash).copied()
    }
}
