//! Assembles an answer from a decoder's pieces: text without thoughts, each tool call once, and the token usage.

use domain::conversation::Finish;
use domain::model::{Usage, estimated_tokens};
use domain::ports::ids::Ids as _;
use domain::ports::llm::{ChatEvent, ChatMessage, ChatRequest, ToolCall};
use serde_json::Value;

use crate::ids::RandomIds;

use super::calls::{Call, meant, once};
use super::dialect::{Counted, Piece, written};
use super::halves::{Halves, joined};
use super::thoughts::{Stretch, Thoughts};

/// The part of an answer received so far.
#[derive(Debug)]
pub(super) struct Assembly {
    tools: Vec<String>,
    halves: Halves,
    thoughts: Thoughts,
    calls: Vec<Call>,
    counted: Counted,
    /// Estimated tokens of the request.
    asked: u64,
    /// Bytes that the model has written.
    written: usize,
}

impl Assembly {
    pub(super) fn new(request: &ChatRequest) -> Self {
        Self {
            tools: request.tools.iter().map(|tool| tool.name.clone()).collect(),
            halves: Halves::default(),
            thoughts: Thoughts::default(),
            calls: vec![],
            counted: Counted::default(),
            asked: tokens_of(request),
            written: 0,
        }
    }

    /// Adds a piece, and emits the events that are complete with it.
    pub(super) fn take(&mut self, piece: Piece, out: &mut Vec<ChatEvent>) {
        match piece {
            Piece::Text(text) => {
                self.written += text.len();
                let (text, mut stretches) = (self.halves.push(text), Vec::new());
                self.thoughts.push(&text, &mut stretches);
                self.tell(stretches, out);
            }
            Piece::Thought(bytes) => self.written += bytes,
            Piece::Call(call) => self.calls.push(call),
            Piece::Usage(counted) => self.counted = self.counted.then(counted),
        }
    }

    /// Emits what waited for the end of the answer: the rest of the text, tool calls, usage and finish reason.
    pub(super) fn end(&mut self, finish: Finish, out: &mut Vec<ChatEvent>) {
        let mut stretches = Vec::new();
        let text = self.halves.end();
        self.thoughts.push(&text, &mut stretches);
        self.thoughts.end(&mut stretches);
        self.tell(stretches, out);
        for call in once(std::mem::take(&mut self.calls)) {
            self.written += call.name.len() + call.arguments.len();
            out.push(ChatEvent::ToolCall(self.told(call)));
        }
        out.push(ChatEvent::Usage(self.usage()));
        out.push(ChatEvent::Finished(finish));
    }

    fn tell(&mut self, stretches: Vec<Stretch>, out: &mut Vec<ChatEvent>) {
        for stretch in stretches {
            match stretch {
                Stretch::Words(words) => out.push(ChatEvent::Text(words)),
                Stretch::Withdrawn(bytes) => out.push(ChatEvent::Withdrawn(bytes)),
                Stretch::Call(text) => self.calls.extend(call_in(&text, &self.tools)),
            }
        }
    }

    fn told(&self, call: Call) -> ToolCall {
        let Call { id, name, arguments, opaque, .. } = call;
        let arguments = written(joined(&arguments));
        let id = if id.is_empty() { format!("call_{}", RandomIds.next().simple()) } else { id };
        ToolCall { id, name: meant(&name, &self.tools), arguments, opaque }
    }

    fn usage(&self) -> Usage {
        let Counted { input, output } = self.counted;
        Usage {
            input: input.unwrap_or(self.asked),
            output: output.unwrap_or(self.written as u64 / 4 + 1),
            estimated: input.is_none() || output.is_none(),
        }
    }
}

fn tokens_of(request: &ChatRequest) -> u64 {
    let message = |message: &ChatMessage| match message {
        ChatMessage::User(text) => estimated_tokens(text),
        ChatMessage::Assistant { text, calls, .. } => {
            estimated_tokens(text) + calls.iter().map(|call| estimated_tokens(&call.arguments)).sum::<u64>()
        }
        ChatMessage::Tool { content, .. } => estimated_tokens(content),
    };
    let tools = request.tools.iter().map(|tool| {
        estimated_tokens(&tool.name)
            + estimated_tokens(&tool.description)
            + estimated_tokens(&tool.parameters.to_string())
    });
    request.system.as_deref().map_or(0, estimated_tokens)
        + request.messages.iter().map(message).sum::<u64>()
        + tools.sum::<u64>()
}

/// The tool calls inside a tag's text: JSON objects whose name is one of the tools.
fn call_in(text: &str, tools: &[String]) -> Vec<Call> {
    let values = serde_json::Deserializer::from_str(text.trim()).into_iter::<Value>().map_while(Result::ok);
    let values = values.flat_map(|value| match value {
        Value::Array(values) => values,
        other => vec![other],
    });
    let call = |value: Value| {
        let name = meant(value["name"].as_str()?, tools);
        let arguments = value.get("arguments").or_else(|| value.get("parameters"));
        let arguments = match arguments {
            Some(Value::String(text)) => text.clone(),
            Some(Value::Null) | None => String::new(),
            Some(value) => value.to_string(),
        };
        tools.contains(&name).then(|| Call { name, arguments, ..Call::default() })
    };
    values.filter_map(call).collect()
}
