//! An agent on a call: greets, hears the lines the carrier transcribes, has the answers spoken. Turn by turn.
//!
//! Driven by the outbox: whatever is done here follows from a fact, and doing it twice does it once.

use std::time::Duration;

use domain::agent::DEFAULT_APOLOGY;
use domain::call::terms::Speaker;
use domain::call::{Call, CallCommand, CallEvent, CallRefusal, DEFAULT_GREETING, MAX_SPEECH_CHARS};
use domain::conversation::{
    CancelledFor, Channel, ConversationCommand, ConversationEvent, ConversationRefusal, ConversationStarted,
    EndedFor, MessageKind, MessageRole, Said, speech_text,
};
use domain::envelope::{Position, Recorded, Version};
use domain::ids::{AgentId, CallId, ConversationId, MessageId, derive};
use domain::personal::Personal;
use domain::ports::event_store::{Direction, ReadError};
use domain::ports::work::WorkItem;
use domain::wire::DomainEvent as _;
use uuid::Uuid;

use super::talks::{Question, TalkError, Talks};
use crate::call::Calls;
use crate::context::CommandContext;
use crate::session::CommandError;

/// Who it is in the log.
const COMPONENT: &str = "voice";
const PAGE: usize = 512;

/// Why it cannot be done just now.
#[derive(Debug, thiserror::Error)]
pub enum VoiceError {
    /// The call could not be reached.
    #[error("the call cannot be told")]
    Call(#[source] CommandError<CallRefusal>),
    /// The conversation could not be reached.
    #[error("the conversation cannot be told")]
    Conversation(#[from] TalkError),
    /// The log could not be read.
    #[error("the log cannot be read")]
    Log(#[from] ReadError),
    /// What was read makes no sense to this version.
    #[error("the log holds what this version cannot read")]
    Unreadable,
}

/// Agents on calls.
#[derive(Debug, Clone)]
pub struct Voice {
    /// Conversations.
    pub talks: Talks,
    /// Live calls.
    pub calls: Calls,
}

impl Voice {
    /// A pause that is long enough for whatever was in the way.
    pub const PAUSE: Duration = Duration::from_millis(500);

    fn context(item: &WorkItem) -> CommandContext {
        CommandContext::following(COMPONENT, item.client, &item.cause)
    }

    /// Has the conversation of a call hear what there is to hear, and answer it.
    ///
    /// # Errors
    /// See [`VoiceError`].
    pub async fn converse(&self, item: &WorkItem) -> Result<(), VoiceError> {
        let (call_id, context) = (CallId(item.subject), Self::context(item));
        let call = self.calls.inspect(call_id).await.map_err(VoiceError::Call)?;
        let (Some(conversation), Some(agent)) = (call.conversation(), call.agent()) else { return Ok(()) };
        let (state, _) = self.talks.inspect(conversation, true).await.map_err(TalkError::from)?;
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
        let asks = heard.iter().any(|said| said.role == MessageRole::User && said.kind == MessageKind::Text);
        if !heard.is_empty() {
            self.tell(conversation, ConversationCommand::Note(heard), &context).await?;
        }
        if call.is_over() {
            let now = self.talks.runtime().clock.now();
            return self
                .tell(conversation, ConversationCommand::End { reason: EndedFor::Call, now }, &context)
                .await;
        }
        if asks { self.answer(conversation, &context).await } else { Ok(()) }
    }

    async fn tell(
        &self,
        conversation: ConversationId,
        command: ConversationCommand,
        context: &CommandContext,
    ) -> Result<(), VoiceError> {
        match self.talks.command(conversation, command, context).await {
            Ok(_) | Err(CommandError::Refused(_)) => Ok(()),
            Err(error) => Err(TalkError::from(error).into()),
        }
    }

    async fn begin(
        &self,
        call: CallId,
        conversation: ConversationId,
        agent: AgentId,
        context: &CommandContext,
    ) -> Result<(), VoiceError> {
        let agent = match self.talks.agent(context.client, agent).await {
            Ok(agent) => Some(agent),
            Err(TalkError::UnknownAgent) => None,
            Err(error) => return Err(error.into()),
        };
        let started = ConversationStarted {
            agent,
            channel: Channel::Voice,
            call: Some(call),
            user: None,
            metadata: None,
            at: self.talks.runtime().clock.now(),
        };
        self.tell(conversation, ConversationCommand::Start(Box::new(started)), context).await
    }

    /// The caller is greeted once: in the agent's words, or in ours where it has none and was asked for.
    async fn greet(
        &self,
        id: CallId,
        call: &Call,
        conversation: ConversationId,
        agent: AgentId,
        context: &CommandContext,
    ) -> Result<(), VoiceError> {
        let live = self.talks.desk().live(context.client, agent).await.map_err(TalkError::Log)?;
        let own = live.and_then(|(_, terms)| terms.greeting.clone());
        let expected = call.is_inbound() || call.came_from_menu();
        let default = expected.then(|| DEFAULT_GREETING.to_owned());
        let Some(text) = own.or(default) else { return Ok(()) };
        self.say(id, derive(conversation.0, "greeting"), &text, context).await
    }

    /// Has the words of a text spoken; nothing where it has none that can be.
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
        let now = self.talks.runtime().clock.now();
        match self.calls.execute(call, CallCommand::Say { id, text, now }, context.clone(), None).await {
            Ok(_) | Err(CommandError::Refused(_)) => Ok(()),
            Err(error) => Err(VoiceError::Call(error)),
        }
    }

    /// What was said and keyed on the call behind line `after`; what the agent itself had spoken is known already.
    async fn heard(&self, call: CallId, after: u32, spoken: &[Uuid]) -> Result<Vec<Said>, VoiceError> {
        let store = &self.talks.runtime().store;
        let (mut at, mut heard) = (Version::NONE, Vec::new());
        loop {
            let page = store.read_stream(&call.stream(), at, Direction::Forwards, PAGE).await?;
            let Some(last) = page.last() else { return Ok(heard) };
            at = last.version;
            heard.extend(page.iter().filter_map(|recorded| line(call, recorded, after, spoken)));
        }
    }

    /// What was said last is answered; an answer that is still being given is not wanted any more.
    async fn answer(&self, conversation: ConversationId, context: &CommandContext) -> Result<(), VoiceError> {
        for interrupting in [false, true] {
            if interrupting {
                let cancel = self.talks.cancel(conversation, CancelledFor::Interrupted, context).await;
                cancel.map_err(TalkError::from)?;
            }
            let question = Question { conversation, start: None, said: None };
            match self.talks.begin_turn(question, context.clone()).await {
                Err(TalkError::Command(CommandError::Refused(ConversationRefusal::TurnUnderWay))) => {}
                Ok(()) | Err(TalkError::Command(CommandError::Refused(_)) | TalkError::UnknownAgent) => {
                    return Ok(());
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// Has an answer spoken on its call, or an apology where no model gave one.
    ///
    /// # Errors
    /// See [`VoiceError`].
    pub async fn speak_reply(&self, item: &WorkItem) -> Result<(), VoiceError> {
        let before = Position(item.position.0.saturating_sub(1));
        let events: Vec<Recorded> = self.talks.runtime().store.read_all(before, 1).await?;
        let Some(recorded) = events.first() else { return Ok(()) };
        let event = ConversationEvent::decode(&recorded.event_type, recorded.schema, &recorded.payload);
        let (id, text) = match event {
            Ok(ConversationEvent::TurnCompleted(completed)) => {
                (completed.id.0, completed.content.into_inner().unwrap_or_default())
            }
            Ok(ConversationEvent::TurnFailed(failed)) => {
                let conversation = ConversationId(recorded.stream.id());
                let Some(apology) = self.apology(conversation, failed.turn, item).await? else {
                    return Ok(());
                };
                (derive(failed.turn.0, "apology"), apology)
            }
            _ => return Err(VoiceError::Unreadable),
        };
        self.say(CallId(item.subject), id, &text, &Self::context(item)).await
    }

    /// What the caller hears of a turn that failed; nothing once they have spoken on.
    async fn apology(
        &self,
        conversation: ConversationId,
        turn: MessageId,
        item: &WorkItem,
    ) -> Result<Option<String>, VoiceError> {
        let (state, _) = self.talks.inspect(conversation, true).await.map_err(TalkError::from)?;
        if state.turn().is_some() || state.failed(turn).is_none() {
            return Ok(None);
        }
        let live = match state.agent() {
            Some(agent) => self.talks.desk().live(item.client, agent.id).await.map_err(TalkError::Log)?,
            None => None,
        };
        let own = live.and_then(|(_, terms)| terms.apology.clone());
        Ok(Some(own.unwrap_or_else(|| DEFAULT_APOLOGY.to_owned())))
    }
}

/// A line of a call's transcript as a message.
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
