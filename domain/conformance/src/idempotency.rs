//! What every [`IdempotencyKeys`] must do, as functions over a fresh, empty store.
//!
//! `idempotency_suite!(fresh)` makes a test of each; `fresh` is an `async fn() -> Subject`.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a case that does not hold panics, as a test does")]

use std::any::Any;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde_bytes::ByteBuf;
use uuid::Uuid;

use domain::envelope::Time;
use domain::ids::ClientId;
use domain::ports::idempotency::{Ask, Begun, Finished, IdempotencyKeys, KeyName, Reservation};
use domain::ports::vault::Sealed;
use domain::testing::calls::at;
use domain::testing::ids::sequential;

/// An idempotency store under test.
pub struct Subject {
    pub keys: Arc<dyn IdempotencyKeys>,
    /// Whatever must outlive them: a temporary folder, a server.
    pub keep: Box<dyn Any + Send + Sync>,
}

impl fmt::Debug for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subject").field("keys", &self.keys).finish_non_exhaustive()
    }
}

const LOCK: i64 = 60;
const DAY: i64 = 86_400;

/// The `n`th try: client 1, key 1, request 1, a seed of its own, at second `n`.
fn ask(n: u8) -> Ask {
    Ask {
        key: KeyName { client: ClientId(Uuid::from_u128(1)), hash: [1; 32] },
        request: [1; 32],
        seed: sequential(n.into()),
        now: at(n.into()),
        lock_for: Duration::from_secs(LOCK as u64),
        keep_for: Duration::from_secs(DAY as u64),
    }
}

fn later(n: u8, now: Time) -> Ask {
    Ask { now, ..ask(n) }
}

fn answer(n: u8) -> Sealed {
    Sealed { key: sequential(1_000), bytes: ByteBuf::from(vec![n; 40]) }
}

async fn fresh(subject: &Subject, ask: &Ask) -> Reservation {
    match subject.keys.begin(ask).await.unwrap() {
        Begun::Fresh(held) => held,
        other => panic!("not fresh but {other:?}"),
    }
}

async fn taken_over(subject: &Subject, ask: &Ask) -> Reservation {
    match subject.keys.begin(ask).await.unwrap() {
        Begun::TakenOver(held) => held,
        other => panic!("not taken over but {other:?}"),
    }
}

/// The first to ask gets the key, with the seed it brought; others wait.
pub async fn a_key_is_reserved_once(subject: &Subject) {
    let held = fresh(subject, &ask(1)).await;
    assert_eq!((held.key, held.seed, held.until), (ask(1).key, ask(1).seed, at(1 + LOCK)));
    assert_eq!(subject.keys.begin(&ask(2)).await.unwrap(), Begun::InFlight);
    assert_eq!(subject.keys.begin(&later(3, at(LOCK))).await.unwrap(), Begun::InFlight);
}

/// A key stands for one request, while it is worked on, released and answered.
pub async fn another_request_is_refused(subject: &Subject) {
    let other = Ask { request: [2; 32], ..ask(9) };
    let held = fresh(subject, &ask(1)).await;
    assert_eq!(subject.keys.begin(&other).await.unwrap(), Begun::Reused);
    subject.keys.release(&held).await.unwrap();
    assert_eq!(subject.keys.begin(&other).await.unwrap(), Begun::Reused);
    let held = taken_over(subject, &ask(2)).await;
    assert_eq!(subject.keys.finish(&held, &answer(1)).await.unwrap(), Finished::Kept);
    assert_eq!(subject.keys.begin(&other).await.unwrap(), Begun::Reused);
}

/// A kept answer is given again as it was.
pub async fn an_answer_is_kept(subject: &Subject) {
    let held = fresh(subject, &ask(1)).await;
    assert_eq!(subject.keys.finish(&held, &answer(7)).await.unwrap(), Finished::Kept);
    for again in [ask(2), later(3, at(DAY))] {
        assert_eq!(subject.keys.begin(&again).await.unwrap(), Begun::Done(answer(7)));
    }
    // a release after the answer changes nothing
    subject.keys.release(&held).await.unwrap();
    assert_eq!(subject.keys.begin(&ask(4)).await.unwrap(), Begun::Done(answer(7)));
}

