//! What follows from a command, given the state of the conversation.

use super::command::{
    Completed, ConversationCommand, ConversationRefusal, Executed, MAX_CONTENT, MAX_METADATA, Said,
    ToolRound, UPDATES_APART,
};
use super::event::{
    CancelledFor, ConversationEnded, ConversationEvent, ConversationStarted, FunctionExecuted, MessageAdded,
    MessageRole, SentimentJudged, Summarised, ToolsCalled, TurnCancelled, TurnCompleted, TurnFailed,
    TurnFault, TurnStarted, UpdatesTold,
};
use super::state::{Conversation, OpenTurn, Outcome};
use crate::aggregate::Aggregate;
use crate::envelope::Time;
use crate::ids::{ConversationId, MessageId};

type Facts = Vec<ConversationEvent>;
type Decision = Result<Facts, ConversationRefusal>;

/// What is wrong with the text of a message; `None` when nothing is.
#[must_use]
pub fn content_fault(text: &str) -> Option<&'static str> {
    match text {
        text if text.len() > MAX_CONTENT => Some("must be at most 64 KiB"),
        text if text.trim().is_empty() => Some("must not be empty"),
        _ => None,
    }
}

fn check_content(said: &Said) -> Result<(), ConversationRefusal> {
    let fault = said.content.reveal().and_then(|text| content_fault(text));
    fault.map_or(Ok(()), |detail| Err(ConversationRefusal::Invalid("content", detail)))
}

fn check_start(started: &ConversationStarted) -> Result<(), ConversationRefusal> {
    let long = |text: &String, limit: usize| text.is_empty() || text.chars().count() > limit;
    if started.user.as_ref().and_then(|user| user.reveal()).is_some_and(|user| long(user, 200)) {
        return Err(ConversationRefusal::Invalid("user_id", "must have 1 to 200 characters"));
    }
    let metadata = started.metadata.as_ref().and_then(|metadata| metadata.reveal());
    let wrong = |metadata: &super::event::Metadata| {
        metadata.len() > MAX_METADATA
            || metadata.iter().any(|(name, value)| long(name, 64) || value.chars().count() > 500)
    };
    if metadata.is_some_and(wrong) {
        let detail = "must be at most 50 entries, names of 1 to 64 and values of at most 500 characters";
        return Err(ConversationRefusal::Invalid("metadata", detail));
    }
    Ok(())
}

impl Conversation {
    fn live(&self) -> Result<(), ConversationRefusal> {
        match (&self.started, self.ended) {
            (None, _) => Err(ConversationRefusal::Unknown),
            (Some(_), true) => Err(ConversationRefusal::Ended),
            (Some(_), false) => Ok(()),
        }
    }

    fn open(&self, turn: MessageId) -> Result<&OpenTurn, ConversationRefusal> {
        self.live()?;
        self.turn.as_ref().filter(|open| open.id == turn).ok_or(ConversationRefusal::TurnOver)
    }

    fn knows(&self, id: MessageId) -> bool {
        self.ids.contains(&id)
    }

    fn start(&self, started: &ConversationStarted) -> Decision {
        match &self.started {
            None => {
                check_start(started)?;
                Ok(vec![started.clone().into()])
            }
            Some(before) if before.channel == started.channel && before.call == started.call => Ok(vec![]),
            Some(_) => Err(ConversationRefusal::Exists),
        }
    }

    /// Adds those messages that are not recorded yet. Skips transcript lines up to the last one recorded.
    fn note(&self, said: &[Said], facts: &mut Facts) -> Result<(), ConversationRefusal> {
        let (mut seq, mut line, mut heard) = (self.seq, self.line, self.heard.clone());
        for one in said {
            if self.knows(one.id) || one.line.is_some_and(|number| number <= line) {
                continue;
            }
            check_content(one)?;
            (seq, line) = (seq + 1, one.line.unwrap_or(line));
            let (role, kind, content) = (one.role, one.kind, one.content.clone());
            let (id, at, line) = (one.id, one.at, one.line);
            let on_call = role == MessageRole::User && line.is_some();
            let place = heard.place(at).filter(|_| on_call);
            if on_call {
                heard.add(seq, at);
            }
            facts.push(MessageAdded { id, seq, place, role, kind, content, line, at }.into());
        }
        Ok(())
    }

