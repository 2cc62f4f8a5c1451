//! What every [`LogTarget`] must do, as functions over a fresh, empty one.
//!
//! `log_target_suite!(fresh)` makes a test of each; `fresh` is an `async fn() -> Subject`.

#![expect(clippy::unwrap_used, reason = "a case that does not hold panics, as a test does")]

use std::any::Any;
use std::fmt;

use bytes::Bytes;
use domain::envelope::{Actor, MAX_PAYLOAD_BYTES, Metadata, Position, Recorded, StreamId, Time, Version};
use domain::ids::ClientId;
use domain::ports::log_target::{LogTarget, WriteError};
use domain::testing::ids::sequential;
use tokio::sync::{Mutex, MutexGuard};
use uuid::Uuid;

/// A fresh, empty log to copy into.
pub struct Subject {
    pub target: Mutex<Box<dyn LogTarget>>,
    /// Whatever must outlive it: a temporary folder, a server.
    pub keep: Box<dyn Any + Send + Sync>,
}

impl fmt::Debug for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subject").field("target", &self.target).finish_non_exhaustive()
    }
}

impl Subject {
    async fn target(&self) -> MutexGuard<'_, Box<dyn LogTarget>> {
        self.target.lock().await
    }

    async fn write(&self, events: &[Recorded]) -> Result<(), WriteError> {
        self.target().await.write(events).await
    }

    async fn log(&self) -> Vec<Recorded> {
        let log = self.target().await.log();
        let mut events: Vec<Recorded> = Vec::new();
        loop {
            let page = log.read_all(Position(events.len() as u64), 1_000).await.unwrap();
            if page.is_empty() {
                return events;
            }
            events.extend(page);
        }
    }
}

/// The events of a log with the positions of `range`: five streams take turns, in runs of one to three.
#[must_use]
pub fn events(range: std::ops::RangeInclusive<u64>) -> Vec<Recorded> {
    let mut versions = [0; 5];
    let all = (1..=*range.end()).map(|n| {
        // runs of neighbours within one stream, and streams that come back
        let stream = if n.is_multiple_of(11) { 0 } else { (n / 3 % 5) as usize };
        versions[stream] += 1;
        event(n, stream as u64, versions[stream])
    });
    all.skip(*range.start() as usize - 1).collect()
}

fn event(n: u64, stream: u64, version: u64) -> Recorded {
    let metadata = Metadata {
        correlation_id: sequential(n),
        causation_id: n.is_multiple_of(2).then(|| sequential(n - 1)),
        actor: Actor::Carrier("telnyx".to_owned()),
        request_id: Some("req \"quoted\" ü 電話 \u{0}".to_owned()),
        traceparent: None,
        command_id: Some(sequential(n)),
        node: None,
    };
    Recorded {
        position: Position(n),
        stream: StreamId::new("call", sequential(1_000_000 + stream)),
        version: Version(version),
        id: sequential(n),
        event_type: "call.noted".to_owned(),
        schema: 1 + (n % 3) as u16,
        client_id: ClientId(Uuid::from_u128(7)),
        payload: (0..=(n % 251) as u8).collect::<Vec<_>>().into(),
        metadata: serde_json::to_vec(&metadata).unwrap().into(),
        // out of step with the positions, as clocks are
        recorded_at: Time::from_timestamp_micros(1_767_225_600_123_456 + (n as i64 * 7_919) % 10_007)
            .unwrap(),
    }
}

fn assert_refused(answer: Result<(), WriteError>) {
    assert!(matches!(answer, Err(WriteError::Refused(_))), "expected a refusal, got {answer:?}");
}

pub async fn what_is_written_reads_back_with_everything_it_had(subject: &Subject) {
    let mut given = events(1..=40);
    given[3].payload = Bytes::new();
    given[4].payload = vec![7; MAX_PAYLOAD_BYTES].into();
    given[5].recorded_at = Time::from_timestamp_micros(1).unwrap();
    given[6].client_id = ClientId(Uuid::from_u128(u128::MAX));
    subject.write(&given).await.unwrap();
    assert_eq!(subject.log().await, given);
}

pub async fn events_go_on_where_the_log_ends(subject: &Subject) {
    let given = events(1..=2_000);
    for piece in [0..1, 1..2, 2..700, 700..2_000] {
        subject.write(&given[piece]).await.unwrap();
    }
    assert_eq!(subject.log().await, given);
    let head = subject.target().await.log().head().await.unwrap();
    assert_eq!(head, Position(2_000));
}

pub async fn nothing_to_write_changes_nothing(subject: &Subject) {
    subject.write(&[]).await.unwrap();
    assert_eq!(subject.log().await, []);
}

pub async fn what_does_not_go_on_where_the_log_ends_is_refused(subject: &Subject) {
    let given = events(1..=9);
    assert_refused(subject.write(&given[1..3]).await);
    assert_eq!(subject.log().await, []);
    subject.write(&given[..4]).await.unwrap();
    // a repeat, an overlap, a gap, a hole inside
    assert_refused(subject.write(&given[..4]).await);
    assert_refused(subject.write(&given[3..6]).await);
    assert_refused(subject.write(&given[5..]).await);
    assert_refused(subject.write(&[given[4].clone(), given[6].clone()]).await);
    assert_eq!(subject.log().await, given[..4]);
    subject.write(&given[4..]).await.unwrap();
    assert_eq!(subject.log().await, given);
}

pub async fn a_version_that_is_taken_is_refused(subject: &Subject) {
    let given = events(1..=20);
    subject.write(&given[..19]).await.unwrap();
    let taken = Recorded { version: Version(1), ..given[19].clone() };
    assert_refused(subject.write(&[taken]).await);
    assert_eq!(subject.log().await, given[..19]);
    subject.write(&given[19..]).await.unwrap();
    assert_eq!(subject.log().await, given);
}

/// Makes a test of every case an engine must pass.
#[macro_export]
macro_rules! log_target_suite {
    ($fresh:path) => {
        mod log_target {
            $crate::log_target_cases!($fresh:
                what_is_written_reads_back_with_everything_it_had,
                events_go_on_where_the_log_ends,
                nothing_to_write_changes_nothing,
                what_does_not_go_on_where_the_log_ends_is_refused,
                a_version_that_is_taken_is_refused,
            );
        }
    };
}

/// Makes one `#[tokio::test]` of each case. Only for the suite above.
#[doc(hidden)]
#[macro_export]
macro_rules! log_target_cases {
    ($fresh:path: $($case:ident),* $(,)?) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                let subject = $fresh().await;
                $crate::log_target::$case(&subject).await;
            }
        )*
    };
}