/// Clients do not share keys, and the keys of one client are independent.
pub async fn keys_are_apart(subject: &Subject) {
    let held = fresh(subject, &ask(1)).await;
    let key = |client, hash| KeyName { client: ClientId(Uuid::from_u128(client)), hash: [hash; 32] };
    fresh(subject, &Ask { key: key(2, 1), ..ask(2) }).await;
    fresh(subject, &Ask { key: key(1, 2), request: [2; 32], ..ask(3) }).await;
    subject.keys.finish(&held, &answer(1)).await.unwrap();
    assert_eq!(subject.keys.begin(&Ask { key: key(2, 1), ..ask(4) }).await.unwrap(), Begun::InFlight);
}

/// A released reservation goes to the next one to ask, with the seed it has.
pub async fn a_reservation_given_back_keeps_its_seed(subject: &Subject) {
    let first = fresh(subject, &ask(1)).await;
    subject.keys.release(&first).await.unwrap();
    let second = taken_over(subject, &ask(2)).await;
    assert_eq!((second.seed, second.until), (first.seed, at(2 + LOCK)));
    // a late release by the first holder takes nothing from the second
    subject.keys.release(&first).await.unwrap();
    assert_eq!(subject.keys.begin(&ask(3)).await.unwrap(), Begun::InFlight);
}

/// A key that is freed stands for nothing: another request may take it. Only whoever holds it can free it.
pub async fn a_freed_key_is_as_good_as_new(subject: &Subject) {
    let other = |n| Ask { request: [2; 32], ..ask(n) };
    let first = fresh(subject, &ask(1)).await;
    subject.keys.free(&first).await.unwrap();
    let second = fresh(subject, &other(2)).await;
    assert_eq!(second.seed, ask(2).seed);
    // a late call by the first holder, or by one who was overtaken, takes nothing from the present one
    subject.keys.free(&first).await.unwrap();
    assert_eq!(subject.keys.begin(&other(3)).await.unwrap(), Begun::InFlight);
    let third = taken_over(subject, &Ask { now: second.until, ..other(4) }).await;
    subject.keys.free(&second).await.unwrap();
    assert_eq!(subject.keys.begin(&Ask { now: second.until, ..other(5) }).await.unwrap(), Begun::InFlight);
    // what was answered stays
    assert_eq!(subject.keys.finish(&third, &answer(1)).await.unwrap(), Finished::Kept);
    subject.keys.free(&third).await.unwrap();
    let again = Ask { now: third.until, ..other(6) };
    assert_eq!(subject.keys.begin(&again).await.unwrap(), Begun::Done(answer(1)));
}

/// A reservation whose holder is silent for too long is taken over, and the first answer wins.
pub async fn the_first_answer_wins(subject: &Subject) {
    let first = fresh(subject, &ask(1)).await;
    let second = taken_over(subject, &later(2, first.until)).await;
    assert_eq!(second.seed, first.seed);
    assert_eq!(subject.keys.finish(&first, &answer(1)).await.unwrap(), Finished::Kept);
    assert_eq!(subject.keys.finish(&second, &answer(2)).await.unwrap(), Finished::Before(answer(1)));
    assert_eq!(subject.keys.begin(&later(3, second.until)).await.unwrap(), Begun::Done(answer(1)));
}

/// A reservation from before the clock was set back holds nobody up for longer than any reservation may.
pub async fn a_clock_set_back_holds_nobody_up(subject: &Subject) {
    fresh(subject, &later(1, at(DAY))).await;
    taken_over(subject, &ask(2)).await;
}

/// After its time a key is as if it had never been used, even before it is removed.
pub async fn a_key_is_forgotten_after_its_time(subject: &Subject) {
    let old = fresh(subject, &ask(1)).await;
    let expires = at(1 + DAY);
    let new = fresh(subject, &Ask { request: [2; 32], ..later(2, expires) }).await;
    assert_eq!(new.seed, ask(2).seed);
    // a holder that finishes only now learns that the key stands for something else
    assert_eq!(subject.keys.finish(&old, &answer(1)).await.unwrap(), Finished::Forgotten);
    subject.keys.release(&old).await.unwrap();
    assert_eq!(subject.keys.finish(&new, &answer(2)).await.unwrap(), Finished::Kept);
    assert_eq!(subject.keys.expire(expires, 10).await.unwrap(), 0);
    assert_eq!(subject.keys.expire(at(2 + 2 * DAY), 10).await.unwrap(), 1);
    assert_eq!(subject.keys.finish(&new, &answer(2)).await.unwrap(), Finished::Forgotten);
    fresh(subject, &later(3, at(3 + 2 * DAY))).await;
}