    fn ask(&self, command: &ConversationCommand) -> Decision {
        let ConversationCommand::Ask { start, said, agent, node, dead, ends_by, now } = command else {
            return Ok(vec![]);
        };
        let mut facts = Vec::new();
        match (&self.started, start) {
            (None, Some(started)) => facts.extend(self.start(started)?),
            _ => self.live()?,
        }
        let last = || {
            // the message that came last, wherever its place is: it names the turn
            let users = self.window.iter().filter(|one| one.role == MessageRole::User);
            users.max_by_key(|one| one.seq).map(|one| one.id)
        };
        let turn = said.as_ref().map(|said| said.id).or_else(last).ok_or(ConversationRefusal::TurnOver)?;
        if let Some(open) = &self.turn {
            // the same request again: the turn is under way
            if dead.is_none_or(|dead| dead != open.id) && *now < open.ends_by {
                return if open.id == turn && said.is_some() {
                    Ok(vec![])
                } else {
                    Err(ConversationRefusal::TurnUnderWay)
                };
            }
            let fault = TurnFault::Abandoned;
            // without a call: the message asked now will be answered there
            facts.push(TurnFailed { turn: open.id, fault, passed_over: vec![], call: None, at: *now }.into());
        } else if self.last_turn == Some((turn, Outcome::Completed)) {
            return Ok(vec![]);
        } else if said.is_some() && self.knows(turn) && self.last_turn.is_none_or(|(last, _)| last != turn) {
            return Err(ConversationRefusal::Exists);
        }
        if let Some(said) = said {
            self.note(std::slice::from_ref(said), &mut facts)?;
        }
        let (agent, node) = (*agent, node.clone());
        facts.push(TurnStarted { turn, agent, node, ends_by: *ends_by, at: *now }.into());
        Ok(facts)
    }

    fn call_tools(&self, round: &ToolRound) -> Decision {
        let open = self.open(round.turn)?;
        if self.knows(round.id) {
            return Ok(vec![]);
        }
        if round.calls.is_empty() || !open.waiting.is_empty() {
            return Err(ConversationRefusal::Invalid("calls", "tools are called one round after the other"));
        }
        let called = ToolsCalled {
            turn: round.turn,
            round: open.rounds + 1,
            id: round.id,
            seq: self.seq + 1,
            content: round.content.clone(),
            calls: round.calls.clone(),
            by: round.by.clone(),
            usage: round.usage,
            latency_ms: round.latency_ms,
            at: round.now,
        };
        Ok(vec![called.into()])
    }

    fn execute(&self, executed: &[Executed]) -> Decision {
        let mut facts = Facts::new();
        for (one, seq) in executed.iter().zip(self.seq + 1..) {
            let open = self.open(one.turn)?;
            let waiting = open.waiting.iter().find(|(id, _)| *id == one.call_id);
            let (call_id, name) = waiting.cloned().ok_or(ConversationRefusal::TurnOver)?;
            let executed = FunctionExecuted {
                turn: one.turn,
                id: one.id,
                seq,
                call_id,
                tool: one.tool,
                name,
                outcome: one.outcome,
                status: one.status,
                content: one.content.clone(),
                latency_ms: one.latency_ms,
                at: one.now,
            };
            facts.push(executed.into());
        }
        Ok(facts)
    }

    /// When clients are told of an answer that is held back; `None`: at once. A clock that was set back
    /// must not delay it.
    fn next_update(&self, now: Time) -> Option<Time> {
        let due = self.told_at? + UPDATES_APART;
        (now < due && due <= now + UPDATES_APART).then_some(due)
    }

