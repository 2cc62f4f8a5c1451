//! Cases about reading back what was written.

use uuid::Uuid;

use super::{Subject, assert_dense, at, event, events, ids, stream};
use domain::envelope::{Actor, MAX_PAYLOAD_BYTES, Metadata, NewEvent, Position, StreamId, Time, Version};
use domain::ids::ClientId;
use domain::ports::event_store::{Direction, Expected, MAX_APPEND_EVENTS, MAX_PAGE_BYTES};
use domain::testing::ids::sequential;

pub async fn every_field_comes_back_as_it_was_given(subject: &Subject) {
    let given = NewEvent {
        id: Uuid::from_u128(u128::MAX - 5),
        event_type: "ivr_session.menu_2.chosen".to_owned(),
        schema: u16::MAX,
        client_id: ClientId(Uuid::from_u128(42)),
        payload: (0..=255).collect(),
        metadata: Metadata {
            correlation_id: sequential(1),
            causation_id: Some(sequential(2)),
            actor: Actor::Carrier("telnyx".to_owned()),
            request_id: Some("req \"quoted\" ü 電話 \u{0} \u{1f4de}".to_owned()),
            traceparent: Some("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".to_owned()),
            command_id: Some(sequential(3)),
            node: Some("node-1".to_owned()),
        },
        recorded_at: at(123_456),
    };
    let session = StreamId::new("ivr_session", Uuid::from_u128(9));
    subject.append(&session, Expected::NoStream, std::slice::from_ref(&given)).await.unwrap();

    // once from wherever recent events are kept, once from a stream read
    for read in [subject.log().await, subject.stream(&session).await] {
        let [stored] = read.as_slice() else { panic!("expected one event, got {read:?}") };
        assert_eq!((stored.position, stored.version), (Position(1), Version(1)));
        assert_eq!(stored.stream, session);
        assert_eq!(stored.id, given.id);
        assert_eq!(stored.event_type, given.event_type);
        assert_eq!(stored.schema, given.schema);
        assert_eq!(stored.client_id, given.client_id);
        assert_eq!(stored.payload, given.payload);
        assert_eq!(stored.metadata().unwrap(), given.metadata);
        assert_eq!(stored.metadata, serde_json::to_vec(&given.metadata).unwrap());
        assert_eq!(stored.recorded_at, given.recorded_at);
    }
}

pub async fn times_are_kept_to_the_microsecond(subject: &Subject) {
    let mut batch = events(1..=2);
    batch[0].recorded_at = Time::from_timestamp(1_767_225_600, 123_456_789).unwrap();
    batch[1].recorded_at = Time::from_timestamp(4_102_444_799, 999_999_999).unwrap();
    subject.append(&stream(1), Expected::NoStream, &batch).await.unwrap();
    for read in [subject.log().await, subject.stream(&stream(1)).await] {
        let times: Vec<_> = read.iter().map(|event| event.recorded_at.timestamp_nanos_opt()).collect();
        assert_eq!(times, [Some(1_767_225_600_123_456_000), Some(4_102_444_799_999_999_000)]);
    }
}

pub async fn a_stream_reads_forwards_and_backwards_in_pages(subject: &Subject) {
    let call = stream(1);
    for n in 1..=10 {
        subject.append(&call, Expected::Any, events(n..=n)).await.unwrap();
        subject.append(&stream(2), Expected::Any, events(100 + n..=100 + n)).await.unwrap();
    }
    let read = async |from, direction, limit| {
        let page = subject.store.read_stream(&call, Version(from), direction, limit).await.unwrap();
        page.iter().map(|event| event.version.0).collect::<Vec<_>>()
    };
    assert_eq!(read(0, Direction::Forwards, 4).await, [1, 2, 3, 4]);
    assert_eq!(read(4, Direction::Forwards, 4).await, [5, 6, 7, 8]);
    assert_eq!(read(8, Direction::Forwards, 4).await, [9, 10]);
    assert_eq!(read(10, Direction::Forwards, 4).await, [0; 0]);
    assert_eq!(read(0, Direction::Backwards, 4).await, [10, 9, 8, 7]);
    assert_eq!(read(7, Direction::Backwards, 4).await, [6, 5, 4, 3]);
    assert_eq!(read(3, Direction::Backwards, 4).await, [2, 1]);
    assert_eq!(read(1, Direction::Backwards, 4).await, [0; 0]);
    assert_eq!(read(0, Direction::Forwards, 0).await, [0; 0]);
    let wanted: Vec<_> = (1..=10).map(sequential).collect();
    assert_eq!(ids(&subject.stream(&call).await), wanted);
}

