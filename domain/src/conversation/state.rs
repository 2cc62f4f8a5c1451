//! The state of a conversation, folded from its events.

use std::collections::VecDeque;

use super::event::{
    AgentRef, CalledTool, Channel, ConversationEvent, ConversationStarted, MessageAdded, MessageKind,
    MessageRole, ToolOutcome, TurnFault,
};
use crate::envelope::Time;
use crate::ids::{CallId, MessageId};
use crate::model::{ModelRef, estimated_tokens};
use crate::personal::Personal;
use crate::spoken::Spoken;
use serde::{Deserialize, Serialize};

/// Most estimated tokens kept in memory, whether or not a summary covers what falls out.
pub const WINDOW_LIMIT: u64 = 24_000;
/// How many of the latest message ids are kept to recognise repeats.
const KNOWN_IDS: usize = 256;

/// A message kept in memory.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Remembered {
    /// Number in the conversation, from 1.
    pub seq: u32,
    pub id: MessageId,
    /// Turn that produced the message; `None` for a message that was added from outside.
    pub turn: Option<MessageId>,
    pub role: MessageRole,
    pub kind: MessageKind,
    pub content: Personal<String>,
    /// Model that wrote it; `None` for other messages.
    pub by: Option<ModelRef>,
    /// Tool calls the model made with it.
    pub calls: Vec<CalledTool>,
    /// For the result of a tool: the call's id, the tool's name, the outcome.
    pub result_of: Option<(String, String, ToolOutcome)>,
    tokens: u64,
}

/// A turn that is under way.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OpenTurn {
    /// Id of the message that is answered.
    pub id: MessageId,
    pub agent: Option<AgentRef>,
    /// The node that asks the model.
    pub node: String,
    /// When the turn counts as abandoned.
    pub ends_by: Time,
    /// Rounds of tools so far.
    pub rounds: u32,
    /// Tool calls without a result yet: the call's id and the tool's name.
    pub waiting: Vec<(String, String)>,
}

/// How a turn ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Outcome {
    Completed,
    Failed(TurnFault),
    Cancelled,
}

/// State of a conversation, folded from its events; empty until the first one.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Conversation {
    pub(super) started: Option<ConversationStarted>,
    pub(super) seq: u32,
    pub(super) turn: Option<OpenTurn>,
    pub(super) last_turn: Option<(MessageId, Outcome)>,
    pub(super) window: VecDeque<Remembered>,
    tokens: u64,
    pub(super) summary: Option<Personal<String>>,
    pub(super) through: u32,
    pub(super) line: u32,
    /// Messages of the other end on the call, kept to place late ones in order.
    pub(super) heard: Spoken,
    pub(super) ids: VecDeque<MessageId>,
    pub(super) ended: bool,
    /// When clients were last told of an answer.
    pub(super) told_at: Option<Time>,
    /// Whether an answer since then was held back.
    pub(super) kept_back: bool,
    /// How many turns in a row were abandoned before they called a tool.
    #[serde(default)]
    abandoned: u32,
}

/// How often in a row an abandoned turn is begun again.
const MAX_RESUMED: u32 = 3;

impl Conversation {
    /// Whether the conversation has any history.
    #[must_use]
    pub fn exists(&self) -> bool {
        self.started.is_some()
    }

    #[must_use]
    pub fn is_ended(&self) -> bool {
        self.ended
    }

    /// Agent the conversation began with, if any.
    #[must_use]
    pub fn agent(&self) -> Option<AgentRef> {
        self.started.as_ref().and_then(|started| started.agent)
    }

    /// Call the conversation is on, if any.
    #[must_use]
    pub fn call(&self) -> Option<CallId> {
        self.started.as_ref().and_then(|started| started.call)
    }

    /// Where it takes place; `Api` before it began.
    #[must_use]
    pub fn channel(&self) -> Channel {
        self.started.as_ref().map_or(Channel::Api, |started| started.channel)
    }

    /// The turn that is under way, if any.
    #[must_use]
    pub fn turn(&self) -> Option<&OpenTurn> {
        self.turn.as_ref()
    }

    /// Why the turn failed; `None` unless it is the last one and failed.
    #[must_use]
    pub fn failed(&self, turn: MessageId) -> Option<TurnFault> {
        match self.last_turn {
            Some((last, Outcome::Failed(fault))) if last == turn => Some(fault),
            _ => None,
        }
    }

