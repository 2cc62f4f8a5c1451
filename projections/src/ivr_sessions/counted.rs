//! What the steps of IVR sessions add to the sums of their menus.

use domain::ivr::session::{Heard, SessionEvent};

use crate::rollup::{Contribution, Counts};
use crate::view::At;

/// The counts of a step, under its menu, in the hour in which it was taken.
pub(super) fn count(at: &At, event: &SessionEvent) -> Option<Contribution> {
    let mut counts = Counts::default();
    let (menu, when) = match event {
        SessionEvent::Started(started) => {
            counts.one("sessions");
            (started.menu, started.at)
        }
        SessionEvent::MenuEntered(entered) => {
            counts.one("entries");
            (entered.menu, entered.at)
        }
        SessionEvent::StepTaken(step) => {
            match step.heard {
                Heard::Matched => match &step.matched {
                    Some(option) => counts.one(format!("choice:{option}")),
                    // digits that were collected
                    None => counts.one("collected"),
                },
                Heard::Invalid => counts.one("invalid"),
                Heard::Silence => counts.one("timeouts"),
                Heard::Back | Heard::Failure => {}
            }
            (step.menu, step.at)
        }
        SessionEvent::Ended(ended) => {
            counts.one(format!("ended:{}", ended.status.as_str()));
            if let Some(outcome) = &ended.outcome {
                counts.one(format!("outcome:{}", outcome.action));
            }
            (ended.menu?, ended.at)
        }
        _ => return None,
    };
    let subject = Some(menu.0);
    (!counts.is_empty()).then_some(Contribution { client: at.client, at: when, subject, counts })
}
