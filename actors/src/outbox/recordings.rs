//! Fetches the file of a recording into the object store, again and again until it is there or a day is over.

use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use domain::call::report::FoundRecording;
use domain::call::terms::LostBecause;
use domain::call::{
    CallCommand, CallEvent, RecordingAvailable, RecordingNotStored, RecordingStored, StoredFile,
};
use domain::envelope::{Position, Time};
use domain::ids::CallId;
use domain::ports::event_store::EventStore;
use domain::ports::recordings::{KeepError, RecordingKeeper, RecordingOrder};
use domain::wire::DomainEvent as _;
use tokio::sync::Semaphore;
use uuid::Uuid;

use super::perform::{CallError, EffectRun, NextStep};
use crate::context::CommandContext;
use crate::session::CommandError;

/// How long the carrier may take to hand a recording out. Each recording is tried at least once, however old it is.
const PATIENCE: TimeDelta = TimeDelta::hours(24);
/// An address that expires sooner than this is not used.
const TOO_CLOSE: TimeDelta = TimeDelta::seconds(30);
/// Longest pause between two attempts.
const LONGEST_PAUSE: Duration = Duration::from_secs(300);

/// What it takes to store recordings.
#[derive(Debug, Clone)]
pub struct RecordingDeps {
    pub keeper: Arc<dyn RecordingKeeper>,
    /// The log without content that is not retained.
    pub shown: Arc<dyn EventStore>,
    /// Places for downloads that run at the same time. Commands to carriers need none.
    pub places: Arc<Semaphore>,
}

/// A recording that the carrier has finished.
struct Finished {
    call: CallId,
    saved: RecordingAvailable,
    recorded_at: Time,
}

