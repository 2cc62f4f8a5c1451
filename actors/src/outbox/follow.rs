//! The process manager of calls: reads the log and turns events into effects and timers.

use chrono::TimeDelta;
use domain::billing::account::CreditEvent;
use domain::call::{CallEvent, Reaction, Timer, Work, react};
use domain::conversation::ConversationEvent;
use domain::envelope::{Position, Recorded};
use domain::ids::{
    AccountId, AgentId, AgentSyncId, CallId, ConversationId, CreditAccountId, DocumentId, IvrSessionId,
    KnowledgeBaseId, LegId, MemoryId, PriceBookId, UploadId, derive,
};
use domain::ivr::session::{self, SessionEvent};
use domain::leg::LegEvent;
use domain::memory::MemoryEvent;
use domain::ports::event_store::{History, ReadError, Subscription, history_of};
use domain::ports::outbox::{Cause, OutboxError, OutboxItem, TimerItem, WorkChange};
use domain::upload::{UNUSED_FOR, UploadEvent};
use domain::wire::{DecodeError, DomainEvent};
use futures::FutureExt as _;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::time::JobClock;
use super::{OutboxDeps, Owned, hosted, lack};

const BATCH: usize = 1_000;
/// What changes what a call costs once it is over.
const CHARGED_AFTER: [&str; 5] =
    ["call.ended", "call.cost_recorded", "call.runtime_billed", "call.end_explained", "call.merged"];
/// When the cover of a call is first looked at.
const FIRST_WATCH: TimeDelta = TimeDelta::seconds(15);
const PAUSE_AFTER_FAULT: Duration = Duration::from_millis(500);
/// How often it is looked whether effects that were too many for memory have become few enough.
const LOAD_AGAIN: Duration = Duration::from_secs(1);

/// Why following the log stopped.
#[derive(Debug, thiserror::Error)]
enum FollowError {
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error(transparent)]
    Work(#[from] OutboxError),
    #[error("event {position} cannot be read")]
    Event {
        position: Position,
        #[source]
        error: DecodeError,
    },
}

/// Follows the log until the lease is lost. A fault is reported and tried again: skipping an event could lose an
/// effect. `read` is cancelled once the log was read to where it ended when the lease was taken.
pub(super) async fn follow(owned: &Owned, read: &CancellationToken, lease_lost: &CancellationToken) {
    while !lease_lost.is_cancelled() {
        let error = tokio::select! {
            () = lease_lost.cancelled() => return,
            Err(error) = keep_following(owned, read) => error,
        };
        if matches!(error, FollowError::Work(OutboxError::Deposed)) {
            tracing::warn!("another node keeps the outbox now");
            return lease_lost.cancel();
        }
        tracing::error!(error = &error as &dyn std::error::Error, "the outbox does not follow the log");
        let clock = &owned.deps.runtime.clock;
        tokio::select! {
            () = lease_lost.cancelled() => {}
            () = clock.sleep(PAUSE_AFTER_FAULT) => {}
        }
    }
}

async fn keep_following(
    owned: &Owned,
    read: &CancellationToken,
) -> Result<std::convert::Infallible, FollowError> {
    let Owned { deps, lease, time, effects, effects_changed, timers } = owned;
    let store = &deps.runtime.store;
    let mut at = checkpoint(deps).await?;
    // due times are not moved while they are read
    let held = time.hold().await;
    effects.load(at).await.map_err(OutboxError::from)?;
    drop(held);
    timers.look_again();
    let mut loaded = deps.runtime.clock.monotonic();
    let mut priced = has_prices(deps).await?;
    let head = store.head().await?;
    // effects carry only ids; the worker asks the call itself for the rest
    let mut log = Subscription::new(store.for_reader_of(&[]).unwrap_or_else(|| store.clone()), at, BATCH);
    let (found, mut lacking) = mpsc::channel(1);
    let mut search = std::pin::pin!(lack::search(owned, at, found).fuse());
    loop {
        if at >= head {
            read.cancel();
        }
        let events = tokio::select! {
            events = log.next() => events?,
            Some(lack) = lacking.recv() => {
                lack::order(owned, at, lack).await?;
                continue;
            }
            () = &mut search => continue,
        };
        owned.keep_up().await;
        let held = time.hold().await;
        let mut changes = Vec::new();
        for recorded in &events {
            priced |= recorded.stream.category() == PriceBookId::CATEGORY;
            changes_of(recorded, time, priced, &mut changes)
                .map_err(|error| FollowError::Event { position: recorded.position, error })?;
        }
        deps.store.commit(lease, at, log.reached(), &changes).await?;
        at = log.position();
        effects.follow(&changes, at);
        drop(held);
        timers.follow(&changes);
        effects_changed.notify_one();
        let now = deps.runtime.clock.monotonic();
        if effects.is_in_store_only() && now.saturating_duration_since(loaded) >= LOAD_AGAIN {
            let _held = time.hold().await;
            effects.load(at).await.map_err(OutboxError::from)?;
            loaded = now;
        }
    }
}

