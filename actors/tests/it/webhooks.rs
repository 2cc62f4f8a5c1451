//! Deliveries on virtual time.

mod world;

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use actors::session::Session;
use domain::envelope::{Position, Version};
use domain::ids::DeliveryId;
use domain::origin::Origin;
use domain::ports::clock::Clock;
use domain::ports::deliveries::DeliveryStore;
use domain::ports::event_store::{Direction, EventStore};
use domain::webhook::delivery::{Delivery, DeliveryCommand, DeliveryEvent, ErrorClass, GaveUp, Then};
use domain::webhook::endpoint::{EndpointCommand, EndpointPatch, Ordering, ReplayRequested};
use domain::webhook::signing::SigningSecret;
use domain::wire::DomainEvent;
use uuid::Uuid;

use self::world::{AWAY, Does, FORGED, World, open_work, until};

#[actix::test]
async fn an_event_is_delivered_at_once_to_every_endpoint_that_wants_it_and_recorded() {
    let world = World::new().await;
    let (a, b) =
        (world.endpoint("a", Ordering::Parallel).await, world.endpoint("b", Ordering::Parallel).await);
    let nothing = world.endpoint("c", Ordering::Parallel).await;
    let patch = EndpointPatch { events: Some(vec!["credits.*".to_owned()]), ..EndpointPatch::default() };
    world.patch(nothing, patch).await;
    let event = world.happens(1).await;
    world.sends(2).await;
    for endpoint in [a, b] {
        assert_eq!(world.attempted(endpoint, event, 1).await, Then::Succeeded);
    }
    let sent = world.sent_to("a").remove(0);
    assert_eq!(sent.id, domain::ids::event_type_id(event));
    let secret = SigningSecret::from_bytes(vec![7; 32]).unwrap();
    assert_eq!(sent.headers["webhook-signature"], secret.sign(&sent.id, sent.at.timestamp(), &sent.body));
    assert_eq!(sent.headers["webhook-timestamp"], sent.at.timestamp().to_string());
    assert_eq!(DeliveryStore::stats(&*world.work, world.clock.now()).await.unwrap().pending, 0);
}

#[actix::test]
async fn a_day_of_retries_keeps_the_schedule_the_id_and_the_bytes() {
    let world = World::new().await;
    world.always("a", Does::Answer(500));
    let endpoint = world.endpoint("a", Ordering::Parallel).await;
    let event = world.happens(1).await;
    let begun = world.clock.now();
    let plain = [5, 30, 120, 600, 1_800, 7_200, 18_000, 36_000, 43_200];
    for (round, delay) in (1..).zip(plain) {
        let Then::Again { due } = world.attempted(endpoint, event, round).await else { panic!("{round}") };
        let wait = due - world.clock.now();
        let spread = (wait.as_seconds_f64() / f64::from(delay) - 1.0).abs();
        assert!(spread <= 0.2001, "attempt {round}: {wait}");
        // not a moment before
        world.clock.advance(wait.to_std().unwrap() - Duration::from_micros(1));
        assert_eq!(world.sent().len(), round);
        world.clock.advance(Duration::from_micros(1));
        world.sends(round + 1).await;
    }
    let then = world.attempted(endpoint, event, 10).await;
    assert_eq!(then, Then::Failed { why: GaveUp::Exhausted });
    assert!(world.clock.now() - begun > chrono::TimeDelta::hours(23));
    let sent = world.sent();
    assert!(sent.iter().all(|other| other.id == sent[0].id && other.body == sent[0].body));
    let signatures: std::collections::BTreeSet<_> =
        sent.iter().map(|sent| sent.headers["webhook-signature"].clone()).collect();
    assert_eq!(signatures.len(), 10, "each attempt is signed anew");
    world.clock.advance(Duration::from_secs(1_000_000));
    let other = world.happens(2).await;
    world.attempted(endpoint, other, 1).await;
    assert_eq!(world.attempts(endpoint, event).await.len(), 10, "that was the last one");
}

