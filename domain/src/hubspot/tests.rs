//! Tests of the rules of a contact.

use super::*;
use crate::ids::PrivacyJobId;
use crate::testing::calls::at;
use crate::testing::scenario::{Scenario, scenario};
use uuid::Uuid;

fn changed(property: &str, value: &str, seconds: i64, event_id: u64) -> ContactChange {
    let (property, value) = (property.to_owned(), value.to_owned().into());
    ContactChange::Property { property, value, occurred_at: at(seconds), event_id }
}

fn record(changes: impl IntoIterator<Item = ContactChange>) -> HubspotCommand {
    HubspotCommand::Record(changes.into_iter().collect())
}

fn applied(contact: &Scenario<HubspotContact>) -> HubspotCommand {
    HubspotCommand::Applied { through: contact.state().events(), now: at(99) }
}

#[test]
fn the_last_change_by_hubspots_clock_counts_in_whatever_order_they_come() {
    let changes = [
        changed("email", "a@x.test", 1, 1),
        changed("email", "b@x.test", 2, 2),
        changed("email", "c@x.test", 2, 3),
        changed("firstname", "Ann", 1, 4),
    ];
    for order in [[0, 1, 2, 3], [3, 2, 1, 0], [2, 0, 3, 1], [1, 2, 0, 3]] {
        let one_by_one = order.iter().fold(scenario::<HubspotContact>(), |contact, change| {
            contact.after([record([changes[*change].clone()])])
        });
        let together = scenario().after([record(order.map(|change| changes[change].clone()))]);
        for contact in [one_by_one, together] {
            let state = contact.state();
            assert_eq!((state.value("email"), state.value("firstname")), (Some("c@x.test"), Some("Ann")));
            contact.when(record(changes.clone())).then_nothing();
        }
    }
}

#[test]
fn what_was_applied_is_not_new_and_a_repetition_stays_applied() {
    let contact = scenario::<HubspotContact>().after([record([changed("email", "a@x.test", 1, 1)])]);
    assert!(contact.state().is_new("email") && !contact.state().is_applied());
    let mark = applied(&contact);
    let contact = contact.after([mark.clone()]);
    assert!(contact.state().is_applied() && !contact.state().is_new("email"));
    contact.clone().when(mark).then_nothing();
    contact.clone().when(record([changed("email", "a@x.test", 1, 1)])).then_nothing();
    let contact = contact.after([record([changed("phone", "+12025550101", 3, 2)])]);
    assert!(contact.state().is_new("phone") && !contact.state().is_new("email"));
}

#[test]
fn what_changed_while_it_was_applied_is_still_new() {
    let contact = scenario::<HubspotContact>().after([record([changed("email", "a@x.test", 1, 1)])]);
    let early = applied(&contact);
    let contact = contact.after([record([changed("email", "b@x.test", 2, 2)]), early]);
    assert!(contact.state().is_new("email") && !contact.state().is_applied());
    let late = applied(&contact);
    assert!(contact.after([late]).state().is_applied());
}

#[test]
fn after_the_end_only_an_erasure_is_heard() {
    let erase =
        |job| ContactChange::PrivacyDeleted { job: PrivacyJobId(Uuid::from_u128(job)), occurred_at: at(9) };
    let ends = [
        ContactChange::Deleted { occurred_at: at(5) },
        ContactChange::MergedInto { into: 7, occurred_at: at(5) },
    ];
    for end in ends {
        let over =
            scenario::<HubspotContact>().after([record([changed("email", "a@x.test", 1, 1), end.clone()])]);
        let late = [changed("email", "b@x.test", 6, 2), ContactChange::Created { occurred_at: at(0) }, end];
        over.clone().when(record(late)).then_nothing();
        let erased = over.when(record([erase(1)])).then_types(["hubspot_contact.privacy_deleted"]).and();
        erased.when(record([erase(2), changed("email", "c@x.test", 10, 3)])).then_nothing();
    }
}

#[test]
fn a_merge_is_remembered_once() {
    let merged = |others: &[u64]| ContactChange::Merged { others: others.to_vec(), occurred_at: at(1) };
    let contact = scenario::<HubspotContact>().after([record([merged(&[1, 2])])]);
    assert_eq!(contact.state().newly_merged().collect::<Vec<_>>(), [1, 2]);
    contact.clone().when(record([merged(&[2, 1])])).then_nothing();
    let mark = applied(&contact);
    let contact = contact.after([mark, record([merged(&[2, 3])])]);
    assert_eq!(contact.state().newly_merged().collect::<Vec<_>>(), [3]);
}

#[test]
fn a_mapping_is_the_defaults_and_what_the_client_says() {
    let settings = |pairs: &[(&str, &str)]| {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    };
    assert_eq!(Mapping::of(&settings(&[("portal_id", "33")])), Ok(Mapping::default()));
    let mapping = Mapping::of(&settings(&[
        ("map.name", "full_name"),
        ("map.metadata.stage", "lifecyclestage"),
        ("map.timezone", ""),
    ]));
    let mapping = mapping.unwrap();
    assert!(mapping.wants("full_name") && mapping.wants("lifecyclestage") && mapping.wants("email"));
    assert!(!mapping.wants("firstname") && !mapping.wants("hs_timezone"));
    for bad in [
        ("map.shoe_size", "x"),
        ("map.metadata.", "x"),
        ("map.name", "a b c d e f g h i j k"),
        ("map.name", "naïve"),
    ] {
        assert_eq!(Mapping::of(&settings(&[bad])).unwrap_err().0, bad.0);
    }
}
