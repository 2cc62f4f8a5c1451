//! One turn, from the question to the answer, in a task of its own.

use std::sync::Arc;
use std::time::{Duration, Instant};

use domain::conversation::{
    CalledTool, Channel, Completed, ConversationCommand, Executed, Finish, PassedOver, ToolRound,
    TurnCompleted, TurnFault, has_speech, has_words,
};
use domain::ids::{ConversationId, MessageId};
use domain::knowledge::Retrieved;
use domain::model::{ModelRef, Usage};
use domain::ports::llm::{ChatEvent, ChatMessage, ChatRequest, ToolCall, withdraw};

use super::agents::TurnSetup;
use super::feed::{Answer, Failed, Feed, Piece};
use super::grounds::{LookedUp, look_up};
use super::service::ConversationService;
use super::tools::Round;
use crate::context::CommandContext;
use crate::session::CommandError;

/// Most rounds of tool calls; after them the model must answer.
pub(super) const MAX_ROUNDS: u32 = 8;
/// Most tool calls of a model in one round.
const MAX_CALLS: usize = 16;
/// Webhooks of a carrier may overtake each other, so an earlier utterance of the caller may arrive this much later.
/// Until then no effect on the call follows from the utterance that arrived first. The model is asked meanwhile.
const OVERTAKEN: Duration = Duration::from_millis(300);
/// How long an answer may wait for what is known of the person.
const REMEMBERING: Duration = Duration::from_millis(50);
/// Longest answer that is kept, in bytes.
const MAX_ANSWER: usize = 256 << 10;
/// The answer when a model only calls tools until the last round.
const GIVEN_UP: &str = "I could not finish that. Please try again in other words.";

pub(super) struct Turn {
    pub(super) conversations: ConversationService,
    pub(super) conversation: ConversationId,
    pub(super) turn: MessageId,
    pub(super) cast: TurnSetup,
    pub(super) context: CommandContext,
    pub(super) feed: Arc<Feed>,
    pub(super) began: Instant,
}

/// One complete response of a model.
struct Said {
    text: String,
    calls: Vec<ToolCall>,
    usage: Usage,
    finish: Finish,
    by: ModelRef,
}

impl Said {
    /// Whether the response has anything to act on: words, on a call words that can be spoken, or a tool call.
    fn is_heard(&self, on_call: bool) -> bool {
        let words = if on_call { has_speech(&self.text) } else { has_words(&self.text) };
        words || !self.calls.is_empty()
    }

    /// The fault that a response without content counts as.
    fn fault(&self) -> TurnFault {
        if self.finish == Finish::Refused { TurnFault::BadRequest } else { TurnFault::Protocol }
    }
}

/// Why none of a list of models gave an answer.
struct Broken {
    fault: TurnFault,
    /// Whether parts of an answer were published before.
    told: bool,
    /// The models that were asked, the last one included.
    passed: Vec<PassedOver>,
}

/// Why a turn ends without an answer.
enum Stopped {
    Failed(Failed),
    /// The conversation has moved on without the turn, or it cannot be written.
    Moot,
}

impl Turn {
    /// Runs the turn. Whatever happens, the feed ends.
    pub(super) async fn run(self, stop: tokio_util::sync::CancellationToken) {
        let limit = self.conversations.options().turn_limit;
        let outcome = tokio::select! {
            outcome = tokio::time::timeout(limit, self.rounds()) => {
                outcome.unwrap_or_else(|_| Err(failed(TurnFault::TimedOut)))
            }
            () = stop.cancelled() => Err(failed(TurnFault::Abandoned)),
        };
        match outcome {
            Ok(answer) => self.feed.push(Piece::Message(Box::new(answer))),
            Err(Stopped::Failed(why)) => {
                self.note_failure(&why).await;
                self.feed.push(Piece::Error(why));
            }
            Err(Stopped::Moot) => self.feed.push(Piece::Error(Failed { fault: None, passed_over: vec![] })),
        }
        self.feed.push(Piece::Done);
        self.conversations.turn_over(&self).await;
    }

