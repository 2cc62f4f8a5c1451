//! A request for an export: who took which part of history away, and when.
//!
//! No file is kept. The log never changes, so every download makes the same bundle again, byte for byte: there is
//! no file to guard, to clean or to lose.

use chrono::serde::ts_microseconds as micros;
use serde::{Deserialize, Serialize};

use super::HistoryFilter;
use crate::aggregate::Aggregate;
use crate::envelope::{Position, Time};
use crate::wire::events;

events! {
    pub enum ExportEvent {
        Requested(ExportRequested) = "export.requested" v 1,
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ExportRequested {
    pub filter: HistoryFilter,
    /// The first position it may hold.
    pub first: Position,
    /// The last position it may hold: what was recorded before the request.
    pub last: Position,
    /// Until when it can be fetched.
    #[serde(with = "micros")]
    pub expires_at: Time,
    #[serde(with = "micros")]
    pub at: Time,
}

#[derive(Debug, Clone)]
pub enum ExportCommand {
    Request(Box<ExportRequested>),
}

/// Why the export refuses a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ExportRefusal {
    #[error("the export exists already")]
    Exists,
}

/// State of an export, folded from its events.
#[derive(Debug, Clone, Default)]
pub struct Export {
    requested: Option<ExportRequested>,
}

impl Export {
    /// The request; `None` for an export that does not exist.
    #[must_use]
    pub fn requested(&self) -> Option<&ExportRequested> {
        self.requested.as_ref()
    }
}

impl Aggregate for Export {
    const CATEGORY: &'static str = "export";
    type Command = ExportCommand;
    type Event = ExportEvent;
    type Refusal = ExportRefusal;

    fn decide(&self, command: &ExportCommand) -> Result<Vec<ExportEvent>, ExportRefusal> {
        let ExportCommand::Request(asked) = command;
        match &self.requested {
            None => Ok(vec![ExportRequested::clone(asked).into()]),
            Some(requested) if **asked == *requested => Ok(vec![]),
            Some(_) => Err(ExportRefusal::Exists),
        }
    }

    fn evolve(&mut self, event: &ExportEvent) {
        let ExportEvent::Requested(requested) = event;
        self.requested = Some(requested.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::calls::at;
    use crate::testing::scenario::scenario;

    #[test]
    fn an_export_is_asked_for_once() {
        let asked = |last| {
            let filter = HistoryFilter::default();
            let (first, last) = (Position(1), Position(last));
            ExportRequested { filter, first, last, expires_at: at(9), at: at(1) }
        };
        let request = |last| ExportCommand::Request(Box::new(asked(last)));
        let made = scenario::<Export>().when(request(5)).then([asked(5).into()]).and();
        made.clone().when(request(5)).then_nothing();
        made.when(request(6)).then_refused(ExportRefusal::Exists);
    }
}
