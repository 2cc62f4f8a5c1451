//! A call that goes through many commands, and what must hold of any such sequence.

use proptest::prelude::*;

use crate::aggregate::Aggregate;
use crate::call::state::DialState;
use crate::call::terms::CommandKind;
use crate::call::{Call, CallCommand, CallEvent};
use crate::wire::DomainEvent;

/// A call, and everything that happened to it.
#[derive(Debug, Default)]
pub(super) struct Run {
    pub(super) call: Call,
    pub(super) facts: Vec<CallEvent>,
}

impl Run {
    /// Takes every command; refusals change nothing.
    pub(super) fn of<'a>(commands: impl IntoIterator<Item = &'a CallCommand>) -> Self {
        let mut run = Self::default();
        for command in commands {
            run.take(command);
        }
        run
    }

    /// Takes one command and answers how many facts followed.
    pub(super) fn take(&mut self, command: &CallCommand) -> usize {
        let facts = self.call.decide(command).unwrap_or_default();
        for fact in &facts {
            self.call.evolve(fact);
        }
        self.facts.extend(facts.iter().cloned());
        facts.len()
    }

    fn count(&self, wanted: fn(&CallEvent) -> bool) -> usize {
        self.facts.iter().filter(|fact| wanted(fact)).count()
    }

    /// Checks what holds for every history.
    pub(super) fn is_sound(&self) -> Result<(), TestCaseError> {
        self.ends_at_most_once()?;
        self.numbers_lines_densely()?;
        self.dials_at_most_once_at_a_time()?;
        self.takes_and_greets_at_most_once()?;
        self.reads_back_from_its_log()
    }

    fn ends_at_most_once(&self) -> Result<(), TestCaseError> {
        let ends = self.count(|fact| matches!(fact, CallEvent::Ended(_)));
        prop_assert!(ends <= 1, "{} ends", ends);
        prop_assert_eq!(ends == 1, self.call.is_over());
        prop_assert_eq!(self.call.status().is_terminal(), self.call.is_over());
        self.stands_soundly()
    }

    /// Checks what holds after every single step.
    pub(super) fn stands_soundly(&self) -> Result<(), TestCaseError> {
        let call = &self.call;
        if call.is_over() {
            prop_assert!(call.pending.is_empty(), "pending after the end: {:?}", call.pending);
        } else if call.dial == Some(DialState::Waiting) {
            prop_assert_eq!(call.hang_up, None, "a call to be dialled is to be ended");
        } else if call.dial == Some(DialState::Lost) {
            let kinds = call.pending.values().map(|effect| effect.kind());
            prop_assert!(kinds.clone().all(|kind| kind != CommandKind::Dial), "a lost dial is pending");
        }
        Ok(())
    }

    fn numbers_lines_densely(&self) -> Result<(), TestCaseError> {
        let lines = self.facts.iter().filter_map(|fact| match fact {
            CallEvent::SpeechRequested(line) => Some(line.seq),
            CallEvent::DtmfRequested(line) => Some(line.seq),
            CallEvent::DtmfReceived(line) => (!line.repeated).then_some(line.seq),
            CallEvent::DigitsGathered(keys) => keys.line.as_ref().map(|line| line.seq),
            CallEvent::GatherRequested(line) => Some(line.seq),
            CallEvent::LineTranscribed(line) => Some(line.seq),
            _ => None,
        });
        let lines: Vec<u32> = lines.collect();
        prop_assert_eq!(&lines, &(1..).take(lines.len()).collect::<Vec<u32>>());
        Ok(())
    }

    /// Between two dials there must be a proof that the first never reached the carrier.
    fn dials_at_most_once_at_a_time(&self) -> Result<(), TestCaseError> {
        let mut may_dial = true;
        for fact in &self.facts {
            match fact {
                CallEvent::DialStarted(_) => {
                    prop_assert!(may_dial, "dialled twice");
                    may_dial = false;
                }
                CallEvent::DialPostponed(_) => may_dial = true,
                CallEvent::DialUnknown(_) | CallEvent::DialAccepted(_) | CallEvent::Ended(_) => {
                    may_dial = false
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn takes_and_greets_at_most_once(&self) -> Result<(), TestCaseError> {
        let taken =
            self.count(|fact| matches!(fact, CallEvent::AnswerRequested(_) | CallEvent::RejectRequested(_)));
        prop_assert!(taken <= 1, "taken or refused {} times", taken);
        let greeted = self.count(|fact| {
            matches!(fact, CallEvent::SpeechRequested(line)
                if line.text.reveal().is_some_and(|text| text == crate::call::DEFAULT_GREETING))
        });
        prop_assert!(greeted <= 1, "greeted {} times", greeted);
        prop_assert!(self.count(|fact| matches!(fact, CallEvent::Answered(_))) <= 1);
        prop_assert!(self.count(|fact| matches!(fact, CallEvent::HangUpRequested(_))) <= 1);
        Ok(())
    }

    /// Every fact reads back from its bytes, and all of them fold into the same call again.
    fn reads_back_from_its_log(&self) -> Result<(), TestCaseError> {
        let mut replayed = Call::default();
        for fact in &self.facts {
            let read = CallEvent::decode(fact.event_type(), fact.schema(), &fact.encode());
            prop_assert_eq!(read.as_ref(), Ok(fact));
            replayed.evolve(read.as_ref().unwrap_or(fact));
        }
        prop_assert_eq!(&replayed, &self.call);
        Ok(())
    }
}
