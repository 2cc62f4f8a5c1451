//! What to do in the world because of a fact. Effects are data; the outbox performs them.
//!
//! A fact's time may come from the carrier's clock. It orders what was said and never schedules anything: a
//! reaction says only how long to wait after the fact was recorded.

use chrono::TimeDelta;
use uuid::Uuid;

use super::command::Timer;
use super::event::{CallEvent, IvrNews};
use super::terms::CommandKind;
use crate::ids::derive;
use crate::ivr::session::SAFETY_NET;

/// How long a webhook about the end of a leg may take before we ask the carrier.
const END_GRACE: TimeDelta = TimeDelta::seconds(30);
/// The same, once the carrier said that the leg is gone.
const GONE_GRACE: TimeDelta = TimeDelta::seconds(10);
/// How long a voice runtime may take to complete what was said, once a call is seen to be over.
const EARLY_TRANSCRIPT: TimeDelta = TimeDelta::seconds(60);
/// How long a lost dial may take to appear before we ask the carrier.
const DIAL_GRACE: TimeDelta = TimeDelta::seconds(2);

/// Work the outbox does for a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Work {
    /// A command to the carrier; the call knows its content.
    Command(CommandKind),
    /// Look for a lost dial at the carrier.
    Reconcile,
    /// Ask the carrier whether the leg still lives.
    CheckLeg,
    /// Notify the IVR session of an event on its call.
    TellIvr,
    /// For an IVR session: give its call the next command.
    OrderCall,
    /// For an IVR session: call the client's webhook.
    AskWebhook,
    /// Notify the conversation of what was said on its call.
    Converse,
    /// Speak the agent's answer on the call.
    SpeakReply,
    /// For a carrier's leg: merge the call it began by itself into the call it belongs to.
    MergeCall,
    /// For a recording: fetch its file into the object store.
    StoreRecording,
    /// For a document of a knowledge base: read, cut and embed its newest content.
    IngestDocument,
    /// For a deleted document: remove its passages and files.
    DropDocument,
    /// For a deleted knowledge base: delete its documents.
    DropKnowledgeBase,
    /// For a conversation that is over: remember what it showed of the customer.
    Remember,
    /// For a call that is over, or whose cost became known: charge its client.
    ChargeCall,
    /// For a call that credit is kept for: keep more while it lasts, or end it.
    WatchCredit,
    /// For a call at a hosted voice runtime: ask there what its webhooks did not tell, until it is billed.
    WatchHosted,
    /// For a call at a hosted voice runtime that is over: read what was said.
    FetchTranscript,
    /// For an agent: bring its copy at the hosted voice runtime up to date.
    SyncAgent,
    /// For an agent's copy: compare it with what was written there, now and then.
    CheckAgent,
    /// For a client's account with a voice runtime: sync the client's agents.
    SyncAccount,
}

impl Work {
    /// Name as stored, for example `check_leg`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Work::Command(kind) => kind.as_str(),
            Work::Reconcile => "reconcile",
            Work::CheckLeg => "check_leg",
            Work::TellIvr => "tell_ivr",
            Work::OrderCall => "order_call",
            Work::AskWebhook => "ask_webhook",
            Work::Converse => "converse",
            Work::SpeakReply => "speak_reply",
            Work::MergeCall => "merge_call",
            Work::StoreRecording => "store_recording",
            Work::IngestDocument => "ingest_document",
            Work::DropDocument => "drop_document",
            Work::DropKnowledgeBase => "drop_knowledge_base",
            Work::Remember => "remember",
            Work::ChargeCall => "charge_call",
            Work::WatchCredit => "watch_credit",
            Work::WatchHosted => "watch_hosted",
            Work::FetchTranscript => "fetch_transcript",
            Work::SyncAgent => "sync_agent",
            Work::CheckAgent => "check_agent",
            Work::SyncAccount => "sync_account",
        }
    }

    /// Whether it must wait for earlier work of the same call or agent: commands to the carrier, except those that
    /// end or refuse the call, and syncs of an agent, of which two at a time would create two copies.
    #[must_use]
    pub const fn is_ordered(self) -> bool {
        match self {
            Work::Command(kind) => !matches!(kind, CommandKind::HangUp | CommandKind::Reject),
            Work::SyncAgent => true,
            _ => false,
        }
    }

    /// Reads a stored name; `None` for an unknown one.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "reconcile" => Some(Work::Reconcile),
            "check_leg" => Some(Work::CheckLeg),
            "tell_ivr" => Some(Work::TellIvr),
            "order_call" => Some(Work::OrderCall),
            "ask_webhook" => Some(Work::AskWebhook),
            "converse" => Some(Work::Converse),
            "speak_reply" => Some(Work::SpeakReply),
            "merge_call" => Some(Work::MergeCall),
            "store_recording" => Some(Work::StoreRecording),
            "ingest_document" => Some(Work::IngestDocument),
            "drop_document" => Some(Work::DropDocument),
            "drop_knowledge_base" => Some(Work::DropKnowledgeBase),
            "remember" => Some(Work::Remember),
            "charge_call" => Some(Work::ChargeCall),
            "watch_credit" => Some(Work::WatchCredit),
            "watch_hosted" => Some(Work::WatchHosted),
            "fetch_transcript" => Some(Work::FetchTranscript),
            "sync_agent" => Some(Work::SyncAgent),
            "check_agent" => Some(Work::CheckAgent),
            "sync_account" => Some(Work::SyncAccount),
            _ => name.parse().ok().map(Work::Command),
        }
    }
}