#[actix::test]
async fn a_secret_that_never_opens_is_an_attempt_its_owner_sees_and_is_tried_again_by_the_schedule() {
    let world = World::new().await;
    let endpoint = world.endpoint_with("a", Ordering::Parallel, vec![FORGED; 32]).await;
    let well = world.endpoint("well", Ordering::Parallel).await;
    let mut events = Vec::new();
    for call in 0..20 {
        events.push(world.happens(call).await);
    }
    for event in &events {
        assert!(matches!(world.attempted(endpoint, *event, 1).await, Then::Again { .. }));
        assert_eq!(world.attempted(well, *event, 1).await, Then::Succeeded);
    }
    assert_eq!(world.vault.refused.load(Relaxed), 20, "each once, and then it is waited");
    let stream = DeliveryId::of(endpoint, events[0]).stream();
    let told = world.log.read_stream(&stream, Version::NONE, Direction::Forwards, 1).await.unwrap().remove(0);
    let DeliveryEvent::Attempted(fact) =
        DeliveryEvent::decode(&told.event_type, told.schema, &told.payload).unwrap()
    else {
        panic!("no attempt");
    };
    assert_eq!((fact.attempt.status, fact.attempt.error), (None, Some(ErrorClass::Secret)));
    world.clock.advance(Duration::from_secs(7));
    world.attempted(endpoint, events[0], 2).await;
}

#[actix::test]
async fn while_the_keys_are_away_an_endpoint_rests_and_everything_is_kept() {
    let world = World::new().await;
    world.endpoint_with("a", Ordering::Parallel, vec![AWAY; 32]).await;
    let well = world.endpoint("well", Ordering::Parallel).await;
    let mut last = Uuid::nil();
    for call in 0..300 {
        last = world.happens(call).await;
    }
    world.attempted(well, last, 1).await;
    for _ in 0..120 {
        world.clock.advance(Duration::from_millis(500));
        for _ in 0..200 {
            tokio::task::yield_now().await;
        }
    }
    // a minute: 1, 2, 4, 8, 16 and 30 s, and those that were under way when it began
    let refused = world.vault.refused.load(Relaxed);
    assert!(refused <= 10, "{refused} times in a minute");
    assert_eq!(DeliveryStore::stats(&*world.work, world.clock.now()).await.unwrap().pending, 300);
}

#[actix::test]
async fn a_clock_that_is_set_neither_puts_attempts_off_nor_brings_them_forward() {
    for days in [-1, 3] {
        let world = World::new().await;
        world.always("a", Does::Answer(500));
        let endpoint = world.endpoint("a", Ordering::Parallel).await;
        let event = world.happens(1).await;
        let Then::Again { due } = world.attempted(endpoint, event, 1).await else { panic!("no retry") };
        let wait = (due - world.clock.now()).to_std().unwrap();
        world.clock.jump(chrono::TimeDelta::days(days));
        world.clock.advance(wait - Duration::from_secs(2));
        for _ in 0..500 {
            tokio::task::yield_now().await;
        }
        assert_eq!(world.sent().len(), 1, "{days} days");
        world.clock.advance(Duration::from_secs(2));
        world.sends_soon(2).await;
        let Then::Again { due } = world.attempted(endpoint, event, 2).await else { panic!("no retry") };
        world.clock.advance((due - world.clock.now()).to_std().unwrap());
        world.sends_soon(3).await;
        // and what happens now is told at once, also where it waits for what came before
        let in_order = world.endpoint("b", Ordering::PerSubject).await;
        let event = world.happens(2).await;
        assert_eq!(world.attempted(in_order, event, 1).await, Then::Succeeded);
    }
}

#[actix::test]
async fn an_endpoint_that_hangs_delays_no_other() {
    let world = World::new().await;
    world.always("hangs", Does::Hang);
    world.endpoint("hangs", Ordering::Parallel).await;
    let well = world.endpoint("well", Ordering::Parallel).await;
    let mut events = Vec::new();
    for call in 0..200 {
        events.push(world.happens(call).await);
    }
    for event in events {
        assert_eq!(world.attempted(well, event, 1).await, Then::Succeeded);
    }
    assert!(world.sent_to("hangs").len() <= 2, "and takes no more than it was given");
}

#[actix::test]
async fn an_endpoint_that_is_gone_or_failed_for_five_days_is_disabled_and_what_is_pending_is_kept() {
    let world = World::new().await;
    let gone = world.endpoint("gone", Ordering::Parallel).await;
    world.always("gone", Does::Answer(410));
    let event = world.happens(1).await;
    assert_eq!(world.attempted(gone, event, 1).await, Then::Failed { why: GaveUp::Gone });
    until("it is disabled", async || !world.is_open(gone).await).await;

    let failing = world.endpoint("failing", Ordering::Parallel).await;
    world.always("failing", Does::Answer(500));
    let first = world.happens(2).await;
    world.attempted(failing, first, 1).await;
    world.clock.advance(Duration::from_secs(5 * 24 * 3600 - 1));
    world.attempted(failing, first, 2).await;
    assert!(world.is_open(failing).await);
    world.clock.advance(Duration::from_secs(40));
    world.attempted(failing, first, 3).await;
    until("it is disabled", async || !world.is_open(failing).await).await;
    // another's delivery tells that the dispatcher has heard of it
    let well = world.endpoint("well", Ordering::Parallel).await;
    let heard = world.happens(3).await;
    assert_eq!(world.attempted(well, heard, 1).await, Then::Succeeded);
    // nothing is sent, and nothing new is scheduled
    world.clock.advance(Duration::from_secs(24 * 3600));
    let later = world.happens(4).await;
    assert_eq!(world.attempted(well, later, 1).await, Then::Succeeded);
    assert_eq!((world.sent_to("failing").len(), world.sent_to("gone").len()), (3, 1));
    // once it is enabled, what was pending goes on where it was
    world.always("failing", Does::Answer(200));
    world.patch(failing, EndpointPatch { enabled: Some(true), ..EndpointPatch::default() }).await;
    assert_eq!(world.attempted(failing, first, 4).await, Then::Succeeded);
}