    async fn note_failure(&self, why: &Failed) {
        let fault = why.fault.unwrap_or(TurnFault::Abandoned);
        metrics::counter!(domain::metrics::TURNS, "outcome" => fault.as_str()).increment(1);
        let now = self.conversations.runtime().clock.now();
        let fail =
            ConversationCommand::Fail { turn: self.turn, fault, passed_over: why.passed_over.clone(), now };
        if let Err(error) = self.conversations.command(self.conversation, fail, &self.context).await {
            // the next message finds the turn abandoned
            tracing::info!(error = &error as &dyn std::error::Error, "a failed turn is not noted");
        }
    }

    async fn rounds(&self) -> Result<Answer, Stopped> {
        let (mut usage, mut first_token_ms, mut passed_over) = (Usage::default(), None, Vec::new());
        let (system, looked_up) = tokio::join!(self.system(), self.look_up());
        let passages = looked_up.as_ref().map_or("", |looked_up| &looked_up.prompt);
        for round in 1.. {
            let began = Instant::now();
            let said = self.ask((&system, passages), &mut first_token_ms, &mut passed_over).await?;
            usage = usage.plus(said.usage);
            if said.calls.is_empty() || round > MAX_ROUNDS {
                let retrieved = looked_up.map(|looked_up| looked_up.retrieved);
                return self.complete(said, usage, first_token_ms, passed_over, retrieved).await;
            }
            self.use_tools(round, said, began).await?;
        }
        Err(Stopped::Moot)
    }

    /// Looks up what may answer the person's last message. Tool rounds of the turn use the same passages.
    async fn look_up(&self) -> Option<LookedUp> {
        let knowledge = self.conversations.knowledge()?;
        let (_, agent) = self.cast.agent.as_ref().filter(|(_, agent)| !agent.knowledge_bases.is_empty())?;
        let prompt = self.conversations.prompt(self.conversation, "").await.ok()?;
        let question = prompt.messages.iter().rev().find_map(|message| match message {
            ChatMessage::User(text) => Some(text),
            _ => None,
        });
        look_up(knowledge, self.context.client, agent, question?).await
    }

    /// The agent's system prompt, and what is known of the person, as far as that is found in time.
    async fn system(&self) -> String {
        let prompt = self.cast.system_prompt().to_owned();
        let memory = self.cast.agent.as_ref().and_then(|(_, terms)| terms.memory);
        let (Some(memory), Some(memories)) = (memory, self.conversations.memories()) else { return prompt };
        let turn = self.turn;
        let said = self.conversations.look(self.conversation, move |state| {
            let said = state.window().find(|one| one.id == turn);
            said.and_then(|one| one.content.reveal().cloned()).unwrap_or_default()
        });
        let said = said.await.unwrap_or_default();
        let limit = usize::from(memory.limit);
        let told = memories.told(self.context.client, self.conversation, &said, limit, REMEMBERING);
        match told.await {
            Some(known) if prompt.trim().is_empty() => known,
            Some(known) => format!("{}\n\n{known}", prompt.trim_end()),
            None => prompt,
        }
    }

