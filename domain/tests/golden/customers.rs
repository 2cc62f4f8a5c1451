//! Values of the events of customers and what is remembered of them.

use domain::customer::{
    CustomerCreated, CustomerDeleted, CustomerEvent, CustomerMerged, CustomerMergedInto, CustomerSeparated,
    CustomerUpdated, Email, MergeUndone, Profile,
};
use domain::hubspot::{
    ChangesApplied, ContactCreated, ContactDeleted, ContactMerged, ContactMergedInto, HubspotContactEvent,
    PrivacyDeleted, PropertyChanged,
};
use domain::ids::{CallId, ConversationId, CustomerId, MemoryId, MessageId, PrivacyJobId};
use domain::memory::{
    MemoryConfirmed, MemoryEvent, MemoryExpired, MemoryForgotten, MemoryKind, MemoryRecorded, MemorySource,
    MemorySuperseded, MemoryUpdated,
};

use super::samples::{at, id, metadata};

pub fn memory() -> Vec<MemoryEvent> {
    let source = MemorySource::Conversation { id: ConversationId(id(41)) };
    vec![
        MemoryRecorded {
            customer: CustomerId(id(30)),
            content: "Prefers to be called in the morning.".to_owned().into(),
            kind: MemoryKind::Preference,
            source,
            evidence: vec![MessageId(id(42))],
            confidence_permille: 800,
            expires_at: Some(at(60)),
            supersedes: Some(MemoryId(id(43))),
            at: at(0),
        }
        .into(),
        MemoryConfirmed {
            source: MemorySource::Call { id: CallId(id(1)) },
            evidence: vec![MessageId(id(44))],
            confidence_permille: 900,
            at: at(1),
        }
        .into(),
        MemoryUpdated {
            customer: CustomerId(id(30)),
            fields: vec!["kind".to_owned()],
            content: "Prefers to be called in the morning.".to_owned().into(),
            kind: MemoryKind::Note,
            confidence_permille: 900,
            expires_at: None,
            at: at(2),
        }
        .into(),
        MemorySuperseded { by: MemoryId(id(45)), at: at(3) }.into(),
        MemoryForgotten { at: at(5) }.into(),
        MemoryExpired { at: at(4) }.into(),
    ]
}

pub fn customer() -> Vec<CustomerEvent> {
    let profile = |external_id: &str, phone: &str| Profile {
        external_id: Some(external_id.to_owned().into()),
        name: Some("Ann Example".to_owned().into()),
        phones: vec![phone.parse::<domain::phone::E164>().unwrap().into()],
        emails: vec!["ann@example.com".parse::<Email>().unwrap().into()],
        language: Some("en-GB".to_owned()),
        timezone: Some("Europe/London".to_owned()),
        metadata: Some(metadata().into()),
    };
    let (other, with) = (CustomerId(id(31)), vec![CustomerId(id(32))]);
    let gained = Profile { metadata: None, ..profile("crm-2", "+12025550102") };
    vec![
        CustomerCreated { profile: profile("crm-1", "+12025550101"), at: at(0) }.into(),
        CustomerUpdated {
            fields: vec!["phones".to_owned()],
            profile: profile("crm-1", "+12025550103"),
            at: at(1),
        }
        .into(),
        CustomerDeleted { erasure: Some(PrivacyJobId(id(33))), at: at(2) }.into(),
        CustomerMerged { other, with, gained, profile: profile("crm-1", "+12025550101"), at: at(3) }.into(),
        MergeUndone { other, profile: profile("crm-1", "+12025550101"), at: at(4) }.into(),
        CustomerMergedInto { into: CustomerId(id(30)), at: at(5) }.into(),
        CustomerSeparated { from: CustomerId(id(30)), at: at(6) }.into(),
    ]
}

pub fn hubspot_contact() -> Vec<HubspotContactEvent> {
    let occurred_at = at(0);
    vec![
        ContactCreated { occurred_at }.into(),
        PropertyChanged {
            property: "phone".to_owned(),
            value: "+12025550101".to_owned().into(),
            occurred_at,
            event_id: 3_816_279_340,
        }
        .into(),
        ContactMerged { others: vec![123, 124], occurred_at }.into(),
        ContactMergedInto { into: 125, occurred_at }.into(),
        ContactDeleted { occurred_at }.into(),
        PrivacyDeleted { job: PrivacyJobId(id(33)), occurred_at }.into(),
        ChangesApplied { through: 6, at: at(1) }.into(),
    ]
}