/// How far the outbox has come in this log. An outbox of another history begins anew.
async fn checkpoint(deps: &OutboxDeps) -> Result<Position, FollowError> {
    let reached = deps.store.checkpoint().await.map_err(OutboxError::from)?;
    match history_of(&*deps.runtime.store, reached).await? {
        History::Same => Ok(reached.position),
        found => {
            tracing::error!(
                position = reached.position.0,
                ?found,
                "the outbox holds work of events that are not in the log: it is made anew from the log"
            );
            deps.store.start_anew().await.map_err(OutboxError::from)?;
            Ok(Position::START)
        }
    }
}

fn changes_of(
    recorded: &Recorded,
    time: &JobClock,
    priced: bool,
    changes: &mut Vec<WorkChange>,
) -> Result<(), DecodeError> {
    let (event_type, schema) = (&*recorded.event_type, recorded.schema);
    let reactions = match recorded.stream.category() {
        // the stored webhook is large and never has an effect
        CallId::CATEGORY if event_type != "call.carrier_event_received" => {
            if event_type == "call.recording_saved" {
                changes.push(storing(recorded, time));
            }
            changes.extend(hosted::watching(recorded, time)?);
            if priced && CHARGED_AFTER.contains(&event_type) {
                changes.push(charging(recorded, time));
            }
            react(&CallEvent::decode(event_type, schema, &recorded.payload)?)
        }
        UploadId::CATEGORY => {
            changes.extend(of_upload(
                recorded,
                time,
                &UploadEvent::decode(event_type, schema, &recorded.payload)?,
            ));
            return Ok(());
        }
        DocumentId::CATEGORY => {
            changes.extend(of_document(recorded, time));
            return Ok(());
        }
        KnowledgeBaseId::CATEGORY if event_type == "kb.deleted" => {
            changes.push(of_knowledge(recorded, time, Work::DropKnowledgeBase));
            return Ok(());
        }
        MemoryId::CATEGORY => {
            let fact = MemoryEvent::decode(event_type, schema, &recorded.payload)?;
            changes.extend(of_memory(recorded, time, &fact));
            return Ok(());
        }
        AgentId::CATEGORY | AgentSyncId::CATEGORY | AccountId::CATEGORY => {
            changes.extend(hosted::syncing(recorded, time)?);
            return Ok(());
        }
        IvrSessionId::CATEGORY => {
            session::react(&SessionEvent::decode(event_type, schema, &recorded.payload)?)
        }
        LegId::CATEGORY => {
            let LegEvent::Bound(bound) = LegEvent::decode(event_type, schema, &recorded.payload)?;
            changes.extend(bound.instead_of.map(|_| merger(recorded, time)));
            return Ok(());
        }
        CreditAccountId::CATEGORY if event_type == "credit_account.posted" => {
            changes.extend(watching(recorded, time)?);
            return Ok(());
        }
        ConversationId::CATEGORY if matters(event_type) => {
            let fact = ConversationEvent::decode(event_type, schema, &recorded.payload)?;
            changes.extend(of_conversation(recorded, time, &fact));
            return Ok(());
        }
        _ => return Ok(()),
    };
    if reactions.is_empty() {
        return Ok(());
    }
    let (subject, client) = (recorded.stream.id(), recorded.client_id);
    let cause = cause_of(recorded);
    changes.extend(reactions.into_iter().map(|reaction| match reaction {
        Reaction::Do { effect_id, work, after } => {
            let due = time.due(recorded.recorded_at, after.unwrap_or_default());
            let (position, cause) = (recorded.position, cause.clone());
            WorkChange::Do(OutboxItem { effect_id, subject, client, work, due, attempts: 0, position, cause })
        }
        Reaction::Done { effect_id } => WorkChange::Done(effect_id),
        Reaction::Arm { timer, after } => {
            let due = time.due(recorded.recorded_at, after);
            WorkChange::Arm(TimerItem { subject, client, timer, due, cause: cause.clone() })
        }
        Reaction::Disarm { timer } => WorkChange::Disarm(subject, timer),
        Reaction::Close => WorkChange::Close(subject),
    }));
    Ok(())
}

