//! Counts how many calls a client has in progress, and has placed today.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use domain::client::ClientLimits;
use domain::envelope::{Position, Recorded, Time};
use domain::ids::{CallId, ClientId};
use domain::ports::clock::Clock;
use parking_lot::{Mutex, MutexGuard};
use projections::calls::CallCount;

/// Age at which a reservation is dropped that got no event from the log: its call was in the log before, and
/// its request a repetition.
const PATIENCE: Duration = Duration::from_secs(60);

/// The quota that prevents a client's next call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CallQuota {
    /// The quota `calls_per_day` is used up.
    #[error("the client's quota `calls_per_day` of {0} calls is used up until 00:00 UTC")]
    PerDay(u32),
    /// The quota `concurrent_calls` is used up.
    #[error("the client's quota `concurrent_calls` of {0} calls under way at a time is used up")]
    Concurrent(u32),
    /// The quota `storage_bytes` is used up.
    #[error("the client's quota `storage_bytes` of {0} bytes is used up")]
    Storage(u64),
}

impl CallQuota {
    /// Name of the quota in the metric.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::PerDay(_) => "calls_per_day",
            Self::Concurrent(_) => "concurrent_calls",
            Self::Storage(_) => "storage_bytes",
        }
    }
}

/// The calls of all clients, counted from the log.
pub(super) struct CallBook {
    clock: Arc<dyn Clock>,
    clients: Arc<Mutex<HashMap<ClientId, ClientCalls>>>,
}

#[derive(Default)]
struct ClientCalls {
    /// Days since 1970, UTC.
    day: i64,
    placed_today: u64,
    /// Events up to this position are already counted, should the log deliver them again.
    counted_to: Position,
    open: HashSet<CallId>,
    /// Calls about to be placed that are not in the log yet, with the time of their reservation.
    coming: HashMap<CallId, Instant>,
}

/// The reservation of a call that is about to be queued; dropping it frees the place.
pub struct Place {
    clients: Arc<Mutex<HashMap<ClientId, ClientCalls>>>,
    client: ClientId,
    call: CallId,
    kept: bool,
}

type Table = HashMap<ClientId, ClientCalls>;

fn lock(table: &Mutex<Table>) -> MutexGuard<'_, Table> {
    table.lock()
}

fn day_of(time: Time) -> i64 {
    time.timestamp().div_euclid(86_400)
}

fn count_open(by: f64) {
    metrics::gauge!(domain::metrics::CALLS_ACTIVE).increment(by);
}

impl ClientCalls {
    fn begin(&mut self, call: CallId) {
        if self.open.insert(call) {
            count_open(1.0);
        }
    }

    fn end(&mut self, call: CallId) {
        if self.open.remove(&call) {
            count_open(-1.0);
        }
    }

    fn turn_to(&mut self, day: i64) {
        if day > self.day {
            (self.day, self.placed_today) = (day, 0);
        }
    }
}

impl CallBook {
    pub(super) fn new(clock: Arc<dyn Clock>) -> Self {
        count_open(0.0);
        Self { clock, clients: Arc::default() }
    }

    /// Start of the current day (UTC), whose calls count.
    pub(super) fn today(&self) -> Time {
        Time::from_timestamp(day_of(self.clock.now()) * 86_400, 0).unwrap_or_default()
    }

    /// When to retry: a day ends at midnight, a call may end at any moment, and storage must be freed.
    pub(super) fn retry_after(&self, quota: CallQuota) -> Duration {
        let now = self.clock.now();
        match quota {
            CallQuota::PerDay(_) => {
                let passed = now.timestamp().rem_euclid(86_400).unsigned_abs();
                Duration::from_secs(86_400 - passed)
            }
            CallQuota::Concurrent(_) => Duration::from_secs(1),
            CallQuota::Storage(_) => Duration::from_secs(3_600),
        }
    }

    /// Adds a call that is in progress at start.
    pub(super) fn insert_open(&self, client: ClientId, call: CallId) {
        lock(&self.clients).entry(client).or_default().begin(call);
    }

