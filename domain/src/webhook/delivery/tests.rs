use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;
use uuid::Uuid;

use super::*;
use crate::envelope::Position;
use crate::ids::{DeliveryId, EndpointId};
use crate::origin::Origin;
use crate::testing::calls::at;
use crate::testing::scenario::{Scenario, scenario};
use crate::webhook::schedule::Schedule;

fn id() -> DeliveryId {
    DeliveryId::of(EndpointId(Uuid::from_u128(1)), Uuid::from_u128(2))
}

fn of() -> DeliveryOf {
    DeliveryOf {
        endpoint: EndpointId(Uuid::from_u128(1)),
        event: Uuid::from_u128(2),
        event_type: "call.ended".into(),
        source: Position(7),
        subject: Uuid::from_u128(3),
    }
}

fn answered(status: u16) -> Attempt {
    Attempt {
        began_at: at(0),
        latency_ms: 12,
        status: Some(status),
        error: (!(200..300).contains(&status)).then_some(ErrorClass::Status),
        detail: None,
        address: None,
        headers: BTreeMap::new(),
        body: None,
    }
}

fn silent(error: ErrorClass) -> Attempt {
    Attempt { status: None, error: Some(error), ..answered(200) }
}

fn record(attempt: Attempt, before: u32, seconds: i64) -> DeliveryCommand {
    DeliveryCommand::Record {
        id: id(),
        of: of(),
        before,
        cause: Cause::Due,
        attempt: Box::new(attempt),
        sent: None,
        schedule: Arc::new(Schedule::default()),
        now: at(seconds),
    }
}

fn then(scenario: Scenario<Delivery>, command: DeliveryCommand) -> (u32, u32, Then) {
    match scenario.when(command).facts() {
        [DeliveryEvent::Attempted(fact)] => (fact.number, fact.round, fact.then),
        other => panic!("{other:?}"),
    }
}

fn redeliver(seconds: i64) -> DeliveryCommand {
    DeliveryCommand::Redeliver { origin: Origin::default(), now: at(seconds) }
}

fn cancel() -> DeliveryCommand {
    DeliveryCommand::Cancel { origin: Origin::default(), now: at(9) }
}

#[test]
fn the_delivery_of_an_event_to_an_endpoint_is_always_the_same_one() {
    let other = DeliveryId::of(EndpointId(Uuid::from_u128(2)), Uuid::from_u128(1));
    assert_eq!(id(), DeliveryId::of(EndpointId(Uuid::from_u128(1)), Uuid::from_u128(2)));
    assert_ne!(id(), other);
    assert_eq!(id().0.get_version_num(), 5);
}

#[test]
fn any_2xx_is_a_success_and_nothing_else_is() {
    for status in 100..600 {
        let (_, _, follows) = then(scenario(), record(answered(status), 0, 1));
        assert_eq!(follows == Then::Succeeded, (200..300).contains(&status), "{status}");
    }
}

#[test]
fn ten_failures_end_it_and_each_is_later_than_the_one_before() {
    let mut delivery = scenario::<Delivery>();
    let (mut now, mut waited) = (0, Vec::new());
    for round in 1..=10 {
        let (number, told, follows) = then(delivery.clone(), record(answered(500), 0, now));
        assert_eq!((number, told), (round, round));
        delivery = delivery.after([record(answered(500), 0, now)]);
        match follows {
            Then::Again { due } => {
                waited.push((due - at(now)).num_seconds());
                now += (due - at(now)).num_seconds() + 1;
            }
            Then::Failed { why } => assert_eq!((why, round), (GaveUp::Exhausted, 10)),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(waited.len(), 9);
    assert!(waited.windows(2).all(|pair| pair[0] < pair[1]), "{waited:?}");
    assert_eq!(delivery.state().status(), DeliveryStatus::Failed);
}

#[test]
fn an_endpoint_that_is_gone_is_not_asked_again() {
    assert_eq!(then(scenario(), record(answered(410), 0, 1)).2, Then::Failed { why: GaveUp::Gone });
}

#[test]
fn what_the_receiver_asks_for_is_waited_for() {
    let mut busy = answered(503);
    busy.headers.insert("retry-after".into(), "600".into());
    assert_eq!(then(scenario(), record(busy, 0, 1)).2, Then::Again { due: at(601) });
}

#[test]
fn a_redelivery_begins_the_schedule_anew() {
    let failed = scenario::<Delivery>().after((0..10).map(|n| record(silent(ErrorClass::Connect), 0, n)));
    let again = failed.after([redeliver(100)]);
    assert_eq!(again.state().status(), DeliveryStatus::Pending);
    let (number, round, follows) = then(again, record(answered(500), 10, 101));
    assert_eq!((number, round), (11, 1));
    assert!(matches!(follows, Then::Again { .. }));
}

#[test]
fn an_attempt_that_comes_late_takes_nothing_back() {
    let done = scenario::<Delivery>().after([record(answered(200), 0, 1)]);
    assert_eq!(then(done.clone(), record(answered(500), 0, 2)), (2, 2, Then::Succeeded));
    done.when(cancel()).then_refused(DeliveryRefusal::Over);
    let cancelled = scenario::<Delivery>().after([cancel()]);
    assert_eq!(then(cancelled.clone(), record(answered(500), 0, 2)).2, Then::Cancelled);
    assert_eq!(then(cancelled.clone(), record(answered(200), 0, 2)).2, Then::Succeeded);
    cancelled.when(cancel()).then_nothing();
}

#[test]
fn a_test_is_attempted_once() {
    let command = match record(answered(500), 0, 1) {
        DeliveryCommand::Record { id, of, before, attempt, schedule, now, .. } => {
            let sent = Some(serde_bytes::ByteBuf::from(b"{}".to_vec()));
            DeliveryCommand::Record { id, of, before, cause: Cause::Test, attempt, sent, schedule, now }
        }
        other => other,
    };
    assert_eq!(then(scenario(), command).2, Then::Failed { why: GaveUp::Test });
}

proptest! {
    #[test]
    fn whatever_is_answered_a_delivery_ends_and_a_success_stays(statuses in proptest::collection::vec(100u16..600, 1..30)) {
        let mut delivery = scenario::<Delivery>();
        let mut succeeded = false;
        for (n, status) in statuses.iter().enumerate() {
            delivery = delivery.after([record(answered(*status), 0, n as i64)]);
            succeeded |= (200..300).contains(status);
            prop_assert_eq!(delivery.state().attempts() as usize, n + 1);
            if succeeded {
                prop_assert_eq!(delivery.state().status(), DeliveryStatus::Succeeded);
            } else if n >= 9 {
                prop_assert_eq!(delivery.state().status(), DeliveryStatus::Failed);
            }
        }
    }
}