#[actix::test]
async fn one_success_ends_the_count_of_failing_days() {
    let world = World::new().await;
    let endpoint = world.endpoint("a", Ordering::Parallel).await;
    world
        .net
        .next
        .lock()
        .unwrap()
        .insert("a".into(), [Does::Answer(500), Does::Answer(200), Does::Answer(500)].into());
    let first = world.happens(1).await;
    world.attempted(endpoint, first, 1).await;
    world.clock.advance(Duration::from_secs(3 * 24 * 3600));
    world.attempted(endpoint, first, 2).await;
    world.clock.advance(Duration::from_secs(3 * 24 * 3600));
    let second = world.happens(2).await;
    world.attempted(endpoint, second, 1).await;
    assert!(world.is_open(endpoint).await);
}

#[actix::test]
async fn in_order_means_one_after_the_other_about_one_subject_and_no_other() {
    let world = World::new().await;
    let endpoint = world.endpoint("a", Ordering::PerSubject).await;
    world.net.next.lock().unwrap().insert("a".into(), [Does::Answer(500)].into());
    let first = world.happens(1).await;
    world.attempted(endpoint, first, 1).await;
    let (second, third) = (world.happens(1).await, world.happens(1).await);
    let other = world.happens(2).await;
    assert_eq!(world.attempted(endpoint, other, 1).await, Then::Succeeded);
    assert!(world.attempts(endpoint, second).await.is_empty(), "it waits for the first");
    world.clock.advance(Duration::from_secs(10));
    for event in [first, second, third] {
        until("delivered", async || {
            world.attempts(endpoint, event).await.last().is_some_and(|last| last.1 == Then::Succeeded)
        })
        .await;
    }
    let at = |attempts: Vec<(Position, Then)>| attempts.last().unwrap().0;
    let order = [
        at(world.attempts(endpoint, first).await),
        at(world.attempts(endpoint, second).await),
        at(world.attempts(endpoint, third).await),
    ];
    assert!(order.is_sorted(), "{order:?}");
}

#[actix::test]
async fn a_node_that_begins_anew_makes_no_attempt_twice_that_is_recorded_and_no_delivery_twice_ever() {
    let world = World::new().await;
    let endpoint = world.endpoint("a", Ordering::Parallel).await;
    world.net.next.lock().unwrap().insert("a".into(), [Does::Answer(200), Does::Answer(500)].into());
    let (done, again) = (world.happens(1).await, world.happens(2).await);
    world.sends(2).await;
    until("both recorded", async || {
        world.attempts(endpoint, done).await.len() + world.attempts(endpoint, again).await.len() == 2
    })
    .await;
    // once with the rows, once without: the log brings them back
    let world = world.reborn(None).await;
    let folder = tempfile::tempdir().unwrap();
    let empty = Arc::new(open_work(folder.path()).await);
    let world = world.reborn(Some(empty)).await;
    world.clock.advance(Duration::from_secs(10));
    world.sends(1).await;
    until("the one that failed is delivered", async || {
        let all = [world.attempts(endpoint, done).await, world.attempts(endpoint, again).await].concat();
        all.len() == 3 && all.iter().filter(|(_, then)| *then == Then::Succeeded).count() == 2
    })
    .await;
    world.read().await;
    assert_eq!(DeliveryStore::stats(&*world.work, world.clock.now()).await.unwrap().pending, 0);
}

#[actix::test]
async fn an_attempt_that_was_cut_off_before_it_was_recorded_is_made_again_as_the_same() {
    let world = World::new().await;
    world.always("a", Does::Hang);
    let endpoint = world.endpoint("a", Ordering::Parallel).await;
    let event = world.happens(1).await;
    world.sends(1).await;
    let before = world.sent();
    let world = world.reborn(None).await;
    assert_eq!(world.attempted(endpoint, event, 1).await, Then::Succeeded);
    let after = world.sent();
    assert_eq!((after.len(), &after[0].id, &after[0].body), (1, &before[0].id, &before[0].body));
}