    /// Sets what a client has placed today, at start.
    pub(super) fn insert_count(&self, count: CallCount) {
        let day = day_of(self.today());
        let mut clients = lock(&self.clients);
        let calls = clients.entry(count.client).or_default();
        (calls.day, calls.placed_today, calls.counted_to) = (day, count.placed, count.position);
    }

    pub(super) fn apply(&self, event: &Recorded) {
        if !matches!(event.event_type.as_str(), "call.queued" | "call.received" | "call.ended") {
            return;
        }
        let call = CallId(event.stream.id());
        let mut clients = lock(&self.clients);
        let calls = clients.entry(event.client_id).or_default();
        match event.event_type.as_str() {
            "call.ended" => {
                calls.end(call);
            }
            "call.queued" => {
                calls.begin(call);
                calls.coming.remove(&call);
                let day = day_of(event.recorded_at);
                calls.turn_to(day);
                if day == calls.day && event.position > calls.counted_to {
                    calls.placed_today += 1;
                }
            }
            _ => calls.begin(call),
        }
    }

    /// Reserves a place for a call, if the client may have one more. Calls that are not in the log yet count, so
    /// concurrent requests cannot exceed the quota on one node.
    pub(super) fn place(
        &self,
        client: ClientId,
        call: CallId,
        limits: ClientLimits,
    ) -> Result<Place, CallQuota> {
        let (now, day) = (self.clock.monotonic(), day_of(self.clock.now()));
        let mut clients = lock(&self.clients);
        let calls = clients.entry(client).or_default();
        calls.turn_to(day);
        calls.coming.retain(|_, since| now.saturating_duration_since(*since) < PATIENCE);
        if calls.open.contains(&call) {
            // a repetition of the request that placed the call
            return Ok(Place { clients: self.clients.clone(), client, call, kept: true });
        }
        let coming = calls.coming.len() as u64;
        if let Some(most) = limits.calls_per_day
            && calls.placed_today + coming >= u64::from(most)
        {
            return Err(CallQuota::PerDay(most));
        }
        if let Some(most) = limits.concurrent_calls
            && calls.open.len() as u64 + coming >= u64::from(most)
        {
            return Err(CallQuota::Concurrent(most));
        }
        calls.coming.insert(call, now);
        Ok(Place { clients: self.clients.clone(), client, call, kept: false })
    }
}

impl Place {
    /// Keeps the place, because the call is queued and will be in the log.
    pub fn queued(mut self) {
        self.kept = true;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if self.kept {
            return;
        }
        if let Some(calls) = lock(&self.clients).get_mut(&self.client) {
            calls.coming.remove(&self.call);
        }
    }
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Place").field("call", &self.call).finish_non_exhaustive()
    }
}

