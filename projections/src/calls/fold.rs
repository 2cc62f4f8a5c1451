//! Turns events into the resource. The projection and time travel share it, so they cannot differ.

use domain::aggregate::Aggregate;
use domain::call::report::LegRef;
use domain::call::terms::{CommandKind, Direction, Fault, RecordingStatus, Status};
use domain::call::{Call, CallEvent, CallMetadata, EndCorrected, Ended, LegIdentified, terminal_status};
use domain::envelope::{Position, Recorded, Time, Version};
use domain::ids::{AgentId, CallId, ClientId};
use domain::number::Route;
use domain::personal::Personal;
use domain::phone::Party;
use domain::wire::{DecodeError, DomainEvent};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::counted::count;
use super::recording::CallFiles;
use super::view::{CallCost, CallView};
use crate::document::DocumentTable;
use crate::rollup::{Contribution, Counted};
use crate::view::{At, Row, Shown, View};

/// How far an outbound dial has come; it distinguishes the statuses `queued`, `dialing` and `dial_unknown`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Dial {
    /// Not sent yet, or postponed.
    Waiting,
    /// Sent, and not answered yet.
    Sent,
    /// Sent, and the carrier's answer was lost.
    Lost,
    /// The carrier has accepted it.
    Accepted,
}

/// The row of a call: the resource, and what is needed to apply the next event.
#[derive(Debug, Clone, PartialEq)]
pub struct CallRow {
    pub client: ClientId,
    /// Position of the last event in the row.
    pub position: Position,
    pub view: CallView,
    /// The recording, and the files of the call.
    pub files: CallFiles,
    /// How far the dial has come; `None` for an inbound call.
    pub dial: Option<Dial>,
    /// Whether recording starts with the answer.
    pub record: bool,
    /// Whether the carrier's report of the end shows that the call had connected.
    pub connected: bool,
    /// The carrier's ids of the call's own leg and its session, by which its records of the call are found.
    pub leg: Option<LegIds>,
}

/// What no request needs, and by which the carrier's own records of a call are found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LegIds {
    pub leg: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connection: Option<String>,
    /// Whether another application controls the call.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub foreign: bool,
}

impl LegIds {
    fn of(leg: &LegRef, foreign: bool) -> Self {
        let (session, connection) = (leg.session_id.clone(), leg.connection_id.clone());
        Self { leg: leg.leg_id.clone(), session, connection, foreign }
    }
}

impl Row for CallRow {
    type Key = Uuid;

    fn key(&self) -> Uuid {
        self.view.id.0
    }
}

impl Shown for CallRow {
    const TABLE: DocumentTable = DocumentTable { name: "calls", keeps_removed: false };

    type Resource = CallView;

    fn resource(&self) -> &CallView {
        &self.view
    }

    fn version(&self) -> Version {
        Version(self.view.version)
    }
}

/// What an event means to a call's row.
#[derive(Debug)]
pub enum CallFact {
    /// Only the version changes.
    Touched,
    /// A change of the call.
    Event(Box<CallEvent>),
}

/// The view of calls: one row a call.
#[derive(Debug)]
pub struct Calls;

impl View for Calls {
    const NAME: &'static str = "calls";
    const FOLDS: bool = true;
    const PERSONAL: Option<&'static [&'static str]> = Some(&[
        "call.received",
        "call.leg_identified",
        "call.queued",
        "call.recording_saved",
        "call.recording_stored",
        "call.metadata_changed",
    ]);
    type Row = CallRow;
    type Fact = CallFact;

    fn read(event: &Recorded) -> Result<Option<(Uuid, CallFact)>, DecodeError> {
        if event.stream.category() != Call::CATEGORY {
            return Ok(None);
        }
        Ok(Some((event.stream.id(), read_fact(event)?)))
    }

    const COUNTED: Option<Counted> = Some(Counted::Calls);

    fn adds(row: &CallRow) -> Option<Contribution> {
        Some(count(row))
    }

    fn apply(row: &mut Option<CallRow>, at: &At, fact: CallFact) {
        if let CallFact::Event(event) = fact {
            match (row.as_mut(), &*event) {
                (None, event) => *row = CallRow::begin(at, event),
                (Some(row), event) => row.apply(event),
            }
        }
        if let Some(row) = row {
            row.position = at.position;
            row.view.version = at.version.0;
        }
    }
}

