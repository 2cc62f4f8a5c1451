//! The state of a call, folded from its events.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::event::{CallEvent, EndCorrected, Ended, HangUpPlanned, IvrNews, RejectCause, StoredFile};
use super::ivr::{GatherSpec, Ivr};
use super::report::{LegRef, LegRole, RuntimeBill};
use super::terms::{
    AnsweredBy, CommandKind, Direction, EndReason, EndedBy, Fault, RecordingFormat, RecordingStatus, Speaker,
    Status,
};
use crate::agent::AgentRuntime;
use crate::envelope::Time;
use crate::ids::{AgentId, CallId, CarrierEventId, ConversationId, LegId, MenuId, NumberId, derive};
use crate::money::Money;
use crate::number::Route;
use crate::personal::Personal;
use crate::phone::Party;
use crate::spoken::Spoken;

/// Most texts that are kept of what a hosted voice runtime was told to say on a call.
const MAX_SPOKEN: usize = 200;

/// A command to the carrier that is not settled yet.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) enum Effect {
    Dial,
    Answer,
    Reject,
    HangUp,
    Speak(Personal<String>),
    Transfer(Personal<Party>),
    SendDtmf(Personal<String>),
    StartRecording(RecordingFormat),
    Gather(Box<GatherSpec>),
    Transcribe,
}

impl Effect {
    pub(super) const fn kind(&self) -> CommandKind {
        match self {
            Effect::Dial => CommandKind::Dial,
            Effect::Answer => CommandKind::Answer,
            Effect::Reject => CommandKind::Reject,
            Effect::HangUp => CommandKind::HangUp,
            Effect::Speak(_) => CommandKind::Speak,
            Effect::Transfer(_) => CommandKind::Transfer,
            Effect::SendDtmf(_) => CommandKind::SendDtmf,
            Effect::StartRecording(_) => CommandKind::StartRecording,
            Effect::Gather(_) => CommandKind::Gather,
            Effect::Transcribe => CommandKind::Transcribe,
        }
    }
}

/// What a client asked for when it queued the call.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Order {
    pub(super) dial_id: Uuid,
    pub(super) to: Personal<Party>,
    pub(super) from: Option<Personal<Party>>,
    pub(super) ring_timeout: Duration,
    pub(super) record: bool,
    #[serde(default)]
    pub(super) runtime: AgentRuntime,
}

/// Where a dial stands towards the carrier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum DialState {
    Waiting,
    Sent,
    Lost,
    Accepted,
}

/// How far a transfer has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Transfer {
    Requested,
    Connected,
}

/// Our request to the carrier to end the call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct HangUpAsked {
    pub(super) reason: EndReason,
    pub(super) by: EndedBy,
    pub(super) at: Time,
}

/// State of a call, folded from its events; empty until the first one.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Call {
    pub(super) direction: Option<Direction>,
    pub(super) provider: String,
    pub(super) order: Option<Box<Order>>,
    pub(super) dial: Option<DialState>,
    pub(super) dial_started_at: Option<Time>,
    pub(super) max_duration: Duration,
    pub(super) route: Option<Route>,
    pub(super) number_id: Option<NumberId>,
    pub(super) from: Option<Personal<Party>>,
    pub(super) to: Option<Personal<Party>>,
    pub(super) appeared_at: Option<Time>,
    pub(super) leg: Option<LegRef>,
    pub(super) ringing: bool,
    /// Another application controls the leg; we send no commands unless a client asks for one.
    pub(super) foreign: bool,
    /// The call that this one was merged into, and which leg of it this one was.
    pub(super) merged: Option<(CallId, LegRole)>,
    pub(super) answered_at: Option<Time>,
    pub(super) answered_by: Option<AnsweredBy>,
    pub(super) hang_up: Option<HangUpAsked>,
    pub(super) rejected: bool,
    /// Whether it was rejected because the client's credit did not cover it.
    pub(super) without_credit: bool,
    pub(super) transfer: Option<Transfer>,
    pub(super) recording: Option<RecordingStatus>,
    /// Files of recordings in the object store.
    pub(super) files: Vec<StoredFile>,
    pub(super) cost: Option<Money>,
    pub(super) charged_legs: BTreeSet<String>,
    /// What the hosted voice runtime bills.
    #[serde(default)]
    pub(super) billed: Option<RuntimeBill>,
    pub(super) ended: Option<Box<Ended>>,
    pub(super) lines: u32,
    /// What a hosted voice runtime was told to say, oldest first.
    #[serde(default)]
    pub(super) spoken: Vec<Personal<String>>,
    /// Lines of the other end, kept to place late ones in order.
    pub(super) heard: Spoken,
    pub(super) menu: Option<MenuId>,
    pub(super) ivr: Option<Box<Ivr>>,
    pub(super) agent: Option<AgentId>,
    pub(super) conversation: Option<ConversationId>,
    /// How many notices the conversation got.
    pub(super) told: u32,
    pub(super) planned: Option<HangUpPlanned>,
    // boxed: a tree has room for eleven in its first leaf, and a call has one
    pub(super) pending: BTreeMap<Uuid, Box<Effect>>,
    pub(super) handled: BTreeSet<Uuid>,
    pub(super) seen: BTreeSet<Uuid>,
}

