use super::super::action::{Action, Collect, Webhook};
use super::super::hours::{Hours, Override, Window};
use super::*;
use crate::phone::Party;
use crate::testing::calls::at;
use crate::testing::ivr::{item, menu};
use crate::testing::scenario::scenario;
use crate::zones::Zones;

fn create(terms: MenuTerms, seconds: i64) -> MenuCommand {
    MenuCommand::Create { terms: Box::new(terms), zones: Zones::bundled(), now: at(seconds) }
}

fn update(patch: MenuPatch, seconds: i64) -> MenuCommand {
    MenuCommand::Update { patch: Box::new(patch), zones: Zones::bundled(), now: at(seconds) }
}

fn fields(terms: &MenuTerms) -> Vec<String> {
    faults(terms, &Zones::bundled()).into_iter().map(|fault| fault.field).collect()
}

#[test]
fn a_menu_is_made_once_edited_and_given_up() {
    let made = scenario::<Menu>().when(create(menu("Main", vec![]), 1));
    let made = made.then([MenuCreated { terms: Box::new(menu("Main", vec![])), at: at(1) }.into()]).and();
    made.clone().when(create(menu("Main", vec![]), 2)).then_nothing();
    made.clone().when(create(menu("Other", vec![]), 2)).then_refused(MenuRefusal::Exists);
    let patch = MenuPatch { prompt: Some("Hello.".to_owned()), ..MenuPatch::default() };
    let edited = made.when(update(patch.clone(), 3)).then_types(["ivr_menu.updated"]).and();
    edited.clone().when(update(patch.clone(), 4)).then_nothing();
    assert_eq!(edited.state().terms().unwrap().prompt, "Hello.");
    let gone = edited.when(MenuCommand::Delete { now: at(5) }).then_types(["ivr_menu.deleted"]).and();
    assert!(gone.state().is_deleted() && gone.state().terms().is_some());
    gone.clone().when(update(patch, 6)).then_refused(MenuRefusal::Unknown);
    gone.clone().when(create(menu("Main", vec![]), 6)).then_refused(MenuRefusal::Exists);
    gone.when(MenuCommand::Delete { now: at(6) }).then_refused(MenuRefusal::Unknown);
    scenario::<Menu>().when(MenuCommand::Delete { now: at(6) }).then_refused(MenuRefusal::Unknown);
}

#[test]
fn an_edit_that_would_be_invalid_changes_nothing() {
    let made = scenario::<Menu>().after([create(menu("Main", vec![]), 1)]);
    let patch = MenuPatch { max_retries: Some(0), ..MenuPatch::default() };
    let refused = made.when(update(patch, 2));
    let Err(MenuRefusal::Invalid(faults)) = refused.decision() else { panic!("not refused") };
    assert_eq!((faults.len(), faults[0].field.as_str()), (1, "max_retries"));
}

#[test]
fn every_field_at_fault_is_named_once() {
    let mut terms =
        menu("", vec![item("12a", Action::Hangup), item("1", Action::Hangup), item("1", Action::Back)]);
    terms.prompt = " ".to_owned();
    terms.timeout_ms = 0;
    terms.inter_digit_timeout_ms = 100_000;
    terms.items[1].label = String::new();
    terms.globals.back = Some("1".to_owned());
    terms.globals.main = Some("x".to_owned());
    terms.on_exhausted = Action::Repeat;
    assert_eq!(
        fields(&terms),
        [
            "globals.back",
            "globals.main",
            "inter_digit_timeout_ms",
            "items[0].digit",
            "items[1].label",
            "items[2].digit",
            "name",
            "on_exhausted.action",
            "prompt",
            "timeout_ms",
        ]
    );
}

