//! What every [`DeliveryStore`] must do, as functions over a fresh, empty store.
//!
//! `delivery_store_suite!(fresh)` makes a test of each; `fresh` is an `async fn() -> Subject`.

#![expect(clippy::unwrap_used, reason = "a case that does not hold panics, as a test does")]

use std::any::Any;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use uuid::Uuid;

use domain::envelope::{EventRef, Position, Time, Version};
use domain::ids::{ClientId, DeliveryId, EndpointId};
use domain::ports::deliveries::{
    DeliveryChange, DeliveryStats, DeliveryStore, DueDelivery, NewDelivery, RecordedAttempt, Replay,
    StoredTarget,
};
use domain::ports::lease::{Lease, Leases};
use domain::ports::outbox::OutboxError;
use domain::testing::ids::sequential;
use domain::webhook::delivery::{Attempt, Cause, DeliveryAttempted, DeliveryOf, ErrorClass, GaveUp, Then};
use domain::webhook::public::PublicEvent;

/// A store under test, and the leases that fence it.
pub struct Subject {
    pub store: Arc<dyn DeliveryStore>,
    pub leases: Arc<dyn Leases>,
    /// Whatever must outlive them: a temporary folder, a server.
    pub keep: Box<dyn Any + Send + Sync>,
}

impl fmt::Debug for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subject").field("store", &self.store).finish_non_exhaustive()
    }
}

const ONE: EndpointId = EndpointId(Uuid::from_u128(1));
const TWO: EndpointId = EndpointId(Uuid::from_u128(2));

impl Subject {
    async fn lease(&self) -> Lease {
        self.leases.acquire("webhooks", "one", Duration::from_secs(600)).await.unwrap().unwrap()
    }

    /// Commits from the present checkpoint on.
    async fn commit(&self, changes: &[DeliveryChange]) {
        let at = self.store.checkpoint().await.unwrap();
        let to = at.position.plus(1).into();
        self.store.commit(&self.lease().await, at.position, to, changes).await.unwrap();
    }

    async fn due_rows(&self, endpoint: EndpointId, seconds: i64) -> Vec<DueDelivery> {
        self.store.due(endpoint, at(seconds), 100).await.unwrap()
    }

    /// Positions of the events whose deliveries are due.
    async fn due(&self, endpoint: EndpointId, seconds: i64) -> Vec<u64> {
        self.due_rows(endpoint, seconds).await.iter().map(|due| due.of.source.0).collect()
    }

    async fn pending(&self) -> u64 {
        self.store.stats(at(0)).await.unwrap().pending
    }
}

fn at(seconds: i64) -> Time {
    Time::from_timestamp_micros(1_767_225_600_000_000 + seconds * 1_000_000).unwrap()
}

fn client() -> ClientId {
    ClientId(sequential(77))
}

/// Event `n`, at second `n`, about `subject`.
fn event(n: u64, subject: u128) -> PublicEvent {
    PublicEvent {
        id: sequential(n),
        client: client(),
        position: Position(n),
        event_type: "call.ended".to_owned(),
        subject: Uuid::from_u128(subject),
        agent: None,
        at: at(n as i64),
        body: Bytes::from(format!("{{\"n\":{n},\"text\":\"\u{e9}\"}}")),
    }
}

fn of(endpoint: EndpointId, n: u64, subject: u128) -> DeliveryOf {
    DeliveryOf {
        endpoint,
        event: sequential(n),
        event_type: "call.ended".to_owned(),
        source: Position(n),
        subject: Uuid::from_u128(subject),
    }
}

fn id(endpoint: EndpointId, n: u64) -> DeliveryId {
    DeliveryId::of(endpoint, sequential(n))
}

/// Event `n` and its delivery.
fn told(endpoint: EndpointId, n: u64, subject: u128, ordered: bool) -> [DeliveryChange; 2] {
    let new = NewDelivery {
        id: id(endpoint, n),
        client: client(),
        of: of(endpoint, n, subject),
        at: at(n as i64),
        due: at(n as i64),
        ordered,
    };
    [DeliveryChange::Publish(event(n, subject)), DeliveryChange::Schedule(new)]
}

