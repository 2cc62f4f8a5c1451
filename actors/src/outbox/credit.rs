//! Charges calls that are over, and watches the credit of prepaid calls while they last.

use std::time::Duration;

use domain::billing::CallUsage;
use domain::call::CallCommand;
use domain::call::terms::{EndReason, EndedBy};
use domain::envelope::{Position, Recorded};
use domain::ids::{CallId, derive};
use domain::ports::event_store::ReadError;

use super::perform::{CallError, EffectRun, NextStep};
use super::retry::backoff;
use crate::billing::{ChargeError, CoverError};

/// After so many looks a call that credit is kept for, and that has no history, never was.
const MAX_LOOKS: u32 = 4;

impl EffectRun<'_> {
    /// Charges the call of the event that the effect follows from.
    pub(super) async fn charge_call(&self) -> NextStep {
        let Some(billing) = &self.deps.billing else { return NextStep::NOTHING_TO_DO };
        let again = |error: &dyn std::fmt::Display| {
            NextStep::postpone(backoff(self.item.attempts + 1, self.item.effect_id), error)
        };
        let event = match self.followed_event().await {
            Ok(event) => event,
            Err(error) => return again(&error),
        };
        let Some(event) = event else { return NextStep::NOTHING_TO_DO };
        let call = CallId(event.stream.id());
        match billing.charge(self.item.client, call).await {
            Ok(receipt) => NextStep::Finish { outcome: receipt.and_then(|receipt| receipt.position) },
            Err(ChargeError::Never(why)) => {
                tracing::error!(call.id = %call, why, "a call is not charged");
                NextStep::NOTHING_TO_DO
            }
            Err(error) => again(&error),
        }
    }

    /// The event that the effect follows from; `None` if it is gone.
    pub(super) async fn followed_event(&self) -> Result<Option<Recorded>, ReadError> {
        let before = Position(self.item.position.0.saturating_sub(1));
        let events = self.deps.runtime.store.read_all(before, 1).await?;
        Ok(events.into_iter().find(|event| event.position == self.item.position))
    }

    /// Keeps more credit for a call under way. When there is none, the caller hears it and the call ends.
    pub(super) async fn watch_credit(&self) -> Result<NextStep, CallError> {
        let Some(billing) = &self.deps.billing else { return Ok(NextStep::NOTHING_TO_DO) };
        let (client, call_id) = (self.item.client, CallId(self.item.subject));
        let every = billing.options.check_every;
        let call = self.deps.calls.inspect(call_id).await?;
        if !call.exists() {
            if self.item.attempts + 1 < MAX_LOOKS {
                return Ok(NextStep::postpone(every, &"the call has not begun yet"));
            }
            return Ok(match billing.release(client, call_id).await {
                Ok(()) => NextStep::NOTHING_TO_DO,
                Err(error) => {
                    NextStep::postpone(backoff(self.item.attempts + 1, self.item.effect_id), &error)
                }
            });
        }
        if call.is_over() {
            // something may have been kept for it after its end was charged
            return Ok(match billing.charge(client, call_id).await {
                Ok(_) | Err(ChargeError::Never(_)) => NextStep::NOTHING_TO_DO,
                Err(error) => {
                    NextStep::postpone(backoff(self.item.attempts + 1, self.item.effect_id), &error)
                }
            });
        }
        let Some(answered_at) = call.answered_at() else {
            return Ok(NextStep::postpone(every, &"the call is not answered yet"));
        };
        let held_since = match self.followed_event().await {
            Ok(event) => event.map_or(answered_at, |event| event.recorded_at),
            Err(error) => return Ok(NextStep::postpone(every, &error)),
        };
        // the carrier's clock may be wrong: by ours the call has not lasted longer than credit is kept for it
        let lasted = self.deps.runtime.clock.now() - answered_at.max(held_since);
        let lasted = lasted.to_std().unwrap_or(Duration::ZERO);
        let usage = match billing.used(call_id).await {
            Ok(usage) => usage,
            // its time is covered all the same
            Err(ChargeError::Never(_)) => {
                CallUsage { provider: call.provider().to_owned(), ..CallUsage::default() }
            }
            Err(error) => return Ok(NextStep::postpone(every, &error)),
        };
        match billing.extend(client, call_id, &usage, lasted).await {
            Ok(()) | Err(CoverError::TooMuch | CoverError::OtherCurrency(_)) => {}
            Err(CoverError::Insufficient { .. }) => {
                metrics::counter!(domain::metrics::CALLS_WITHOUT_COVER, "when" => "under_way").increment(1);
                self.tell_if_open(CallCommand::Conclude {
                    id: derive(self.item.effect_id, "conclude"),
                    farewell: billing.options.farewell.clone(),
                    reason: EndReason::InsufficientCredits,
                    by: EndedBy::System,
                    now: self.deps.runtime.clock.now(),
                })
                .await?;
            }
            Err(error) => {
                let pause = backoff(self.item.attempts + 1, self.item.effect_id).min(every);
                return Ok(NextStep::postpone(pause, &error));
            }
        }
        Ok(NextStep::postpone(every, &"the call goes on"))
    }
}
