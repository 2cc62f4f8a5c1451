//! Turns events into the resource. The projection and time travel share it, so they cannot differ.

use std::collections::BTreeMap;

use domain::aggregate::Aggregate;
use domain::envelope::{Position, Recorded, Version};
use domain::ids::{ClientId, IvrSessionId, MenuId};
use domain::ivr::session::{IvrSession, SessionEvent, SessionStatus};
use domain::personal::Personal;
use domain::privacy::policy::RetentionKind;
use domain::wire::{DecodeError, DomainEvent};
use uuid::Uuid;

use super::counted::count;
use super::view::{OutcomeView, SessionView, WAITS};
use crate::document::DocumentTable;
use crate::numbers::knows;
use crate::rollup::{Contribution, Counted};
use crate::view::{At, Row, Shown, View};

#[derive(Debug, Clone, PartialEq)]
pub struct SessionRow {
    pub client: ClientId,
    /// Position of the last event in the row.
    pub position: Position,
    /// The menu in which the session began.
    pub menu: MenuId,
    pub view: SessionView,
}

impl Row for SessionRow {
    type Key = Uuid;

    fn key(&self) -> Uuid {
        self.view.id.0
    }
}

impl Shown for SessionRow {
    const TABLE: DocumentTable = DocumentTable { name: "ivr_sessions", keeps_removed: false };

    type Resource = SessionView;

    fn resource(&self) -> &SessionView {
        &self.view
    }

    fn version(&self) -> Version {
        Version(self.view.version)
    }
}

/// The view of IVR sessions: one row a session.
#[derive(Debug)]
pub struct IvrSessions;

impl View for IvrSessions {
    const NAME: &'static str = "ivr_sessions";
    const FOLDS: bool = true;
    const RETIRED_BY: Option<RetentionKind> = Some(RetentionKind::IvrSessions);
    const PERSONAL: Option<&'static [&'static str]> =
        Some(&["ivr_session.started", "ivr_session.collected", "ivr_session.ended"]);
    type Row = SessionRow;
    type Fact = Box<SessionEvent>;

    fn read(event: &Recorded) -> Result<Option<(Uuid, Box<SessionEvent>)>, DecodeError> {
        if event.stream.category() != IvrSession::CATEGORY || !knows::<SessionEvent>(&event.event_type) {
            return Ok(None);
        }
        let fact = SessionEvent::decode(&event.event_type, event.schema, &event.payload)?;
        Ok(Some((event.stream.id(), Box::new(fact))))
    }

    const COUNTED: Option<Counted> = Some(Counted::Ivr);

    fn counts(at: &At, fact: &Box<SessionEvent>) -> Option<Contribution> {
        count(at, fact)
    }

    fn apply(row: &mut Option<SessionRow>, at: &At, fact: Box<SessionEvent>) {
        match (row.as_mut(), *fact) {
            (None, SessionEvent::Started(started)) => {
                let view = SessionView {
                    id: IvrSessionId(at.id),
                    session_id: shown(started.external_id.as_ref()),
                    call_id: started.call,
                    status: SessionStatus::Active,
                    current_menu_id: started.menu,
                    menu_stack: vec![],
                    retry_count: 0,
                    invalid_count: 0,
                    timeout_count: 0,
                    turn_count: 0,
                    prompt: None,
                    waiting_for: None,
                    timeout_at: None,
                    outcome: None,
                    end_cause: None,
                    collected: BTreeMap::new(),
                    start_time: started.at,
                    last_activity: started.at,
                    ended_at: None,
                    version: 0,
                };
                let (client, position, menu) = (at.client, at.position, started.menu);
                *row = Some(SessionRow { client, position, menu, view });
            }
            (Some(row), fact) => row.view.apply(fact),
            (None, _) => {}
        }
        if let Some(row) = row {
            row.position = at.position;
            row.view.version = at.version.0;
        }
    }
}

impl SessionView {
    fn apply(&mut self, fact: SessionEvent) {
        let waits = |what: &str| Some(what.to_owned());
        match fact {
            SessionEvent::Started(_) => {}
            SessionEvent::MenuEntered(entered) => {
                self.current_menu_id = entered.menu;
                self.menu_stack = entered.stack.iter().map(ToString::to_string).collect();
                self.used(0, 0);
                self.last_activity = entered.at;
            }
            SessionEvent::Prompted(prompted) => {
                self.prompt = Some(prompted.text);
                self.waiting_for = waits(WAITS[0]);
                self.timeout_at = Some(prompted.no_input_at);
                self.last_activity = prompted.at;
            }
            SessionEvent::DigitsHeard(heard) => {
                self.timeout_at = Some(heard.complete_at);
                self.last_activity = heard.at;
            }
            SessionEvent::StepTaken(step) => {
                self.turn_count = step.turn;
                self.used(step.invalid, step.silent);
                self.last_activity = step.at;
            }
            SessionEvent::CollectBegan(began) => {
                self.used(0, 0);
                self.last_activity = began.at;
            }
            SessionEvent::Collected(collected) => {
                self.used(0, 0);
                let value = shown(collected.value.as_ref());
                self.collected.insert(collected.name, value);
                self.last_activity = collected.at;
            }
            SessionEvent::WebhookRequested(request) => {
                self.waiting_for = waits(WAITS[1]);
                self.timeout_at = Some(request.give_up_at);
                self.last_activity = request.at;
            }
            SessionEvent::WebhookAnswered(answered) => {
                self.turn_count = answered.turn;
                self.last_activity = answered.at;
            }
            SessionEvent::TransferRequested(request) => {
                self.waiting_for = waits(WAITS[2]);
                self.timeout_at = Some(request.give_up_at);
                self.last_activity = request.at;
            }
            SessionEvent::TransferFailed(failed) => {
                self.turn_count = failed.turn;
                self.last_activity = failed.at;
            }
            SessionEvent::Ended(ended) => {
                self.status = ended.status;
                self.end_cause = Some(ended.cause);
                self.outcome = ended.outcome.map(|outcome| OutcomeView {
                    action: outcome.action,
                    target: shown(outcome.target.as_ref()),
                });
                self.prompt = ended.farewell;
                (self.waiting_for, self.timeout_at) = (None, None);
                self.ended_at = Some(ended.at);
                self.last_activity = ended.at;
            }
        }
    }

    fn used(&mut self, invalid: u32, silent: u32) {
        (self.invalid_count, self.timeout_count, self.retry_count) = (invalid, silent, invalid + silent);
    }
}

fn shown(value: Option<&Personal<String>>) -> Option<String> {
    value.and_then(|value| value.shown(String::clone))
}