/// A change to the outbox or to the timers of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reaction {
    /// Put work into the outbox.
    Do {
        /// Idempotency id, the same on every reading of the log.
        effect_id: Uuid,
        work: Work,
        /// Delay from when the fact was recorded; `None`: at once.
        after: Option<TimeDelta>,
    },
    /// The work is done or no longer needed.
    Done { effect_id: Uuid },
    /// Start a timer, in place of a running one of the same kind.
    Arm {
        timer: Timer,
        /// Delay from when the fact was recorded.
        after: TimeDelta,
    },
    /// Stop a timer that is running.
    Disarm { timer: Timer },
    /// Nothing more is to be done for the call.
    Close,
}

/// Work and timer changes that follow from a fact.
#[must_use]
pub fn react(event: &CallEvent) -> Vec<Reaction> {
    let command = |effect_id, kind| vec![Reaction::Do { effect_id, work: Work::Command(kind), after: None }];
    match event {
        CallEvent::Queued(e) => command(e.command_id, CommandKind::Dial),
        CallEvent::AnswerRequested(e) => command(e.effect_id, CommandKind::Answer),
        CallEvent::RejectRequested(e) => command(e.effect_id, CommandKind::Reject),
        CallEvent::HangUpRequested(e) => command(e.effect_id, CommandKind::HangUp),
        CallEvent::SpeechRequested(e) => command(e.effect_id, CommandKind::Speak),
        CallEvent::TransferRequested(e) => command(e.effect_id, CommandKind::Transfer),
        CallEvent::DtmfRequested(e) => command(e.effect_id, CommandKind::SendDtmf),
        CallEvent::TranscriptionRequested(e) => command(e.effect_id, CommandKind::Transcribe),
        CallEvent::RecordingRequested(e) => command(e.effect_id, CommandKind::StartRecording),
        CallEvent::Received(e) => vec![Reaction::Arm { timer: Timer::Ring, after: e.ring_until - e.at }],
        CallEvent::DialStarted(e) => vec![Reaction::Arm { timer: Timer::Ring, after: e.ring_until - e.at }],
        CallEvent::DialPostponed(_) => vec![Reaction::Disarm { timer: Timer::Ring }],
        CallEvent::DialUnknown(e) => vec![
            Reaction::Done { effect_id: e.effect_id },
            Reaction::Do {
                effect_id: derive(e.effect_id, "reconcile"),
                work: Work::Reconcile,
                after: Some(DIAL_GRACE),
            },
        ],
        CallEvent::DialAccepted(e) => vec![
            Reaction::Done { effect_id: e.effect_id },
            Reaction::Done { effect_id: derive(e.effect_id, "reconcile") },
        ],
        CallEvent::Answered(e) => vec![
            Reaction::Disarm { timer: Timer::Ring },
            Reaction::Arm { timer: Timer::MaxDuration, after: e.ends_by - e.at },
        ],
        CallEvent::CommandAccepted(e) => {
            let ends = matches!(e.command, CommandKind::HangUp | CommandKind::Reject);
            settled(e.effect_id, ends.then_some(END_GRACE))
        }
        CallEvent::CommandFailed(e) => settled(e.effect_id, e.gone.then_some(GONE_GRACE)),
        CallEvent::GatherRequested(e) => {
            let mut reactions = command(e.effect_id, CommandKind::Gather);
            reactions.push(Reaction::Done { effect_id: derive(e.effect_id, "order") });
            reactions
        }
        CallEvent::IvrSessionRequested(e) => vec![tell_ivr(e.session_id.0)],
        CallEvent::IvrNotified(e) => {
            let mut reactions = vec![tell_ivr(e.id)];
            if let (Some(_), IvrNews::Gathered { ask, .. } | IvrNews::Keyed { ask, .. }) = (e.ahead, &e.news)
            {
                reactions.push(Reaction::Done { effect_id: derive(*ask, "order") });
            }
            reactions
        }
        CallEvent::AgentRequested(e) => {
            vec![Reaction::Do {
                effect_id: derive(e.conversation_id.0, "begin"),
                work: Work::Converse,
                after: None,
            }]
        }
        CallEvent::ConversationNotified(e) => {
            vec![Reaction::Do { effect_id: e.id, work: Work::Converse, after: None }]
        }
        CallEvent::HangUpPlanned(e) => {
            vec![Reaction::Arm { timer: Timer::Farewell, after: e.overdue_at - e.at }]
        }
        CallEvent::RecordingStored(e) => vec![Reaction::Done { effect_id: e.effect_id }],
        CallEvent::RecordingNotStored(e) => vec![Reaction::Done { effect_id: e.effect_id }],
        CallEvent::TranscriptRequested(e) => {
            let after = e.early.then_some(EARLY_TRANSCRIPT);
            vec![Reaction::Do { effect_id: e.effect_id, work: Work::FetchTranscript, after }]
        }
        CallEvent::Ended(_) => vec![Reaction::Close],
        _ => vec![],
    }
}

/// Outbox work as a safety net: the node that wrote the fact notifies the session at once,
/// unless it died first.
fn tell_ivr(effect_id: Uuid) -> Reaction {
    Reaction::Do { effect_id, work: Work::TellIvr, after: Some(SAFETY_NET) }
}

fn settled(effect_id: Uuid, check_after: Option<TimeDelta>) -> Vec<Reaction> {
    let mut reactions = vec![Reaction::Done { effect_id }];
    if check_after.is_some() {
        reactions.push(Reaction::Do {
            effect_id: derive(effect_id, "check"),
            work: Work::CheckLeg,
            after: check_after,
        });
    }
    reactions
}
