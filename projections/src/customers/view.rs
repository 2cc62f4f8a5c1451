//! The resource `Customer` of the API, and the fold from events to it.

use std::collections::BTreeMap;

use domain::aggregate::Aggregate;
use domain::customer::{Customer, CustomerEvent, Email, Profile};
use domain::envelope::{Position, Recorded, Time, Version};
use domain::ids::{ClientId, CustomerId};
use domain::personal::Personal;
use domain::phone::E164;
use domain::privacy::ERASED;
use domain::wire::{DecodeError, DomainEvent};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

use super::queries::CustomerKey;
use super::timeline::Links;
use crate::document::DocumentTable;
use crate::numbers::knows;
use crate::view::{At, Row, Shown, View};

/// A customer of yours. Every field is always present; what is not known is `null` or empty.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = Customer)]
pub struct CustomerView {
    /// Id of the customer: TypeID `cus_…`.
    #[serde(with = "crate::edge::type_id")]
    #[schema(value_type = String, example = "cus_01jd0xq8v4e5vsknk084sn02q7")]
    pub id: CustomerId,
    /// Your own name of the customer, unique among your customers; `[erased]` once erased.
    #[schema(required, example = "crm-4711")]
    pub external_id: Option<String>,
    /// Name of the person; `[erased]` once erased.
    #[schema(required, example = "Ada Lovelace")]
    pub name: Option<String>,
    /// Phone numbers in E.164, the preferred one first; `[erased]` once erased.
    pub phones: Vec<String>,
    /// E-mail addresses in lower case, the preferred one first; `[erased]` once erased.
    pub emails: Vec<String>,
    /// Language tag (BCP 47).
    #[schema(required, example = "en-GB")]
    pub language: Option<String>,
    /// Time zone of the IANA database.
    #[schema(required, example = "Europe/Berlin")]
    pub timezone: Option<String>,
    /// Your own data, as you gave it.
    #[schema(value_type = std::collections::BTreeMap<String, serde_json::Value>)]
    pub metadata: BTreeMap<String, Value>,
    /// Customers that were merged into this one, in the order of the merges.
    pub merged: Vec<MergedView>,
    /// Customer that this one was merged into: TypeID `cus_…`; `null` while it stands for itself.
    #[serde(with = "crate::edge::type_id_option")]
    #[schema(value_type = Option<String>, required)]
    pub merged_into: Option<CustomerId>,
    /// When the customer was created.
    #[serde(with = "crate::edge::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Time,
    /// When the customer was last changed.
    #[serde(with = "crate::edge::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    pub updated_at: Time,
    /// Version of the customer's stream, which is also its `ETag`.
    #[schema(minimum = 1)]
    pub version: u64,
}

/// A customer that was merged into another one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = MergedCustomer)]
pub struct MergedView {
    /// Id of the merged customer: TypeID `cus_…`.
    #[serde(with = "crate::edge::type_id")]
    #[schema(value_type = String)]
    pub id: CustomerId,
    /// Your own name of the merged customer, by which this one is found, too.
    #[schema(required)]
    pub external_id: Option<String>,
    /// Ids of customers that had been merged into it before.
    #[serde(with = "ids")]
    #[schema(value_type = Vec<String>)]
    pub with: Vec<CustomerId>,
    /// When the customers were merged.
    #[serde(with = "crate::edge::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    pub merged_at: Time,
}

/// Serialises lists of ids as TypeIDs.
mod ids {
    use domain::ids::CustomerId;
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub fn serialize<S: Serializer>(ids: &[CustomerId], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(ids.iter().map(CustomerId::to_string))
    }

    /// Fails when one of the texts is no TypeID of a customer.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<CustomerId>, D::Error> {
        let texts = Vec::<String>::deserialize(deserializer)?;
        texts.iter().map(|text| text.parse().map_err(D::Error::custom)).collect()
    }
}

/// The row of a customer; without personal data once it was deleted.
#[derive(Debug, Clone, PartialEq)]
pub struct CustomerRow {
    pub client: ClientId,
    /// Position of the last event in the row.
    pub position: Position,
    /// Whether the customer was deleted. No query shows it.
    pub removed: bool,
    pub view: CustomerView,
}

impl Row for CustomerRow {
    type Key = Uuid;

    fn key(&self) -> Uuid {
        self.view.id.0
    }
}

impl Shown for CustomerRow {
    const TABLE: DocumentTable = DocumentTable { name: "customers", keeps_removed: true };

    type Resource = CustomerView;

    fn resource(&self) -> &CustomerView {
        &self.view
    }

    fn version(&self) -> Version {
        Version(self.view.version)
    }
}

impl CustomerView {
    fn set(&mut self, profile: Profile) {
        let Profile { external_id, name, phones, emails, language, timezone, metadata } = profile;
        self.external_id = external_id.and_then(|id| id.shown(String::clone));
        self.name = name.and_then(|name| name.shown(String::clone));
        let phone = |phone: &Personal<E164>| phone.shown(|phone| phone.as_str().to_owned());
        self.phones = phones.iter().filter_map(phone).collect();
        let email = |email: &Personal<Email>| email.shown(|email| email.as_str().to_owned());
        self.emails = emails.iter().filter_map(email).collect();
        self.language = language;
        self.timezone = timezone;
        self.metadata = metadata.and_then(Personal::into_inner).unwrap_or_default();
    }