impl fmt::Debug for CallBook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CallBook").field("clients", &lock(&self.clients).len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use conformance::fakes::clock::ManualClock;
    use domain::envelope::{StreamId, Version};
    use uuid::Uuid;

    use super::*;

    const CLIENT: ClientId = ClientId(Uuid::from_u128(1));

    fn call(n: u128) -> CallId {
        CallId(Uuid::from_u128(n))
    }

    fn told(book: &CallBook, position: u64, n: u128, event_type: &str) {
        book.apply(&Recorded {
            position: Position(position),
            stream: StreamId::new("call", call(n).0),
            version: Version(1),
            id: Uuid::from_u128(position.into()),
            event_type: event_type.to_owned(),
            schema: 1,
            client_id: CLIENT,
            payload: Vec::new().into(),
            metadata: Vec::new().into(),
            recorded_at: book.clock.now(),
        });
    }

    fn book() -> (Arc<ManualClock>, CallBook) {
        let clock = Arc::new(ManualClock::default());
        (clock.clone(), CallBook::new(clock))
    }

    fn concurrent(most: u32) -> ClientLimits {
        ClientLimits { concurrent_calls: Some(most), ..ClientLimits::default() }
    }

    fn per_day(most: u32) -> ClientLimits {
        ClientLimits { calls_per_day: Some(most), ..ClientLimits::default() }
    }

    #[test]
    fn calls_that_come_in_take_a_place_and_ended_ones_free_it() {
        let (_, book) = book();
        told(&book, 1, 1, "call.received");
        told(&book, 2, 2, "call.queued");
        let refused = book.place(CLIENT, call(3), concurrent(2)).map(drop);
        assert_eq!(refused, Err(CallQuota::Concurrent(2)));
        assert!(book.place(ClientId(Uuid::from_u128(2)), call(3), concurrent(2)).is_ok());
        told(&book, 3, 1, "call.ended");
        assert!(book.place(CLIENT, call(3), concurrent(2)).is_ok());
    }

    #[test]
    fn requests_at_the_same_time_do_not_slip_through() {
        let (_, book) = book();
        for limits in [concurrent(2), per_day(2)] {
            let held = [book.place(CLIENT, call(1), limits), book.place(CLIENT, call(2), limits)];
            assert!(held.iter().all(Result::is_ok));
            assert!(book.place(CLIENT, call(3), limits).is_err());
        }
        // a refused call gives its place back; a queued one keeps it, whether the log has it or not
        book.place(CLIENT, call(1), concurrent(1)).unwrap().queued();
        assert!(book.place(CLIENT, call(2), concurrent(1)).is_err());
        told(&book, 1, 1, "call.queued");
        assert!(book.place(CLIENT, call(2), concurrent(1)).is_err());
        told(&book, 2, 1, "call.ended");
        assert!(book.place(CLIENT, call(2), concurrent(1)).is_ok());
    }

    #[test]
    fn a_repetition_takes_no_place_of_its_own() {
        let (clock, book) = book();
        told(&book, 1, 1, "call.queued");
        book.place(CLIENT, call(1), concurrent(1)).unwrap().queued();
        told(&book, 2, 1, "call.ended");
        // the log has nothing new about this call
        book.place(CLIENT, call(1), concurrent(1)).unwrap().queued();
        assert!(book.place(CLIENT, call(2), concurrent(1)).is_err());
        clock.advance(Duration::from_secs(60));
        assert!(book.place(CLIENT, call(2), concurrent(1)).is_ok());
    }

    #[test]
    fn a_call_told_of_before_its_request_is_answered_counts_once() {
        let (_, book) = book();
        let place = book.place(CLIENT, call(1), per_day(2)).unwrap();
        told(&book, 1, 1, "call.queued");
        place.queued();
        let place = book.place(CLIENT, call(2), per_day(2)).unwrap();
        told(&book, 2, 2, "call.queued");
        drop(place);
        assert_eq!(book.place(CLIENT, call(3), per_day(2)).map(drop), Err(CallQuota::PerDay(2)));
    }

    #[test]
    fn a_day_begins_anew_at_midnight_and_does_not_count_what_came_in() {
        let (clock, book) = book();
        told(&book, 1, 1, "call.received");
        told(&book, 2, 2, "call.queued");
        told(&book, 3, 2, "call.ended");
        assert!(book.place(CLIENT, call(3), per_day(1)).is_err());
        clock.advance(Duration::from_secs(86_399));
        assert!(book.place(CLIENT, call(3), per_day(1)).is_err());
        clock.advance(Duration::from_secs(1));
        assert!(book.place(CLIENT, call(3), per_day(1)).is_ok());
    }

    #[test]
    fn who_has_placed_all_calls_of_a_day_is_told_to_wait_for_midnight() {
        let (clock, book) = book();
        let midnight = Duration::from_secs(86_400);
        assert_eq!(book.retry_after(CallQuota::PerDay(1)), midnight);
        clock.advance(Duration::from_secs(86_390));
        assert_eq!(book.retry_after(CallQuota::PerDay(1)), Duration::from_secs(10));
    }

    #[test]
    fn what_the_view_counted_is_not_counted_again() {
        let (_, book) = book();
        book.insert_count(CallCount { client: CLIENT, placed: 2, position: Position(20) });
        book.insert_open(CLIENT, call(2));
        told(&book, 19, 1, "call.queued");
        told(&book, 20, 1, "call.ended");
        assert!(book.place(CLIENT, call(3), per_day(3)).is_ok());
        assert!(book.place(CLIENT, call(3), concurrent(2)).is_ok());
        told(&book, 21, 3, "call.queued");
        assert!(book.place(CLIENT, call(4), per_day(3)).is_err());
        assert!(book.place(CLIENT, call(4), concurrent(2)).is_err());
    }
}