/// Attempt `number` of the delivery of event `n`, the `round`th since it was asked for.
fn attempted(
    endpoint: EndpointId,
    n: u64,
    (number, round): (u32, u32),
    then: Then,
    seconds: i64,
) -> DeliveryChange {
    let succeeded = then == Then::Succeeded;
    let attempt = Attempt {
        began_at: at(seconds),
        latency_ms: 5,
        status: Some(if succeeded { 200 } else { 500 }),
        error: (!succeeded).then_some(ErrorClass::Status),
        detail: None,
        address: None,
        headers: BTreeMap::new(),
        body: None,
    };
    let fact = DeliveryAttempted {
        of: of(endpoint, n, 0),
        number,
        round,
        cause: Cause::Due,
        attempt,
        then,
        sent: None,
        at: at(seconds),
    };
    let version = Version(u64::from(number));
    let recorded = u64::from(number) * 100_000 + n;
    DeliveryChange::Attempted(Box::new(RecordedAttempt {
        delivery: id(endpoint, n),
        client: client(),
        id: sequential(recorded),
        version,
        fact,
    }))
}

fn again(seconds: i64) -> Then {
    Then::Again { due: at(seconds) }
}

const EXHAUSTED: Then = Then::Failed { why: GaveUp::Exhausted };

fn replay(since: i64, until: i64, only_failed: bool, position: u64) -> DeliveryChange {
    DeliveryChange::Replay(Replay {
        endpoint: ONE,
        client: client(),
        since: at(since),
        until: at(until),
        events: vec!["call.ended".to_owned()],
        agent: None,
        only_failed,
        due: at(500),
        position: Position(position),
    })
}

/// A body comes back byte for byte, a delivery with all its fields.
pub async fn what_is_stored_comes_back(subject: &Subject) {
    subject.commit(&told(ONE, 1, 9, false)).await;
    let due = subject.due_rows(ONE, 1).await;
    let wanted = DueDelivery {
        id: id(ONE, 1),
        client: client(),
        of: of(ONE, 1, 9),
        due: at(1),
        before: 0,
        version: Version::NONE,
    };
    assert_eq!(due, [wanted]);
    let bodies = subject.store.bodies(&[Position(1), Position(2)]).await.unwrap();
    assert_eq!(bodies, [(Position(1), event(1, 9).body)]);
    assert_eq!(
        subject.store.stats(at(5)).await.unwrap(),
        DeliveryStats { pending: 1, oldest_due: Some(at(1)) }
    );
}

/// However often the log is read, there is one delivery, and it does not start again.
pub async fn the_same_delivery_again_changes_nothing(subject: &Subject) {
    subject.commit(&told(ONE, 1, 9, false)).await;
    subject.commit(&[attempted(ONE, 1, (1, 1), Then::Succeeded, 2)]).await;
    subject.commit(&told(ONE, 1, 9, false)).await;
    subject.commit(&[attempted(ONE, 1, (1, 1), Then::Succeeded, 2)]).await;
    assert_eq!((subject.due(ONE, 100).await, subject.pending().await), (vec![], 0));
}

/// The longest due comes first, an endpoint at a time.
pub async fn endpoints_are_apart_and_the_longest_due_comes_first(subject: &Subject) {
    for n in [3, 1, 2] {
        subject.commit(&told(ONE, n, n.into(), false)).await;
        subject.commit(&told(TWO, n + 10, n.into(), false)).await;
    }
    assert_eq!(subject.due(ONE, 2).await, [1, 2]);
    assert_eq!(subject.due(TWO, 100).await, [11, 12, 13]);
    assert_eq!(subject.store.due(ONE, at(100), 1).await.unwrap().len(), 1);
    assert_eq!(subject.store.next_due(ONE, at(1)).await.unwrap(), Some(at(2)));
    assert_eq!(subject.store.next_due(ONE, at(3)).await.unwrap(), None);
}

