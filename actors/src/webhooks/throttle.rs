//! Rate and concurrency of the attempts to one endpoint. Pure: time is an argument, nothing has side effects.

use std::time::Duration;

use chrono::TimeDelta;
use domain::envelope::Time;
use domain::webhook::delivery::{Attempt, ErrorClass};

/// Concurrent attempts allowed at the beginning.
const FIRST_WINDOW: usize = 2;
/// After this many failures in a row that point to unreachability or overload, the circuit breaker opens.
const STRAINS: u32 = 5;
/// How long the breaker is open the first time; the pause doubles up to the longest one.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// What an attempt says about its endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum EndpointHealth {
    /// The endpoint accepted the delivery.
    Good,
    /// The endpoint answers, but not with success.
    Answers,
    /// The endpoint cannot be reached, or is overloaded.
    Strained,
    /// Nothing was sent, so nothing is known.
    Unknown,
}

impl EndpointHealth {
    pub(super) fn of(attempt: &Attempt) -> Self {
        match (attempt.status, attempt.error) {
            _ if attempt.succeeded() => Self::Good,
            (Some(429 | 502 | 503 | 504), _) => Self::Strained,
            (Some(_), _) => Self::Answers,
            // no request reached the endpoint
            (None, Some(ErrorClass::Blocked | ErrorClass::Secret)) => Self::Answers,
            (None, _) => Self::Strained,
        }
    }
}

/// How many attempts may begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Capacity {
    /// This many attempts now, at least one.
    Now(usize),
    /// None before this time.
    At(Time),
    /// None until a running attempt has ended.
    AfterOne,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Breaker {
    Closed,
    Open { until: Time, pause: Duration },
    Probing { pause: Duration },
}

/// A token bucket for a rate in attempts a second; it saves up at most one second's worth.
#[derive(Debug, Clone, Copy)]
struct Bucket {
    rate: u32,
    tokens: f64,
    at: Time,
}

/// The throttle of one endpoint: window, circuit breaker and rate limit.
#[derive(Debug, Clone)]
pub(super) struct Throttle {
    most: usize,
    window: usize,
    under_way: usize,
    strains: u32,
    proven: bool,
    breaker: Breaker,
    bucket: Option<Bucket>,
}

impl Throttle {
    pub(super) fn new(most: usize) -> Self {
        let window = FIRST_WINDOW.min(most).max(1);
        Self { most, window, under_way: 0, strains: 0, proven: false, breaker: Breaker::Closed, bucket: None }
    }

    /// Whether the endpoint's latest result was a success.
    pub(super) fn is_proven(&self) -> bool {
        self.proven
    }

    /// Whether the circuit breaker is not closed: no attempts, or a single probe.
    pub(super) fn is_left_alone(&self) -> bool {
        self.breaker != Breaker::Closed
    }

    /// Sets the rate limit in attempts a second; `None` removes it.
    pub(super) fn limit(&mut self, rate: Option<u32>, now: Time) {
        if self.bucket.map(|bucket| bucket.rate) != rate {
            self.bucket = rate.map(|rate| Bucket { rate, tokens: f64::from(rate), at: now });
        }
    }

    pub(super) fn room(&mut self, now: Time) -> Capacity {
        match self.breaker {
            Breaker::Open { until, .. } if now < until => return Capacity::At(until),
            Breaker::Open { pause, .. } => self.breaker = Breaker::Probing { pause },
            Breaker::Closed | Breaker::Probing { .. } => {}
        }
        let most = if matches!(self.breaker, Breaker::Probing { .. }) { 1 } else { self.window };
        let Some(room) = most.checked_sub(self.under_way).filter(|room| *room > 0) else {
            return Capacity::AfterOne;
        };
        match &mut self.bucket {
            None => Capacity::Now(room),
            Some(bucket) => match bucket.fill(now) {
                0 => Capacity::At(bucket.next()),
                tokens => Capacity::Now(room.min(tokens)),
            },
        }
    }

    /// Moves all times after the wall clock was set by `by`.
    pub(super) fn shift(&mut self, by: TimeDelta) {
        if let Breaker::Open { until, .. } = &mut self.breaker {
            *until += by;
        }
        if let Some(bucket) = &mut self.bucket {
            bucket.at += by;
        }
    }

    /// Counts an attempt that begins.
    pub(super) fn begin(&mut self) {
        self.under_way += 1;
        if let Some(bucket) = &mut self.bucket {
            bucket.tokens -= 1.0;
        }
    }

    /// Takes the result of an attempt that has ended.
    pub(super) fn end(&mut self, verdict: EndpointHealth, now: Time) {
        self.under_way = self.under_way.saturating_sub(1);
        match verdict {
            EndpointHealth::Good => {
                self.window = (self.window + 1).min(self.most);
                self.proven = true;
                self.close();
            }
            EndpointHealth::Answers => self.close(),
            EndpointHealth::Strained => {
                self.window = (self.window / 2).max(1);
                self.proven = false;
                self.strains += 1;
                self.strain(now);
            }
            EndpointHealth::Unknown => {}
        }
    }

    /// Opens the breaker because nothing can be sent, or results cannot be recorded; each pause is
    /// longer than the last.
    pub(super) fn rest(&mut self, now: Time) {
        self.proven = false;
        let pause = match self.breaker {
            Breaker::Open { .. } => return,
            Breaker::Probing { pause } => (pause * 2).min(LONGEST_PAUSE),
            Breaker::Closed => FIRST_PAUSE,
        };
        self.breaker = Breaker::Open { until: now + pause, pause };
    }

