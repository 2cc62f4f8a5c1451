//! Commands and rules of a delivery.

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

/// Status of a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub enum DeliveryStatus {
    /// It is to be attempted, now or later.
    #[default]
    Pending,
    /// The receiver accepted the delivery.
    Succeeded,
    /// The delivery failed and is not attempted any more.
    Failed,
    /// The delivery was cancelled and is not attempted any more.
    Cancelled,
}

impl DeliveryStatus {
    pub const ALL: [DeliveryStatus; 4] = [Self::Pending, Self::Succeeded, Self::Failed, Self::Cancelled];

    /// Name on the wire, for example `pending`.
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

#[derive(Debug, Clone)]
pub enum DeliveryCommand {
    /// Records an attempt that was made, and decides what follows.
    Record {
        id: DeliveryId,
        of: DeliveryOf,
        /// Attempts made before the delivery was last requested.
        before: u32,
        cause: Cause,
        attempt: Box<Attempt>,
        /// The body that was sent, of a test.
        sent: Option<ByteBuf>,
        /// Delays before the next attempts.
        schedule: Arc<Schedule>,
        now: Time,
    },
    /// Attempts the delivery once more; its schedule starts again.
    Redeliver {
        origin: Origin,
        now: Time,
    },
    Cancel {
        origin: Origin,
        now: Time,
    },
}

/// Why the delivery refuses a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DeliveryRefusal {
    /// The delivery has already ended.
    #[error("the delivery is over")]
    Over,
}

/// State of a delivery, folded from its events.
#[derive(Debug, Clone, Default)]
pub struct Delivery {
    attempts: u32,
    status: DeliveryStatus,
}

impl Delivery {
    /// Number of attempts so far.
    #[must_use]
    pub fn attempts(&self) -> u32 {
        self.attempts
    }

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
            // an attempt made because the record of a success came late takes nothing back
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
