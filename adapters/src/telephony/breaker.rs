//! A circuit breaker: stops calling a target for a while that failed several times in a row.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use domain::call::report::{CarrierReport, FoundRecording, LegRef, LegTag};
use domain::envelope::Time;
use domain::ids::ClientId;
use domain::ports::clock::Clock;
use domain::ports::telephony::{
    CarrierAccount, CarrierError, Dial, LegCommand, LegState, RecordPage, Telephony,
};
use parking_lot::Mutex;

/// When a breaker opens, and for how long.
#[derive(Debug, Clone, Copy)]
pub struct BreakerConfig {
    /// Consecutive failures that open it; at least 1.
    pub failures: u32,
    /// How long it stays open before it admits one trial call.
    pub open_for: Duration,
}

impl Default for BreakerConfig {
    fn default() -> Self {
        Self { failures: 5, open_for: Duration::from_secs(10) }
    }
}

/// State of a circuit breaker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BreakerState {
    /// All calls are admitted.
    Closed,
    /// No call is admitted.
    Open,
    /// One call is admitted; its outcome decides.
    HalfOpen,
}

/// A circuit breaker without a clock: callers pass the current moment. A gauge counts the breakers that are not
/// closed, by what they guard.
#[derive(Debug)]
pub struct Breaker {
    guards: &'static str,
    config: BreakerConfig,
    inner: Mutex<Inner>,
}

#[derive(Debug, Clone, Copy)]
enum Inner {
    Closed { failures: u32 },
    Open { until: Instant },
    Trying,
}

/// Permission to call the target once. Dropped without an outcome (the caller went away) it counts as a failure
/// while the breaker is half open, and not at all otherwise.
#[derive(Debug)]
pub struct Permit<'a> {
    breaker: &'a Breaker,
    trial: bool,
    asked_at: Instant,
    told: bool,
}

impl Breaker {
    /// A closed breaker; `guards` names the kind of target as a metric label, one of a few values.
    #[must_use]
    pub fn new(guards: &'static str, config: BreakerConfig) -> Self {
        count(guards, 0.0);
        Self { guards, config, inner: Mutex::new(Inner::Closed { failures: 0 }) }
    }

    #[must_use]
    pub fn state(&self, now: Instant) -> BreakerState {
        match *self.inner.lock() {
            Inner::Closed { .. } => BreakerState::Closed,
            Inner::Open { until } if now < until => BreakerState::Open,
            Inner::Open { .. } | Inner::Trying => BreakerState::HalfOpen,
        }
    }

    /// How long to wait before permission is given again; `None`: it would be given now. Asks for none.
    #[must_use]
    pub fn wait(&self, now: Instant) -> Option<Duration> {
        match *self.inner.lock() {
            Inner::Open { until } if now < until => Some(until - now),
            Inner::Trying => Some(self.config.open_for),
            Inner::Closed { .. } | Inner::Open { .. } => None,
        }
    }

    /// Asks for permission to call the target. An error holds how long to wait before asking again.
    pub fn admit(&self, now: Instant) -> Result<Permit<'_>, Duration> {
        let mut inner = self.inner.lock();
        let trial = match *inner {
            Inner::Closed { .. } => false,
            Inner::Open { until } if now < until => return Err(until - now),
            Inner::Open { .. } => {
                *inner = Inner::Trying;
                true
            }
            Inner::Trying => return Err(self.config.open_for),
        };
        Ok(Permit { breaker: self, trial, asked_at: now, told: false })
    }

    fn settle(&self, trial: bool, success: bool, now: Instant) {
        let until = now + self.config.open_for;
        let mut inner = self.inner.lock();
        let before = inner.is_closed();
        *inner = match (*inner, trial, success) {
            (Inner::Trying, true, true) | (Inner::Closed { .. }, _, true) => Inner::Closed { failures: 0 },
            (Inner::Trying, true, false) => Inner::Open { until },
            (Inner::Closed { failures }, _, false) if failures + 1 >= self.config.failures => {
                Inner::Open { until }
            }
            (Inner::Closed { failures }, _, false) => Inner::Closed { failures: failures + 1 },
            // a call from before the breaker opened returns late: it says nothing about now
            (other, _, _) => other,
        };
        match (before, inner.is_closed()) {
            (true, false) => count(self.guards, 1.0),
            (false, true) => count(self.guards, -1.0),
            _ => {}
        }
    }
}

