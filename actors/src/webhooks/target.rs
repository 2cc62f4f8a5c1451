//! Webhook endpoints as of a position of the log, and which events they want.

use std::collections::HashMap;
use std::sync::Arc;

use chrono::serde::ts_microseconds_option as micros_option;
use domain::aggregate::Aggregate;
use domain::envelope::{Recorded, Time, Version};
use domain::ids::{ClientId, EndpointId};
use domain::ports::deliveries::StoredTarget;
use domain::webhook::endpoint::{Endpoint, EndpointEvent};
use domain::webhook::public::PublicEvent;
use serde::{Deserialize, Serialize};

/// A webhook endpoint as of a position of the log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Target {
    pub id: EndpointId,
    pub client: ClientId,
    /// State of the endpoint's aggregate.
    pub endpoint: Endpoint,
    /// Version of the endpoint's stream.
    pub version: Version,
    /// Since when every attempt has failed; `None` after a success.
    #[serde(with = "micros_option", default)]
    pub failing_since: Option<Time>,
}

impl Target {
    /// The endpoint as it is stored in the table.
    pub(super) fn stored(&self) -> Result<StoredTarget, serde_json::Error> {
        Ok(StoredTarget { endpoint: self.id, client: self.client, doc: serde_json::to_string(self)? })
    }

    /// Whether deliveries about the same subject are sent one after the other.
    pub(super) fn is_ordered(&self) -> bool {
        use domain::webhook::endpoint::Ordering;
        self.endpoint.terms().is_some_and(|terms| terms.ordering == Ordering::PerSubject)
    }
}

/// All endpoints, by client.
#[derive(Debug, Default)]
pub(super) struct Targets {
    all: HashMap<EndpointId, Arc<Target>>,
    by_client: HashMap<ClientId, Vec<EndpointId>>,
}

impl Targets {
    pub(super) fn load(stored: Vec<StoredTarget>) -> Result<Self, serde_json::Error> {
        let mut targets = Self::default();
        for stored in stored {
            targets.put(serde_json::from_str(&stored.doc)?);
        }
        Ok(targets)
    }

    fn put(&mut self, target: Target) -> Arc<Target> {
        let (id, client) = (target.id, target.client);
        let target = Arc::new(target);
        if self.all.insert(id, target.clone()).is_none() {
            self.by_client.entry(client).or_default().push(id);
        }
        target
    }

    pub(super) fn get(&self, id: EndpointId) -> Option<&Arc<Target>> {
        self.all.get(&id)
    }

    pub(super) fn all(&self) -> Vec<Arc<Target>> {
        self.all.values().cloned().collect()
    }

    /// The endpoints that want an event.
    pub(super) fn wanting<'t>(&'t self, event: &'t PublicEvent) -> impl Iterator<Item = &'t Arc<Target>> {
        let ids = self.by_client.get(&event.client).into_iter().flatten();
        ids.filter_map(|id| self.all.get(id)).filter(|target| target.endpoint.wants(event))
    }

    /// Applies an event of an endpoint.
    pub(super) fn take(&mut self, recorded: &Recorded, event: &EndpointEvent) -> Arc<Target> {
        let id = EndpointId(recorded.stream.id());
        let mut target = self.all.get(&id).map(|target| (**target).clone()).unwrap_or_else(|| Target {
            id,
            client: recorded.client_id,
            endpoint: Endpoint::default(),
            version: Version::NONE,
            failing_since: None,
        });
        let was_open = target.endpoint.is_open();
        target.endpoint.evolve(event);
        target.version = recorded.version;
        if target.endpoint.is_open() && !was_open {
            target.failing_since = None;
        }
        self.put(target)
    }

    /// Records whether an attempt succeeded; answers the endpoint if its state changed.
    pub(super) fn judge(&mut self, id: EndpointId, succeeded: bool, at: Time) -> Option<Arc<Target>> {
        let target = self.all.get(&id)?;
        if target.failing_since.is_none() == succeeded {
            return None;
        }
        let failing_since = (!succeeded).then_some(at);
        Some(self.put(Target { failing_since, ..(**target).clone() }))
    }

    pub(super) fn remove(&mut self, id: EndpointId) {
        if let Some(target) = self.all.remove(&id)
            && let Some(ids) = self.by_client.get_mut(&target.client)
        {
            ids.retain(|other| *other != id);
        }
    }
}
