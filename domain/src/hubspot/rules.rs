//! Commands and rules of a contact: what comes twice, late or after the end changes nothing.

use std::collections::BTreeMap;

use super::event::{
    ChangesApplied, ContactCreated, ContactDeleted, ContactMerged, ContactMergedInto, HubspotContactEvent,
    PrivacyDeleted, PropertyChanged,
};
use crate::aggregate::Aggregate;
use crate::envelope::Time;
use crate::ids::{HubspotContactId, PrivacyJobId};
use crate::personal::Personal;

/// The longest value of a property that is kept, in bytes.
pub const MAX_VALUE: usize = 2_048;
/// Most contacts of merges that one contact remembers.
const MAX_MERGED: usize = 50;

/// A change of a contact, as one event of a webhook tells it.
#[derive(Debug, Clone, PartialEq)]
pub enum ContactChange {
    Created {
        occurred_at: Time,
    },
    /// Only of properties that become part of a customer.
    Property {
        property: String,
        value: Personal<String>,
        occurred_at: Time,
        event_id: u64,
    },
    Merged {
        others: Vec<u64>,
        occurred_at: Time,
    },
    MergedInto {
        into: u64,
        occurred_at: Time,
    },
    Deleted {
        occurred_at: Time,
    },
    PrivacyDeleted {
        job: PrivacyJobId,
        occurred_at: Time,
    },
}

#[derive(Debug, Clone)]
pub enum HubspotCommand {
    /// Records changes, in the order of the webhook.
    Record(Vec<ContactChange>),
    /// Notes that the customer holds the first `through` events.
    Applied { through: u64, now: Time },
}

/// A contact takes every change: there is nothing to refuse.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HubspotRefusal {}

#[derive(Debug, Clone, PartialEq)]
struct Property {
    value: Personal<String>,
    /// When it changed by HubSpot's clock, and the number of that event.
    changed: (Time, u64),
    /// Number of the stream's event that holds it.
    event: u64,
}

/// State of a contact, folded from its events.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct HubspotContact {
    /// Number of the stream's events.
    events: u64,
    /// Number of events that the customer holds.
    applied: u64,
    exists: bool,
    properties: BTreeMap<String, Property>,
    /// Contacts that were merged into this one, each with the number of the event that says so.
    merged: Vec<(u64, u64)>,
    merged_into: Option<u64>,
    deleted: bool,
    erasure: Option<PrivacyJobId>,
}

impl HubspotContact {
    /// Number of the stream's events.
    #[must_use]
    pub fn events(&self) -> u64 {
        self.events
    }

    /// Whether the customer is as the events say.
    #[must_use]
    pub fn is_applied(&self) -> bool {
        self.applied == self.events
    }

    /// The value of a property; `None` when it is unknown, empty or erased.
    #[must_use]
    pub fn value(&self, property: &str) -> Option<&str> {
        let value = self.properties.get(property)?.value.reveal()?;
        Some(value.trim()).filter(|value| !value.is_empty())
    }

    /// Whether a property changed since the customer was last brought up to date.
    #[must_use]
    pub fn is_new(&self, property: &str) -> bool {
        self.properties.get(property).is_some_and(|property| property.event > self.applied)
    }

    /// Contacts that were merged into this one since the customer was last brought up to date.
    pub fn newly_merged(&self) -> impl Iterator<Item = u64> {
        self.merged.iter().filter(|(_, event)| *event > self.applied).map(|(other, _)| *other)
    }

    /// HubSpot's id of the contact that this one was merged into.
    #[must_use]
    pub fn merged_into(&self) -> Option<u64> {
        self.merged_into
    }

    #[must_use]
    pub fn is_deleted(&self) -> bool {
        self.deleted
    }

    /// The erasure of the person, if HubSpot asked for one.
    #[must_use]
    pub fn erasure(&self) -> Option<PrivacyJobId> {
        self.erasure
    }

    /// Whether nothing that still comes changes the customer, besides an erasure.
    fn is_over(&self) -> bool {
        self.deleted || self.erasure.is_some() || self.merged_into.is_some()
    }

    fn event_of(&self, change: &ContactChange) -> Option<HubspotContactEvent> {
        let event: HubspotContactEvent = match change.clone() {
            ContactChange::PrivacyDeleted { job, occurred_at } => {
                let new = self.erasure.is_none();
                return new.then(|| PrivacyDeleted { job, occurred_at }.into());
            }
            _ if self.is_over() => return None,
            ContactChange::Created { .. } if self.exists => return None,
            ContactChange::Created { occurred_at } => ContactCreated { occurred_at }.into(),
            ContactChange::Property { property, value, occurred_at, event_id } => {
                let known = self.properties.get(&property);
                if known.is_some_and(|known| known.changed >= (occurred_at, event_id)) {
                    return None;
                }
                PropertyChanged { property, value, occurred_at, event_id }.into()
            }
            ContactChange::Merged { mut others, occurred_at } => {
                others.retain(|other| !self.merged.iter().any(|(known, _)| known == other));
                others.truncate(MAX_MERGED.saturating_sub(self.merged.len()));
                if others.is_empty() {
                    return None;
                }
                ContactMerged { others, occurred_at }.into()
            }
            ContactChange::MergedInto { into, occurred_at } => ContactMergedInto { into, occurred_at }.into(),
            ContactChange::Deleted { occurred_at } => ContactDeleted { occurred_at }.into(),
        };
        Some(event)
    }
}

impl Aggregate for HubspotContact {
    const CATEGORY: &'static str = HubspotContactId::CATEGORY;
    type Command = HubspotCommand;
    type Event = HubspotContactEvent;
    type Refusal = HubspotRefusal;

    fn decide(&self, command: &HubspotCommand) -> Result<Vec<HubspotContactEvent>, HubspotRefusal> {
        match command {
            HubspotCommand::Record(changes) => {
                let (mut state, mut events) = (self.clone(), Vec::new());
                for change in changes {
                    if let Some(event) = state.event_of(change) {
                        state.evolve(&event);
                        events.push(event);
                    }
                }
                Ok(events)
            }
            HubspotCommand::Applied { through, .. } if *through <= self.applied => Ok(vec![]),
            HubspotCommand::Applied { through, now } => {
                Ok(vec![ChangesApplied { through: *through, at: *now }.into()])
            }
        }
    }

    fn evolve(&mut self, event: &HubspotContactEvent) {
        self.events += 1;
        match event {
            HubspotContactEvent::Created(_) => self.exists = true,
            HubspotContactEvent::PropertyChanged(changed) => {
                self.exists = true;
                let property = Property {
                    value: changed.value.clone(),
                    changed: (changed.occurred_at, changed.event_id),
                    event: self.events,
                };
                self.properties.insert(changed.property.clone(), property);
            }
            HubspotContactEvent::Merged(merged) => {
                self.exists = true;
                self.merged.extend(merged.others.iter().map(|other| (*other, self.events)));
            }
            HubspotContactEvent::MergedInto(merged) => self.merged_into = Some(merged.into),
            HubspotContactEvent::Deleted(_) => self.deleted = true,
            HubspotContactEvent::PrivacyDeleted(deleted) => self.erasure = Some(deleted.job),
            // the mark itself changes nothing of the customer
            HubspotContactEvent::Applied(applied) => {
                self.applied = if applied.through + 1 == self.events { self.events } else { applied.through };
            }
        }
    }
}