impl Drop for Breaker {
    fn drop(&mut self) {
        if !self.inner.lock().is_closed() {
            count(self.guards, -1.0);
        }
    }
}

impl Inner {
    const fn is_closed(self) -> bool {
        matches!(self, Self::Closed { .. })
    }
}

fn count(guards: &'static str, by: f64) {
    metrics::gauge!(domain::metrics::BREAKERS_OPEN, "guards" => guards).increment(by);
}

impl Permit<'_> {
    /// Reports that the target answered, whatever the answer was.
    pub fn success(mut self, now: Instant) {
        self.told = true;
        self.breaker.settle(self.trial, true, now);
    }

    /// Reports that the target did not answer, or answered that it is broken.
    pub fn failure(mut self, now: Instant) {
        self.told = true;
        self.breaker.settle(self.trial, false, now);
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        if !self.told && self.trial {
            self.breaker.settle(true, false, self.asked_at);
        }
    }
}

/// A carrier behind a breaker: while it is open, commands fail at once with [`CarrierError::Unavailable`].
pub struct Guarded<T> {
    carrier: T,
    breaker: Breaker,
    clock: Arc<dyn Clock>,
}

impl<T: fmt::Debug> fmt::Debug for Guarded<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guarded")
            .field("carrier", &self.carrier)
            .field("breaker", &self.breaker)
            .finish_non_exhaustive()
    }
}

impl<T: Telephony> Guarded<T> {
    pub fn new(carrier: T, config: BreakerConfig, clock: Arc<dyn Clock>) -> Self {
        Self { carrier, breaker: Breaker::new("carrier", config), clock }
    }

    /// Current state of the breaker.
    pub fn state(&self) -> BreakerState {
        self.breaker.state(self.clock.monotonic())
    }

    async fn guard<A>(&self, call: impl Future<Output = Result<A, CarrierError>>) -> Result<A, CarrierError> {
        let permit =
            self.breaker.admit(self.clock.monotonic()).map_err(|wait| CarrierError::Unavailable {
                reason: "the carrier failed several times in a row and is left alone for a while".to_owned(),
                retry_after: Some(wait),
            })?;
        let answer = call.await;
        let now = self.clock.monotonic();
        if answer.as_ref().is_err_and(is_fault) {
            permit.failure(now)
        } else {
            permit.success(now)
        }
        answer
    }
}

/// Whether an error means that the target is broken. An error with a wait (429) comes from a working target.
fn is_fault(error: &CarrierError) -> bool {
    matches!(error, CarrierError::Unknown { .. } | CarrierError::Unavailable { retry_after: None, .. })
}

