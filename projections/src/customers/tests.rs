//! Tests of the view of customers.

use domain::aggregate::Aggregate as _;
use domain::customer::{Customer, CustomerCommand, Merge, Profile, ProfilePatch};
use domain::envelope::{Position, Version};
use domain::ids::{ClientId, CustomerId};
use domain::testing::calls::at;
use uuid::Uuid;

use super::*;
use crate::view::{At, View as _};

const CLIENT: ClientId = ClientId(Uuid::from_u128(1));
const ANN: CustomerId = CustomerId(Uuid::from_u128(7));
const BOB: CustomerId = CustomerId(Uuid::from_u128(8));

fn profile(name: &str, phone: &str) -> Profile {
    let patch = ProfilePatch {
        external_id: Some(Some(format!("crm-{name}"))),
        name: Some(Some(name.to_owned())),
        phones: Some(vec![phone.parse().unwrap()]),
        emails: Some(vec![format!("{name}@example.com").parse().unwrap()]),
        ..ProfilePatch::default()
    };
    patch.on(&Profile::default())
}

/// The row after the events that the commands lead to.
fn row(id: CustomerId, commands: Vec<CustomerCommand>) -> CustomerRow {
    let (mut rules, mut row, mut version) = (Customer::default(), None, 0);
    for command in commands {
        for event in rules.decide(&command).unwrap() {
            rules.evolve(&event);
            version += 1;
            let (position, version) = (Position(version), Version(version));
            let at = At { id: id.0, client: CLIENT, position, version, recorded_at: at(1) };
            Customers::apply(&mut row, &at, event);
        }
    }
    row.unwrap()
}

fn create(profile: Profile) -> CustomerCommand {
    CustomerCommand::Create { profile: Box::new(profile), now: at(1) }
}

#[test]
fn a_customer_is_found_by_all_it_has_and_by_what_it_took_over() {
    let bob = profile("bob", "+12025550102");
    let merge = Merge { other: BOB, profile: bob, with: vec![], now: at(2) };
    let merged = vec![create(profile("ann", "+12025550101")), CustomerCommand::Merge(Box::new(merge))];
    let ann = row(ANN, merged.clone());
    let found_by: Vec<String> = ann.view.keys().iter().map(CustomerKey::indexed).collect();
    assert_eq!(
        found_by,
        [
            "phone +12025550101",
            "phone +12025550102",
            "email ann@example.com",
            "email bob@example.com",
            "external id crm-ann",
            "external id crm-bob",
        ]
    );
    assert_eq!(ann.view.links().customers, [ANN, BOB]);
    let undone = [merged, vec![CustomerCommand::UndoMerge { other: BOB, now: at(3) }]].concat();
    let undone = row(ANN, undone);
    assert_eq!(undone.view.keys().len(), 3);
    assert_eq!((undone.view.links().customers, undone.view.version), (vec![ANN], 3));
}

#[test]
fn a_customer_that_was_merged_or_deleted_is_found_by_nothing() {
    let into = CustomerCommand::MergeInto { into: ANN, now: at(2) };
    let bob = row(BOB, vec![create(profile("bob", "+12025550102")), into]);
    assert_eq!((bob.view.keys().len(), bob.view.merged_into, bob.removed), (0, Some(ANN), false));
    let delete = CustomerCommand::Delete { along_with: None, erasure: None, now: at(2) };
    let gone = row(BOB, vec![create(profile("bob", "+12025550102")), delete]);
    assert!(gone.removed && gone.view.keys().is_empty());
    assert!(!serde_json::to_string(&gone.view).unwrap().contains("bob"));
}

#[test]
fn a_document_reads_as_it_was_written() {
    let row = row(ANN, vec![create(profile("ann", "+12025550101"))]);
    let json = serde_json::to_string(&row.view).unwrap();
    assert_eq!(serde_json::from_str::<CustomerView>(&json).unwrap(), row.view);
}
