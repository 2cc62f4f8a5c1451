use std::time::Duration;

use serde_bytes::ByteBuf;
use uuid::Uuid;

use super::*;
use crate::envelope::Position;
use crate::ids::{AgentId, ClientId};
use crate::origin::Origin;
use crate::ports::vault::Sealed;
use crate::testing::calls::at;
use crate::testing::scenario::{Scenario, scenario};
use crate::webhook::public::PublicEvent;
use crate::webhook::secrets::Rotation;

fn sealed(byte: u8) -> Sealed {
    Sealed { key: Uuid::from_u128(1), bytes: ByteBuf::from([byte; 40]) }
}

fn terms() -> EndpointTerms {
    EndpointTerms {
        url: "https://a.example/hooks".into(),
        events: vec!["call.*".into()],
        agent_id: None,
        description: None,
        enabled: true,
        headers: CustomHeaders::default(),
        ordering: Ordering::Parallel,
        rate_limit_per_second: None,
    }
}

fn create(terms: EndpointTerms, secret: u8) -> EndpointCommand {
    let created = EndpointCreated { terms, secret: sealed(secret), origin: Origin::default(), at: at(1) };
    EndpointCommand::Create(Box::new(created))
}

fn update(patch: EndpointPatch, seconds: i64) -> EndpointCommand {
    EndpointCommand::Update { patch: Box::new(patch), origin: Origin::default(), now: at(seconds) }
}

fn rotate(secret: u8, overlap: u64, seconds: i64) -> EndpointCommand {
    let overlap = Duration::from_secs(overlap);
    EndpointCommand::Rotate(Rotation {
        secret: sealed(secret),
        overlap,
        origin: Origin::default(),
        now: at(seconds),
    })
}

fn there() -> Scenario<Endpoint> {
    scenario::<Endpoint>().after([create(terms(), 1)])
}

fn enabled(enabled: bool) -> EndpointPatch {
    EndpointPatch { enabled: Some(enabled), ..EndpointPatch::default() }
}

#[test]
fn an_endpoint_is_created_once_and_the_same_request_again_is_no_news() {
    scenario::<Endpoint>().when(create(terms(), 1)).then_types(["webhook.created"]);
    there().when(create(terms(), 2)).then_nothing();
    let other = EndpointTerms { url: "https://b.example".into(), ..terms() };
    there().when(create(other, 1)).then_refused(EndpointRefusal::Exists);
}

#[test]
fn what_an_endpoint_cannot_be_is_refused_with_its_field() {
    let cases: [(&str, EndpointTerms); 7] = [
        ("events", EndpointTerms { events: vec![], ..terms() }),
        ("events", EndpointTerms { events: vec!["call.exploded".into()], ..terms() }),
        ("events", EndpointTerms { events: vec!["*".into(); 51], ..terms() }),
        ("url", EndpointTerms { url: format!("https://a.example/{}", "x".repeat(2_048)), ..terms() }),
        ("description", EndpointTerms { description: Some("x".repeat(501)), ..terms() }),
        ("rate_limit_per_second", EndpointTerms { rate_limit_per_second: Some(0), ..terms() }),
        ("rate_limit_per_second", EndpointTerms { rate_limit_per_second: Some(10_001), ..terms() }),
    ];
    for (field, terms) in cases {
        let then = scenario::<Endpoint>().when(create(terms.clone(), 1));
        assert!(matches!(then.decision(), Err(EndpointRefusal::Invalid(at, _)) if *at == field), "{field}");
        let patch = EndpointPatch {
            url: Some(terms.url),
            events: Some(terms.events),
            description: Some(terms.description),
            rate_limit_per_second: Some(terms.rate_limit_per_second),
            ..EndpointPatch::default()
        };
        let then = there().when(update(patch, 2));
        assert!(matches!(then.decision(), Err(EndpointRefusal::Invalid(at, _)) if *at == field), "{field}");
    }
}

#[test]
fn only_a_real_change_is_news() {
    there().when(update(EndpointPatch::default(), 2)).then_nothing();
    there().when(update(enabled(true), 2)).then_nothing();
    let after = EndpointTerms { enabled: false, ..terms() };
    let fact = EndpointUpdated { before: terms(), after, origin: Origin::default(), at: at(2) };
    there().when(update(enabled(false), 2)).then([fact.into()]);
}

#[test]
fn while_a_secret_is_rotated_the_old_one_signs_too_and_then_no_more() {
    let rotated = there().after([rotate(2, 60, 10)]);
    let signs = |scenario: &Scenario<Endpoint>, seconds| {
        scenario.state().secrets().valid(at(seconds)).map(|held| held.sealed.clone()).collect::<Vec<_>>()
    };
    assert_eq!(signs(&rotated, 69), [sealed(2), sealed(1)]);
    assert_eq!(signs(&rotated, 70), [sealed(2)]);
    // a second rotation does not prolong the first one's overlap
    let twice = rotated.after([rotate(3, 600, 20)]);
    assert_eq!(signs(&twice, 21), [sealed(3), sealed(2), sealed(1)]);
    assert_eq!(signs(&twice, 71), [sealed(3), sealed(2)]);
    assert_eq!(signs(&there().after([rotate(2, 0, 10)]), 10), [sealed(2)]);
    let too_long = there().when(rotate(2, 604_801, 10));
    assert!(matches!(too_long.decision(), Err(EndpointRefusal::Invalid("overlap_seconds", _))));
}