/// The effect of a finished recording. It has a subject of its own: the end of the call does not end it.
fn storing(recorded: &Recorded, time: &JobClock) -> WorkChange {
    let effect_id = derive(recorded.id, "store");
    WorkChange::Do(OutboxItem {
        effect_id,
        subject: effect_id,
        client: recorded.client_id,
        work: Work::StoreRecording,
        due: time.due(recorded.recorded_at, TimeDelta::zero()),
        attempts: 0,
        position: recorded.position,
        cause: cause_of(recorded),
    })
}

/// The effect of a new content of a document, or of its end, in place of those that were open.
fn of_document(recorded: &Recorded, time: &JobClock) -> Vec<WorkChange> {
    let work = match &*recorded.event_type {
        "kb_document.ingested" | "kb_document.retried" => Work::IngestDocument,
        "kb_document.deleted" => Work::DropDocument,
        _ => return vec![],
    };
    vec![WorkChange::Close(recorded.stream.id()), of_knowledge(recorded, time, work)]
}

fn of_knowledge(recorded: &Recorded, time: &JobClock, work: Work) -> WorkChange {
    knowledge_effect(recorded, time, work, derive(recorded.id, work.as_str()))
}

pub(super) fn knowledge_effect(
    recorded: &Recorded,
    time: &JobClock,
    work: Work,
    effect_id: uuid::Uuid,
) -> WorkChange {
    WorkChange::Do(OutboxItem {
        effect_id,
        subject: recorded.stream.id(),
        client: recorded.client_id,
        work,
        due: time.due(recorded.recorded_at, TimeDelta::zero()),
        attempts: 0,
        position: recorded.position,
        cause: cause_of(recorded),
    })
}

/// The effect that charges a call. It has a subject of its own: the end of the call does not end it.
fn charging(recorded: &Recorded, time: &JobClock) -> WorkChange {
    let effect_id = derive(recorded.id, "charge");
    WorkChange::Do(OutboxItem {
        effect_id,
        subject: effect_id,
        client: recorded.client_id,
        work: Work::ChargeCall,
        due: time.due(recorded.recorded_at, TimeDelta::zero()),
        attempts: 0,
        position: recorded.position,
        cause: cause_of(recorded),
    })
}

/// The effect that watches the credit of a call, from when something was first held for it until it ends.
fn watching(recorded: &Recorded, time: &JobClock) -> Result<Option<WorkChange>, DecodeError> {
    let fact = CreditEvent::decode(&recorded.event_type, recorded.schema, &recorded.payload)?;
    let CreditEvent::Posted(posted) = fact else { return Ok(None) };
    Ok(posted.opens.then(|| {
        WorkChange::Do(OutboxItem {
            effect_id: derive(posted.id.0, "watch"),
            subject: posted.source.id,
            client: recorded.client_id,
            work: Work::WatchCredit,
            due: time.due(recorded.recorded_at, FIRST_WATCH),
            attempts: 0,
            position: recorded.position,
            cause: cause_of(recorded),
        })
    }))
}

/// Whether there are prices, so that calls are charged.
async fn has_prices(deps: &OutboxDeps) -> Result<bool, FollowError> {
    match &deps.billing {
        None => Ok(false),
        Some(billing) => billing
            .has_prices()
            .await
            .map_err(|error| FollowError::Read(ReadError::Unavailable(error.to_string()))),
    }
}

/// The timer of a file that waits for somebody to use it.
fn of_upload(recorded: &Recorded, time: &JobClock, fact: &UploadEvent) -> Option<WorkChange> {
    let subject = recorded.stream.id();
    match fact {
        UploadEvent::Presigned(_) => {
            let due = time.due(recorded.recorded_at, UNUSED_FOR);
            let (client, cause) = (recorded.client_id, cause_of(recorded));
            Some(WorkChange::Arm(TimerItem { subject, client, timer: Timer::Unused, due, cause }))
        }
        UploadEvent::Used(_) => Some(WorkChange::Disarm(subject, Timer::Unused)),
        UploadEvent::Received(_) | UploadEvent::Removed(_) => None,
    }
}

