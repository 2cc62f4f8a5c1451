//! Cases about one append: expectations, repeats, refusals.

use super::{Subject, assert_conflict, assert_dense, assert_refused, event, events, ids, stream};
use domain::envelope::{MAX_PAYLOAD_BYTES, Position, Version};
use domain::ports::event_store::{Appended, Expected, MAX_APPEND_BYTES, MAX_APPEND_EVENTS};

const THREE: Expected = Expected::Exact(Version(3));

fn first(appended: Appended) -> Appended {
    Appended { repeated: false, ..appended }
}

pub async fn a_stale_expectation_is_a_conflict(subject: &Subject) {
    let call = stream(1);
    assert_conflict(subject.append(&call, Expected::Exact(Version(1)), events(1..=1)).await, 0);
    subject.append(&call, Expected::NoStream, events(1..=3)).await.unwrap();
    assert_conflict(subject.append(&call, Expected::NoStream, events(4..=4)).await, 3);
    assert_conflict(subject.append(&call, Expected::Exact(Version::NONE), events(4..=4)).await, 3);
    assert_conflict(subject.append(&call, Expected::Exact(Version(2)), events(4..=4)).await, 3);
    assert_conflict(subject.append(&call, Expected::Exact(Version(4)), events(4..=4)).await, 3);
    subject.append(&call, THREE, events(4..=4)).await.unwrap();
    assert_eq!(subject.log().await.len(), 4);
}

pub async fn a_stream_starts_under_no_stream_exactly_none_and_any(subject: &Subject) {
    for (n, expected) in [(1, Expected::NoStream), (2, Expected::Exact(Version::NONE)), (3, Expected::Any)] {
        let appended = subject.append(&stream(n), expected, events(n..=n)).await.unwrap();
        assert_eq!(appended.version, Version(1));
    }
    assert_dense(&subject.log().await);
}

pub async fn any_appends_after_whatever_is_there(subject: &Subject) {
    for n in 1..=5 {
        let appended = subject.append(&stream(1), Expected::Any, events(n..=n)).await.unwrap();
        assert_eq!(appended.version, Version(n));
    }
    assert_dense(&subject.log().await);
}

pub async fn an_answer_tells_positions_and_version(subject: &Subject) {
    subject.append(&stream(1), Expected::NoStream, events(1..=4)).await.unwrap();
    let appended = subject.append(&stream(2), Expected::NoStream, events(5..=7)).await.unwrap();
    let wanted = Appended {
        first_position: Position(5),
        last_position: Position(7),
        version: Version(3),
        repeated: false,
    };
    assert_eq!(appended, wanted);
}

pub async fn the_same_append_again_is_answered_as_the_first_time(subject: &Subject) {
    let call = stream(1);
    let start = subject.append(&call, Expected::NoStream, events(1..=3)).await.unwrap();
    let next = subject.append(&call, THREE, events(4..=5)).await.unwrap();
    for (expected, range, then) in [
        (Expected::NoStream, 1..=3, start),
        (Expected::Exact(Version::NONE), 1..=3, start),
        (THREE, 4..=5, next),
    ] {
        let again = subject.append(&call, expected, events(range)).await.unwrap();
        assert!(again.repeated && !then.repeated);
        assert_eq!(first(again), then);
    }
    assert_eq!(subject.log().await.len(), 5);
}

pub async fn the_same_append_again_under_any_is_recognised(subject: &Subject) {
    let call = stream(1);
    let then = subject.append(&call, Expected::Any, events(1..=3)).await.unwrap();
    let again = subject.append(&call, Expected::Any, events(1..=3)).await.unwrap();
    assert_eq!((first(again), again.repeated), (then, true));
    assert_eq!(subject.log().await.len(), 3);
}

pub async fn a_repeat_is_recognised_after_the_stream_went_on(subject: &Subject) {
    let call = stream(1);
    let exact = subject.append(&call, Expected::NoStream, events(1..=2)).await.unwrap();
    let any = subject.append(&call, Expected::Any, events(3..=4)).await.unwrap();
    for n in 5..=40 {
        subject.append(&stream(n % 3), Expected::Any, events(n..=n)).await.unwrap();
    }
    let again = subject.append(&call, Expected::NoStream, events(1..=2)).await.unwrap();
    assert_eq!((first(again), again.repeated), (exact, true));
    let again = subject.append(&call, Expected::Any, events(3..=4)).await.unwrap();
    assert_eq!((first(again), again.repeated), (any, true));
    assert_eq!(subject.log().await.len(), 40);
}

pub async fn two_equal_appends_at_the_same_time_are_written_once(subject: &Subject) {
    for (n, expected) in [(1, Expected::NoStream), (2, Expected::Any)] {
        let (call, same) = (stream(n), events(n * 10..=n * 10 + 2));
        let (one, other) =
            tokio::join!(subject.append(&call, expected, &same), subject.append(&call, expected, &same));
        let (one, other) = (one.unwrap(), other.unwrap());
        assert_eq!(first(one), first(other));
        assert_ne!(one.repeated, other.repeated, "one wrote, the other repeated");
    }
    assert_eq!(subject.log().await.len(), 6);
}

