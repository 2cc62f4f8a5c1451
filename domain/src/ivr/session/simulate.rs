//! Simulates a session: nothing is stored, called or waited for.

use std::sync::Arc;

use uuid::Uuid;

use super::super::book::Book;
use super::command::{Keyed, SessionCommand, SessionRefusal, Source, StepAnswer};
use super::event::{SessionEvent, WebhookOutcome};
use super::state::{Asked, IvrSession};
use crate::aggregate::Aggregate as _;
use crate::envelope::Time;
use crate::ids::{IvrSessionId, MenuId, derive};

/// What the caller does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SimulatedInput {
    Digits(String),
    /// Presses nothing until a timer runs out.
    Silence,
    HangUp,
}

/// One simulated input and its result.
#[derive(Debug, Clone)]
pub struct SimulatedStep {
    /// `None` for the step that enters the menu.
    pub input: Option<SimulatedInput>,
    pub events: Vec<SessionEvent>,
    /// Why the session refused the input, if it did.
    pub refusal: Option<SessionRefusal>,
    /// Session after the step.
    pub state: IvrSession,
}

/// Result of a simulated session.
#[derive(Debug, Clone)]
pub struct Simulation {
    /// The step that enters the menu, then one for each input.
    pub steps: Vec<SimulatedStep>,
}

/// Simulates a caller who enters `menu` at the moment `at`. No webhook is called; each counts as answered
/// without an action, so that the menu goes on.
#[must_use]
pub fn simulate(menu: MenuId, book: &Arc<Book>, at: Time, inputs: &[SimulatedInput]) -> Simulation {
    let session = IvrSessionId(derive(menu.0, "simulation"));
    let mut player = Player { state: IvrSession::default(), now: at, book: book.clone() };
    let start = SessionCommand::Start {
        session,
        id: session.0,
        menu,
        call: None,
        external_id: None,
        book: book.clone(),
        now: at,
    };
    let mut steps = vec![player.play(None, start)];
    for (n, input) in inputs.iter().enumerate() {
        let id = derive(session.0, &format!("input {n}"));
        let command = player.command(input, id);
        steps.push(player.play(Some(input.clone()), command));
    }
    Simulation { steps }
}

struct Player {
    state: IvrSession,
    now: Time,
    book: Arc<Book>,
}

impl Player {
    fn command(&mut self, input: &SimulatedInput, id: Uuid) -> SessionCommand {
        let book = self.book.clone();
        if let (SimulatedInput::Silence, Some(waiting)) = (input, self.state.waiting()) {
            self.now = waiting.until;
        }
        let now = self.now;
        match input {
            SimulatedInput::Digits(digits) => {
                let keyed = Keyed::Plain(digits.clone().into());
                SessionCommand::Input { id, keyed, whole: false, source: Source::Api, book, now }
            }
            SimulatedInput::Silence => SessionCommand::Silence { id, source: Source::Api, book, now },
            SimulatedInput::HangUp => SessionCommand::CallEnded { id, by_caller: true, now },
        }
    }

    fn play(&mut self, input: Option<SimulatedInput>, command: SessionCommand) -> SimulatedStep {
        let (mut events, mut refusal) = (self.take(&command), None);
        if let Err(why) = &events {
            refusal = Some(why.clone());
        }
        let mut told = events.as_mut().map(std::mem::take).unwrap_or_default();
        while let Some((ask, Asked::Webhook(_))) = self.state.waiting().map(|w| (w.ask, w.asked.clone())) {
            let answer = StepAnswer { outcome: WebhookOutcome::Answered, status: None, action: None };
            let (book, now) = (self.book.clone(), self.now);
            let more =
                self.take(&SessionCommand::WebhookAnswered { ask, answer, book, now }).unwrap_or_default();
            if more.is_empty() {
                break;
            }
            told.extend(more);
        }
        SimulatedStep { input, events: told, refusal, state: self.state.clone() }
    }

    fn take(&mut self, command: &SessionCommand) -> Result<Vec<SessionEvent>, SessionRefusal> {
        let events = self.state.decide(command)?;
        for event in &events {
            self.state.evolve(event);
        }
        Ok(events)
    }
}
