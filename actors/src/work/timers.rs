//! Durable timers: they fire once, late rather than never.

use std::time::Duration;

use domain::call::{CallCommand, Timer};
use domain::conversation::ConversationCommand;
use domain::ids::{CallId, ConversationId, IvrSessionId};
use domain::ports::work::TimerItem;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::Workbench;
use crate::context::CommandContext;
use crate::session::CommandError;

const BATCH: usize = 256;
/// Never sleeps longer, in case a notice was missed.
const LONGEST_SLEEP: Duration = Duration::from_secs(1);

/// Fires what is due until the job is lost.
pub(super) async fn fire(bench: &Workbench, news: &Notify, mine: &CancellationToken) {
    let clock = &bench.runtime.clock;
    while !mine.is_cancelled() {
        let woken = news.notified();
        let seen = clock.now();
        let due = bench.store.due_timers(seen, BATCH).await.unwrap_or_else(|error| {
            tracing::warn!(%error, "timers cannot be read");
            Vec::new()
        });
        let mut fired_all = due.len() == BATCH;
        for timer in &due {
            if mine.is_cancelled() {
                // the next owner fires the rest
                return;
            }
            fired_all &= fire_one(bench, timer).await;
        }
        if fired_all {
            continue;
        }
        let until = bench.sleep_limit(seen, LONGEST_SLEEP).await;
        tokio::select! {
            () = mine.cancelled() => {}
            () = woken => {}
            () = clock.sleep_until(until) => {}
        }
    }
}

/// A refusal is an answer too; a log that cannot be reached is not: the timer stays and fires again.
async fn fire_one(bench: &Workbench, timer: &TimerItem) -> bool {
    let context = CommandContext::following("timer", timer.client, &timer.cause);
    let fired = match timer.timer {
        Timer::Ivr => {
            bench.ivr.timer_fired(IvrSessionId(timer.subject), context).await.map_err(|e| e.to_string())
        }
        Timer::Update => {
            let (talks, now) = (&bench.voice.talks, bench.runtime.clock.now());
            let tell = ConversationCommand::TellUpdates { now };
            match talks.execute(ConversationId(timer.subject), tell, context, None).await {
                Ok(_) | Err(CommandError::Refused(_)) => Ok(()),
                Err(error) => Err(error.to_string()),
            }
        }
        of_call => {
            let command = CallCommand::TimerFired { timer: of_call, now: bench.runtime.clock.now() };
            match bench.calls.execute(CallId(timer.subject), command, context, None).await {
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
    match bench.store.fired(timer).await {
        Ok(()) => true,
        Err(error) => {
            tracing::warn!(%error, "timer not removed, it will fire again");
            false
        }
    }
}
