//! Durable timers: they fire once, late rather than never.

use chrono::TimeDelta;
use domain::call::{CallCommand, Timer};
use domain::ids::{CallId, ConversationId, IvrSessionId};
use domain::ports::lease::Lease;
use domain::ports::outbox::TimerItem;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use super::time::{JobClock, LONGEST_SLEEP};
use super::{OutboxDeps, keep_up};
use crate::context::CommandContext;
use crate::session::CommandError;

const BATCH: usize = 256;
/// Turns under way end within this time at the latest; `ORPHANS` is how many of them are looked at.
const TURN_HORIZON: TimeDelta = TimeDelta::minutes(30);
const ORPHANS: usize = 10_000;
/// Fires the timers that are due until the lease is lost.
pub(super) async fn fire(
    deps: &OutboxDeps,
    lease: &Lease,
    time: &JobClock,
    news: &Notify,
    mine: &CancellationToken,
) {
    fail_orphans(deps, time).await;
    while !mine.is_cancelled() {
        let woken = news.notified();
        keep_up(deps, lease, time).await;
        let held = time.hold().await;
        let seen = time.now();
        let due = deps.store.due_timers(seen, BATCH).await.unwrap_or_else(|error| {
            tracing::warn!(%error, "timers cannot be read");
            Vec::new()
        });
        drop(held);
        let mut fired_all = due.len() == BATCH;
        for timer in &due {
            if mine.is_cancelled() {
                // the next owner fires the rest
                return;
            }
            let cause = timer.cause.traceparent.as_deref();
            let span = deps.runtime.trace.continuing(cause, || {
                tracing::info_span!(
                    parent: None,
                    "timer.fire",
                    otel.kind = "consumer",
                    timer = timer.timer.as_str(),
                    messaging.system = "voxledger",
                    messaging.operation.type = "process",
                    messaging.destination.name = "timers",
                )
            });
            fired_all &= fire_one(deps, timer).instrument(span).await;
        }
        if fired_all {
            continue;
        }
        let until = deps.sleep_limit(seen, LONGEST_SLEEP).await;
        tokio::select! {
            () = mine.cancelled() => {}
            () = woken => {}
            () = time.sleep_until(until) => {}
        }
    }
}

/// Records turns as failed when their node is known to be gone: this node died over them before it was started
/// again. Turns of other nodes are recorded when their time is over.
async fn fail_orphans(deps: &OutboxDeps, time: &JobClock) {
    let latest = time.now() + TURN_HORIZON;
    let waiting = match deps.store.due_timers(latest, ORPHANS).await {
        Ok(waiting) => waiting,
        Err(error) => return tracing::warn!(%error, "turns of a node that died are noted later"),
    };
    for timer in waiting.iter().filter(|timer| timer.timer == Timer::Update) {
        let context = CommandContext::following("timer", timer.client, &timer.cause);
        if let Err(error) =
            deps.voice.conversations.fail_orphan(ConversationId(timer.subject), &context).await
        {
            tracing::info!(conversation.id = %timer.subject, error, "a turn of a node that died is noted later");
        }
    }
}

/// Fires a timer; answers whether it is settled. A refusal settles it too; when the log cannot be reached the
/// timer stays and fires again.
async fn fire_one(deps: &OutboxDeps, timer: &TimerItem) -> bool {
    let context = CommandContext::following("timer", timer.client, &timer.cause);
    let fired = match timer.timer {
        Timer::Ivr => {
            let session = IvrSessionId(timer.subject);
            deps.ivr.timer_fired(session, timer.cause.event_id, context).await.map_err(|e| e.to_string())
        }
        Timer::Update => {
            let conversation = ConversationId(timer.subject);
            deps.voice.conversations.wake(conversation, timer.cause.event_id, &context).await
        }
        of_call => {
            let command = CallCommand::TimerFired { timer: of_call, now: deps.runtime.clock.now() };
            match deps.calls.execute(CallId(timer.subject), command, context, None).await {
                Ok(_) | Err(CommandError::Refused(_)) => Ok(()),
                Err(error) => Err(error.to_string()),
            }
        }
    };
    match fired {
        Ok(()) => {}
        Err(error) => {
            tracing::warn!(subject = %timer.subject, timer = timer.timer.as_str(), %error, "timer fires again later");
            return false;
        }
    }
    match deps.store.fired(timer).await {
        Ok(()) => true,
        Err(error) => {
            tracing::warn!(%error, "timer not removed, it will fire again");
            false
        }
    }
}
