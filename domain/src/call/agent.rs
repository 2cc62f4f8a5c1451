//! A call with an agent: the call notifies its conversation of what the other end says and keys.

use uuid::Uuid;

use super::decide::Decision;
use super::event::{AgentRequested, CallEvent, ConversationNotified, TranscriptionRequested};
use super::state::Call;
use super::terms::{Direction, Speaker};
use crate::envelope::Time;
use crate::ids::{AgentId, ConversationId, derive};
use crate::number::Route;

impl Call {
    /// The agent that talks or will talk; `None` when a menu leads the call or no agent is named.
    #[must_use]
    pub fn agent(&self) -> Option<AgentId> {
        if self.conversation.is_some() {
            return self.agent;
        }
        let routed = match (self.direction, self.route) {
            (Some(Direction::Inbound), Some(Route::Agent { id })) => id,
            _ => None,
        };
        routed.or(self.agent).filter(|_| self.menu.is_none())
    }

    /// The conversation with the agent, once it was requested.
    #[must_use]
    pub fn conversation(&self) -> Option<ConversationId> {
        self.conversation
    }

    /// Whether the call is answered and nobody has asked to end it.
    #[must_use]
    pub fn is_talking(&self) -> bool {
        self.answered_at.is_some() && !self.is_over() && self.hang_up.is_none()
    }

    /// Whether the other end called us.
    #[must_use]
    pub fn is_inbound(&self) -> bool {
        self.direction == Some(Direction::Inbound)
    }

    /// Requests the agent, once, as soon as the call is answered and its route known; either may come first.
    pub(super) fn begin_agent(&self, at: Time) -> Option<CallEvent> {
        let agent_id =
            self.agent().filter(|_| self.is_talking() && !self.foreign && self.conversation.is_none())?;
        // the voice runtime holds the conversation
        if self.is_hosted() {
            return None;
        }
        Some(self.agent_requested(agent_id, at))
    }

    fn agent_requested(&self, agent_id: AgentId, at: Time) -> CallEvent {
        let purpose = "conversation";
        let id = self
            .order
            .as_ref()
            .map_or_else(|| self.effect_of_leg(purpose), |order| derive(order.dial_id, purpose));
        AgentRequested { conversation_id: ConversationId(id), agent_id, at }.into()
    }

    /// Lets an agent take over from a menu, and starts transcription, which a menu does not need.
    pub(super) fn start_agent(&self, id: Uuid, agent: AgentId, now: Time) -> Decision {
        if self.handled.contains(&id) || self.conversation.is_some() {
            return Ok(vec![]);
        }
        self.must_be_talking("start an agent")?;
        let listen = TranscriptionRequested { effect_id: id, at: now }.into();
        Ok(vec![listen, self.agent_requested(agent, now)])
    }

    /// Whether a menu led the call before.
    #[must_use]
    pub fn came_from_menu(&self) -> bool {
        self.ivr.is_some()
    }

    /// Notifies the conversation of what the other end says or keys, and of the end.
    pub(super) fn tell_conversation(&self, facts: &[CallEvent]) -> Option<CallEvent> {
        let conversation_id = self.conversation?;
        let heard = |fact: &CallEvent| match fact {
            CallEvent::LineTranscribed(line) => (line.speaker == Speaker::Caller).then_some(line.at),
            CallEvent::DtmfReceived(key) => (!key.repeated).then_some(key.at),
            CallEvent::Ended(ended) => Some(ended.at),
            _ => None,
        };
        let at = facts.iter().rev().find_map(heard)?;
        let id = derive(conversation_id.0, &format!("news {}", self.told + 1));
        Some(ConversationNotified { id, conversation_id, at }.into())
    }
}
