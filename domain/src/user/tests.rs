use serde_bytes::ByteBuf;
use uuid::Uuid;

use super::*;
use crate::origin::Origin;
use crate::personal::Personal;
use crate::ports::vault::Sealed;
use crate::testing::calls::at;
use crate::testing::scenario::{Scenario, scenario};

fn sealed(byte: u8) -> Sealed {
    Sealed { key: Uuid::from_u128(1), bytes: ByteBuf::from([byte; 40]) }
}

fn ann() -> UserCreated {
    UserCreated {
        email: Personal::new("ann@example.com".to_owned()),
        password: sealed(1),
        role: Role::Developer,
        origin: Origin::default(),
        at: at(1),
    }
}

fn create() -> UserCommand {
    UserCommand::Create(Box::new(ann()))
}

fn update(role: Option<Role>, enabled: Option<bool>, password: Option<Sealed>) -> UserCommand {
    UserCommand::Update { role, enabled, password, origin: Origin::default(), now: at(2) }
}

fn delete() -> UserCommand {
    UserCommand::Delete { origin: Origin::default(), now: at(3) }
}

fn there() -> Scenario<User> {
    scenario::<User>().after([create()])
}

#[test]
fn a_user_is_created_once() {
    let there = scenario::<User>().when(create()).then([ann().into()]).and();
    there.clone().when(create()).then_nothing();
    let bob = UserCreated { email: Personal::new("bob@example.com".to_owned()), ..ann() };
    there.when(UserCommand::Create(Box::new(bob))).then_refused(UserRefusal::Exists);
}

#[test]
fn a_change_tells_what_held_before_and_no_change_is_no_news() {
    let before = UserTerms { role: Role::Developer, enabled: true };
    let after = UserTerms { role: Role::Viewer, enabled: false };
    let changed = there().when(update(Some(Role::Viewer), Some(false), None));
    let changed = changed.then([UserUpdated { before, after, origin: Origin::default(), at: at(2) }.into()]);
    changed.and().when(update(Some(Role::Viewer), None, None)).then_nothing();
    there().when(update(None, None, Some(sealed(2)))).then_types(["user.password_changed"]);
}

#[test]
fn only_who_exists_and_is_enabled_has_a_password_to_check() {
    assert_eq!(there().state().password(), Some(&sealed(1)));
    assert_eq!(there().after([update(None, None, Some(sealed(2)))]).state().password(), Some(&sealed(2)));
    assert_eq!(there().after([update(None, Some(false), None)]).state().password(), None);
    assert_eq!(there().after([delete()]).state().password(), None);
    assert_eq!(scenario::<User>().state().password(), None);
}

#[test]
fn a_user_who_is_gone_or_never_was_does_nothing() {
    let sign_out = UserCommand::SignOut { origin: Origin::default(), now: at(4) };
    let fail = UserCommand::NoteFailedLogin { origin: Origin::default(), now: at(4) };
    for nothing in [scenario::<User>(), there().after([delete()])] {
        for command in [update(None, None, None), delete(), sign_out.clone(), fail.clone()] {
            nothing.clone().when(command).then_refused(UserRefusal::Unknown);
        }
    }
    there().when(sign_out).then_types(["user.signed_out"]);
    there().when(fail).then_types(["user.login_failed"]);
}

#[test]
fn an_address_is_compared_in_one_form() {
    assert_eq!(normal_email(" Ann@Example.COM "), Some("ann@example.com".to_owned()));
    for bad in
        ["", "ann", "@example.com", "ann@", "ann@example", "a b@example.com", "a@b@example.com", "a@b.c\0"]
    {
        assert_eq!(normal_email(bad), None, "{bad}");
    }
    assert_eq!(normal_email(&format!("{}@example.com", "a".repeat(243))), None);
}