    /// Whether somebody said something that no turn, under way or over, was begun for.
    #[must_use]
    pub fn awaits_turn(&self) -> bool {
        let said = |one: &&Remembered| one.role == MessageRole::User && one.kind == MessageKind::Text;
        let newest = self.window.iter().filter(said).map(|one| one.seq).max();
        let turn = self.turn.as_ref().map(|open| open.id).or(self.last_turn.map(|(turn, _)| turn));
        let begun = self.window.iter().find(|one| Some(one.id) == turn).map(|one| one.seq);
        newest > begun
    }

    /// Whether the turn is the last one, was abandoned by its node, and may be begun again: it called no tool, which
    /// would be called twice, and was not abandoned too often.
    #[must_use]
    pub fn is_resumable(&self, turn: MessageId) -> bool {
        let abandoned = self.turn.is_none() && self.failed(turn) == Some(TurnFault::Abandoned);
        abandoned && (1..=MAX_RESUMED).contains(&self.abandoned)
    }

    /// Whether the turn is the last one and was cancelled.
    #[must_use]
    pub fn cancelled(&self, turn: MessageId) -> bool {
        self.last_turn == Some((turn, Outcome::Cancelled))
    }

    /// Number of the last message; 0 before the first.
    #[must_use]
    pub fn seq(&self) -> u32 {
        self.seq
    }

    /// The messages kept in memory, oldest first.
    pub fn window(&self) -> impl ExactSizeIterator<Item = &Remembered> + DoubleEndedIterator {
        self.window.iter()
    }

    /// Estimated tokens of the messages in memory.
    #[must_use]
    pub fn window_tokens(&self) -> u64 {
        self.tokens
    }

    /// Summary of the messages that fell out of memory.
    #[must_use]
    pub fn summary(&self) -> Option<&Personal<String>> {
        self.summary.as_ref()
    }

    /// Last transcript line of the call that was added; 0 before the first.
    #[must_use]
    pub fn line(&self) -> u32 {
        self.line
    }

    /// The answer of a turn, if it is still in memory.
    #[must_use]
    pub fn answer(&self, turn: MessageId) -> Option<&Remembered> {
        let is_it = |one: &&Remembered| {
            one.turn == Some(turn) && one.role == MessageRole::Assistant && one.calls.is_empty()
        };
        self.window.iter().rev().find(is_it)
    }

    /// Number of the last message to sum up when the messages in memory exceed `limit` tokens, so that about
    /// half of `limit` stays. `None` when there is nothing to sum up or a turn is under way. The cut stands
    /// before a message of the person's, never behind the last of them.
    #[must_use]
    pub fn to_sum_up(&self, limit: u64) -> Option<u32> {
        if self.tokens <= limit || self.turn.is_some() {
            return None;
        }
        let (mut left, mut through, mut best) = (self.tokens, None, None);
        for one in &self.window {
            // a late message stays together with the message it precedes
            if one.role == MessageRole::User && through.is_none_or(|through| one.seq > through) {
                best = through.or(best);
                // down to half, so that the next summary is not due at once
                if left <= limit / 2 {
                    break;
                }
            }
            left = left.saturating_sub(one.tokens);
            through = Some(one.seq).max(through);
        }
        best
    }

    fn remember(&mut self, mut one: Remembered) {
        let text = one.content.reveal().map_or("", String::as_str);
        let arguments = one.calls.iter().filter_map(|call| call.arguments.reveal()).map(String::as_str);
        one.tokens = estimated_tokens(text) + arguments.map(estimated_tokens).sum::<u64>();
        self.seq = one.seq;
        self.know(one.id);
        self.tokens += one.tokens;
        self.window.push_back(one);
        while self.tokens > WINDOW_LIMIT && self.window.len() > 1 {
            self.forget_first();
            // results of tools make no sense without the calls that led to them
            while self.window.len() > 1
                && self.window.front().is_some_and(|one| one.role != MessageRole::User)
            {
                self.forget_first();
            }
        }
    }

    fn forget_first(&mut self) {
        if let Some(gone) = self.window.pop_front() {
            self.tokens = self.tokens.saturating_sub(gone.tokens);
        }
    }

    fn know(&mut self, id: MessageId) {
        self.ids.push_back(id);
        if self.ids.len() > KNOWN_IDS {
            self.ids.pop_front();
        }
    }

    fn said(&mut self, added: &MessageAdded) {
        self.line = added.line.unwrap_or(self.line).max(self.line);
        self.remember(Remembered {
            seq: added.seq,
            id: added.id,
            turn: None,
            role: added.role,
            kind: added.kind,
            content: added.content.clone(),
            by: None,
            calls: vec![],
            result_of: None,
            tokens: 0,
        });
        if added.role == MessageRole::User && added.line.is_some() {
            self.heard.add(added.seq, added.at);
            self.put_in_order();
        }
    }