/// Events of other types change only the version. They are not decoded, because carriers' webhooks, which are
/// large, are among them. A type this version does not know is treated the same: a view must not stop at what
/// a newer version wrote.
fn read_fact(event: &Recorded) -> Result<CallFact, DecodeError> {
    match event.event_type.as_str() {
        "call.received"
        | "call.leg_identified"
        | "call.queued"
        | "call.dial_started"
        | "call.dial_postponed"
        | "call.dial_unknown"
        | "call.dial_accepted"
        | "call.ringing"
        | "call.answered"
        | "call.answerer_detected"
        | "call.recording_requested"
        | "call.recording_saved"
        | "call.recording_failed"
        | "call.recording_stored"
        | "call.recording_not_stored"
        | "call.recording_removed"
        | "call.command_failed"
        | "call.cost_recorded"
        | "call.metadata_changed"
        | "call.ivr_session_requested"
        | "call.agent_requested"
        | "call.ended"
        | "call.end_explained" => CallEvent::decode(&event.event_type, event.schema, &event.payload)
            .map(Box::new)
            .map(CallFact::Event),
        _ => Ok(CallFact::Touched),
    }
}

impl CallRow {
    /// The first row of a call; `None` for an event that does not begin one.
    fn begin(at: &At, event: &CallEvent) -> Option<Self> {
        match event {
            CallEvent::Received(received) => {
                let mut row = Self::empty(at, received.direction, received.at);
                row.view.from = reveal(received.from.as_ref());
                row.view.to = reveal(received.to.as_ref());
                row.view.agent_id = received.route.and_then(agent_of);
                row.view.status = Status::Ringing;
                row.view.ringing_at = Some(received.at);
                row.take_leg(&received.provider, &received.leg, received.foreign);
                Some(row)
            }
            CallEvent::Queued(queued) => {
                let mut row = Self::empty(at, Direction::Outbound, queued.at);
                row.view.from = reveal(queued.from.as_ref());
                row.view.to = reveal(Some(&queued.to));
                row.view.agent_id = queued.agent_id;
                row.view.customer_id = queued.customer_id;
                row.view.metadata = queued.metadata.reveal().cloned().unwrap_or_default();
                row.dial = Some(Dial::Waiting);
                row.record = queued.record;
                row.view.status = Status::Queued;
                Some(row)
            }
            _ => None,
        }
    }

    fn empty(at: &At, direction: Direction, created_at: Time) -> Self {
        let view = CallView {
            id: CallId(at.id),
            direction,
            status: Status::Dialing,
            from: None,
            to: None,
            agent_id: None,
            ivr_session_id: None,
            conversation_id: None,
            customer_id: None,
            provider: None,
            provider_call_id: None,
            created_at,
            ringing_at: None,
            answered_at: None,
            ended_at: None,
            duration_ms: None,
            end_reason: None,
            ended_by: None,
            fault: None,
            provider_code: None,
            sip_code: None,
            answered_by: None,
            recording_status: RecordingStatus::None,
            cost: None,
            metadata: CallMetadata::new(),
            version: 0,
        };
        Self {
            client: at.client,
            position: at.position,
            view,
            files: CallFiles::default(),
            dial: None,
            record: false,
            connected: false,
            leg: None,
        }
    }

