//! What HubSpot told of a contact, and what became of it here.

use chrono::serde::ts_microseconds as micros;
use serde::{Deserialize, Serialize};

use crate::envelope::Time;
use crate::ids::PrivacyJobId;
use crate::personal::Personal;
use crate::wire::events;

events! {
    pub enum HubspotContactEvent {
        Created(ContactCreated) = "hubspot_contact.created" v 1,
        PropertyChanged(PropertyChanged) = "hubspot_contact.property_changed" v 1,
        /// Other contacts were merged into this one.
        Merged(ContactMerged) = "hubspot_contact.merged" v 1,
        MergedInto(ContactMergedInto) = "hubspot_contact.merged_into" v 1,
        Deleted(ContactDeleted) = "hubspot_contact.deleted" v 1,
        /// The person asked HubSpot's user to be forgotten (GDPR).
        PrivacyDeleted(PrivacyDeleted) = "hubspot_contact.privacy_deleted" v 1,
        /// The customer is as the contact's events up to here say.
        Applied(ChangesApplied) = "hubspot_contact.applied" v 1,
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ContactCreated {
    /// When it happened, by HubSpot's clock.
    #[serde(with = "micros")]
    pub occurred_at: Time,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PropertyChanged {
    /// HubSpot's name of the property, for example `firstname`.
    pub property: String,
    pub value: Personal<String>,
    #[serde(with = "micros")]
    pub occurred_at: Time,
    /// HubSpot's number of the webhook's event; of two at the same time the higher one counts.
    pub event_id: u64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ContactMerged {
    /// HubSpot's ids of the contacts that went.
    pub others: Vec<u64>,
    #[serde(with = "micros")]
    pub occurred_at: Time,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ContactMergedInto {
    /// HubSpot's id of the contact that stays.
    pub into: u64,
    #[serde(with = "micros")]
    pub occurred_at: Time,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ContactDeleted {
    #[serde(with = "micros")]
    pub occurred_at: Time,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PrivacyDeleted {
    /// The erasure of the person's data, whose receipt says what was erased.
    pub job: PrivacyJobId,
    #[serde(with = "micros")]
    pub occurred_at: Time,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ChangesApplied {
    /// Number of the stream's events that the customer now holds.
    pub through: u64,
    #[serde(with = "micros")]
    pub at: Time,
}