    /// Sorts what the other end said since the last answer by when it was said.
    fn put_in_order(&mut self) {
        let window = self.window.make_contiguous();
        let said_at = |one: &Remembered| self.heard.at(one.seq).filter(|_| one.role == MessageRole::User);
        let first = window.iter().rposition(|one| said_at(one).is_none()).map_or(0, |last| last + 1);
        window[first..].sort_by_key(|one| (said_at(one), one.seq));
    }

    /// Ends a turn. One that was not completed leaves no tool calls and results in memory, only what
    /// was said to it.
    fn close(&mut self, turn: MessageId, outcome: Outcome) {
        if outcome != Outcome::Completed {
            let (kept, gone): (VecDeque<_>, VecDeque<_>) =
                std::mem::take(&mut self.window).into_iter().partition(|one| one.turn != Some(turn));
            self.window = kept;
            self.tokens = self.tokens.saturating_sub(gone.iter().map(|one| one.tokens).sum());
            self.put_in_order();
        }
        let called_no_tool = self.turn.take().is_some_and(|open| open.rounds == 0);
        let abandoned = outcome == Outcome::Failed(TurnFault::Abandoned) && called_no_tool;
        self.abandoned = if abandoned { self.abandoned + 1 } else { 0 };
        self.last_turn = Some((turn, outcome));
    }

    pub(super) fn take(&mut self, event: &ConversationEvent) {
        match event {
            ConversationEvent::Started(started) => self.started = Some(started.clone()),
            ConversationEvent::MessageAdded(added) => self.said(added),
            ConversationEvent::TurnStarted(started) => {
                self.turn = Some(OpenTurn {
                    id: started.turn,
                    agent: started.agent,
                    node: started.node.clone(),
                    ends_by: started.ends_by,
                    rounds: 0,
                    waiting: vec![],
                });
            }
            ConversationEvent::ToolsCalled(called) => {
                if let Some(turn) = &mut self.turn {
                    turn.rounds = called.round;
                    turn.waiting =
                        called.calls.iter().map(|call| (call.id.clone(), call.name.clone())).collect();
                }
                self.remember(Remembered {
                    seq: called.seq,
                    id: called.id,
                    turn: Some(called.turn),
                    role: MessageRole::Assistant,
                    kind: MessageKind::Text,
                    content: called.content.clone(),
                    by: Some(called.by.clone()),
                    calls: called.calls.clone(),
                    result_of: None,
                    tokens: 0,
                });
            }
            ConversationEvent::FunctionExecuted(executed) => {
                if let Some(turn) = &mut self.turn {
                    let answered = turn.waiting.iter().position(|(id, _)| *id == executed.call_id);
                    answered.map(|at| turn.waiting.remove(at));
                }
                self.remember(Remembered {
                    seq: executed.seq,
                    id: executed.id,
                    turn: Some(executed.turn),
                    role: MessageRole::Tool,
                    kind: MessageKind::Text,
                    content: executed.content.clone(),
                    by: None,
                    calls: vec![],
                    result_of: Some((executed.call_id.clone(), executed.name.clone(), executed.outcome)),
                    tokens: 0,
                });
            }
            ConversationEvent::TurnCompleted(completed) => {
                self.kept_back = completed.tell_at.is_some();
                if !self.kept_back {
                    self.told_at = Some(completed.at);
                }
                self.close(completed.turn, Outcome::Completed);
                self.remember(Remembered {
                    seq: completed.seq,
                    id: completed.id,
                    turn: Some(completed.turn),
                    role: MessageRole::Assistant,
                    kind: MessageKind::Text,
                    content: completed.content.clone(),
                    by: Some(completed.by.clone()),
                    calls: vec![],
                    result_of: None,
                    tokens: 0,
                });
            }
            ConversationEvent::TurnFailed(failed) => self.close(failed.turn, Outcome::Failed(failed.fault)),
            ConversationEvent::TurnCancelled(cancelled) => self.close(cancelled.turn, Outcome::Cancelled),
            ConversationEvent::Summarised(summarised) => {
                self.summary = Some(summarised.summary.clone());
                self.through = summarised.through;
                while self.window.front().is_some_and(|one| one.seq <= summarised.through) {
                    self.forget_first();
                }
            }
            ConversationEvent::UpdatesTold(told) => (self.told_at, self.kept_back) = (Some(told.at), false),
            ConversationEvent::SentimentJudged(_) => {}
            ConversationEvent::Ended(_) => self.ended = true,
        }
    }
}