#[async_trait]
impl<T: Telephony> Telephony for Guarded<T> {
    fn provider(&self) -> &'static str {
        self.carrier.provider()
    }

    async fn dial(&self, dial: &Dial) -> Result<LegRef, CarrierError> {
        self.guard(self.carrier.dial(dial)).await
    }

    async fn command(&self, command: &LegCommand) -> Result<(), CarrierError> {
        self.guard(self.carrier.command(command)).await
    }

    async fn leg_state(&self, client: ClientId, control_id: &str) -> Result<LegState, CarrierError> {
        self.guard(self.carrier.leg_state(client, control_id)).await
    }

    async fn find_leg(&self, tag: &LegTag) -> Result<Option<LegRef>, CarrierError> {
        self.guard(self.carrier.find_leg(tag)).await
    }

    async fn read_webhook(
        &self,
        client: ClientId,
        raw: &[u8],
        received_at: Time,
    ) -> Result<Option<CarrierReport>, CarrierError> {
        // asks nothing of the carrier
        self.carrier.read_webhook(client, raw, received_at).await
    }

    async fn find_recording(
        &self,
        client: ClientId,
        recording_id: &str,
    ) -> Result<Option<FoundRecording>, CarrierError> {
        self.guard(self.carrier.find_recording(client, recording_id)).await
    }

    async fn delete_recording(&self, client: ClientId, recording_id: &str) -> Result<(), CarrierError> {
        self.guard(self.carrier.delete_recording(client, recording_id)).await
    }

    async fn call_records(
        &self,
        account: CarrierAccount,
        period: (Time, Time),
        after: Option<&str>,
    ) -> Result<RecordPage, CarrierError> {
        // reports that fail must not keep calls from being placed
        self.carrier.call_records(account, period, after).await
    }
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use super::*;

    const CONFIG: BreakerConfig = BreakerConfig { failures: 3, open_for: Duration::from_secs(10) };

    fn at(second: u64) -> Instant {
        static START: LazyLock<Instant> = LazyLock::new(Instant::now);
        *START + Duration::from_secs(second)
    }

    fn opened() -> Breaker {
        let breaker = Breaker::new("carrier", CONFIG);
        for _ in 0..3 {
            breaker.admit(at(0)).unwrap().failure(at(0));
        }
        breaker
    }

    #[test]
    fn it_opens_after_failures_in_a_row_and_not_before() {
        let breaker = Breaker::new("carrier", CONFIG);
        for outcome in [false, false, true, false, false] {
            let permit = breaker.admit(at(0)).unwrap();
            if outcome {
                permit.success(at(0))
            } else {
                permit.failure(at(0))
            }
            assert_eq!(breaker.state(at(0)), BreakerState::Closed);
        }
        breaker.admit(at(0)).unwrap().failure(at(0));
        assert_eq!(breaker.state(at(0)), BreakerState::Open);
    }

    #[test]
    fn open_it_lets_nothing_through_and_says_for_how_long() {
        let breaker = opened();
        assert_eq!(breaker.admit(at(4)).unwrap_err(), Duration::from_secs(6));
        assert_eq!(breaker.state(at(9)), BreakerState::Open);
    }

    #[test]
    fn half_open_it_lets_one_through_whose_outcome_decides() {
        for (success, after) in [(true, BreakerState::Closed), (false, BreakerState::Open)] {
            let breaker = opened();
            let permit = breaker.admit(at(10)).unwrap();
            assert_eq!(breaker.state(at(10)), BreakerState::HalfOpen);
            assert!(breaker.admit(at(10)).is_err(), "a second one has to wait");
            if success {
                permit.success(at(11))
            } else {
                permit.failure(at(11))
            }
            assert_eq!(breaker.state(at(11)), after);
        }
    }

    #[test]
    fn a_trial_nobody_waited_for_does_not_block_it_for_ever() {
        let breaker = opened();
        drop(breaker.admit(at(10)).unwrap());
        assert_eq!(breaker.state(at(12)), BreakerState::Open);
        assert!(breaker.admit(at(20)).is_ok());
    }

    #[test]
    fn a_late_answer_from_before_it_opened_does_not_close_it() {
        let breaker = Breaker::new("carrier", CONFIG);
        let slow = breaker.admit(at(0)).unwrap();
        for _ in 0..3 {
            breaker.admit(at(0)).unwrap().failure(at(0));
        }
        slow.success(at(1));
        assert_eq!(breaker.state(at(1)), BreakerState::Open);
    }

    #[test]
    fn only_a_target_that_does_not_answer_is_at_fault() {
        let unavailable = |retry_after| CarrierError::Unavailable { reason: String::new(), retry_after };
        let code = || "1".to_owned();
        for (error, fault) in [
            (CarrierError::Unknown { reason: String::new() }, true),
            (unavailable(None), true),
            (unavailable(Some(Duration::from_secs(1))), false),
            (CarrierError::Gone { code: code() }, false),
            (CarrierError::NotReady { code: code() }, false),
            (
                CarrierError::Refused {
                    because: domain::ports::telephony::RefusedBecause::Settings,
                    status: 401,
                    code: code(),
                    title: String::new(),
                },
                false,
            ),
            (CarrierError::NotConfigured, false),
        ] {
            assert_eq!(is_fault(&error), fault, "{error:?}");
        }
    }
}