#[test]
fn an_endpoint_is_not_disabled_for_what_was_seen_before_it_was_enabled() {
    let disable =
        |seen, now| EndpointCommand::Disable { reason: DisabledFor::Gone, seen: at(seen), now: at(now) };
    let off = there().when(disable(5, 6)).then_types(["webhook.disabled"]).and();
    assert!(!off.state().is_open());
    off.clone().when(disable(7, 8)).then_nothing();
    let on = off.after([update(enabled(true), 10)]);
    on.clone().when(disable(9, 11)).then_nothing();
    on.when(disable(10, 11)).then_types(["webhook.disabled"]);
    scenario::<Endpoint>().when(disable(1, 2)).then_nothing();
}

#[test]
fn an_endpoint_wants_what_it_asked_for_while_it_is_enabled() {
    let agent = AgentId(Uuid::from_u128(7));
    let event = |name: &str, agent| PublicEvent {
        id: Uuid::from_u128(1),
        client: ClientId(Uuid::from_u128(2)),
        position: Position(3),
        event_type: name.to_owned(),
        subject: Uuid::from_u128(4),
        agent,
        at: at(1),
        body: bytes::Bytes::new(),
    };
    let there = there();
    assert!(
        there.state().wants(&event("call.ended", None))
            && !there.state().wants(&event("agent.updated", None))
    );
    let patch = EndpointPatch { agent_id: Some(Some(agent)), ..EndpointPatch::default() };
    let picky = there.after([update(patch, 2)]);
    assert!(picky.state().wants(&event("call.ended", Some(agent))));
    assert!(!picky.state().wants(&event("call.ended", None)));
    let off = picky.after([update(enabled(false), 3)]);
    assert!(!off.state().wants(&event("call.ended", Some(agent))));
}

#[test]
fn the_same_replay_is_asked_for_once() {
    let replay = |request, since, until: Option<i64>| {
        EndpointCommand::Replay(Box::new(ReplayRequested {
            since: at(since),
            until: until.map(at),
            events: vec!["call.ended".into()],
            only_failed: true,
            request: Uuid::from_u128(request),
            origin: Origin::default(),
            at: at(9),
        }))
    };
    let asked = there().when(replay(1, 0, None)).then_types(["webhook.replay_requested"]).and();
    asked.clone().when(replay(1, 0, None)).then_nothing();
    asked.clone().when(replay(2, 0, Some(5))).then_types(["webhook.replay_requested"]);
    assert!(matches!(
        asked.when(replay(3, 5, Some(5))).decision(),
        Err(EndpointRefusal::Invalid("until", _))
    ));
}

#[test]
fn an_endpoint_that_is_gone_does_nothing_and_keeps_no_secret() {
    let delete = || EndpointCommand::Delete { origin: Origin::default(), now: at(5) };
    let gone = there().when(delete()).then_types(["webhook.deleted"]).and();
    assert_eq!(gone.state().secrets().all().len(), 0);
    for nothing in [gone, scenario::<Endpoint>()] {
        nothing.clone().when(delete()).then_refused(EndpointRefusal::Unknown);
        nothing.clone().when(update(enabled(false), 6)).then_refused(EndpointRefusal::Unknown);
        nothing.when(rotate(2, 0, 6)).then_refused(EndpointRefusal::Unknown);
    }
}

#[test]
fn another_server_gets_no_header_that_was_given_for_the_first() {
    let headers = CustomHeaders { shown: [("x-key".into(), "***".into())].into(), sealed: Some(sealed(9)) };
    let there =
        || scenario::<Endpoint>().after([create(EndpointTerms { headers: headers.clone(), ..terms() }, 1)]);
    for (url, kept) in [
        ("https://a.example/elsewhere", true),
        ("https://b.example/hooks", false),
        ("http://a.example/hooks", false),
        ("https://a.example:444/hooks", false),
    ] {
        let patch = EndpointPatch { url: Some(url.into()), ..EndpointPatch::default() };
        let moved = there().when(update(patch.clone(), 2)).then_types(["webhook.updated"]).and();
        let held = &moved.state().terms().unwrap().headers;
        assert_eq!(*held, if kept { headers.clone() } else { CustomHeaders::default() }, "{url}");
        let given = EndpointPatch { headers: Some(headers.clone()), ..patch };
        let moved = there().when(update(given, 2)).then_types(["webhook.updated"]).and();
        assert_eq!(moved.state().terms().unwrap().headers, headers, "{url}");
    }
}