impl Call {
    /// Whether the call has any history.
    #[must_use]
    pub fn exists(&self) -> bool {
        self.direction.is_some()
    }

    #[must_use]
    pub fn status(&self) -> Status {
        if let Some(ended) = &self.ended {
            return terminal_status(ended, self.answered_at.is_some());
        }
        match self.dial {
            _ if self.answered_at.is_some() => Status::InProgress,
            _ if self.ringing => Status::Ringing,
            Some(DialState::Waiting) => Status::Queued,
            Some(DialState::Lost) => Status::DialUnknown,
            Some(DialState::Sent | DialState::Accepted) | None => Status::Dialing,
        }
    }

    /// When the carrier says it was answered; `None` until then.
    #[must_use]
    pub fn answered_at(&self) -> Option<Time> {
        self.answered_at
    }

    /// Whether the call has ended; only late webhooks can still come.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.ended.is_some()
    }

    /// A file of the call in the object store; `None` when it was removed or is not the call's.
    #[must_use]
    pub fn stored_file(&self, object: &str) -> Option<&StoredFile> {
        self.files.iter().find(|file| file.object == object)
    }

    /// Whether another application controls the leg, as far as is known.
    #[must_use]
    pub fn is_foreign(&self) -> bool {
        self.foreign
    }

    /// The call that this one was merged into.
    #[must_use]
    pub fn merged_into(&self) -> Option<CallId> {
        self.merged.map(|(into, _)| into)
    }

    /// The carrier's ids of the call's own leg, once known.
    #[must_use]
    pub fn leg(&self) -> Option<&LegRef> {
        self.leg.as_ref()
    }

    /// Name of the carrier; empty until known.
    #[must_use]
    pub fn provider(&self) -> &str {
        &self.provider
    }

    /// What talks on the call: what it was queued for, or who reported it.
    #[must_use]
    pub fn runtime(&self) -> AgentRuntime {
        let asked = self.order.as_ref().map(|order| order.runtime);
        asked.unwrap_or_else(|| AgentRuntime::of_provider(&self.provider))
    }

    /// Whether a hosted voice runtime talks on the call, so that this node does not.
    #[must_use]
    pub fn is_hosted(&self) -> bool {
        self.runtime().is_hosted()
    }

    /// What a hosted voice runtime was told to say, oldest first, without what was erased.
    #[must_use]
    pub fn spoken(&self) -> Vec<String> {
        self.spoken.iter().filter_map(|text| text.reveal().cloned()).collect()
    }

    /// The longest that the call may last once it is answered.
    #[must_use]
    pub fn max_duration(&self) -> Duration {
        self.max_duration
    }

    /// What the hosted voice runtime bills; `None` until it says so.
    #[must_use]
    pub fn runtime_bill(&self) -> Option<&RuntimeBill> {
        self.billed.as_ref()
    }

    /// The carrier's id for commands to the leg, once known. The leg id cannot stand in for it: the carrier
    /// would answer that there is no such call.
    #[must_use]
    pub fn control_id(&self) -> Option<&str> {
        self.leg.as_ref()?.control_id.as_deref()
    }

    /// The client's own party: the number that was called, or the caller id it calls with.
    pub(super) fn own_party(&self) -> Option<&Personal<Party>> {
        match self.direction? {
            Direction::Inbound => self.to.as_ref(),
            Direction::Outbound => self.from.as_ref(),
        }
    }

    /// Effect id for this purpose on this call's leg: the same, whichever webhook causes it.
    pub(super) fn effect_of_leg(&self, purpose: &str) -> Uuid {
        let leg_id = self.leg.as_ref().map_or("", |leg| &leg.leg_id);
        derive(LegId::of(&self.provider, leg_id).0, purpose)
    }

    /// The carrier's session id, which the call's legs share.
    #[must_use]
    pub fn leg_session(&self) -> Option<&str> {
        self.leg.as_ref()?.session_id.as_deref()
    }

    /// The latest moment at which a lost dial can still turn up at the carrier.
    #[must_use]
    pub fn dial_deadline(&self) -> Option<Time> {
        let ring_timeout = self.order.as_ref()?.ring_timeout;
        Some(self.dial_started_at? + ring_timeout + Duration::from_secs(30))
    }

    /// The dial whose answer was lost, while we look for it.
    #[must_use]
    pub fn lost_dial(&self) -> Option<Uuid> {
        let order = self.order.as_ref().filter(|_| self.dial == Some(DialState::Lost) && !self.is_over())?;
        Some(order.dial_id)
    }

    pub(super) fn has_seen(&self, provider: &str, event_id: &str) -> bool {
        self.seen.contains(&CarrierEventId::of(provider, event_id).0)
    }

    pub(super) fn apply(&mut self, event: &CallEvent) {
        match event {
            CallEvent::CarrierEventReceived(receipt) => {
                self.seen.insert(CarrierEventId::of(&receipt.provider, &receipt.event_id).0);
            }
            CallEvent::Received(received) => {
                self.direction = Some(received.direction);
                self.provider.clone_from(&received.provider);
                self.leg = Some(received.leg.clone());
                self.number_id = received.number_id;
                self.route = received.route;
                self.from.clone_from(&received.from);
                self.to.clone_from(&received.to);
                self.appeared_at = Some(received.at);
                self.ringing = true;
                self.foreign = received.foreign;
                self.max_duration = super::DEFAULT_MAX_DURATION;
            }
            CallEvent::LegIdentified(known) => {
                self.direction = Some(known.direction);
                self.leg = Some(known.leg.clone());
                self.number_id = known.number_id;
                self.route = known.route;
                self.from.clone_from(&known.from);
                self.to.clone_from(&known.to);
                self.appeared_at = known.appeared_at;
                self.foreign = known.foreign;
            }
            CallEvent::Queued(queued) => {
                self.direction = Some(Direction::Outbound);
                self.dial = Some(DialState::Waiting);
                self.max_duration = Duration::from_millis(queued.max_duration_ms);
                self.from.clone_from(&queued.from);
                self.to = Some(queued.to.clone());
                self.menu = queued.menu_id;
                self.agent = queued.agent_id;
                self.order = Some(Box::new(Order {
                    dial_id: queued.command_id,
                    to: queued.to.clone(),
                    from: queued.from.clone(),
                    ring_timeout: Duration::from_millis(queued.ring_timeout_ms),
                    record: queued.record,
                    runtime: queued.runtime,
                }));
                self.request(queued.command_id, Effect::Dial);
            }
            CallEvent::DialStarted(started) => {
                self.dial = Some(DialState::Sent);
                self.dial_started_at = Some(started.at);
            }
            CallEvent::DialPostponed(_) => self.dial = Some(DialState::Waiting),
            CallEvent::DialUnknown(unknown) => {
                self.dial = Some(DialState::Lost);
                self.pending.remove(&unknown.effect_id);
            }
            CallEvent::DialAccepted(accepted) => {
                self.dial = Some(DialState::Accepted);
                self.provider.clone_from(&accepted.provider);
                self.leg = Some(accepted.leg.clone());
                self.pending.remove(&accepted.effect_id);
            }
            CallEvent::Ringing(_) => self.ringing = true,
            CallEvent::Answered(answered) => {
                self.answered_at = Some(answered.at);
                if self.order.as_ref().is_some_and(|order| order.record) && self.recording.is_none() {
                    self.recording = Some(RecordingStatus::Recording);
                }
            }
            CallEvent::AnswererDetected(detected) => self.answered_by = Some(detected.answered_by),
            CallEvent::AnswerRequested(request) => self.request(request.effect_id, Effect::Answer),
            CallEvent::RejectRequested(request) => {
                self.rejected = true;
                self.without_credit = request.cause == RejectCause::NoCredit;
                self.request(request.effect_id, Effect::Reject);
            }
            CallEvent::HangUpRequested(request) => {
                self.hang_up = Some(HangUpAsked { reason: request.reason, by: request.by, at: request.at });
                self.request(request.effect_id, Effect::HangUp);
            }
            CallEvent::SpeechRequested(request) => {
                self.lines = request.seq;
                if self.is_hosted() && self.spoken.len() < MAX_SPOKEN {
                    self.spoken.push(request.text.clone());
                }
                self.request(request.effect_id, Effect::Speak(request.text.clone()));
            }
            CallEvent::TransferRequested(request) => {
                self.transfer = Some(Transfer::Requested);
                if let Some(ivr) = &mut self.ivr {
                    ivr.transfer = Some(request.effect_id);
                }
                self.request(request.effect_id, Effect::Transfer(request.to.clone()));
            }
            CallEvent::TransferConnected(_) => self.transfer = Some(Transfer::Connected),
            CallEvent::TransferFailed(_) => self.transfer = None,
            CallEvent::DtmfRequested(request) => {
                self.lines = request.seq;
                self.request(request.effect_id, Effect::SendDtmf(request.digits.clone()));
            }
            CallEvent::DtmfReceived(received) => {
                self.lines = received.seq;
                if !received.repeated {
                    self.heard.add(received.seq, received.at);
                }
                if let Some(ivr) = &mut self.ivr {
                    ivr.key(received);
                }
            }
            CallEvent::LineTranscribed(line) => {
                self.lines = line.seq;
                if line.speaker == Speaker::Caller {
                    self.heard.add(line.seq, line.at);
                }
            }
            CallEvent::RecordingRequested(request) => {
                self.recording = Some(RecordingStatus::Recording);
                self.request(request.effect_id, Effect::StartRecording(request.format));
            }
            CallEvent::RecordingSaved(_) => self.recording = Some(RecordingStatus::Available),
            CallEvent::RecordingFailed(_) => self.recording = Some(RecordingStatus::Failed),
            CallEvent::RecordingStored(stored) => {
                self.handled.insert(stored.effect_id);
                self.files.push(stored.file.clone());
            }
            CallEvent::RecordingNotStored(lost) => {
                self.handled.insert(lost.effect_id);
            }
            CallEvent::RecordingRemoved(removed) => self.files.retain(|file| file.object != removed.object),
            CallEvent::CommandAccepted(accepted) => {
                self.pending.remove(&accepted.effect_id);
            }
            CallEvent::CommandFailed(failed) => {
                self.pending.remove(&failed.effect_id);
                let lost = self.recording == Some(RecordingStatus::Recording);
                if failed.command == CommandKind::StartRecording && lost {
                    self.recording = Some(RecordingStatus::Failed);
                }
            }
            CallEvent::Merged(merged) => self.merged = Some((merged.into, merged.leg_role)),
            CallEvent::CostRecorded(recorded) => {
                self.cost = Some(recorded.cost.clone());
                self.charged_legs.insert(recorded.leg_id.clone());
            }
            CallEvent::TranscriptRequested(request) => {
                self.handled.insert(request.effect_id);
            }
            CallEvent::RuntimeBilled(billed) => self.billed = Some(billed.bill.clone()),
            CallEvent::MetadataChanged(changed) => {
                self.handled.insert(changed.command_id);
            }
            CallEvent::Ended(ended) | CallEvent::EndCorrected(EndCorrected(ended)) => {
                self.ended = Some(Box::new(ended.clone()));
                self.pending.clear();
            }
            CallEvent::IvrSessionRequested(requested) => {
                self.ivr = Some(Box::new(Ivr::of(requested)));
            }
            CallEvent::GatherRequested(request) => {
                self.lines = request.seq;
                if let Some(ivr) = &mut self.ivr {
                    ivr.asked(request);
                }
                self.request(request.effect_id, Effect::Gather(Box::new(GatherSpec::of(request))));
            }
            CallEvent::IvrNotified(told) => {
                if let (Some(_), IvrNews::Gathered { ask, .. } | IvrNews::Keyed { ask, .. }) =
                    (told.ahead, &told.news)
                {
                    self.handled.insert(*ask);
                }
                if let Some(ivr) = &mut self.ivr {
                    ivr.told(told);
                }
            }
            CallEvent::TranscriptionRequested(request) => self.request(request.effect_id, Effect::Transcribe),
            CallEvent::AgentRequested(requested) => {
                self.agent = Some(requested.agent_id);
                self.conversation = Some(requested.conversation_id);
            }
            CallEvent::ConversationNotified(_) => self.told += 1,
            CallEvent::HangUpPlanned(planned) => {
                self.handled.insert(planned.effect_id);
                self.planned = Some(planned.clone());
            }
            CallEvent::DigitsGathered(gathered) => {
                if let Some(line) = &gathered.line {
                    self.lines = line.seq;
                    self.heard.add(line.seq, gathered.at);
                }
                if let Some(ivr) = &mut self.ivr {
                    ivr.gather_ended(gathered);
                }
            }
            CallEvent::SpeechEnded(_) => {}
        }
    }

    fn request(&mut self, effect_id: Uuid, effect: Effect) {
        self.handled.insert(effect_id);
        if self.ended.is_none() {
            self.pending.insert(effect_id, Box::new(effect));
        }
    }
}

/// Final status of a call: `failed` if it never connected or a fault broke it. A call that was merged into another
/// one did not fail.
#[must_use]
pub fn terminal_status(ended: &Ended, answered: bool) -> Status {
    match ended.fault {
        _ if ended.reason == EndReason::Merged => Status::Ended,
        Fault::Provider | Fault::Platform => Status::Failed,
        Fault::None | Fault::CallerConfig if ended.connected || answered => Status::Ended,
        Fault::None | Fault::CallerConfig => Status::Failed,
    }
}