    async fn ask(
        &self,
        (system, passages): (&str, &str),
        first_token_ms: &mut Option<u64>,
        passed_over: &mut Vec<PassedOver>,
    ) -> Result<Said, Stopped> {
        let prompt = self.conversations.prompt(self.conversation, system).await;
        let prompt = prompt.map_err(|_| Stopped::Moot)?;
        let terms = self.cast.agent.as_ref().map(|(_, terms)| terms);
        let system = match (prompt.system, passages) {
            (system, "") => system,
            (None, passages) => Some(passages.to_owned()),
            (Some(system), passages) => Some(format!("{system}\n\n{passages}")),
        };
        let request = ChatRequest {
            system,
            messages: prompt.messages,
            tools: self.cast.specs(),
            temperature: terms
                .and_then(|terms| terms.temperature_permille)
                .map(|value| f64::from(value) / 1_000.0),
            max_tokens: terms.and_then(|terms| terms.max_tokens),
        };
        let channel = self.conversations.look(self.conversation, |state| state.channel()).await;
        let on_call = channel.map_err(|_| Stopped::Moot)? == Channel::Voice;
        let mut models = self.cast.models.as_slice();
        loop {
            let asked = self.ask_first(models, &request, first_token_ms).await;
            let fault = match asked {
                Ok((said, passed)) if said.is_heard(on_call) => {
                    if on_call {
                        tokio::time::sleep(OVERTAKEN.saturating_sub(self.began.elapsed())).await;
                    }
                    passed_over.extend(passed);
                    return Ok(said);
                }
                Ok((said, passed)) => {
                    models = models.get(passed.len() + 1..).unwrap_or_default();
                    let fault = said.fault();
                    passed_over.extend(passed);
                    passed_over.push(PassedOver { model: said.by, fault });
                    fault
                }
                Err(Broken { fault, told, passed }) => {
                    models = models.get(passed.len()..).unwrap_or_default();
                    passed_over.extend(passed);
                    // published words cannot be taken back, so no other model may continue; on a call only
                    // whole answers are spoken
                    if told && !on_call {
                        models = &[];
                    }
                    fault
                }
            };
            if models.is_empty() {
                let passed_over = std::mem::take(passed_over);
                return Err(Stopped::Failed(Failed { fault: Some(fault), passed_over }));
            }
            *first_token_ms = None;
        }
    }

    /// The response of the first of these models that begins to answer, and the models that were asked before it.
    async fn ask_first(
        &self,
        models: &[ModelRef],
        request: &ChatRequest,
        first_token_ms: &mut Option<u64>,
    ) -> Result<(Said, Vec<PassedOver>), Broken> {
        let answering = self.conversations.models().stream(self.context.client, models, request).await;
        let answering = answering.map_err(|unanswered| Broken {
            fault: unanswered.failure.fault(),
            told: false,
            passed: unanswered.passed_over,
        })?;
        let (by, mut passed, mut events) = (answering.by, answering.passed_over, answering.events);
        let (mut text, mut calls, mut usage, mut finish) =
            (String::new(), Vec::new(), Usage::default(), None);
        while let Some(event) = events.next().await {
            match event {
                Ok(ChatEvent::Text(more)) => {
                    if first_token_ms.is_none() {
                        *first_token_ms = Some(self.began.elapsed().as_millis() as u64);
                        metrics::histogram!(domain::metrics::TURN_FIRST_TOKEN_SECONDS)
                            .record(self.began.elapsed());
                    }
                    text.push_str(&more);
                    if text.len() > MAX_ANSWER {
                        finish = Some(Finish::Length);
                        break;
                    }
                    self.feed.push(Piece::Delta(more));
                }
                Ok(ChatEvent::Withdrawn(bytes)) => withdraw(&mut text, bytes),
                Ok(ChatEvent::ToolCall(call)) => calls.push(call),
                Ok(ChatEvent::Usage(so_far)) => usage = so_far,
                Ok(ChatEvent::Finished(how)) => finish = Some(how),
                Err(failure) => {
                    let fault = failure.fault();
                    passed.push(PassedOver { model: by, fault });
                    return Err(Broken { fault, told: has_words(&text), passed });
                }
            }
        }
        calls.truncate(MAX_CALLS);
        distinguish(&mut calls);
        Ok((Said { text, calls, usage, finish: finish.unwrap_or(Finish::Stop), by }, passed))
    }

