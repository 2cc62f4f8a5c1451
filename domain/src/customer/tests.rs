//! Tests of the rules of a customer.

use super::rules::TOO_MUCH_TOGETHER;
use super::*;
use crate::ids::CustomerId;
use crate::personal::Personal;
use crate::testing::calls::at;
use crate::testing::scenario::{Scenario, scenario};
use uuid::Uuid;

const ANN: CustomerId = CustomerId(Uuid::from_u128(1));
const BOB: CustomerId = CustomerId(Uuid::from_u128(2));

fn patch(name: &str, phones: &[&str]) -> ProfilePatch {
    ProfilePatch {
        external_id: Some(Some(format!("crm-{name}"))),
        name: Some(Some(name.to_owned())),
        phones: Some(phones.iter().map(|phone| phone.parse().unwrap()).collect()),
        ..ProfilePatch::default()
    }
}

fn profile(name: &str, phones: &[&str]) -> Profile {
    patch(name, phones).on(&Profile::default())
}

fn create(profile: Profile) -> CustomerCommand {
    CustomerCommand::Create { profile: Box::new(profile), now: at(1) }
}

fn change(patch: ProfilePatch) -> CustomerCommand {
    CustomerCommand::Change { patch: Box::new(patch), now: at(2) }
}

fn merge(other: CustomerId, profile: Profile) -> CustomerCommand {
    CustomerCommand::Merge(Box::new(Merge { other, profile, with: vec![], now: at(3) }))
}

fn undo(other: CustomerId) -> CustomerCommand {
    CustomerCommand::UndoMerge { other, now: at(4) }
}

fn delete() -> CustomerCommand {
    CustomerCommand::Delete { along_with: None, erasure: None, now: at(5) }
}

fn ann() -> Scenario<Customer> {
    scenario::<Customer>().after([create(profile("Ann", &["+12025550101"]))])
}

#[test]
fn a_customer_is_created_once_and_the_same_request_again_is_no_news() {
    let ann = ann();
    ann.clone().when(create(profile("Ann", &["+12025550101"]))).then_nothing();
    ann.clone().when(create(profile("Bob", &[]))).then_refused(CustomerRefusal::Exists);
    ann.after([delete()])
        .when(create(profile("Ann", &["+12025550101"])))
        .then_refused(CustomerRefusal::Exists);
}

#[test]
fn a_change_says_what_differs_and_nothing_else_is_a_change() {
    ann().when(change(patch("Ann", &["+12025550101"]))).then_nothing();
    let changed = CustomerUpdated {
        fields: vec!["phones".to_owned()],
        profile: profile("Ann", &["+12025550101", "+12025550102"]),
        at: at(2),
    };
    // a number twice is one number
    let twice = patch("Ann", &["+12025550101", "+12025550102", "+12025550101"]);
    ann().when(change(twice)).then([changed.into()]);
}

