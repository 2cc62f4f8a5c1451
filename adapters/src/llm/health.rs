//! How a model does: its circuit breaker, and the pause it asked for.

use std::time::{Duration, Instant};

use domain::conversation::TurnFault;
use domain::ports::llm::{BreakerWord, LlmFailure};
use parking_lot::Mutex;

use crate::telephony::breaker::{Breaker, BreakerConfig, BreakerState};

/// The longest time a model is not used because it asked for that.
const LONGEST_REST: Duration = Duration::from_secs(3_600);

/// Health of a model: circuit breaker and cool-down.
#[derive(Debug)]
pub(crate) struct Health {
    pub(crate) breaker: Breaker,
    /// The provider asked not to be called until then.
    rests_until: Mutex<Option<Instant>>,
    last: Mutex<Option<TurnFault>>,
}

impl Health {
    pub(crate) fn new() -> Self {
        let breaker = Breaker::new("model", BreakerConfig::default());
        Self { breaker, rests_until: Mutex::default(), last: Mutex::default() }
    }

    pub(crate) fn note(&self, failure: &LlmFailure, now: Instant) {
        *self.last.lock() = Some(failure.fault());
        if let LlmFailure::RateLimited { retry_after: Some(wait) } = failure {
            *self.rests_until.lock() = Some(now + (*wait).min(LONGEST_REST));
        }
    }

    /// Takes a success for the end of the last failure.
    pub(crate) fn forget(&self) {
        *self.last.lock() = None;
    }

    /// Why the model last did not answer; `None` since a success.
    pub(crate) fn last(&self) -> Option<TurnFault> {
        *self.last.lock()
    }

    /// The failure of a request made while the provider has asked not to be called.
    pub(crate) fn rest(&self, now: Instant) -> Option<LlmFailure> {
        let until = (*self.rests_until.lock()).filter(|until| now < *until)?;
        Some(LlmFailure::RateLimited { retry_after: Some(until - now) })
    }

    pub(crate) fn word(&self, now: Instant) -> BreakerWord {
        match self.breaker.state(now) {
            BreakerState::Closed if self.rest(now).is_some() => BreakerWord::Open,
            BreakerState::Closed => BreakerWord::Closed,
            BreakerState::Open => BreakerWord::Open,
            BreakerState::HalfOpen => BreakerWord::HalfOpen,
        }
    }
}
