//! The clients' limits, as the log has them.

use std::collections::HashMap;

use domain::client::{ClientEvent, ClientLimits};
use domain::envelope::Recorded;
use domain::ids::ClientId;
use domain::wire::DomainEvent as _;
use parking_lot::RwLock;

/// Limits of the clients that have their own; other clients are not included.
#[derive(Debug, Default)]
pub(super) struct Tenants(RwLock<HashMap<ClientId, ClientLimits>>);

impl Tenants {
    /// The limits of a client; the default ones if it has none of its own.
    pub(super) fn limits(&self, client: ClientId) -> ClientLimits {
        self.0.read().get(&client).copied().unwrap_or_default()
    }

    /// The clients that have a storage quota.
    pub(super) fn with_storage(&self) -> Vec<ClientId> {
        let table = self.0.read();
        table.iter().filter(|(_, limits)| limits.storage_bytes.is_some()).map(|(client, _)| *client).collect()
    }

    pub(super) fn set(&self, client: ClientId, limits: ClientLimits) {
        let mut table = self.0.write();
        if limits == ClientLimits::default() {
            table.remove(&client);
        } else {
            table.insert(client, limits);
        }
    }

    pub(super) fn apply(&self, event: &Recorded) {
        match ClientEvent::decode(&event.event_type, event.schema, &event.payload) {
            Ok(ClientEvent::LimitsChanged(changed)) => self.set(ClientId(event.stream.id()), changed.after),
            Ok(ClientEvent::Created(_) | ClientEvent::Renamed(_)) => {}
            Err(error) => {
                tracing::error!(position = event.position.0, %error, "client event not understood");
            }
        }
    }
}
