//! An agent on a call: greets the caller, takes the lines the carrier transcribes, has the answers
//! spoken, turn by turn.
//!
//! Driven by the outbox: each step follows from a recorded event, and repeating it has no second effect.

use std::time::Duration;

use domain::agent::DEFAULT_APOLOGY;
use domain::call::terms::Speaker;
use domain::call::{Call, CallCommand, CallEvent, CallRefusal, DEFAULT_GREETING, MAX_SPEECH_CHARS};
use domain::conversation::{
    AgentRef, CancelledFor, Channel, ConversationCommand, ConversationEvent, ConversationRefusal,
    ConversationStarted, EndedFor, MessageKind, MessageRole, Said, speech_text,
};
use domain::envelope::{Position, Recorded, Version};
use domain::ids::{AgentId, CallId, ConversationId, MessageId, derive};
use domain::personal::Personal;
use domain::ports::event_store::{Direction, ReadError};
use domain::ports::outbox::OutboxItem;
use domain::wire::DomainEvent as _;
use uuid::Uuid;

use super::service::{ConversationError, ConversationService, Question};
use crate::call::Calls;
use crate::context::CommandContext;
use crate::session::CommandError;

/// Name of this component in the metadata of events.
const COMPONENT: &str = "voice";
const PAGE: usize = 512;

