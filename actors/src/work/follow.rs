//! The process manager: reads the log and turns facts into effects and timers.

use domain::call::{CallEvent, Reaction, react};
use domain::envelope::{Position, Recorded};
use domain::ids::CallId;
use domain::ports::event_store::Subscription;
use domain::ports::lease::Lease;
use domain::ports::work::{Cause, TimerItem, WorkChange, WorkError, WorkItem};
use domain::wire::{DecodeError, DomainEvent};
use std::time::Duration;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::Workbench;

const BATCH: usize = 1_000;
const PAUSE_AFTER_FAULT: Duration = Duration::from_millis(500);

/// Why following stopped.
#[derive(Debug, thiserror::Error)]
enum FollowError {
    #[error(transparent)]
    Read(#[from] domain::ports::event_store::ReadError),
    #[error(transparent)]
    Work(#[from] WorkError),
    #[error("event {position} cannot be read")]
    Event {
        position: Position,
        #[source]
        error: DecodeError,
    },
}

/// Follows the log until the job is lost. A fault is reported and tried again: skipping could forget an effect.
pub(super) async fn follow(bench: &Workbench, lease: &Lease, news: &Notify, mine: &CancellationToken) {
    while !mine.is_cancelled() {
        let error = tokio::select! {
            () = mine.cancelled() => return,
            Err(error) = keep_following(bench, lease, news) => error,
        };
        if matches!(error, FollowError::Work(WorkError::Deposed)) {
            tracing::warn!("another node keeps the outbox now");
            return mine.cancel();
        }
        tracing::error!(error = &error as &dyn std::error::Error, "the outbox does not follow the log");
        let clock = &bench.runtime.clock;
        tokio::select! {
            () = mine.cancelled() => {}
            () = clock.sleep_until(clock.now() + PAUSE_AFTER_FAULT) => {}
        }
    }
}

async fn keep_following(
    bench: &Workbench,
    lease: &Lease,
    news: &Notify,
) -> Result<std::convert::Infallible, FollowError> {
    let mut at = bench.store.checkpoint().await.map_err(WorkError::from)?;
    let mut log = Subscription::new(bench.runtime.store.clone(), at, BATCH);
    loop {
        let events = log.next().await?;
        let mut changes = Vec::new();
        for recorded in &events {
            changes_of(recorded, &mut changes)
                .map_err(|error| FollowError::Event { position: recorded.position, error })?;
        }
        bench.store.commit(lease, at, log.position(), &changes).await?;
        at = log.position();
        if !changes.is_empty() {
            news.notify_waiters();
        }
    }
}

fn changes_of(recorded: &Recorded, changes: &mut Vec<WorkChange>) -> Result<(), DecodeError> {
    // the receipt of a webhook is large and never asks for anything
    if recorded.stream.category() != CallId::CATEGORY || recorded.event_type == "call.carrier_event_received"
    {
        return Ok(());
    }
    let event = CallEvent::decode(&recorded.event_type, recorded.schema, &recorded.payload)?;
    let reactions = react(&event);
    if reactions.is_empty() {
        return Ok(());
    }
    let (call, client) = (CallId(recorded.stream.id()), recorded.client_id);
    let metadata = recorded.metadata().ok();
    let cause = Cause {
        event_id: recorded.id,
        correlation_id: metadata.as_ref().map_or(call.0, |metadata| metadata.correlation_id),
        traceparent: metadata.and_then(|metadata| metadata.traceparent),
    };
    changes.extend(reactions.into_iter().map(|reaction| match reaction {
        Reaction::Do { effect_id, work, due } => {
            let (position, cause) = (recorded.position, cause.clone());
            WorkChange::Do(WorkItem { effect_id, call, client, work, due, attempts: 0, position, cause })
        }
        Reaction::Done { effect_id } => WorkChange::Done(effect_id),
        Reaction::Arm { timer, due } => {
            WorkChange::Arm(TimerItem { call, client, timer, due, cause: cause.clone() })
        }
        Reaction::Disarm { timer } => WorkChange::Disarm(call, timer),
        Reaction::Close => WorkChange::Close(call),
    }));
    Ok(())
}
