//! Outbox work and timer changes that follow from a fact.

use chrono::TimeDelta;

use super::event::SessionEvent;
use crate::call::{Reaction, Timer, Work};
use crate::ids::derive;

/// Delay before the outbox repeats what the node that writes a fact does at once; needed only
/// when that node died.
pub(crate) const SAFETY_NET: TimeDelta = TimeDelta::seconds(1);

/// What follows from a fact. Timers and work belong to the session, not to its call.
#[must_use]
pub fn react(event: &SessionEvent) -> Vec<Reaction> {
    let timer = Timer::Ivr;
    let order =
        |id| Reaction::Do { effect_id: derive(id, "order"), work: Work::OrderCall, after: Some(SAFETY_NET) };
    match event {
        SessionEvent::Started(e) => vec![Reaction::Done { effect_id: e.cause }],
        SessionEvent::Prompted(e) => {
            let mut reactions = vec![Reaction::Arm { timer, after: e.no_input_at - e.at }];
            reactions.extend(e.live.then(|| order(e.ask)));
            reactions
        }
        SessionEvent::DigitsHeard(e) => {
            vec![Reaction::Done { effect_id: e.cause }, Reaction::Arm { timer, after: e.complete_at - e.at }]
        }
        SessionEvent::StepTaken(e) => vec![Reaction::Done { effect_id: e.cause }],
        SessionEvent::WebhookRequested(e) => vec![
            Reaction::Arm { timer, after: e.give_up_at - e.at },
            Reaction::Do { effect_id: e.ask, work: Work::AskWebhook, after: None },
        ],
        SessionEvent::WebhookAnswered(e) => vec![Reaction::Done { effect_id: e.ask }],
        SessionEvent::TransferRequested(e) => {
            vec![Reaction::Arm { timer, after: e.give_up_at - e.at }, order(e.ask)]
        }
        SessionEvent::TransferFailed(e) => vec![Reaction::Done { effect_id: e.cause }],
        SessionEvent::Ended(e) => {
            let mut reactions = vec![Reaction::Disarm { timer }];
            reactions.extend(e.told_by.map(|effect_id| Reaction::Done { effect_id }));
            reactions.extend(e.order.map(order));
            reactions
        }
        SessionEvent::MenuEntered(_) | SessionEvent::CollectBegan(_) | SessionEvent::Collected(_) => vec![],
    }
}