/// Sweeping removes what is due, piece by piece, and nothing else.
pub async fn sweeping_goes_piece_by_piece(subject: &Subject) {
    let numbered =
        |n: u8| Ask { key: KeyName { hash: [n; 32], ..ask(1).key }, ..later(n, at(i64::from(n) * 10)) };
    for n in 1..=5 {
        fresh(subject, &numbered(n)).await;
    }
    let four_are_due = at(40 + DAY);
    let mut swept = Vec::new();
    for _ in 0..3 {
        swept.push(subject.keys.expire(four_are_due, 3).await.unwrap());
    }
    assert_eq!(swept, [3, 1, 0]);
    let last = Ask { now: at(51), ..numbered(5) };
    assert_eq!(subject.keys.begin(&last).await.unwrap(), Begun::InFlight);
}

/// Of many who ask at once for a new key, or for a released one, one gets it.
pub async fn one_of_many_wins(subject: &Subject) {
    let race = async |from: u8| {
        let asking = (from..from + 32).map(|n| {
            let (keys, ask) = (subject.keys.clone(), later(n, at(1)));
            async move { keys.begin(&ask).await.unwrap() }
        });
        let mut won = Vec::new();
        for begun in futures::future::join_all(asking).await {
            match begun {
                Begun::Fresh(held) | Begun::TakenOver(held) => won.push(held),
                Begun::InFlight => {}
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(won.len(), 1);
        won[0]
    };
    let first = race(1).await;
    subject.keys.release(&first).await.unwrap();
    assert_eq!(race(40).await.seed, first.seed);
}

/// A restarted node that is alone releases all reservations, and nothing else changes.
pub async fn all_reservations_can_be_given_back(subject: &Subject) {
    let other = Ask { key: KeyName { hash: [2; 32], ..ask(1).key }, ..ask(2) };
    let answered = fresh(subject, &other).await;
    subject.keys.finish(&answered, &answer(1)).await.unwrap();
    let held = fresh(subject, &ask(1)).await;
    assert_eq!(subject.keys.release_all().await.unwrap(), 1);
    assert_eq!(subject.keys.release_all().await.unwrap(), 0);
    assert_eq!(taken_over(subject, &ask(3)).await.seed, held.seed);
    assert_eq!(subject.keys.begin(&other).await.unwrap(), Begun::Done(answer(1)));
}

/// An erasure forgets the answers to one client, not its requests: the work is never done as if it were new.
pub async fn answers_can_be_forgotten(subject: &Subject) {
    let other_client = Ask { key: KeyName { client: ClientId(Uuid::from_u128(2)), ..ask(1).key }, ..ask(2) };
    let under_way = Ask { key: KeyName { hash: [2; 32], ..ask(1).key }, ..ask(3) };
    let answered = fresh(subject, &ask(1)).await;
    subject.keys.finish(&answered, &answer(1)).await.unwrap();
    let others = fresh(subject, &other_client).await;
    subject.keys.finish(&others, &answer(2)).await.unwrap();
    let held = fresh(subject, &under_way).await;
    assert_eq!(subject.keys.forget_answers(ask(1).key.client).await.unwrap(), 1);
    assert_eq!(subject.keys.forget_answers(ask(1).key.client).await.unwrap(), 0);
    // at once, with the ids it had; another request under the key is still another one
    let again = taken_over(subject, &ask(4)).await;
    assert_eq!(again.seed, answered.seed);
    assert_eq!(subject.keys.begin(&Ask { request: [9; 32], ..ask(5) }).await.unwrap(), Begun::Reused);
    assert_eq!(subject.keys.begin(&other_client).await.unwrap(), Begun::Done(answer(2)));
    assert_eq!(subject.keys.begin(&under_way).await.unwrap(), Begun::InFlight);
    assert_eq!(subject.keys.finish(&held, &answer(3)).await.unwrap(), Finished::Kept);
}

/// Makes a test of every case.
#[macro_export]
macro_rules! idempotency_suite {
    ($fresh:path) => {
        $crate::port_cases!($fresh, idempotency:
            a_key_is_reserved_once,
            another_request_is_refused,
            an_answer_is_kept,
            keys_are_apart,
            a_reservation_given_back_keeps_its_seed,
            a_freed_key_is_as_good_as_new,
            the_first_answer_wins,
            a_clock_set_back_holds_nobody_up,
            a_key_is_forgotten_after_its_time,
            sweeping_goes_piece_by_piece,
            one_of_many_wins,
            all_reservations_can_be_given_back,
            answers_can_be_forgotten,
        );
    };
}