    fn complete(&self, completed: &Completed) -> Decision {
        if self.last_turn == Some((completed.turn, Outcome::Completed)) {
            return Ok(vec![]);
        }
        self.open(completed.turn)?;
        let completed = TurnCompleted {
            turn: completed.turn,
            id: completed.id,
            seq: self.seq + 1,
            content: completed.content.clone(),
            by: completed.by.clone(),
            usage: completed.usage,
            latency_ms: completed.latency_ms,
            first_token_ms: completed.first_token_ms,
            finish: completed.finish,
            passed_over: completed.passed_over.clone(),
            retrieved: completed.retrieved.clone(),
            call: self.call(),
            tell_at: self.next_update(completed.now),
            at: completed.now,
        };
        Ok(vec![completed.into()])
    }
}

impl Aggregate for Conversation {
    const CATEGORY: &'static str = ConversationId::CATEGORY;
    type Command = ConversationCommand;
    type Event = ConversationEvent;
    type Refusal = ConversationRefusal;

    fn decide(&self, command: &ConversationCommand) -> Decision {
        match command {
            ConversationCommand::Start(started) => self.start(started),
            ConversationCommand::Note(said) => {
                self.live()?;
                let mut facts = Facts::new();
                self.note(said, &mut facts)?;
                Ok(facts)
            }
            ConversationCommand::Ask { .. } => self.ask(command),
            ConversationCommand::CallTools(round) => self.call_tools(round),
            ConversationCommand::Execute(executed) => self.execute(executed),
            ConversationCommand::Complete(completed) => self.complete(completed),
            ConversationCommand::Fail { turn, fault, passed_over, now } => {
                if matches!(self.last_turn, Some((last, Outcome::Failed(_))) if last == *turn)
                    && self.turn.is_none()
                {
                    return Ok(vec![]);
                }
                self.open(*turn)?;
                let (turn, fault, passed_over) = (*turn, *fault, passed_over.clone());
                Ok(vec![TurnFailed { turn, fault, passed_over, call: self.call(), at: *now }.into()])
            }
            ConversationCommand::Cancel { turn, why, now } => {
                self.live()?;
                match &self.turn {
                    Some(open) if turn.is_none_or(|turn| turn == open.id) => {
                        Ok(vec![TurnCancelled { turn: open.id, why: *why, at: *now }.into()])
                    }
                    _ => Ok(vec![]),
                }
            }
            ConversationCommand::Summarise { through, summary, by, now } => {
                self.live()?;
                let first = self.window.front().map_or(0, |one| one.seq);
                if self.turn.is_some() || *through < first || *through > self.seq || *through <= self.through
                {
                    return Ok(vec![]);
                }
                let (summary, by) = (summary.clone(), by.clone());
                Ok(vec![Summarised { through: *through, summary, by, at: *now }.into()])
            }
            ConversationCommand::Judge { seq, score_permille, by, now } => {
                if self.started.is_none() || !(1..=self.seq).contains(seq) {
                    return Err(ConversationRefusal::Unknown);
                }
                let score_permille = (*score_permille).clamp(-1_000, 1_000);
                Ok(vec![SentimentJudged { seq: *seq, score_permille, by: *by, at: *now }.into()])
            }
            // the end publishes everything that was held back
            ConversationCommand::TellUpdates { now } => match self.kept_back && !self.ended {
                true => Ok(vec![UpdatesTold { at: *now }.into()]),
                false => Ok(vec![]),
            },
            ConversationCommand::End { reason, now } => {
                if self.started.is_none() {
                    return Err(ConversationRefusal::Unknown);
                }
                if self.ended {
                    return Ok(vec![]);
                }
                let cancelled = self
                    .turn
                    .as_ref()
                    .map(|open| TurnCancelled { turn: open.id, why: CancelledFor::Ended, at: *now }.into());
                let ended = ConversationEnded { reason: *reason, at: *now }.into();
                Ok(cancelled.into_iter().chain([ended]).collect())
            }
        }
    }

    fn evolve(&mut self, event: &ConversationEvent) {
        self.take(event);
    }

    fn to_snapshot(&self) -> Option<Vec<u8>> {
        Some(crate::wire::to_bytes(self)).filter(|bytes| !bytes.is_empty())
    }

    fn from_snapshot(bytes: &[u8]) -> Option<Self> {
        crate::wire::from_bytes(Self::CATEGORY, bytes).ok()
    }
}