    /// Whether lists show it and its numbers lead to it.
    #[must_use]
    pub fn stands_for_itself(&self) -> bool {
        self.merged_into.is_none()
    }

    fn external_ids(&self) -> impl Iterator<Item = &str> {
        let merged = self.merged.iter().filter_map(|merged| merged.external_id.as_deref());
        let mut seen = Vec::new();
        self.external_id.as_deref().into_iter().chain(merged).filter(move |id| {
            let new = *id != ERASED && !seen.contains(id);
            seen.push(*id);
            new
        })
    }

    /// Everything the customer is found by.
    #[must_use]
    pub fn keys(&self) -> Vec<CustomerKey> {
        if !self.stands_for_itself() {
            return Vec::new();
        }
        let phones = self.phones.iter().map(|phone| CustomerKey::Phone(phone.clone()));
        let emails = self.emails.iter().map(|email| CustomerKey::Email(email.clone()));
        let ids = self.external_ids().map(|id| CustomerKey::ExternalId(id.to_owned()));
        let mut keys: Vec<CustomerKey> = phones.chain(emails).chain(ids).collect();
        keys.retain(|key| key.text() != ERASED);
        keys
    }

    /// What calls and conversations are linked to the customer by.
    #[must_use]
    pub fn links(&self) -> Links {
        let with = self.merged.iter().flat_map(|one| std::iter::once(one.id).chain(one.with.iter().copied()));
        let phones = self.phones.iter().filter(|phone| *phone != ERASED);
        Links {
            customers: std::iter::once(self.id).chain(with).collect(),
            phones: phones.cloned().collect(),
            external_ids: self.external_ids().map(str::to_owned).collect(),
        }
    }
}

/// The view of customers: one row a customer.
#[derive(Debug)]
pub struct Customers;

impl View for Customers {
    const NAME: &'static str = "customers";
    const FOLDS: bool = true;
    const PERSONAL: Option<&'static [&'static str]> =
        Some(&["customer.created", "customer.updated", "customer.merged", "customer.merge_undone"]);
    type Row = CustomerRow;
    type Fact = CustomerEvent;

    fn read(event: &Recorded) -> Result<Option<(Uuid, CustomerEvent)>, DecodeError> {
        if event.stream.category() != Customer::CATEGORY || !knows::<CustomerEvent>(&event.event_type) {
            return Ok(None);
        }
        let fact = CustomerEvent::decode(&event.event_type, event.schema, &event.payload)?;
        Ok(Some((event.stream.id(), fact)))
    }

    fn apply(row: &mut Option<CustomerRow>, at: &At, fact: CustomerEvent) {
        match (row.as_mut(), fact) {
            (None, CustomerEvent::Created(created)) => {
                let mut view = CustomerView {
                    id: CustomerId(at.id),
                    external_id: None,
                    name: None,
                    phones: Vec::new(),
                    emails: Vec::new(),
                    language: None,
                    timezone: None,
                    metadata: BTreeMap::new(),
                    merged: Vec::new(),
                    merged_into: None,
                    created_at: created.at,
                    updated_at: created.at,
                    version: 0,
                };
                view.set(created.profile);
                *row = Some(CustomerRow { client: at.client, position: at.position, removed: false, view });
            }
            (Some(row), fact) => row.take(fact),
            (None, _) => {}
        }
        if let Some(row) = row {
            row.position = at.position;
            row.view.version = at.version.0;
        }
    }
}

impl CustomerRow {
    fn take(&mut self, fact: CustomerEvent) {
        let view = &mut self.view;
        match fact {
            CustomerEvent::Created(_) => {}
            CustomerEvent::Updated(updated) => {
                view.set(updated.profile);
                view.updated_at = updated.at;
            }
            CustomerEvent::Merged(merged) => {
                let external_id = merged.gained.external_id.and_then(|id| id.shown(String::clone));
                let (id, with) = (merged.other, merged.with);
                view.merged.push(MergedView { id, external_id, with, merged_at: merged.at });
                view.set(merged.profile);
                view.updated_at = merged.at;
            }
            CustomerEvent::MergeUndone(undone) => {
                view.merged.retain(|merged| merged.id != undone.other);
                view.set(undone.profile);
                view.updated_at = undone.at;
            }
            CustomerEvent::MergedInto(merged) => {
                view.merged_into = Some(merged.into);
                view.updated_at = merged.at;
            }
            CustomerEvent::Separated(separated) => {
                view.merged_into = None;
                view.updated_at = separated.at;
            }
            CustomerEvent::Deleted(deleted) => {
                self.removed = true;
                view.set(Profile::default());
                view.merged.iter_mut().for_each(|merged| merged.external_id = None);
                view.updated_at = deleted.at;
            }
        }
    }
}
