//! The clients' limits and terms of credit, as the log has them.

use std::collections::HashMap;

use actors::billing::ClientTerms;
use domain::billing::BillingTerms;
use domain::client::{ClientEvent, ClientLimits};
use domain::envelope::Recorded;
use domain::ids::ClientId;
use domain::wire::DomainEvent as _;
use parking_lot::RwLock;

use super::gate::Gate;

/// Limits and terms of the clients that have their own; other clients are not included.
#[derive(Debug, Default)]
pub(super) struct Tenants {
    limits: RwLock<HashMap<ClientId, ClientLimits>>,
    billing: RwLock<HashMap<ClientId, BillingTerms>>,
}

impl Tenants {
    /// The limits of a client; the default ones if it has none of its own.
    pub(super) fn limits(&self, client: ClientId) -> ClientLimits {
        self.limits.read().get(&client).copied().unwrap_or_default()
    }

    /// The terms of a client's credit; the default ones if it has none of its own.
    pub(super) fn billing(&self, client: ClientId) -> BillingTerms {
        self.billing.read().get(&client).copied().unwrap_or_default()
    }

    /// The clients that have a storage quota.
    pub(super) fn with_storage(&self) -> Vec<ClientId> {
        let table = self.limits.read();
        table.iter().filter(|(_, limits)| limits.storage_bytes.is_some()).map(|(client, _)| *client).collect()
    }

    pub(super) fn set(&self, client: ClientId, limits: ClientLimits) {
        let mut table = self.limits.write();
        if limits == ClientLimits::default() {
            table.remove(&client);
        } else {
            table.insert(client, limits);
        }
    }

    pub(super) fn set_billing(&self, client: ClientId, terms: BillingTerms) {
        let mut table = self.billing.write();
        if terms == BillingTerms::default() {
            table.remove(&client);
        } else {
            table.insert(client, terms);
        }
    }

    pub(super) fn apply(&self, event: &Recorded) {
        let client = ClientId(event.stream.id());
        match ClientEvent::decode(&event.event_type, event.schema, &event.payload) {
            Ok(ClientEvent::LimitsChanged(changed)) => self.set(client, changed.after),
            Ok(ClientEvent::BillingChanged(changed)) => self.set_billing(client, changed.after),
            Ok(ClientEvent::Created(_) | ClientEvent::Renamed(_)) => {}
            Err(error) => {
                tracing::error!(position = event.position.0, %error, "client event not understood");
            }
        }
    }
}

impl ClientTerms for Gate {
    fn terms(&self, client: ClientId) -> BillingTerms {
        self.billing(client)
    }
}