    async fn use_tools(&self, round: u32, said: Said, began: Instant) -> Result<(), Stopped> {
        for call in &said.calls {
            let (id, name, arguments) = (call.id.clone(), call.name.clone(), call.arguments.clone());
            self.feed.push(Piece::ToolCall { id, name, arguments });
        }
        let called = |call: &ToolCall| CalledTool {
            id: call.id.clone(),
            name: call.name.clone(),
            arguments: call.arguments.clone().into(),
            opaque: call.opaque.clone().map(Into::into),
        };
        let tools = ConversationCommand::CallTools(Box::new(ToolRound {
            turn: self.turn,
            id: MessageId(self.conversations.runtime().ids.next()),
            content: said.text.into(),
            calls: said.calls.iter().map(called).collect(),
            by: said.by,
            usage: said.usage,
            latency_ms: began.elapsed().as_millis() as u64,
            now: self.conversations.runtime().clock.now(),
        }));
        self.write(tools).await?;
        let call = self.conversations.look(self.conversation, |state| state.call()).await;
        let round = Round {
            client: self.context.client,
            conversation: self.conversation,
            call: call.map_err(|_| Stopped::Moot)?,
            turn: self.turn,
            number: round,
            cast: &self.cast,
        };
        let executed: Vec<Executed> = self.conversations.toolbox().use_all(round, &said.calls).await;
        self.write(ConversationCommand::Execute(executed)).await
    }

    async fn write(&self, command: ConversationCommand) -> Result<(), Stopped> {
        self.conversations.command(self.conversation, command, &self.context).await.map(drop).map_err(
            |error| {
                tracing::info!(error = &error as &dyn std::error::Error, "a turn cannot go on");
                Stopped::Moot
            },
        )
    }

    async fn complete(
        &self,
        said: Said,
        usage: Usage,
        first_token_ms: Option<u64>,
        passed_over: Vec<PassedOver>,
        retrieved: Option<Retrieved>,
    ) -> Result<Answer, Stopped> {
        let (mut text, mut finish) = (said.text, said.finish);
        if !said.calls.is_empty() {
            finish = Finish::ToolRounds;
            if !has_speech(&text) {
                GIVEN_UP.clone_into(&mut text);
                self.feed.push(Piece::Delta(text.clone()));
            }
        }
        let completed = Completed {
            turn: self.turn,
            id: MessageId(self.conversations.runtime().ids.next()),
            content: text.into(),
            by: said.by,
            usage: said.usage,
            latency_ms: self.began.elapsed().as_millis() as u64,
            first_token_ms,
            finish,
            passed_over,
            retrieved,
            now: self.conversations.runtime().clock.now(),
        };
        let command = ConversationCommand::Complete(Box::new(completed.clone()));
        let written = self.conversations.command(self.conversation, command, &self.context).await;
        let receipt = written.map_err(|error| {
            // the conversation may have ended while the model was answering
            if let CommandError::Refused(_) = error {
                tracing::debug!(error = &error as &dyn std::error::Error, "an answer came too late");
            } else {
                tracing::warn!(error = &error as &dyn std::error::Error, "an answer cannot be noted");
            }
            Stopped::Moot
        })?;
        metrics::counter!(domain::metrics::TURNS, "outcome" => "completed").increment(1);
        metrics::histogram!(domain::metrics::TURN_SECONDS).record(self.began.elapsed());
        let seq = self.conversations.seq_of(self.conversation, self.turn).await.ok_or(Stopped::Moot)?;
        Ok(Answer { completed: as_fact(completed, seq), usage, position: receipt.position })
    }
}

fn failed(fault: TurnFault) -> Stopped {
    Stopped::Failed(Failed { fault: Some(fault), passed_over: vec![] })
}

fn as_fact(completed: Completed, seq: u32) -> TurnCompleted {
    let Completed {
        turn,
        id,
        content,
        by,
        usage,
        latency_ms,
        first_token_ms,
        finish,
        passed_over,
        retrieved,
        now,
    } = completed;
    TurnCompleted {
        turn,
        id,
        seq,
        content,
        by,
        usage,
        latency_ms,
        first_token_ms,
        finish,
        passed_over,
        retrieved,
        call: None,
        tell_at: None,
        at: now,
    }
}

/// Makes the ids of tool calls unique: some servers give two calls the same id, and every result must find its call.
fn distinguish(calls: &mut [ToolCall]) {
    for at in 1..calls.len() {
        let id = calls[at].id.clone();
        if calls[..at].iter().any(|call| call.id == id) {
            calls[at].id = format!("{id}_{at}");
        }
    }
}