#[test]
fn every_field_is_bounded() {
    let many: Vec<String> = (0..11).map(|n| format!("+120255501{n:02}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let big =
        serde_json::json!({"big": "x".repeat(17 << 10)}).as_object().unwrap().clone().into_iter().collect();
    for (field, patch) in [
        ("name", ProfilePatch { name: Some(Some(String::new())), ..ProfilePatch::default() }),
        ("name", ProfilePatch { name: Some(Some("x".repeat(201))), ..ProfilePatch::default() }),
        (
            "external_id",
            ProfilePatch { external_id: Some(Some("a\u{0}".to_owned())), ..ProfilePatch::default() },
        ),
        ("phones", patch("Ann", &many)),
        (
            "language",
            ProfilePatch { language: Some(Some("english language".to_owned())), ..ProfilePatch::default() },
        ),
        ("timezone", ProfilePatch { timezone: Some(Some(String::new())), ..ProfilePatch::default() }),
        ("metadata", ProfilePatch { metadata: Some(big), ..ProfilePatch::default() }),
    ] {
        let fault = patch.on(&Profile::default()).check().unwrap_err();
        assert_eq!(fault.0, field);
        ann().when(change(patch)).then_refused(fault.into());
    }
    for tag in ["en", "pt-BR", "zh-Hant-TW", "de-CH-1996"] {
        let language = ProfilePatch { language: Some(Some(tag.to_owned())), ..ProfilePatch::default() };
        assert_eq!(language.on(&Profile::default()).check(), Ok(()), "{tag}");
    }
}

#[test]
fn a_merge_adds_what_was_missing_and_an_undo_takes_just_that_away() {
    let mut bob = profile("Bob", &["+12025550101", "+12025550199"]);
    bob.language = Some("de".to_owned());
    let merged = ann().after([merge(BOB, bob.clone())]);
    let now = merged.state().profile().unwrap().clone();
    assert_eq!(now.name, profile("Ann", &[]).name, "the name stays");
    assert_eq!(now.phones, profile("Ann", &["+12025550101", "+12025550199"]).phones);
    assert_eq!(now.language.as_deref(), Some("de"));
    assert_eq!(merged.state().all_merged(), [BOB]);
    merged.clone().when(merge(BOB, bob)).then_nothing();

    let undone = merged.clone().after([undo(BOB)]);
    assert_eq!(undone.state().profile(), ann().state().profile());
    assert_eq!(undone.state().all_merged(), []);
    undone.when(undo(BOB)).then_refused(CustomerRefusal::NotMerged(BOB));

    // what was changed since belongs to the customer that stays
    let phones = Some(vec!["+12025550150".parse().unwrap(), "+12025550199".parse().unwrap()]);
    let changed = merged.after([
        change(ProfilePatch { phones, language: Some(Some("fr".to_owned())), ..ProfilePatch::default() }),
        undo(BOB),
    ]);
    let now = changed.state().profile().unwrap();
    assert_eq!(now.phones, profile("Ann", &["+12025550150"]).phones);
    assert_eq!(now.language.as_deref(), Some("fr"));
}

#[test]
fn a_customer_that_was_merged_changes_only_by_the_undo() {
    let into = |into| CustomerCommand::MergeInto { into, now: at(3) };
    let separate = |from| CustomerCommand::Separate { from, now: at(4) };
    let gone = ann().after([into(BOB)]);
    assert_eq!(gone.state().merged_into(), Some(BOB));
    gone.clone().when(into(BOB)).then_nothing();
    for refused in [change(patch("Ann", &[])), delete(), into(ANN), merge(BOB, Profile::default()), undo(BOB)]
    {
        gone.clone().when(refused).then_refused(CustomerRefusal::Merged(BOB));
    }
    gone.clone().when(separate(ANN)).then_nothing();
    let back = gone.clone().after([separate(BOB)]);
    back.clone().when(separate(BOB)).then_nothing();
    back.when(change(patch("Anna", &[]))).then_types(["customer.updated"]);
    // both are deleted together
    let both = CustomerCommand::Delete { along_with: Some(BOB), erasure: None, now: at(5) };
    gone.when(both).then([CustomerDeleted { erasure: None, at: at(5) }.into()]);
}

#[test]
fn a_merge_that_would_be_too_much_is_refused_as_a_whole() {
    let phones = |from: usize| (from..from + 6).map(|n| format!("+120255501{n:02}")).collect::<Vec<_>>();
    let of = |from| {
        let phones = phones(from);
        let phones: Vec<&str> = phones.iter().map(String::as_str).collect();
        profile("Ann", &phones)
    };
    let ann = scenario::<Customer>().after([create(of(10))]);
    let refused = CustomerRefusal::Invalid("other_id", TOO_MUCH_TOGETHER);
    ann.clone().when(merge(BOB, of(20))).then_refused(refused);
    let _ = ann.after([merge(BOB, of(12))]);
}

#[test]
fn what_does_not_exist_does_nothing() {
    let gone = ann().after([delete()]);
    for nothing in [scenario::<Customer>(), gone] {
        for command in [change(patch("Ann", &[])), delete(), merge(BOB, Profile::default()), undo(BOB)] {
            nothing.clone().when(command).then_refused(CustomerRefusal::Unknown);
        }
    }
}

#[test]
fn an_erased_profile_is_still_a_customer() {
    let erased = Profile {
        external_id: Some(Personal::erased()),
        name: Some(Personal::erased()),
        phones: vec![Personal::erased()],
        ..Profile::default()
    };
    let husk = scenario::<Customer>().given([CustomerCreated { profile: erased, at: at(1) }.into()]);
    let profile = husk.state().profile().unwrap();
    assert!(profile.external().is_none() && profile.known_phones().next().is_none());
    husk.when(change(patch("Anna", &["+12025550102"]))).then_types(["customer.updated"]);
}