    fn close(&mut self) {
        self.strains = 0;
        self.breaker = Breaker::Closed;
    }

    fn strain(&mut self, now: Time) {
        let pause = match self.breaker {
            Breaker::Probing { pause } => (pause * 2).min(LONGEST_PAUSE),
            Breaker::Closed if self.strains >= STRAINS => FIRST_PAUSE,
            // an attempt that was under way before the breaker opened
            Breaker::Closed | Breaker::Open { .. } => return,
        };
        self.breaker = Breaker::Open { until: now + pause, pause };
    }
}

impl Bucket {
    fn fill(&mut self, now: Time) -> usize {
        let passed = (now - self.at).as_seconds_f64().max(0.0);
        self.tokens = (self.tokens + passed * f64::from(self.rate)).min(f64::from(self.rate));
        self.at = now;
        self.tokens.max(0.0) as usize
    }

    fn next(&self) -> Time {
        let seconds = (1.0 - self.tokens).max(0.0) / f64::from(self.rate);
        // a little late rather than too early
        self.at + Duration::from_secs_f64(seconds) + Duration::from_millis(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: i64) -> Time {
        Time::from_timestamp_millis(1_767_225_600_000 + ms).unwrap()
    }

    fn fail(throttle: &mut Throttle, ms: i64) {
        throttle.begin();
        throttle.end(EndpointHealth::Strained, at(ms));
    }

    #[test]
    fn an_endpoint_earns_its_room_and_loses_it_faster() {
        let mut throttle = Throttle::new(8);
        assert_eq!(throttle.room(at(0)), Capacity::Now(2));
        for _ in 0..20 {
            throttle.begin();
            throttle.end(EndpointHealth::Good, at(0));
        }
        assert_eq!(throttle.room(at(0)), Capacity::Now(8));
        fail(&mut throttle, 0);
        fail(&mut throttle, 0);
        assert_eq!(throttle.room(at(0)), Capacity::Now(2));
        throttle.begin();
        throttle.begin();
        assert_eq!(throttle.room(at(0)), Capacity::AfterOne);
    }

    #[test]
    fn the_breaker_opens_probes_and_closes() {
        let mut throttle = Throttle::new(8);
        (0..5).for_each(|_| fail(&mut throttle, 0));
        assert_eq!(throttle.room(at(999)), Capacity::At(at(1_000)));
        assert_eq!(throttle.room(at(1_000)), Capacity::Now(1));
        throttle.begin();
        assert_eq!(throttle.room(at(1_000)), Capacity::AfterOne, "one probe at a time");
        throttle.end(EndpointHealth::Strained, at(2_000));
        assert_eq!(throttle.room(at(2_000)), Capacity::At(at(4_000)), "longer each time");
        for _ in 0..10 {
            let Capacity::At(until) = throttle.room(at(0)) else { panic!("it is open") };
            assert!(matches!(throttle.room(until), Capacity::Now(1)));
            throttle.begin();
            throttle.end(EndpointHealth::Strained, until);
            let Capacity::At(next) = throttle.room(until) else { panic!("it is open") };
            assert!(next - until <= chrono::TimeDelta::seconds(30));
        }
        let Capacity::At(until) = throttle.room(at(0)) else { panic!("it is open") };
        assert_eq!(throttle.room(until), Capacity::Now(1));
        throttle.begin();
        throttle.end(EndpointHealth::Good, until);
        assert!(matches!(throttle.room(until), Capacity::Now(2..)));
    }

    #[test]
    fn an_endpoint_that_nothing_can_be_sent_to_rests_longer_each_time() {
        let mut throttle = Throttle::new(8);
        let mut now = at(0);
        let mut rested = vec![];
        for _ in 0..7 {
            throttle.begin();
            throttle.end(EndpointHealth::Unknown, now);
            throttle.rest(now);
            let Capacity::At(until) = throttle.room(now) else { panic!("it rests") };
            rested.push((until - now).num_seconds());
            now = until;
            assert_eq!(throttle.room(now), Capacity::Now(1));
        }
        assert_eq!(rested, [1, 2, 4, 8, 16, 30, 30]);
        throttle.begin();
        throttle.end(EndpointHealth::Good, now);
        assert!(matches!(throttle.room(now), Capacity::Now(2..)));
    }

    #[test]
    fn an_endpoint_that_answers_is_within_reach_whatever_it_says() {
        let mut throttle = Throttle::new(8);
        for _ in 0..50 {
            throttle.begin();
            throttle.end(EndpointHealth::Answers, at(0));
        }
        assert_eq!(throttle.room(at(0)), Capacity::Now(2));
    }

    #[test]
    fn a_rate_is_kept_and_a_second_of_it_saved_up() {
        let mut throttle = Throttle::new(64);
        throttle.limit(Some(10), at(0));
        throttle.window = 64;
        assert_eq!(throttle.room(at(0)), Capacity::Now(10));
        let mut sent = 0;
        let mut now = at(0);
        while now < at(2_000) {
            match throttle.room(now) {
                Capacity::Now(_) => {
                    throttle.begin();
                    throttle.end(EndpointHealth::Good, now);
                    sent += 1;
                }
                Capacity::At(then) => {
                    assert!(then > now);
                    now = then;
                }
                Capacity::AfterOne => panic!("nothing is under way"),
            }
        }
        assert!((28..=30).contains(&sent), "{sent}");
    }
}