impl EffectRun<'_> {
    pub(super) async fn store_recording(&self) -> Result<NextStep, CallError> {
        let Some(deps) = &self.deps.recordings else { return Ok(NextStep::NOTHING_TO_DO) };
        let Some(finished) = self.finished(&*deps.shown).await? else { return Ok(NextStep::NOTHING_TO_DO) };
        let Ok(_place) = deps.places.try_acquire() else {
            return Ok(NextStep::wait(busy(self.item.effect_id), &"other recordings are being fetched"));
        };
        let clock = &self.deps.runtime.clock;
        let begun = clock.monotonic();
        let kept = match self.found(&finished).await {
            Ok(found) => {
                let (client, effect_id) = (self.item.client, self.item.effect_id);
                let order = RecordingOrder { client, call: finished.call, effect_id, found };
                // a node that stops does not wait for downloads: the next one begins them anew
                let kept = self.lease_lost.run_until_cancelled(deps.keeper.keep(&order)).await;
                kept.unwrap_or_else(|| Err(KeepError::NotYet("the node stops".to_owned())))
            }
            Err(error) => Err(error),
        };
        let kept = match kept {
            Ok(file) => self.unless_erased(deps, file).await?,
            failed => failed,
        };
        let now = clock.now();
        let recording_id = finished.saved.recording_id.clone();
        let outcome = match kept {
            Ok(file) => {
                let took = clock.monotonic().saturating_duration_since(begun).as_secs_f64();
                metrics::histogram!(domain::metrics::RECORDING_FETCH_SECONDS).record(took);
                count("stored");
                let (effect_id, channels) = (self.item.effect_id, finished.saved.channels);
                let stored = RecordingStored { effect_id, recording_id, file, channels, at: now };
                CallCommand::StoreRecording(Box::new(stored))
            }
            Err(KeepError::NotYet(why)) if now < finished.recorded_at + PATIENCE || self.attempts() == 1 => {
                count("later");
                return Ok(NextStep::postpone(pause(self.attempts(), self.item.effect_id), &why));
            }
            Err(error) => {
                count("given_up");
                let because = match error {
                    KeepError::Never(because) => because,
                    KeepError::NotYet(_) => LostBecause::NeverAppeared,
                };
                tracing::warn!(because = because.as_str(), "a recording stays with the carrier");
                let (effect_id, attempts) = (self.item.effect_id, self.attempts());
                let lost = RecordingNotStored { effect_id, recording_id, because, attempts, at: now };
                CallCommand::GiveUpRecording(lost)
            }
        };
        self.tell_call(finished.call, outcome).await
    }

    /// The event that asked for it, as far as it is retained.
    async fn finished(&self, shown: &dyn EventStore) -> Result<Option<Finished>, CallError> {
        let before = Position(self.item.position.0.saturating_sub(1));
        let events = shown.read_all(before, 1).await?;
        let Some(event) = events.first().filter(|event| event.position == self.item.position) else {
            return Ok(None);
        };
        let fact = CallEvent::decode(&event.event_type, event.schema, &event.payload);
        Ok(match fact.map_err(CommandError::Unreadable)? {
            CallEvent::RecordingSaved(saved) => {
                let (call, recorded_at) = (CallId(event.stream.id()), event.recorded_at);
                Some(Finished { call, saved, recorded_at })
            }
            _ => None,
        })
    }

    /// The file, unless the person was erased during the download: then it is removed again.
    async fn unless_erased(
        &self,
        deps: &RecordingDeps,
        file: StoredFile,
    ) -> Result<Result<StoredFile, KeepError>, CallError> {
        let still = self.finished(&*deps.shown).await?;
        let readable = still.and_then(|finished| finished.saved.url?.into_inner()).is_some();
        if readable {
            return Ok(Ok(file));
        }
        let removed = match file.object.parse() {
            Ok(object) => {
                deps.keeper.remove(&object).await.map_err(|error| KeepError::NotYet(error.to_string()))
            }
            Err(_) => Ok(()),
        };
        Ok(Err(removed.err().unwrap_or(KeepError::Never(LostBecause::NotRetained))))
    }

    /// Where the recording is now: as the webhook said, until that expires, and then as the carrier says when asked.
    async fn found(&self, finished: &Finished) -> Result<FoundRecording, KeepError> {
        let saved = &finished.saved;
        // without an address it is not known whether the recording may be retained
        let url = saved.url.as_ref().ok_or(KeepError::Never(LostBecause::NeverAppeared))?;
        if url.reveal().is_none() {
            return Err(KeepError::Never(LostBecause::NotRetained));
        }
        let now = self.deps.runtime.clock.now();
        let fresh = saved.url_expires_at.is_none_or(|expires_at| now + TOO_CLOSE < expires_at);
        match &saved.recording_id {
            Some(id) if !fresh => {
                let asked = self.deps.telephony.find_recording(self.item.client, id).await;
                let found = asked.map_err(|error| KeepError::NotYet(error.to_string()))?;
                found.ok_or_else(|| KeepError::NotYet("the carrier has no file of the recording".to_owned()))
            }
            _ => Ok(FoundRecording { url: url.clone() }),
        }
    }

    async fn tell_call(&self, call: CallId, command: CallCommand) -> Result<NextStep, CallError> {
        let mut context = CommandContext::following("outbox", self.item.client, &self.item.cause);
        context.command_id = Some(self.item.effect_id);
        match self.deps.calls.execute(call, command, context, None).await {
            Ok(receipt) => Ok(NextStep::Finish { outcome: receipt.position }),
            Err(CommandError::Refused(_)) => Ok(NextStep::NOTHING_TO_DO),
            Err(error) => Err(error),
        }
    }
}

fn count(outcome: &'static str) {
    metrics::counter!(domain::metrics::RECORDING_FETCHES, "outcome" => outcome).increment(1);
}

/// One to five seconds, spread by the effect's id.
pub(super) fn busy(effect_id: Uuid) -> Duration {
    Duration::from_millis(1_000 + u64::from(effect_id.as_bytes()[15]) * 16)
}

/// Exponential: a second doubling to five minutes, less up to a quarter, spread by the effect's id.
pub(crate) fn pause(attempts: u32, effect_id: Uuid) -> Duration {
    let full = Duration::from_secs(1 << attempts.saturating_sub(1).min(9)).min(LONGEST_PAUSE);
    full - full * u32::from(effect_id.as_bytes()[15]) / 1024
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_five_minutes_and_never_vanish() {
        let id = Uuid::from_u128(0xff);
        let pauses: Vec<_> = [1, 2, 5, 9, 20, u32::MAX].map(|attempts| pause(attempts, id)).into();
        assert!(pauses.is_sorted() && pauses[0] >= Duration::from_millis(750), "{pauses:?}");
        assert!(*pauses.last().unwrap() <= LONGEST_PAUSE);
        assert!(busy(Uuid::nil()) == Duration::from_secs(1) && busy(id) > Duration::from_secs(4));
    }
}