#[test]
fn a_transfer_goes_to_a_number_or_a_sip_uri() {
    let to = |to: &str| Action::Transfer { to: Party::new(to).into() };
    for good in ["+12025550155", "sip:desk@pbx.example.test"] {
        assert_eq!(fields(&menu("Main", vec![item("1", to(good))])), [] as [&str; 0], "{good}");
    }
    for bad in ["", "2025550155", "tel:+12025550155", "reception"] {
        assert_eq!(fields(&menu("Main", vec![item("1", to(bad))])), ["items[0].target"], "{bad}");
    }
}

#[test]
fn digits_are_collected_within_sensible_bounds_and_webhooks_called_at_sensible_addresses() {
    let collect = Collect {
        name: "a-b".to_owned(),
        prompt: Some(String::new()),
        min_digits: 5,
        max_digits: 4,
        terminator: Some('1'),
        secret: true,
        then: Action::Webhook(Box::new(Webhook {
            url: "ftp://example.test".to_owned(),
            timeout_ms: 60_000,
            on_error: Action::Say { text: String::new() },
        })),
    };
    assert_eq!(
        fields(&menu("Main", vec![item("1", Action::Collect(Box::new(collect)))])),
        [
            "items[0].target.min_digits",
            "items[0].target.name",
            "items[0].target.prompt",
            "items[0].target.terminator",
            "items[0].target.then.target.on_error.target",
            "items[0].target.then.target.timeout_ms",
            "items[0].target.then.target.url",
        ]
    );
    for url in ["https://", "https://user@example.test/", "https://exa mple.test", "/hook"] {
        let webhook = Webhook { url: url.to_owned(), timeout_ms: 3_000, on_error: Action::Repeat };
        let terms = menu("Main", vec![item("1", Action::Webhook(Box::new(webhook)))]);
        assert_eq!(fields(&terms), ["items[0].target.url"], "{url}");
    }
}

#[test]
fn hours_name_a_zone_that_exists_and_days_once() {
    let mut terms = menu("Main", vec![]);
    let day = "2026-12-24".parse().unwrap();
    let noon = Window { from: 720, to: 720 };
    terms.hours = Some(Hours {
        timezone: "Mars/Olympus".to_owned(),
        weekly: [vec![noon], vec![], vec![], vec![], vec![], vec![], vec![]],
        overrides: vec![
            Override { date: day, windows: vec![] },
            Override { date: day, windows: vec![Window { from: 1_440, to: 1 }] },
        ],
        closed: Action::Repeat,
    });
    assert_eq!(
        fields(&terms),
        [
            "hours.closed.action",
            "hours.overrides[1].date",
            "hours.overrides[1].windows",
            "hours.timezone",
            "hours.weekly.mon",
        ]
    );
}

#[test]
fn a_zone_is_written_as_iana_writes_it_and_old_names_are_taken() {
    let said = |zone: &str| {
        let mut terms = menu("Main", vec![]);
        let weekly = std::array::from_fn(|_| vec![]);
        let closed = Action::Hangup;
        terms.hours = Some(Hours { timezone: zone.to_owned(), weekly, overrides: vec![], closed });
        faults(&terms, &Zones::bundled()).into_iter().map(|fault| fault.detail).collect::<Vec<_>>()
    };
    for good in ["Europe/Berlin", "Asia/Calcutta", "US/Pacific", "UTC", "America/Argentina/Buenos_Aires"] {
        assert!(said(good).is_empty(), "{good}");
    }
    assert_eq!(said("america/vancouver"), ["must be written America/Vancouver"]);
    for bad in ["", " ", "Etc/Unknown", "Factory", "PST", "UTC+1", "+01:00", "../../etc/passwd", "posix/UTC"]
    {
        assert_eq!(said(bad), ["must be an IANA zone like Europe/Berlin"], "{bad}");
    }
}

#[test]
fn actions_in_actions_come_to_an_end() {
    let mut action = Action::Hangup;
    for _ in 0..5 {
        let url = "https://example.test/".to_owned();
        action = Action::Webhook(Box::new(Webhook { url, timeout_ms: 3_000, on_error: action }));
    }
    assert_eq!(fields(&menu("Main", vec![item("1", action)])), ["items[0].target"]);
}
