//! What follows from an attempt, and what may be asked of a delivery.

use std::sync::Arc;

use serde_bytes::ByteBuf;

use super::event::{
    Attempt, Cause, DeliveryAttempted, DeliveryCancelled, DeliveryEvent, DeliveryOf, GaveUp,
    RedeliveryRequested, Then,
};
use crate::aggregate::Aggregate;
use crate::envelope::Time;
use crate::ids::DeliveryId;
use crate::origin::Origin;
use crate::personal::Personal;
use crate::webhook::schedule::{Schedule, retry_after};

/// Where a delivery stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub enum DeliveryStatus {
    /// It is to be attempted, now or later.
    #[default]
    Pending,
    /// The receiver has it.
    Succeeded,
    /// It is not attempted any more.
    Failed,
    /// Nobody wants it any more.
    Cancelled,
}

impl DeliveryStatus {
    /// Every one.
    pub const ALL: [DeliveryStatus; 4] = [Self::Pending, Self::Succeeded, Self::Failed, Self::Cancelled];

    /// Its word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }
}

impl From<Then> for DeliveryStatus {
    fn from(then: Then) -> Self {
        match then {
            Then::Succeeded => Self::Succeeded,
            Then::Again { .. } => Self::Pending,
            Then::Failed { .. } => Self::Failed,
            Then::Cancelled => Self::Cancelled,
        }
    }
}

impl std::str::FromStr for DeliveryStatus {
    type Err = &'static str;

    fn from_str(word: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL.into_iter().find(|status| status.as_str() == word);
        found.ok_or("give pending, succeeded, failed or cancelled")
    }
}

/// What may be asked of a delivery.
#[derive(Debug, Clone)]
pub enum DeliveryCommand {
    /// Note an attempt that was made, and decide what follows.
    Record {
        /// The delivery.
        id: DeliveryId,
        /// What to whom.
        of: DeliveryOf,
        /// The attempts made before it was last asked for.
        before: u32,
        /// Why it was made.
        cause: Cause,
        /// How it went.
        attempt: Box<Attempt>,
        /// What was sent, of a test.
        sent: Option<ByteBuf>,
        /// When it would be attempted again.
        schedule: Arc<Schedule>,
        /// Now.
        now: Time,
    },
    /// Attempt it once more, the schedule begins anew.
    Redeliver {
        /// From where.
        origin: Origin,
        /// Now.
        now: Time,
    },
    /// Attempt it no more.
    Cancel {
        /// From where.
        origin: Origin,
        /// Now.
        now: Time,
    },
}

/// Why a delivery does not do what was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DeliveryRefusal {
    /// It has come to an end.
    #[error("the delivery is over")]
    Over,
}

/// A delivery, as its rules see it.
#[derive(Debug, Clone, Default)]
pub struct Delivery {
    attempts: u32,
    status: DeliveryStatus,
}

impl Delivery {
    /// Attempts so far.
    #[must_use]
    pub fn attempts(&self) -> u32 {
        self.attempts
    }

    /// Where it stands.
    #[must_use]
    pub fn status(&self) -> DeliveryStatus {
        self.status
    }

    fn follows(
        &self,
        id: DeliveryId,
        round: u32,
        cause: Cause,
        attempt: &Attempt,
        schedule: &Schedule,
        now: Time,
    ) -> Then {
        match (attempt.succeeded(), self.status, attempt.status) {
            // one that was made because another's record came late takes nothing back
            (true, _, _) | (_, DeliveryStatus::Succeeded, _) => Then::Succeeded,
            (_, DeliveryStatus::Cancelled, _) => Then::Cancelled,
            _ if cause == Cause::Test => Then::Failed { why: GaveUp::Test },
            (_, _, Some(410)) => Then::Failed { why: GaveUp::Gone },
            _ => {
                let wish = attempt.headers.get("retry-after").and_then(|text| retry_after(text, now));
                match schedule.delay(round, id.0, wish) {
                    Some(delay) => Then::Again { due: now + delay },
                    None => Then::Failed { why: GaveUp::Exhausted },
                }
            }
        }
    }
}

impl Aggregate for Delivery {
    const CATEGORY: &'static str = DeliveryId::CATEGORY;
    type Command = DeliveryCommand;
    type Event = DeliveryEvent;
    type Refusal = DeliveryRefusal;

    fn decide(&self, command: &DeliveryCommand) -> Result<Vec<DeliveryEvent>, DeliveryRefusal> {
        match command {
            DeliveryCommand::Record { id, of, before, cause, attempt, sent, schedule, now } => {
                let number = self.attempts + 1;
                let round = number.saturating_sub(*before).max(1);
                let attempted = DeliveryAttempted {
                    of: of.clone(),
                    number,
                    round,
                    cause: *cause,
                    attempt: (**attempt).clone(),
                    then: self.follows(*id, round, *cause, attempt, schedule, *now),
                    sent: sent.clone().map(Personal::new),
                    at: *now,
                };
                Ok(vec![attempted.into()])
            }
            DeliveryCommand::Redeliver { origin, now } => {
                Ok(vec![RedeliveryRequested { origin: origin.clone(), at: *now }.into()])
            }
            DeliveryCommand::Cancel { origin, now } => match self.status {
                DeliveryStatus::Cancelled => Ok(vec![]),
                DeliveryStatus::Pending => {
                    Ok(vec![DeliveryCancelled { origin: origin.clone(), at: *now }.into()])
                }
                DeliveryStatus::Succeeded | DeliveryStatus::Failed => Err(DeliveryRefusal::Over),
            },
        }
    }

    fn evolve(&mut self, event: &DeliveryEvent) {
        match event {
            DeliveryEvent::Attempted(attempted) => {
                self.attempts = attempted.number;
                self.status = attempted.then.into();
            }
            DeliveryEvent::RedeliveryRequested(_) => self.status = DeliveryStatus::Pending,
            DeliveryEvent::Cancelled(_) => self.status = DeliveryStatus::Cancelled,
        }
    }
}