    fn apply(&mut self, event: &CallEvent) {
        let view = &mut self.view;
        match event {
            CallEvent::LegIdentified(known) => self.identify(known),
            CallEvent::DialStarted(_) => self.dial = Some(Dial::Sent),
            CallEvent::DialPostponed(_) => self.dial = Some(Dial::Waiting),
            CallEvent::DialUnknown(_) => self.dial = Some(Dial::Lost),
            CallEvent::DialAccepted(accepted) => {
                self.dial = Some(Dial::Accepted);
                self.take_leg(&accepted.provider, &accepted.leg, false);
            }
            CallEvent::Ringing(ringing) => view.ringing_at = view.ringing_at.or(Some(ringing.at)),
            CallEvent::Answered(answered) => {
                view.answered_at = Some(answered.at);
                if self.record && view.recording_status == RecordingStatus::None {
                    self.recording_is(RecordingStatus::Recording);
                }
            }
            CallEvent::AnswererDetected(detected) => view.answered_by = Some(detected.answered_by),
            CallEvent::RecordingRequested(_) => self.recording_is(RecordingStatus::Recording),
            CallEvent::RecordingSaved(recording) => {
                self.files.saved(recording);
                view.recording_status = RecordingStatus::Available;
            }
            CallEvent::RecordingFailed(_) => self.recording_is(RecordingStatus::Failed),
            CallEvent::RecordingStored(stored) => self.files.kept(stored),
            CallEvent::RecordingNotStored(lost) => self.files.not_kept(lost),
            CallEvent::RecordingRemoved(removed) => self.files.removed(removed),
            CallEvent::CommandFailed(failed)
                if failed.command == CommandKind::StartRecording
                    && view.recording_status == RecordingStatus::Recording =>
            {
                self.recording_is(RecordingStatus::Failed);
            }
            CallEvent::CostRecorded(recorded) => view.cost = Some(CallCost::from(&recorded.cost)),
            CallEvent::MetadataChanged(changed) => {
                view.metadata = changed.metadata.reveal().cloned().unwrap_or_default();
            }
            CallEvent::IvrSessionRequested(requested) => view.ivr_session_id = Some(requested.session_id),
            CallEvent::AgentRequested(requested) => {
                view.agent_id = Some(requested.agent_id);
                view.conversation_id = Some(requested.conversation_id);
            }
            CallEvent::Ended(ended) | CallEvent::EndCorrected(EndCorrected(ended)) => self.end(ended),
            _ => {}
        }
        self.view.status = self.status();
        self.view.duration_ms = self.duration_ms();
    }

    /// Takes what a later webhook knew better. `created_at` stays: lists are ordered by it.
    fn identify(&mut self, known: &LegIdentified) {
        self.leg = Some(LegIds::of(&known.leg, known.foreign));
        let view = &mut self.view;
        view.direction = known.direction;
        view.from = reveal(known.from.as_ref());
        view.to = reveal(known.to.as_ref());
        if self.dial.is_none() {
            view.agent_id = known.route.and_then(agent_of);
            view.ringing_at = known.appeared_at.or(view.ringing_at);
        }
        view.provider_call_id = Some(known.leg.control_id.as_ref().unwrap_or(&known.leg.leg_id).clone());
    }

    fn end(&mut self, ended: &Ended) {
        self.connected = ended.connected;
        self.view.ended_at = Some(ended.at);
        self.view.end_reason = Some(ended.reason);
        self.view.ended_by = Some(ended.ended_by);
        self.view.fault = Some(ended.fault);
        self.view.provider_code.clone_from(&ended.provider_code);
        self.view.sip_code = ended.sip_code;
    }

    /// The status, as [`Call::status`] computes it.
    fn status(&self) -> Status {
        let view = &self.view;
        if let Some(at) = view.ended_at {
            let ended = Ended {
                reason: view.end_reason.unwrap_or(domain::call::terms::EndReason::Unknown),
                ended_by: view.ended_by.unwrap_or(domain::call::terms::EndedBy::Unknown),
                fault: view.fault.unwrap_or(Fault::None),
                connected: self.connected,
                provider_code: None,
                sip_code: None,
                at,
            };
            return terminal_status(&ended, view.answered_at.is_some());
        }
        match self.dial {
            _ if view.answered_at.is_some() => Status::InProgress,
            _ if view.ringing_at.is_some() => Status::Ringing,
            Some(Dial::Waiting) => Status::Queued,
            Some(Dial::Lost) => Status::DialUnknown,
            Some(Dial::Sent | Dial::Accepted) | None => Status::Dialing,
        }
    }

    fn duration_ms(&self) -> Option<u64> {
        let lasted = self.view.ended_at? - self.view.answered_at?;
        // the carrier's clock and ours may disagree; a negative duration counts as zero
        Some(u64::try_from(lasted.num_milliseconds()).unwrap_or(0))
    }

    fn recording_is(&mut self, status: RecordingStatus) {
        self.view.recording_status = status;
        self.files.status(status);
    }

    fn take_leg(&mut self, provider: &str, leg: &LegRef, foreign: bool) {
        self.leg = Some(LegIds::of(leg, foreign));
        self.view.provider = Some(provider.to_owned());
        self.view.provider_call_id = Some(leg.control_id.as_ref().unwrap_or(&leg.leg_id).clone());
    }
}

fn reveal(party: Option<&Personal<Party>>) -> Option<String> {
    party.and_then(|party| party.shown(|party| party.as_str().to_owned()))
}

fn agent_of(route: Route) -> Option<AgentId> {
    match route {
        Route::Agent { id } => id,
        Route::IvrMenu { .. } | Route::Reject => None,
    }
}
