//! What every [`EventStore`] must do, as functions over a fresh, empty store.
//!
//! `event_store_suite!(fresh)` makes a test of each; `fresh` is an `async fn() -> Subject`. Engines with fault
//! injection (see [`Faults`]) also run `event_store_fault_suite!(fresh)`. [`CASES`] is the same list for whoever walks
//! it at run time.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a case that does not hold panics, as a test does")]

pub mod appends;
mod cases;
pub mod faults;
pub mod following;
pub mod reads;

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use uuid::Uuid;

use domain::envelope::{Metadata, NewEvent, Position, Recorded, StreamId, Time, Version};
use domain::ids::ClientId;
use domain::ports::event_store::{AppendError, Appended, Direction, EventStore, Expected};
use domain::testing::ids::sequential;

pub use cases::{CASES, Case};
pub use faults::{Fate, Faults};

/// A fresh, empty store under test.
pub struct Subject {
    pub store: Arc<dyn EventStore>,
    /// The switches it was opened with; without effect on engines that have none.
    pub faults: Faults,
    /// Whatever must outlive the store: a temporary folder, a server.
    pub keep: Box<dyn Any + Send + Sync>,
}

impl fmt::Debug for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subject").field("store", &self.store).finish_non_exhaustive()
    }
}

impl Subject {
    async fn append(
        &self,
        stream: &StreamId,
        expected: Expected,
        events: impl AsRef<[NewEvent]>,
    ) -> Result<Appended, AppendError> {
        self.store.append(stream, expected, events.as_ref().to_vec()).await
    }

    /// The whole log, in pages that do not divide it evenly.
    async fn log(&self) -> Vec<Recorded> {
        let mut log: Vec<Recorded> = Vec::new();
        loop {
            let after = log.last().map_or(Position::START, |event| event.position);
            let page = self.store.read_all(after, 1_000).await.unwrap();
            if page.is_empty() {
                return log;
            }
            log.extend(page);
        }
    }

    /// A whole stream, oldest first.
    async fn stream(&self, stream: &StreamId) -> Vec<Recorded> {
        let mut events: Vec<Recorded> = Vec::new();
        loop {
            let from = events.last().map_or(Version::NONE, |event| event.version);
            let page = self.store.read_stream(stream, from, Direction::Forwards, 1_000).await.unwrap();
            if page.is_empty() {
                return events;
            }
            events.extend(page);
        }
    }
}

fn stream(n: u64) -> StreamId {
    StreamId::new("call", sequential(n))
}

/// The `n`th event: the same, down to the last byte, whenever it is asked for.
fn event(n: u64) -> NewEvent {
    NewEvent {
        id: sequential(n),
        event_type: "call.noted".to_owned(),
        schema: 1,
        client_id: ClientId(Uuid::from_u128(1)),
        payload: n.to_be_bytes().to_vec(),
        metadata: Metadata::system("conformance", sequential(n)),
        recorded_at: at(n),
    }
}

/// The events numbered by `range`.
fn events(range: impl IntoIterator<Item = u64>) -> Vec<NewEvent> {
    range.into_iter().map(event).collect()
}

/// A time `n` microseconds into 2026.
fn at(n: u64) -> Time {
    Time::from_timestamp_micros(1_767_225_600_000_000 + n as i64).unwrap_or_default()
}

/// The log has positions 1, 2, 3 …, every stream has versions 1, 2, 3 …, no id stands twice.
fn assert_dense(log: &[Recorded]) {
    let mut versions = std::collections::HashMap::new();
    let mut ids = std::collections::HashSet::new();
    for (n, event) in log.iter().enumerate() {
        assert_eq!(event.position, Position(n as u64 + 1), "positions have a hole or repeat");
        let version: &mut u64 = versions.entry(event.stream.clone()).or_default();
        *version += 1;
        assert_eq!(event.version, Version(*version), "versions of {} have a hole or repeat", event.stream);
        assert!(ids.insert(event.id), "event {} stands twice", event.id);
    }
}

/// The ids of events, in order.
fn ids(events: &[Recorded]) -> Vec<Uuid> {
    events.iter().map(|event| event.id).collect()
}

fn assert_conflict(answer: Result<Appended, AppendError>, at: u64) {
    match answer {
        Err(AppendError::Conflict { current, .. }) => assert_eq!(current, Version(at)),
        other => panic!("expected a conflict at version {at}, got {other:?}"),
    }
}

fn assert_refused(answer: Result<Appended, AppendError>) {
    assert!(matches!(answer, Err(AppendError::Refused(_))), "expected a refusal, got {answer:?}");
}

/// Makes a test of every case an engine must pass.
#[macro_export]
macro_rules! event_store_suite {
    ($fresh:path) => {
        $crate::each_event_store_case!(event_store_tests, $fresh);
    };
}

/// Makes one `#[tokio::test]` of each case in the list of cases.
#[doc(hidden)]
#[macro_export]
macro_rules! event_store_tests {
    (($fresh:path) $($module:ident { $($case:ident: $promise:literal,)* })*) => {
        $($crate::event_store_cases!($fresh, $module: $($case),*);)*
    };
}

/// Makes a test of every case about slow commits, lost answers and overload.
#[macro_export]
macro_rules! event_store_fault_suite {
    ($fresh:path) => {
        $crate::event_store_cases!($fresh, faults:
            a_commit_held_open_hides_itself_and_what_comes_after_it,
            a_full_queue_answers_overloaded_and_writes_nothing_by_halves,
            a_conflict_in_a_shared_batch_does_not_harm_its_neighbours,
            a_lost_answer_of_a_commit_is_looked_up,
            a_lost_commit_is_written_after_all,
            an_outcome_nobody_can_tell_is_unknown_and_told_by_the_next_try,
            a_store_that_cannot_write_is_unavailable_and_recovers,
            a_dropped_append_is_written_whole_or_not_at_all,
        );
    };
}

/// Makes one `#[tokio::test]` of each case. Only for the suites above.
#[doc(hidden)]
#[macro_export]
macro_rules! event_store_cases {
    ($fresh:path, $module:ident: $($case:ident),* $(,)?) => {
        mod $module {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $case() {
                    let subject = $fresh().await;
                    $crate::event_store::$module::$case(&subject).await;
                }
            )*
        }
    };
}
