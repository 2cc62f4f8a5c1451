//! Rules told as given, when, then.
//!
//! ```
//! # use domain::number::{Number, NumberCommand, NumberRefusal};
//! # use domain::testing::{calls::at, scenario::scenario};
//! scenario::<Number>().when(NumberCommand::Remove { now: at(0) }).then_refused(NumberRefusal::Unknown);
//! ```

use crate::aggregate::Aggregate;
use crate::call::Call;
use crate::call::terms::Status;
use crate::wire::DomainEvent;

/// A scenario about a stream without history.
pub fn scenario<A: Aggregate>() -> Scenario<A> {
    Scenario { state: A::default() }
}

/// A stream with some history.
#[derive(Debug, Clone)]
#[must_use]
pub struct Scenario<A> {
    state: A,
}

impl<A: Aggregate<Event: PartialEq>> Scenario<A> {
    /// Adds facts to the history, as they come back from the log.
    pub fn given(mut self, facts: impl IntoIterator<Item = A::Event>) -> Self {
        for fact in facts {
            self.state.evolve(&stored(&fact));
        }
        self
    }

    /// Adds to the history whatever follows from `commands`, none of which may be refused.
    pub fn after(self, commands: impl IntoIterator<Item = A::Command>) -> Self {
        commands.into_iter().fold(self, |scenario, command| {
            let named = format!("{command:?}");
            let then = scenario.when(command);
            assert!(then.decision.is_ok(), "{named} is refused: {:?}", then.decision);
            then.and()
        })
    }

    /// Asks for something.
    #[must_use = "say what follows"]
    pub fn when(self, command: A::Command) -> Then<A> {
        let decision = self.state.decide(&command);
        let mut after = self.state.clone();
        for fact in decision.iter().flatten() {
            after.evolve(&stored(fact));
        }
        Then { decision, after }
    }

    /// The state the history leads to.
    #[must_use]
    pub fn state(&self) -> &A {
        &self.state
    }
}

/// What followed.
#[derive(Debug)]
pub struct Then<A: Aggregate> {
    decision: Result<Vec<A::Event>, A::Refusal>,
    after: A,
}

impl<A: Aggregate<Event: PartialEq>> Then<A> {
    /// Exactly these facts followed.
    #[track_caller]
    pub fn then(self, facts: impl IntoIterator<Item = A::Event>) -> Self {
        let expected: Vec<A::Event> = facts.into_iter().collect();
        assert!(self.decision.is_ok(), "refused: {:?}", self.decision);
        assert_eq!(self.facts(), expected);
        self
    }

    /// Facts of these types followed, in this order.
    #[track_caller]
    pub fn then_types<const N: usize>(self, types: [&str; N]) -> Self {
        assert!(self.decision.is_ok(), "refused: {:?}", self.decision);
        let followed: Vec<&str> = self.facts().iter().map(DomainEvent::event_type).collect();
        assert_eq!(followed, types);
        self
    }

    /// It was no news.
    #[track_caller]
    pub fn then_nothing(self) -> Self {
        self.then([])
    }

    /// It was refused.
    #[track_caller]
    pub fn then_refused(self, refusal: A::Refusal) -> Self
    where
        A::Refusal: PartialEq,
    {
        assert!(self.decision.is_err(), "not refused: {:?}", self.decision);
        assert_eq!(self.decision.as_ref().err(), Some(&refusal));
        self
    }

    /// What was decided.
    ///
    /// # Errors
    /// The refusal.
    pub fn decision(&self) -> Result<&[A::Event], &A::Refusal> {
        self.decision.as_deref()
    }

    /// What followed.
    #[must_use]
    pub fn facts(&self) -> &[A::Event] {
        self.decision.as_deref().unwrap_or_default()
    }

    /// The state afterwards.
    #[must_use]
    pub fn state(&self) -> &A {
        &self.after
    }

    /// Goes on from here.
    pub fn and(self) -> Scenario<A> {
        Scenario { state: self.after }
    }
}

impl Then<Call> {
    /// Where the call stands afterwards.
    #[track_caller]
    pub fn then_status(self, status: Status) -> Self {
        assert_eq!(self.after.status(), status);
        self
    }
}

/// A fact as it comes back from the log: what is not stored is not known.
fn stored<E: DomainEvent + Clone + std::fmt::Debug>(fact: &E) -> E {
    let read = E::decode(fact.event_type(), fact.schema(), &fact.encode());
    assert!(read.is_ok(), "{fact:?} cannot be read back: {read:?}");
    read.unwrap_or_else(|_| fact.clone())
}