/// The effect of a leg's name that leads to another call than before: the two calls are one.
fn merger(recorded: &Recorded, time: &JobClock) -> WorkChange {
    WorkChange::Do(OutboxItem {
        effect_id: derive(recorded.id, "merge"),
        subject: recorded.stream.id(),
        client: recorded.client_id,
        work: Work::MergeCall,
        due: time.due(recorded.recorded_at, TimeDelta::zero()),
        attempts: 0,
        position: recorded.position,
        cause: cause_of(recorded),
    })
}

/// The effect of a conversation that is over: what it showed of the person is remembered.
fn remembering(recorded: &Recorded, time: &JobClock) -> WorkChange {
    WorkChange::Do(OutboxItem {
        effect_id: derive(recorded.id, "remember"),
        subject: recorded.stream.id(),
        client: recorded.client_id,
        work: Work::Remember,
        due: time.due(recorded.recorded_at, TimeDelta::zero()),
        attempts: 0,
        position: recorded.position,
        cause: cause_of(recorded),
    })
}

/// The timer of a memory that expires.
fn of_memory(recorded: &Recorded, time: &JobClock, fact: &MemoryEvent) -> Option<WorkChange> {
    let subject = recorded.stream.id();
    let (expires_at, at) = match fact {
        MemoryEvent::Recorded(recorded) => (recorded.expires_at, recorded.at),
        MemoryEvent::Updated(updated) => (updated.expires_at, updated.at),
        MemoryEvent::Confirmed(_) => return None,
        MemoryEvent::Superseded(_) | MemoryEvent::Forgotten(_) | MemoryEvent::Expired(_) => {
            return Some(WorkChange::Disarm(subject, Timer::Expiry));
        }
    };
    let Some(expires_at) = expires_at else { return Some(WorkChange::Disarm(subject, Timer::Expiry)) };
    let due = time.due(recorded.recorded_at, expires_at - at);
    let (client, cause) = (recorded.client_id, cause_of(recorded));
    Some(WorkChange::Arm(TimerItem { subject, client, timer: Timer::Expiry, due, cause }))
}

/// Whether such an event of a conversation can have an effect.
fn matters(event_type: &str) -> bool {
    matches!(
        event_type,
        "conversation.turn_started"
            | "conversation.turn_completed"
            | "conversation.turn_failed"
            | "conversation.ended"
    )
}

/// The effects of a conversation's event: a timer that fails an unfinished turn, speech of an answer or an apology
/// on the conversation's call, and the update for clients, at once or later.
fn of_conversation(recorded: &Recorded, time: &JobClock, fact: &ConversationEvent) -> Vec<WorkChange> {
    // the speech has an id derived from the answer, or from the turn
    let wake = |after: TimeDelta| {
        let (subject, client, cause) = (recorded.stream.id(), recorded.client_id, cause_of(recorded));
        let due = time.due(recorded.recorded_at, after);
        WorkChange::Arm(TimerItem { subject, client, timer: Timer::Update, due, cause })
    };
    let (call, named, tell_after) = match fact {
        // if the node that answers dies, the timer finds the turn still open
        ConversationEvent::TurnStarted(started) => return vec![wake(started.ends_by - started.at)],
        ConversationEvent::TurnCompleted(done) => {
            (done.call, done.id.0, done.tell_at.map(|tell_at| tell_at - done.at))
        }
        ConversationEvent::Ended(_) => return vec![remembering(recorded, time)],
        // not the turn's id: a turn that is begun again can fail again
        ConversationEvent::TurnFailed(failed) => (failed.call, recorded.id, None),
        _ => return vec![],
    };
    let spoken = call.map(|call| {
        WorkChange::Do(OutboxItem {
            effect_id: derive(named, "reply"),
            subject: call.0,
            client: recorded.client_id,
            work: Work::SpeakReply,
            due: time.due(recorded.recorded_at, TimeDelta::zero()),
            attempts: 0,
            position: recorded.position,
            cause: cause_of(recorded),
        })
    });
    spoken.into_iter().chain(tell_after.map(wake)).collect()
}

/// An event as the cause of what follows from it.
pub(crate) fn cause_of(recorded: &Recorded) -> Cause {
    let metadata = recorded.metadata().ok();
    Cause {
        event_id: recorded.id,
        correlation_id: metadata.as_ref().map_or(recorded.stream.id(), |metadata| metadata.correlation_id),
        traceparent: metadata.and_then(|metadata| metadata.traceparent),
    }
}