pub async fn the_log_reads_in_pages(subject: &Subject) {
    for n in 1..=20 {
        subject.append(&stream(n % 3), Expected::Any, events(n..=n)).await.unwrap();
    }
    let mut seen = Vec::new();
    while let Some(last) = subject
        .store
        .read_all(Position(seen.len() as u64), 7)
        .await
        .unwrap()
        .iter()
        .map(|event| event.position)
        .max()
    {
        seen.extend(seen.len() as u64 + 1..=last.0);
        assert!(seen.len() % 7 == 0 || seen.len() == 20, "a page of 7 ended at {last}");
    }
    assert_eq!(seen.len(), 20);
    assert_eq!(subject.store.read_all(Position(20), 7).await.unwrap(), []);
    assert_eq!(subject.store.read_all(Position(99), 7).await.unwrap(), []);
    assert_dense(&subject.log().await);
}

pub async fn an_unknown_stream_is_empty(subject: &Subject) {
    subject.append(&stream(1), Expected::Any, events(1..=1)).await.unwrap();
    for direction in [Direction::Forwards, Direction::Backwards] {
        assert_eq!(subject.store.read_stream(&stream(2), Version::NONE, direction, 10).await.unwrap(), []);
    }
}

pub async fn the_head_is_the_newest_position(subject: &Subject) {
    assert_eq!(subject.store.head().await.unwrap(), Position::START);
    assert_eq!(subject.log().await, []);
    subject.append(&stream(1), Expected::Any, events(1..=3)).await.unwrap();
    assert_eq!(subject.store.head().await.unwrap(), Position(3));
}

pub async fn a_page_of_large_events_ends_early_but_never_empty(subject: &Subject) {
    let count = MAX_PAGE_BYTES / MAX_PAYLOAD_BYTES + 8;
    for n in 1..=count as u64 {
        let mut large = event(n);
        large.payload = vec![n as u8; MAX_PAYLOAD_BYTES];
        subject.append(&stream(1), Expected::Any, [large]).await.unwrap();
    }
    let page = subject.store.read_all(Position::START, 1_000).await.unwrap();
    assert!(!page.is_empty() && page.len() < count, "a page of {} events", page.len());
    let page =
        subject.store.read_stream(&stream(1), Version::NONE, Direction::Forwards, 1_000).await.unwrap();
    assert!(!page.is_empty() && page.len() < count, "a page of {} events", page.len());
    assert_eq!(subject.log().await.len(), count);
}

pub async fn a_stream_may_hold_a_hundred_thousand_events(subject: &Subject) {
    const COUNT: u64 = 100_000;
    let call = stream(1);
    let mut next = 1;
    while next <= COUNT {
        let last = COUNT.min(next + MAX_APPEND_EVENTS as u64 - 1);
        let expected = Expected::Exact(Version(next - 1));
        subject.append(&call, expected, events(next..=last)).await.unwrap();
        next = last + 1;
    }
    let backwards = subject.store.read_stream(&call, Version::NONE, Direction::Backwards, 2).await.unwrap();
    assert_eq!(ids(&backwards), [sequential(COUNT), sequential(COUNT - 1)]);
    let all = subject.stream(&call).await;
    assert_eq!(all.len() as u64, COUNT);
    assert_dense(&all);
    let appended = subject.append(&call, Expected::Exact(Version(COUNT)), events([COUNT + 1])).await.unwrap();
    assert_eq!(appended.version, Version(COUNT + 1));
}
