//! A contact of HubSpot's, as far as its webhooks tell: what becomes a customer.
//!
//! Webhooks come several times and in any order. The stream of a contact keeps, of each property, the value that changed
//! last by HubSpot's clock; what was applied to the customer is marked, so that a webhook that is repeated changes nothing.

mod event;
mod mapping;
mod rules;
#[cfg(test)]
mod tests;

pub use event::{
    ChangesApplied, ContactCreated, ContactDeleted, ContactMerged, ContactMergedInto, HubspotContactEvent,
    PrivacyDeleted, PropertyChanged,
};
pub use mapping::{Mapping, MappingFault, TARGETS};
pub use rules::{ContactChange, HubspotCommand, HubspotContact, HubspotRefusal, MAX_VALUE};

use crate::ids::{ClientId, CustomerId, HubspotContactId, derive};

impl HubspotContactId {
    /// The id of a contact in an account of HubSpot's (a portal): always the same within a client.
    #[must_use]
    pub fn of(client: ClientId, portal: u64, object: u64) -> Self {
        Self(derive(client.0, &format!("hubspot contact {portal} {object}")))
    }

    /// The customer that the contact becomes.
    #[must_use]
    pub fn customer(self) -> CustomerId {
        CustomerId(self.0)
    }
}

impl CustomerId {
    /// The contact that the customer comes from, if it comes from HubSpot.
    #[must_use]
    pub fn hubspot_contact(self) -> HubspotContactId {
        HubspotContactId(self.0)
    }
}