pub async fn a_partial_repeat_is_a_conflict(subject: &Subject) {
    let call = stream(1);
    subject.append(&call, Expected::NoStream, events(1..=3)).await.unwrap();
    for expected in [Expected::NoStream, Expected::Any, THREE, Expected::Exact(Version(2))] {
        assert_conflict(subject.append(&call, expected, events(3..=4)).await, 3);
        assert_conflict(subject.append(&call, expected, events([4, 1])).await, 3);
    }
    // a part of what was stored is a repeat only where it stands
    assert_conflict(subject.append(&call, Expected::NoStream, events(2..=3)).await, 3);
    assert!(subject.append(&call, Expected::NoStream, events(1..=2)).await.unwrap().repeated);
    assert!(subject.append(&call, Expected::Exact(Version(1)), events(2..=3)).await.unwrap().repeated);
    assert_eq!(subject.log().await.len(), 3);
}

pub async fn a_repeat_in_another_order_is_a_conflict(subject: &Subject) {
    let call = stream(1);
    subject.append(&call, Expected::NoStream, events(1..=3)).await.unwrap();
    for expected in [Expected::NoStream, Expected::Any, THREE] {
        assert_conflict(subject.append(&call, expected, events([2, 1, 3])).await, 3);
    }
    assert_eq!(subject.log().await.len(), 3);
}

pub async fn a_repeat_of_events_that_are_not_neighbours_is_a_conflict(subject: &Subject) {
    let call = stream(1);
    subject.append(&call, Expected::NoStream, events(1..=3)).await.unwrap();
    for expected in [Expected::NoStream, Expected::Any, THREE] {
        assert_conflict(subject.append(&call, expected, events([1, 3])).await, 3);
    }
    assert_eq!(subject.log().await.len(), 3);
}

pub async fn a_repeat_elsewhere_in_the_stream_is_a_conflict(subject: &Subject) {
    let call = stream(1);
    subject.append(&call, Expected::NoStream, events(1..=3)).await.unwrap();
    // decided again on newer state: the expectation holds, yet these very events are already stored
    assert_conflict(subject.append(&call, THREE, events(2..=3)).await, 3);
    assert_conflict(subject.append(&call, Expected::Exact(Version(2)), events(1..=1)).await, 3);
    assert_eq!(subject.log().await.len(), 3);
}

pub async fn an_id_stored_in_another_stream_is_a_conflict(subject: &Subject) {
    let (one, other) = (stream(1), stream(2));
    subject.append(&one, Expected::NoStream, events(1..=2)).await.unwrap();
    subject.append(&other, Expected::NoStream, events(3..=3)).await.unwrap();
    for expected in [Expected::Exact(Version(1)), Expected::Any, Expected::NoStream] {
        assert_conflict(subject.append(&other, expected, events(1..=2)).await, 1);
        assert_conflict(subject.append(&other, expected, events([4, 2])).await, 1);
    }
    assert_conflict(subject.append(&stream(3), Expected::NoStream, events(1..=1)).await, 0);
    assert_eq!(ids(&subject.log().await).len(), 3);
}

pub async fn a_conflict_writes_nothing(subject: &Subject) {
    let call = stream(1);
    subject.append(&call, Expected::NoStream, events(1..=1)).await.unwrap();
    assert_conflict(subject.append(&call, Expected::NoStream, events(2..=9)).await, 1);
    let appended = subject.append(&call, Expected::Exact(Version(1)), events(2..=9)).await.unwrap();
    assert_eq!((appended.first_position, appended.repeated), (Position(2), false));
    assert_dense(&subject.log().await);
}

pub async fn events_keep_their_order_within_an_append(subject: &Subject) {
    let most = MAX_APPEND_EVENTS as u64;
    // ids run against the order of the append, so that sorting by id would show
    let batch = events((1..=most).rev());
    let appended = subject.append(&stream(1), Expected::NoStream, &batch).await.unwrap();
    assert_eq!((appended.last_position, appended.version), (Position(most), Version(most)));
    let wanted: Vec<_> = batch.iter().map(|event| event.id).collect();
    assert_eq!(ids(&subject.log().await), wanted);
    assert_eq!(ids(&subject.stream(&stream(1)).await), wanted);
}

pub async fn empty_large_and_malformed_appends_are_refused(subject: &Subject) {
    let call = stream(1);
    assert_refused(subject.append(&call, Expected::Any, []).await);
    assert_refused(subject.append(&call, Expected::Any, events(1..=MAX_APPEND_EVENTS as u64 + 1)).await);
    assert_refused(subject.append(&call, Expected::Any, events([1, 2, 1])).await);

    let mut large = event(1);
    large.payload = vec![7; MAX_PAYLOAD_BYTES + 1];
    assert_refused(subject.append(&call, Expected::Any, [large]).await);
    let heavy: Vec<_> = (1..=MAX_APPEND_BYTES / MAX_PAYLOAD_BYTES + 1)
        .map(|n| {
            let mut event = event(n as u64);
            event.payload = vec![7; MAX_PAYLOAD_BYTES];
            event
        })
        .collect();
    assert_refused(subject.append(&call, Expected::Any, &heavy).await);

    for name in ["", "call answered", "call\0", "Call.Answered", &"a".repeat(101)] {
        let mut named = event(1);
        named.event_type = name.to_owned();
        assert_refused(subject.append(&call, Expected::Any, [named]).await);
    }
    assert_eq!(subject.log().await, []);
}

pub async fn payloads_of_no_byte_and_of_a_mebibyte_are_kept(subject: &Subject) {
    let (mut empty, mut large) = (event(1), event(2));
    empty.payload = Vec::new();
    large.payload = (0..MAX_PAYLOAD_BYTES).map(|n| (n % 251) as u8).collect();
    subject.append(&stream(1), Expected::NoStream, [empty, large.clone()]).await.unwrap();
    let log = subject.log().await;
    assert!(log[0].payload.is_empty());
    assert!(log[1].payload == large.payload, "the payload came back changed");
}
