//! What a model is sent of a conversation.

use super::event::{MessageKind, MessageRole, ToolOutcome};
use super::state::{Conversation, Remembered};
use crate::ports::llm::{ChatMessage, ToolCall};

/// What a model is sent: the system prompt, and the messages in memory.
#[derive(Debug, Clone, PartialEq)]
pub struct Prompt {
    /// The agent's system prompt, then the summary of older messages; `None` when there is neither.
    pub system: Option<String>,
    pub messages: Vec<ChatMessage>,
}

fn plain(one: &Remembered) -> String {
    one.content.reveal().cloned().unwrap_or_default()
}

impl Conversation {
    /// Builds what a model is sent under this system prompt.
    #[must_use]
    pub fn prompt(&self, system_prompt: &str) -> Prompt {
        let summary = self.summary().and_then(|summary| summary.reveal());
        let mut system = system_prompt.trim().to_owned();
        if let Some(summary) = summary {
            let gap = if system.is_empty() { "" } else { "\n\n" };
            system
                .push_str(&format!("{gap}What was said earlier in this conversation, in short:\n{summary}"));
        }
        let mut messages: Vec<ChatMessage> = Vec::new();
        for one in self.window() {
            // an erased message counts as never said
            if one.content.reveal().is_none() && one.calls.is_empty() && one.result_of.is_none() {
                continue;
            }
            match (one.role, &one.result_of) {
                (MessageRole::User, _) => said(&mut messages, one),
                (MessageRole::Assistant, _) => {
                    let call = |call: &super::event::CalledTool| ToolCall {
                        id: call.id.clone(),
                        name: call.name.clone(),
                        arguments: call.arguments.reveal().cloned().unwrap_or_else(|| "{}".to_owned()),
                        opaque: call.opaque.as_ref().and_then(|opaque| opaque.reveal().cloned()),
                    };
                    let calls = one.calls.iter().map(call).collect();
                    messages.push(ChatMessage::Assistant { text: plain(one), calls, by: one.by.clone() });
                }
                (MessageRole::Tool, Some((call_id, name, outcome))) => messages.push(ChatMessage::Tool {
                    call_id: call_id.clone(),
                    name: name.clone(),
                    content: plain(one),
                    failed: *outcome != ToolOutcome::Succeeded,
                }),
                (MessageRole::Tool, None) | (MessageRole::System, _) => {}
            }
        }
        // the model cannot use results without the calls that led to them
        while matches!(messages.first(), Some(ChatMessage::Tool { .. })) {
            messages.remove(0);
        }
        Prompt { system: (!system.is_empty()).then_some(system), messages }
    }
}

/// Adds a message of the person's; several in a row become one message for the model.
fn said(messages: &mut Vec<ChatMessage>, one: &Remembered) {
    let text = match one.kind {
        MessageKind::Text => plain(one),
        MessageKind::Dtmf => format!("[pressed {}]", plain(one)),
    };
    match messages.last_mut() {
        Some(ChatMessage::User(before)) => {
            before.push('\n');
            before.push_str(&text);
        }
        _ => messages.push(ChatMessage::User(text)),
    }
}
