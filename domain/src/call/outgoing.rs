//! Builds the requests to the carrier from the state of the call.

use uuid::Uuid;

use super::report::{LegRole, LegTag};
use super::state::{Call, Effect};
use crate::ids::{CallId, ClientId};
use crate::ports::telephony::{Dial, LegAction, LegCommand};

/// A pending effect as a request to the carrier.
#[derive(Debug, Clone)]
pub enum Outgoing {
    Dial(Box<Dial>),
    Leg(Box<LegCommand>),
    /// The carrier has not named the leg yet: try again shortly.
    NoLegYet,
}

impl Call {
    /// The carrier request of an effect; `None` when the effect is settled.
    #[must_use]
    pub fn outgoing(&self, effect_id: Uuid, call: CallId, client: ClientId) -> Option<Outgoing> {
        let tag = LegTag { client, call, role: LegRole::Main };
        let action = match self.effect(effect_id)? {
            Effect::Dial => {
                let order = self.order.as_ref()?;
                return Some(Outgoing::Dial(Box::new(Dial {
                    command_id: effect_id,
                    tag,
                    to: order.to.clone(),
                    from: order.from.clone(),
                    ring_timeout: order.ring_timeout,
                    max_duration: self.max_duration,
                    record: order.record,
                    transcribe: self.agent().is_some(),
                    runtime: order.runtime,
                    agent: self.agent(),
                })));
            }
            Effect::Answer if self.agent().is_some() => LegAction::AnswerListening,
            Effect::Answer => LegAction::Answer,
            Effect::Reject => LegAction::Reject,
            Effect::HangUp => LegAction::HangUp,
            Effect::Speak(text) => LegAction::Speak { text: text.clone() },
            Effect::Transfer(to) => LegAction::Transfer { to: to.clone(), from: self.own_party().cloned() },
            Effect::SendDtmf(digits) => LegAction::SendDtmf { digits: digits.clone() },
            Effect::StartRecording(format) => LegAction::StartRecording { format: *format },
            Effect::Transcribe => LegAction::Transcribe,
            Effect::Gather(spec) => LegAction::Gather(spec.clone()),
        };
        let Some(control_id) = self.control_id() else {
            return Some(Outgoing::NoLegYet);
        };
        let control_id = control_id.to_owned();
        let runtime = self.runtime();
        Some(Outgoing::Leg(Box::new(LegCommand { command_id: effect_id, control_id, tag, runtime, action })))
    }
}
