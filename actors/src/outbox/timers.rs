//! Durable timers: they fire once, late rather than never.

use chrono::TimeDelta;
use domain::call::{CallCommand, Timer};
use domain::envelope::Time;
use domain::ids::{CallId, ConversationId, IvrSessionId, MemoryId, UploadId};
use domain::ports::outbox::{TimerItem, WorkChange};
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use super::time::{JobClock, LONGEST_SLEEP};
use super::{OutboxDeps, Owned};
use crate::context::CommandContext;
use crate::session::CommandError;

const BATCH: usize = 256;
/// Turns under way end within this time at the latest; `ORPHANS` is how many of them are looked at.
const TURN_HORIZON: TimeDelta = TimeDelta::minutes(30);
const ORPHANS: usize = 10_000;

/// When the next timer is due, so that the store is asked only when one is.
#[derive(Debug)]
pub(super) struct NextTimer {
    /// Not later than the next timer; `None` while none is set.
    due: Mutex<Option<Time>>,
    earlier: Notify,
}

impl Default for NextTimer {
    fn default() -> Self {
        Self { due: Mutex::new(Some(Time::MIN_UTC)), earlier: Notify::new() }
    }
}

impl NextTimer {
    /// Has the store asked, whatever is known.
    pub(super) fn look_again(&self) {
        self.may_be_due(Some(Time::MIN_UTC));
    }

    /// Takes over the changes that were committed to the store.
    pub(super) fn follow(&self, changes: &[WorkChange]) {
        let armed = changes.iter().filter_map(|change| match change {
            WorkChange::Arm(timer) => Some(timer.due),
            _ => None,
        });
        self.may_be_due(armed.min());
    }

    /// A timer may be due then; `None`: nothing was learned.
    fn may_be_due(&self, then: Option<Time>) {
        let Some(then) = then else { return };
        let mut due = self.due.lock();
        if due.is_none_or(|due| then < due) {
            *due = Some(then);
            self.earlier.notify_one();
        }
    }

    fn get(&self) -> Option<Time> {
        *self.due.lock()
    }

    /// Forgets what is known because the store is asked now; what is learned meanwhile counts again.
    fn forget(&self) {
        *self.due.lock() = None;
    }
}

/// Fires the timers that are due until the lease is lost.
pub(super) async fn fire(owned: &Owned, lease_lost: &CancellationToken) {
    let Owned { deps, time, timers, .. } = owned;
    fail_orphans(deps, time).await;
    while !lease_lost.is_cancelled() {
        owned.keep_up().await;
        let now = time.now();
        let until = match timers.get() {
            Some(due) if due <= now => {
                timers.forget();
                let next = match fire_due(owned, lease_lost).await {
                    Fired::All => deps.store.next_timer().await.ok(),
                    Fired::More => Some(Some(Time::MIN_UTC)),
                    Fired::NotAll => None,
                };
                // what failed is tried again after a pause; a timer that is set meanwhile need not wait for it
                timers.may_be_due(next.unwrap_or_else(|| Some(time.now() + LONGEST_SLEEP)));
                continue;
            }
            Some(due) => due.min(now + LONGEST_SLEEP),
            None => now + LONGEST_SLEEP,
        };
        tokio::select! {
            () = lease_lost.cancelled() => {}
            () = timers.earlier.notified() => {}
            () = time.sleep_until(until) => {}
        }
    }
}

/// How an attempt to fire everything that is due ended.
enum Fired {
    /// Nothing that was due is left.
    All,
    /// More is due than was looked at.
    More,
    /// A timer could not be fired, or the timers cannot be read.
    NotAll,
}

async fn fire_due(owned: &Owned, lease_lost: &CancellationToken) -> Fired {
    let Owned { deps, time, .. } = owned;
    let held = time.hold().await;
    let due = deps.store.due_timers(time.now(), BATCH).await;
    drop(held);
    let due = match due {
        Ok(due) => due,
        Err(error) => {
            tracing::warn!(%error, "timers cannot be read");
            return Fired::NotAll;
        }
    };
    let mut all = true;
    for timer in &due {
        if lease_lost.is_cancelled() {
            // the next owner fires the rest
            return Fired::NotAll;
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
        all &= fire_one(deps, timer).instrument(span).await;
    }
    match (all, due.len() == BATCH) {
        (false, _) => Fired::NotAll,
        (true, true) => Fired::More,
        (true, false) => Fired::All,
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
        Timer::Expiry => {
            let memory = MemoryId(timer.subject);
            match &deps.memories {
                Some(memories) => memories.expire(timer.client, memory, &timer.cause).await,
                None => Ok(()),
            }
            .map_err(|error| error.to_string())
        }
        Timer::Unused => {
            let upload = UploadId(timer.subject);
            deps.uploads.expire(timer.client, upload, &timer.cause).await.map_err(|error| error.to_string())
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