/// Why a step failed; the outbox tries again.
#[derive(Debug, thiserror::Error)]
pub enum VoiceError {
    #[error("the call cannot be told")]
    Call(#[source] CommandError<CallRefusal>),
    #[error("the conversation cannot be told")]
    Conversation(#[from] ConversationError),
    #[error("the log cannot be read")]
    Log(#[from] ReadError),
    /// The event cannot be decoded by this version; trying again does not help.
    #[error("the log holds what this version cannot read")]
    Unreadable,
}

/// Connects agents with their calls.
#[derive(Debug, Clone)]
pub struct Voice {
    pub conversations: ConversationService,
    pub calls: Calls,
}

impl Voice {
    /// Pause before a failed step is tried again.
    pub const PAUSE: Duration = Duration::from_millis(500);

    fn context(item: &OutboxItem) -> CommandContext {
        CommandContext::following(COMPONENT, item.client, &item.cause)
    }

    /// Adds to a call's conversation what was said on the call since, and has the agent answer it. Begins the
    /// conversation if it does not exist.
    pub async fn converse(&self, item: &OutboxItem) -> Result<(), VoiceError> {
        let (call_id, context) = (CallId(item.subject), Self::context(item));
        let call = self.calls.inspect(call_id).await.map_err(VoiceError::Call)?;
        let (Some(conversation), Some(agent)) = (call.conversation(), call.agent()) else { return Ok(()) };
        let (state, _) =
            self.conversations.inspect(conversation, true).await.map_err(ConversationError::from)?;
        if state.is_ended() {
            return Ok(());
        }
        if !state.exists() {
            self.begin(call_id, conversation, agent, &context).await?;
        }
        if state.seq() == 0 && call.is_talking() {
            self.greet(call_id, &call, conversation, agent, &context).await?;
        }
        let spoken: Vec<Uuid> = state.window().map(|one| one.id.0).collect();
        let heard = self.heard(call_id, state.line(), &spoken).await?;
        if !heard.is_empty() {
            self.tell(conversation, ConversationCommand::Note(heard), &context).await?;
        }
        if call.is_over() {
            let now = self.conversations.runtime().clock.now();
            return self
                .tell(conversation, ConversationCommand::End { reason: EndedFor::Call, now }, &context)
                .await;
        }
        // not by what was just heard: a node that stopped may have noted it, and begun no turn
        let asks = self.conversations.look(conversation, |state| state.awaits_turn()).await;
        if asks.map_err(ConversationError::from)? {
            self.answer(conversation, &context).await
        } else {
            Ok(())
        }
    }

    async fn tell(
        &self,
        conversation: ConversationId,
        command: ConversationCommand,
        context: &CommandContext,
    ) -> Result<(), VoiceError> {
        match self.conversations.command(conversation, command, context).await {
            Ok(_) | Err(CommandError::Refused(_)) => Ok(()),
            Err(error) => Err(ConversationError::from(error).into()),
        }
    }

    async fn begin(
        &self,
        call: CallId,
        conversation: ConversationId,
        agent: AgentId,
        context: &CommandContext,
    ) -> Result<(), VoiceError> {
        let agent = match self.conversations.agent(context.client, agent).await {
            Ok(agent) => Some(agent),
            Err(ConversationError::UnknownAgent) => None,
            Err(error) => return Err(error.into()),
        };
        let started = ConversationStarted {
            agent,
            channel: Channel::Voice,
            call: Some(call),
            user: None,
            metadata: None,
            customer_id: None,
            at: self.conversations.runtime().clock.now(),
        };
        self.tell(conversation, ConversationCommand::Start(Box::new(started)), context).await
    }

    /// Greets the caller once: with the agent's greeting, or with the default greeting when the agent has none and
    /// the call is inbound or came from a menu.
    async fn greet(
        &self,
        id: CallId,
        call: &Call,
        conversation: ConversationId,
        agent: AgentId,
        context: &CommandContext,
    ) -> Result<(), VoiceError> {
        let live =
            self.conversations.desk().live(context.client, agent).await.map_err(ConversationError::Log)?;
        let own = live.and_then(|(_, terms)| terms.greeting.clone());
        let expected = call.is_inbound() || call.came_from_menu();
        let default = expected.then(|| DEFAULT_GREETING.to_owned());
        let Some(text) = own.or(default) else { return Ok(()) };
        self.say(id, derive(conversation.0, "greeting"), &text, context).await
    }

    /// Has the speakable words of a text spoken; does nothing when there are none.
    async fn say(
        &self,
        call: CallId,
        id: Uuid,
        text: &str,
        context: &CommandContext,
    ) -> Result<(), VoiceError> {
        let text: String = speech_text(text).chars().take(MAX_SPEECH_CHARS).collect();
        if text.is_empty() {
            return Ok(());
        }
        let now = self.conversations.runtime().clock.now();
        match self.calls.execute(call, CallCommand::Say { id, text, now }, context.clone(), None).await {
            Ok(_) | Err(CommandError::Refused(_)) => Ok(()),
            Err(error) => Err(VoiceError::Call(error)),
        }
    }

    /// What was said and keyed on the call after line `after`, without the utterances in `spoken`, which
    /// the agent itself made.
    async fn heard(&self, call: CallId, after: u32, spoken: &[Uuid]) -> Result<Vec<Said>, VoiceError> {
        let store = &self.conversations.runtime().store;
        let (mut at, mut heard) = (Version::NONE, Vec::new());
        loop {
            let page = store.read_stream(&call.stream(), at, Direction::Forwards, PAGE).await?;
            let Some(last) = page.last() else { return Ok(heard) };
            at = last.version;
            heard.extend(page.iter().filter_map(|recorded| line(call, recorded, after, spoken)));
        }
    }

    /// Begins a turn that answers the last message; cancels a turn that is still running.
    async fn answer(&self, conversation: ConversationId, context: &CommandContext) -> Result<(), VoiceError> {
        for interrupting in [false, true] {
            if interrupting {
                let cancel =
                    self.conversations.cancel(conversation, CancelledFor::Interrupted, context).await;
                cancel.map_err(ConversationError::from)?;
            }
            let question = Question { conversation, start: None, said: None };
            match self.conversations.begin_turn(question, context.clone()).await {
                Err(ConversationError::Command(CommandError::Refused(ConversationRefusal::TurnUnderWay))) => {
                }
                Ok(())
                | Err(
                    ConversationError::Command(CommandError::Refused(_)) | ConversationError::UnknownAgent,
                ) => {
                    return Ok(());
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// Has an agent's answer spoken on its call, or an apology when no model gave an answer. A turn whose node stopped
    /// is begun again on this one.
    pub async fn speak_reply(&self, item: &OutboxItem) -> Result<(), VoiceError> {
        let before = Position(item.position.0.saturating_sub(1));
        let events: Vec<Recorded> = self.conversations.runtime().store.read_all(before, 1).await?;
        let Some(recorded) = events.first() else { return Ok(()) };
        let event = ConversationEvent::decode(&recorded.event_type, recorded.schema, &recorded.payload);
        let (id, text) = match event {
            Ok(ConversationEvent::TurnCompleted(completed)) => {
                (completed.id.0, completed.content.into_inner().unwrap_or_default())
            }
            Ok(ConversationEvent::TurnFailed(failed)) => {
                let conversation = ConversationId(recorded.stream.id());
                let (state, _) =
                    self.conversations.inspect(conversation, true).await.map_err(ConversationError::from)?;
                if state.is_resumable(failed.turn) {
                    return self.answer(conversation, &Self::context(item)).await;
                }
                if state.turn().is_some() || state.failed(failed.turn).is_none() {
                    // the conversation has moved on since
                    return Ok(());
                }
                let apology = self.apology(state.agent(), item).await?;
                (derive(failed.turn.0, "apology"), apology)
            }
            _ => return Err(VoiceError::Unreadable),
        };
        self.say(CallId(item.subject), id, &text, &Self::context(item)).await
    }

    /// What a caller hears when no model answers: the agent's own words, or the default.
    async fn apology(&self, agent: Option<AgentRef>, item: &OutboxItem) -> Result<String, VoiceError> {
        let live = match agent {
            Some(agent) => {
                self.conversations.desk().live(item.client, agent.id).await.map_err(ConversationError::Log)?
            }
            None => None,
        };
        let own = live.and_then(|(_, terms)| terms.apology.clone());
        Ok(own.unwrap_or_else(|| DEFAULT_APOLOGY.to_owned()))
    }
}

/// A transcript line or keypad input of a call as a message; `None` for other events.
fn line(call: CallId, recorded: &Recorded, after: u32, spoken: &[Uuid]) -> Option<Said> {
    let event = CallEvent::decode(&recorded.event_type, recorded.schema, &recorded.payload).ok()?;
    let (seq, role, kind, content, at) = match event {
        CallEvent::SpeechRequested(e) if !spoken.contains(&e.effect_id) => {
            (e.seq, MessageRole::Assistant, MessageKind::Text, e.text, e.at)
        }
        CallEvent::LineTranscribed(e) if e.speaker == Speaker::Caller => {
            (e.seq, MessageRole::User, MessageKind::Text, e.text, e.at)
        }
        CallEvent::DigitsGathered(e) => {
            let keys = e.line?;
            (keys.seq, MessageRole::User, MessageKind::Dtmf, keys.digits, e.at)
        }
        CallEvent::DtmfReceived(e) if !e.repeated => {
            let key = e.digit.reveal().map(|key| Personal::new(key.to_string()))?;
            (e.seq, MessageRole::User, MessageKind::Dtmf, key, e.at)
        }
        _ => return None,
    };
    let id = MessageId(derive(call.0, &format!("line {seq}")));
    (seq > after).then_some(Said { id, role, kind, content, line: Some(seq), at })
}
