//! Tests of rules in the form given, when, then.
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

/// A scenario on a stream without events.
pub fn scenario<A: Aggregate>() -> Scenario<A> {
    Scenario { state: A::default() }
}

/// A stream with some events.
#[derive(Debug, Clone)]
#[must_use]
pub struct Scenario<A> {
    state: A,
}

impl<A: Aggregate<Event: PartialEq>> Scenario<A> {
    /// Adds events to the history, as they come back from the log.
    pub fn given(mut self, facts: impl IntoIterator<Item = A::Event>) -> Self {
        for fact in facts {
            self.state.evolve(&stored(&fact));
        }
        self
    }

    /// Adds the events that follow from `commands`, none of which may be refused.
    pub fn after(self, commands: impl IntoIterator<Item = A::Command>) -> Self {
        commands.into_iter().fold(self, |scenario, command| {
            let named = format!("{command:?}");
            let then = scenario.when(command);
            assert!(then.decision.is_ok(), "{named} is refused: {:?}", then.decision);
            then.and()
        })
    }

    /// Decides a command on the history so far.
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

/// The outcome of a command.
#[derive(Debug)]
pub struct Then<A: Aggregate> {
    decision: Result<Vec<A::Event>, A::Refusal>,
    after: A,
}

impl<A: Aggregate<Event: PartialEq>> Then<A> {
    /// Asserts that exactly these events followed.
    #[track_caller]
    pub fn then(self, facts: impl IntoIterator<Item = A::Event>) -> Self {
        let expected: Vec<A::Event> = facts.into_iter().collect();
        assert!(self.decision.is_ok(), "refused: {:?}", self.decision);
        assert_eq!(self.facts(), expected);
        self
    }

    /// Asserts that events of these types followed, in this order.
    #[track_caller]
    pub fn then_types<const N: usize>(self, types: [&str; N]) -> Self {
        assert!(self.decision.is_ok(), "refused: {:?}", self.decision);
        let followed: Vec<&str> = self.facts().iter().map(DomainEvent::event_type).collect();
        assert_eq!(followed, types);
        self
    }

    /// Asserts that no event followed.
    #[track_caller]
    pub fn then_nothing(self) -> Self {
        self.then([])
    }

    /// Asserts that the command was refused.
    #[track_caller]
    pub fn then_refused(self, refusal: A::Refusal) -> Self
    where
        A::Refusal: PartialEq,
    {
        assert!(self.decision.is_err(), "not refused: {:?}", self.decision);
        assert_eq!(self.decision.as_ref().err(), Some(&refusal));
        self
    }

    /// The events that were decided, or the refusal.
    pub fn decision(&self) -> Result<&[A::Event], &A::Refusal> {
        self.decision.as_deref()
    }

    /// The events that were decided; none if the command was refused.
    #[must_use]
    pub fn facts(&self) -> &[A::Event] {
        self.decision.as_deref().unwrap_or_default()
    }

    /// The state after these events.
    #[must_use]
    pub fn state(&self) -> &A {
        &self.after
    }

    /// Begins the next scenario with this history.
    pub fn and(self) -> Scenario<A> {
        Scenario { state: self.after }
    }
}

impl Then<Call> {
    /// Asserts the status of the call afterwards.
    #[track_caller]
    pub fn then_status(self, status: Status) -> Self {
        assert_eq!(self.after.status(), status);
        self
    }
}

/// An event as it comes back from the log: fields that are not stored are lost.
fn stored<E: DomainEvent + Clone + std::fmt::Debug>(fact: &E) -> E {
    let read = E::decode(fact.event_type(), fact.schema(), &fact.encode());
    assert!(read.is_ok(), "{fact:?} cannot be read back: {read:?}");
    read.unwrap_or_else(|_| fact.clone())
}
