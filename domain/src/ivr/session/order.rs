//! What the call of a live session has to do now.

use uuid::Uuid;

use super::event::SessionStatus;
use super::state::{Ask, Asked, IvrSession, Waiting};
use crate::call::terms::{EndReason, EndedBy};
use crate::call::{CallCommand, GatherOrder};
use crate::envelope::Time;
use crate::ids::CallId;

/// A command for the call, and the ask it stands for. The call ignores a repeat.
#[derive(Debug, Clone)]
pub struct Order {
    pub call: CallId,
    /// Id of the ask; the call reports the result under it.
    pub id: Uuid,
    pub command: CallCommand,
}

impl IvrSession {
    /// What the call has to do in the current state; `None` when there is no call, or nothing to do.
    #[must_use]
    pub fn order(&self, now: Time) -> Option<Order> {
        let call = self.call?;
        if let Some(ended) = &self.ended {
            let id = ended.order?;
            let by = if ended.end_reason == Some(EndReason::ApiHangup) {
                EndedBy::Operator
            } else {
                EndedBy::System
            };
            let command = match ended.end_reason {
                Some(reason) => {
                    CallCommand::Conclude { id, farewell: ended.farewell.clone(), reason, by, now }
                }
                None => CallCommand::StartAgent { id, agent: ended.agent(), now },
            };
            return Some(Order { call, id, command });
        }
        let Waiting { ask: id, asked, .. } = self.waiting.as_ref()?;
        let command = match asked {
            Asked::Keys(ask) => CallCommand::Gather(Box::new(self.gather(*id, ask, now)?)),
            Asked::Transfer { to, .. } => CallCommand::Transfer { id: *id, to: to.reveal()?.clone(), now },
            Asked::Webhook(_) => return None,
        };
        Some(Order { call, id: *id, command })
    }

    fn gather(&self, id: Uuid, ask: &Ask, now: Time) -> Option<GatherOrder> {
        Some(GatherOrder {
            id,
            session: self.id?,
            text: ask.text.clone(),
            max_digits: ask.max_digits,
            terminator: ask.terminator,
            secret: ask.secret,
            timeout_ms: ask.timeout_ms,
            inter_digit_timeout_ms: ask.inter_digit_timeout_ms,
            now,
        })
    }

    /// Whether the caller is still in the menus.
    #[must_use]
    pub fn is_active(&self) -> bool {
        self.exists() && self.status() == SessionStatus::Active
    }
}