/// A failed attempt postpones a delivery; the version tells how far its stream was read.
pub async fn a_delivery_that_failed_comes_again_at_its_time(subject: &Subject) {
    subject.commit(&told(ONE, 1, 9, false)).await;
    subject.commit(&[attempted(ONE, 1, (1, 1), again(60), 2)]).await;
    assert_eq!(subject.due(ONE, 59).await, [0; 0]);
    assert_eq!(subject.due_rows(ONE, 60).await[0].version, Version(1));
    // several at once, as when the log is read from the beginning
    let many = [attempted(ONE, 1, (2, 2), again(70), 61), attempted(ONE, 1, (3, 3), again(80), 71)];
    subject.commit(&many).await;
    assert_eq!((subject.due(ONE, 79).await, subject.due(ONE, 80).await), (vec![], vec![1]));
    subject.commit(&[attempted(ONE, 1, (2, 2), again(70), 61)]).await;
    assert_eq!(subject.due(ONE, 79).await, [0; 0], "an older attempt takes nothing back");
    subject.commit(&[attempted(ONE, 1, (4, 4), EXHAUSTED, 81)]).await;
    assert_eq!(subject.pending().await, 0);
}

/// Deliveries about one subject are made one after the other.
pub async fn ordered_deliveries_wait_for_the_one_before(subject: &Subject) {
    for (n, about) in [(1, 8), (2, 8), (3, 9), (4, 8)] {
        subject.commit(&told(ONE, n, about, true)).await;
    }
    assert_eq!(subject.due(ONE, 100).await, [1, 3]);
    subject.commit(&[attempted(ONE, 1, (1, 1), again(50), 5)]).await;
    assert_eq!(subject.due(ONE, 49).await, [3], "the lane waits for its head");
    subject.commit(&[attempted(ONE, 1, (2, 2), Then::Succeeded, 51)]).await;
    assert_eq!(subject.due(ONE, 100).await, [3, 2]);
    // one that fails for good lets the next one go, too
    subject.commit(&[attempted(ONE, 2, (1, 1), EXHAUSTED, 60)]).await;
    assert_eq!(subject.due(ONE, 100).await, [3, 4]);
    subject.commit(&[attempted(ONE, 4, (1, 1), Then::Succeeded, 61)]).await;
    subject.commit(&told(ONE, 5, 8, true)).await;
    assert_eq!(subject.due(ONE, 100).await, [3, 5], "nothing is before it any more");
}

/// Deliveries that are added and attempted in one commit keep their order, as when the log is
/// read from the beginning.
pub async fn order_holds_in_batches_of_any_size(subject: &Subject) {
    let mut changes = Vec::new();
    for n in 1..=5 {
        changes.extend(told(ONE, n, 8, true));
    }
    changes.push(attempted(ONE, 1, (1, 1), Then::Succeeded, 10));
    changes.push(attempted(ONE, 2, (1, 1), again(90), 11));
    subject.commit(&changes).await;
    assert_eq!((subject.due(ONE, 89).await, subject.due(ONE, 90).await), (vec![], vec![2]));
    subject.commit(&[DeliveryChange::Cancel { delivery: id(ONE, 2), at: at(20), version: Version(2) }]).await;
    assert_eq!(subject.due(ONE, 100).await, [3], "a cancelled one lets the next go");
    subject.commit(&[DeliveryChange::Unblock(ONE, at(30))]).await;
    assert_eq!(subject.due(ONE, 100).await, [3, 4, 5]);
}

/// Nothing is delivered to an endpoint that is gone, whatever an attempt under way still reports.
pub async fn what_is_pending_ends_with_its_endpoint(subject: &Subject) {
    for n in 1..=3 {
        subject.commit(&told(ONE, n, 8, true)).await;
        subject.commit(&told(TWO, n, 8, true)).await;
    }
    subject.commit(&[DeliveryChange::CancelAll(ONE)]).await;
    assert_eq!((subject.due(ONE, 100).await, subject.due(TWO, 100).await), (vec![], vec![1]));
    subject.commit(&[attempted(ONE, 1, (1, 1), again(5), 4)]).await;
    assert_eq!((subject.due(ONE, 100).await, subject.pending().await), (vec![], 3));
}

