//! Events of a customer and their payloads. Whatever changes a customer carries the whole profile after it.

use chrono::serde::ts_microseconds as micros;
use serde::{Deserialize, Serialize};

use super::profile::Profile;
use crate::envelope::Time;
use crate::ids::{CustomerId, PrivacyJobId};
use crate::wire::events;

events! {
    pub enum CustomerEvent {
        Created(CustomerCreated) = "customer.created" v 1,
        Updated(CustomerUpdated) = "customer.updated" v 1,
        Deleted(CustomerDeleted) = "customer.deleted" v 1,
        /// Another customer was merged into this one.
        Merged(CustomerMerged) = "customer.merged" v 1,
        /// A merge into this one was undone.
        MergeUndone(MergeUndone) = "customer.merge_undone" v 1,
        /// This customer was merged into another one.
        MergedInto(CustomerMergedInto) = "customer.merged_into" v 1,
        /// This customer stands for itself again.
        Separated(CustomerSeparated) = "customer.separated" v 1,
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CustomerCreated {
    pub profile: Profile,
    #[serde(with = "micros")]
    pub at: Time,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CustomerUpdated {
    /// Names of the fields that differ from before.
    pub fields: Vec<String>,
    /// The profile from now on.
    pub profile: Profile,
    #[serde(with = "micros")]
    pub at: Time,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CustomerDeleted {
    /// The erasure of the person's data that was asked for along with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub erasure: Option<PrivacyJobId>,
    #[serde(with = "micros")]
    pub at: Time,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CustomerMerged {
    /// The customer that was merged into this one.
    pub other: CustomerId,
    /// Customers that had been merged into `other` before.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub with: Vec<CustomerId>,
    /// What this one had not and takes over; an undo takes it away again. Its external id is always the other's.
    pub gained: Profile,
    /// The profile from now on.
    pub profile: Profile,
    #[serde(with = "micros")]
    pub at: Time,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MergeUndone {
    /// The customer that stands for itself again.
    pub other: CustomerId,
    /// The profile from now on.
    pub profile: Profile,
    #[serde(with = "micros")]
    pub at: Time,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CustomerMergedInto {
    pub into: CustomerId,
    #[serde(with = "micros")]
    pub at: Time,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CustomerSeparated {
    /// The customer it had been merged into.
    pub from: CustomerId,
    #[serde(with = "micros")]
    pub at: Time,
}