#[actix::test]
async fn what_failed_or_was_missed_is_delivered_when_it_is_asked_for() {
    let world = World::new().await;
    let endpoint = world.endpoint("a", Ordering::Parallel).await;
    world.always("a", Does::Answer(410));
    let lost = world.happens(1).await;
    world.attempted(endpoint, lost, 1).await;
    until("it is disabled", async || !world.is_open(endpoint).await).await;
    let missed = world.happens(2).await;
    world.read().await;
    world.always("a", Does::Answer(200));
    world.patch(endpoint, EndpointPatch { enabled: Some(true), ..EndpointPatch::default() }).await;
    let mut session =
        Session::<Delivery>::new(world.runtime.clone(), DeliveryId::of(endpoint, lost).stream());
    let command = DeliveryCommand::Redeliver { origin: Origin::default(), now: world.clock.now() };
    session.execute(&command, &world.context(), None).await.unwrap();
    until("redelivered", async || world.attempts(endpoint, lost).await.len() == 2).await;
    assert_eq!(world.attempts(endpoint, lost).await[1].1, Then::Succeeded);
    world.clock.advance(Duration::from_secs(1));
    let replay = ReplayRequested {
        since: world.clock.now() - Duration::from_secs(60),
        until: None,
        events: vec!["call.ended".to_owned()],
        only_failed: false,
        request: Uuid::from_u128(5),
        origin: Origin::default(),
        at: world.clock.now(),
    };
    world.tell(endpoint, EndpointCommand::Replay(Box::new(replay))).await;
    assert_eq!(world.attempted(endpoint, missed, 1).await, Then::Succeeded);
    until("replayed", async || world.attempts(endpoint, lost).await.len() == 3).await;
    let ids: Vec<_> = world.sent().into_iter().map(|sent| sent.id).collect();
    assert_eq!(ids.iter().filter(|id| **id == domain::ids::event_type_id(lost)).count(), 3);
}

#[actix::test]
async fn what_is_asked_for_again_as_soon_as_it_was_delivered_is_delivered_again() {
    let world = World::new().await;
    let endpoint = world.endpoint("a", Ordering::Parallel).await;
    let event = world.happens(1).await;
    for attempts in 1..=100 {
        until(&format!("attempt {attempts}"), async || {
            world.attempts(endpoint, event).await.len() == attempts
        })
        .await;
        // whoever made it may not have heard yet that it is recorded
        let mut session =
            Session::<Delivery>::new(world.runtime.clone(), DeliveryId::of(endpoint, event).stream());
        let command = DeliveryCommand::Redeliver { origin: Origin::default(), now: world.clock.now() };
        session.execute(&command, &world.context(), None).await.unwrap();
    }
}

#[actix::test]
async fn an_endpoint_that_is_deleted_is_sent_nothing_more() {
    let world = World::new().await;
    world.always("a", Does::Answer(500));
    let endpoint = world.endpoint("a", Ordering::Parallel).await;
    let event = world.happens(1).await;
    world.attempted(endpoint, event, 1).await;
    let delete = EndpointCommand::Delete { origin: Origin::default(), now: world.clock.now() };
    world.tell(endpoint, delete).await;
    world.read().await;
    world.clock.advance(Duration::from_secs(3600));
    let other = world.endpoint("b", Ordering::Parallel).await;
    let event = world.happens(2).await;
    world.attempted(other, event, 1).await;
    assert_eq!(world.sent_to("a").len(), 1);
    assert_eq!(DeliveryStore::stats(&*world.work, world.clock.now()).await.unwrap().pending, 0);
}

#[actix::test]
async fn while_an_endpoint_cannot_be_reached_few_attempts_are_spent_and_then_all_is_delivered() {
    let world = World::new().await;
    world.always("a", Does::Refuse);
    let endpoint = world.endpoint("a", Ordering::Parallel).await;
    let mut events = Vec::new();
    for call in 0..50 {
        events.push(world.happens(call).await);
    }
    until("the breaker opens", async || world.sent().len() >= 5).await;
    world.read().await;
    let spent = world.sent().len();
    assert!(spent <= 7, "{spent}");
    world.always("a", Does::Answer(200));
    until("all is delivered", async || {
        world.clock.advance(Duration::from_millis(500));
        let mut done = 0;
        for event in &events {
            let attempts = world.attempts(endpoint, *event).await;
            done += usize::from(attempts.last().is_some_and(|last| last.1 == Then::Succeeded));
        }
        done == events.len()
    })
    .await;
}