/// A redelivery starts the schedule again, also while an earlier attempt is under way.
pub async fn a_redelivery_is_due_and_is_not_lost_to_an_attempt_under_way(subject: &Subject) {
    subject.commit(&told(ONE, 1, 8, false)).await;
    subject.commit(&[attempted(ONE, 1, (1, 1), EXHAUSTED, 2)]).await;
    let redeliver = |version| DeliveryChange::Redeliver { delivery: id(ONE, 1), due: at(10), version };
    subject.commit(&[redeliver(Version(2))]).await;
    let due = subject.due_rows(ONE, 10).await;
    assert_eq!((due.len(), due[0].before, due[0].version), (1, 1, Version(2)));
    let late = |number, round, then, version| match attempted(ONE, 1, (number, round), then, 11) {
        DeliveryChange::Attempted(mut recorded) => {
            recorded.version = Version(version);
            DeliveryChange::Attempted(recorded)
        }
        other => other,
    };
    // this attempt knew nothing of the request: it was the second of the first round
    subject.commit(&[late(2, 2, EXHAUSTED, 3)]).await;
    assert_eq!(subject.due(ONE, 11).await, [1]);
    subject.commit(&[late(3, 2, EXHAUSTED, 4)]).await;
    assert_eq!(subject.pending().await, 0);
}

/// A replay adds missing deliveries and makes ended ones due; pending ones stay as they are.
pub async fn a_replay_makes_due_what_is_asked_for(subject: &Subject) {
    for n in 1..=4 {
        subject.commit(&told(ONE, n, n.into(), false)).await;
    }
    for n in 5..=6 {
        subject.commit(&[DeliveryChange::Publish(event(n, 1))]).await;
    }
    subject.commit(&[attempted(ONE, 1, (1, 1), Then::Succeeded, 7)]).await;
    subject.commit(&[attempted(ONE, 2, (1, 1), EXHAUSTED, 7)]).await;
    subject.commit(&[attempted(ONE, 3, (1, 1), again(900), 7)]).await;
    subject.commit(&[replay(0, 100, true, 1_000)]).await;
    assert_eq!(subject.due(ONE, 500).await, [4, 2], "only what failed");
    subject.commit(&[replay(2, 6, false, 1_000)]).await;
    assert_eq!(subject.due(ONE, 500).await, [4, 2, 5], "neither before since, nor from until on");
    subject.commit(&[replay(0, 100, false, 6)]).await;
    assert_eq!(subject.due(ONE, 500).await, [4, 1, 2, 5], "nothing after the request");
    assert_eq!(subject.due(TWO, 500).await, [0; 0]);
}

/// A test's delivery comes into being with its attempt.
pub async fn a_test_is_a_delivery_that_is_over(subject: &Subject) {
    let change = match attempted(ONE, 1, (1, 1), Then::Failed { why: GaveUp::Test }, 1) {
        DeliveryChange::Attempted(mut recorded) => {
            recorded.fact.cause = Cause::Test;
            DeliveryChange::Attempted(recorded)
        }
        other => other,
    };
    subject.commit(&[change]).await;
    assert_eq!(subject.pending().await, 0);
    subject
        .commit(&[DeliveryChange::Redeliver { delivery: id(ONE, 1), due: at(3), version: Version(2) }])
        .await;
    assert_eq!(subject.due(ONE, 3).await, [1]);
}

/// The store holds the endpoints as of the checkpoint.
pub async fn targets_are_remembered_until_forgotten(subject: &Subject) {
    let target = |endpoint, doc: &str| StoredTarget { endpoint, client: client(), doc: doc.to_owned() };
    subject
        .commit(&[DeliveryChange::Remember(target(ONE, "a")), DeliveryChange::Remember(target(TWO, "b"))])
        .await;
    subject.commit(&[DeliveryChange::Remember(target(ONE, "c")), DeliveryChange::Forget(TWO)]).await;
    assert_eq!(subject.store.targets().await.unwrap(), [target(ONE, "c")]);
}

