//! Calls as a match with the carrier's records reads them, on every database.

use adapters::testing::call_lives::{client, new_event, start};
use chrono::TimeDelta;
use domain::billing::matching::{CallKind, CarrierId};
use domain::call::report::LegRef;
use domain::call::terms::{Direction, EndReason, EndedBy, Fault};
use domain::call::{CallEvent, Ended, Received};
use domain::envelope::Position;
use domain::ids::CallId;
use domain::ports::event_store::Expected;
use domain::ports::matching::CallsToMatch as _;
use domain::testing::ids::sequential;

use super::{World, on_every_database};

on_every_database!(
    a_call_says_through_which_connection_it_went_and_whether_it_is_one,
    views_that_have_not_begun_have_come_to_nothing,
);

fn call(n: u64) -> CallId {
    CallId(sequential(40_000 + n))
}

fn received(n: u64, foreign: bool) -> CallEvent {
    let at = start() + TimeDelta::seconds(i64::try_from(n).unwrap());
    let leg = LegRef {
        control_id: None,
        leg_id: format!("leg {n}"),
        session_id: Some("session".to_owned()),
        connection_id: Some("1900".to_owned()),
    };
    Received {
        foreign,
        provider: "telnyx".to_owned(),
        leg,
        direction: Direction::Inbound,
        from: None,
        to: None,
        number_id: None,
        route: None,
        at,
        ring_until: at + TimeDelta::seconds(60),
    }
    .into()
}

fn merged() -> CallEvent {
    Ended {
        reason: EndReason::Merged,
        ended_by: EndedBy::System,
        fault: Fault::None,
        connected: false,
        provider_code: None,
        sip_code: None,
        at: start() + TimeDelta::seconds(30),
    }
    .into()
}

async fn a_call_says_through_which_connection_it_went_and_whether_it_is_one(world: World) {
    let facts = [(1, received(1, false)), (2, received(2, true)), (3, received(3, false)), (3, merged())];
    for (number, (n, fact)) in (1..).zip(facts) {
        let event = new_event(number, 0, client(1), &fact);
        world.log.append(&call(n).stream(), Expected::Any, vec![event]).await.unwrap();
    }
    world.catch_up().await;
    assert_eq!(world.views.reached().await.unwrap(), world.log.head().await.unwrap());
    let period = (start(), start() + TimeDelta::hours(1));
    let calls = world.views.legs(client(1), period, None, 10).await.unwrap();
    let kinds: Vec<_> = calls.iter().map(|call| (call.id, call.kind)).collect();
    let expected = [CallKind::Charged, CallKind::Foreign, CallKind::Merged];
    assert_eq!(kinds, [1, 2, 3].map(|n| (call(n), expected[n as usize - 1])));
    assert!(calls.iter().all(|call| call.connection == Some(CarrierId::of("1900"))));
    assert_eq!(calls[1].leg, Some(CarrierId::of("leg 2")));
    assert_eq!(world.views.calls(client(1), period, None, 10).await.unwrap(), calls);
    assert_eq!(world.views.charged_since(client(1)).await.unwrap(), None);
    assert!(world.views.legs(client(2), period, None, 10).await.unwrap().is_empty());
}

async fn views_that_have_not_begun_have_come_to_nothing(world: World) {
    let event = new_event(1, 0, client(1), &received(1, false));
    world.log.append(&call(1).stream(), Expected::Any, vec![event]).await.unwrap();
    assert_eq!(world.views.reached().await.unwrap(), Position::START);
}