/// Rows older than the retention are removed, younger ones stay.
pub async fn what_is_too_old_is_swept(subject: &Subject) {
    for n in 1..=4 {
        subject.commit(&told(ONE, n, n.into(), false)).await;
        subject.commit(&[attempted(ONE, n, (1, 1), Then::Succeeded, n as i64)]).await;
    }
    let removed = subject.store.sweep(at(3), 100).await.unwrap();
    assert_eq!(removed, 6, "two events, deliveries and attempts");
    assert_eq!(subject.store.sweep(at(3), 100).await.unwrap(), 0);
    let all: Vec<_> = (1..=4).map(Position).collect();
    assert_eq!(subject.store.bodies(&all).await.unwrap().len(), 2);
    assert_eq!(subject.store.sweep(at(100), 1).await.unwrap(), 3, "a portion at a time");
}

/// A store that begins anew holds nothing, and is filled from the first event on.
pub async fn a_store_that_begins_anew_is_empty(subject: &Subject) {
    subject.commit(&told(ONE, 1, 9, false)).await;
    let target = StoredTarget { endpoint: ONE, client: client(), doc: "{}".to_owned() };
    subject.commit(&[DeliveryChange::Remember(target)]).await;
    subject.store.start_anew().await.unwrap();
    assert_eq!(subject.store.checkpoint().await.unwrap(), EventRef::START);
    assert_eq!(subject.store.stats(at(100)).await.unwrap(), DeliveryStats::default());
    assert!(subject.store.targets().await.unwrap().is_empty());
    assert!(subject.store.bodies(&[Position(1)]).await.unwrap().is_empty());
    subject.commit(&told(ONE, 2, 9, false)).await;
    assert_eq!(subject.due(ONE, 100).await, [2]);
}

/// A commit succeeds only from the present checkpoint, and only under the newest lease.
pub async fn a_commit_is_fenced_by_checkpoint_and_lease(subject: &Subject) {
    let lease = subject.lease().await;
    subject.store.commit(&lease, Position(0), Position(5).into(), &told(ONE, 1, 1, false)).await.unwrap();
    let stale = subject.store.commit(&lease, Position(0), Position(9).into(), &told(ONE, 2, 1, false)).await;
    assert!(matches!(stale, Err(OutboxError::Deposed)), "{stale:?}");
    let old = Lease { epoch: lease.epoch - 1, ..lease.clone() };
    let deposed = subject.store.commit(&old, Position(5), Position(9).into(), &told(ONE, 2, 1, false)).await;
    assert!(matches!(deposed, Err(OutboxError::Deposed)), "{deposed:?}");
    assert_eq!(subject.due(ONE, 100).await, [1]);
    assert_eq!(subject.store.checkpoint().await.unwrap(), Position(5).into());
}

/// Makes a test of every case.
#[macro_export]
macro_rules! delivery_store_suite {
    ($fresh:path) => {
        $crate::port_cases!($fresh, deliveries:
            what_is_stored_comes_back,
            the_same_delivery_again_changes_nothing,
            endpoints_are_apart_and_the_longest_due_comes_first,
            a_delivery_that_failed_comes_again_at_its_time,
            ordered_deliveries_wait_for_the_one_before,
            order_holds_in_batches_of_any_size,
            what_is_pending_ends_with_its_endpoint,
            a_redelivery_is_due_and_is_not_lost_to_an_attempt_under_way,
            a_replay_makes_due_what_is_asked_for,
            a_test_is_a_delivery_that_is_over,
            targets_are_remembered_until_forgotten,
            what_is_too_old_is_swept,
            a_store_that_begins_anew_is_empty,
            a_commit_is_fenced_by_checkpoint_and_lease,
        );
    };
}
