//! A fake model that answers by rules, without a network, the same every time. For demonstrations and tests; its
//! name says so wherever it is shown.

use std::collections::VecDeque;

use async_trait::async_trait;
use domain::conversation::Finish;
use domain::model::{Usage, estimated_tokens};
use domain::ports::llm::{
    ChatEvent, ChatEvents, ChatMessage, ChatProvider, ChatRequest, Completion, LlmFailure, ToolCall,
};
use serde_json::{Map, Value};

/// Name of the only scripted model.
pub const SCRIPTED_MODEL: &str = "scripted-1";
/// The most words that it counts to.
const MAX_COUNT: u64 = 2_000;

#[derive(Debug, Clone, Copy, Default)]
pub struct Scripted;

fn texts(request: &ChatRequest) -> impl DoubleEndedIterator<Item = &str> {
    request.messages.iter().filter_map(|message| match message {
        ChatMessage::User(text) => Some(text.as_str()),
        _ => None,
    })
}

/// The text after a phrase, up to the end of the sentence; ignores the phrase's case.
fn after<'t>(text: &'t str, phrase: &str) -> Option<&'t str> {
    let at = text.to_ascii_lowercase().find(phrase)? + phrase.len();
    let rest = text[at..].trim_start();
    let end = rest.find(['.', ',', '!', '?', '\n', ';']).unwrap_or(rest.len());
    Some(rest[..end].trim()).filter(|rest| !rest.is_empty())
}

fn name_of(request: &ChatRequest) -> Option<String> {
    let said = texts(request).rev().find_map(|text| after(text, "my name is "));
    let summed = request.system.as_deref().and_then(|system| after(system, "my name is "));
    said.or(summed).map(|name| name.split_whitespace().next().unwrap_or_default().to_owned())
}

/// The tools that the message asks for: `use <name>`, with an object of arguments if it holds one.
fn wanted(request: &ChatRequest, text: &str) -> Vec<(String, String)> {
    let lower = text.to_ascii_lowercase();
    let asked = request.tools.iter().filter(|tool| {
        let name = tool.name.to_ascii_lowercase();
        lower.contains(&format!("use {name}")) || lower.contains(&name.replace('_', " "))
    });
    let given = text.find('{').and_then(|from| text.rfind('}').map(|to| (from, to)));
    let given = given.and_then(|(from, to)| text.get(from..=to));
    let arguments = |tool: &domain::ports::llm::ToolSpec| match given {
        Some(given) => given.to_owned(),
        None => made_up(&tool.parameters).to_string(),
    };
    asked.map(|tool| (tool.name.clone(), arguments(tool))).collect()
}

/// Placeholder values for the required arguments of a tool.
fn made_up(schema: &Value) -> Value {
    let required = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let value = |name: &str| match schema["properties"][name]["type"].as_str() {
        Some("integer" | "number") => Value::from(1),
        Some("boolean") => Value::from(true),
        _ => Value::from("example"),
    };
    Value::Object(required.map(|name| (name.to_owned(), value(name))).collect::<Map<_, _>>())
}

fn answer(request: &ChatRequest) -> (String, Vec<ToolCall>) {
    let results: Vec<String> = request
        .messages
        .iter()
        .rev()
        .map_while(|message| match message {
            ChatMessage::Tool { name, content, failed: false, .. } => Some(format!("{name} says: {content}")),
            ChatMessage::Tool { name, content, .. } => Some(format!("{name} could not be used: {content}")),
            _ => None,
        })
        .collect();
    if !results.is_empty() {
        return (results.into_iter().rev().collect::<Vec<_>>().join("\n"), vec![]);
    }
    let text = texts(request).next_back().unwrap_or_default();
    let wanted = wanted(request, text);
    if !wanted.is_empty() {
        let rounds = request.messages.len();
        let call = |(n, (name, arguments)): (usize, (String, String))| ToolCall {
            id: format!("scripted_{rounds}_{n}"),
            name,
            arguments,
            opaque: None,
        };
        return ("One moment. ".to_owned(), wanted.into_iter().enumerate().map(call).collect());
    }
    (words(request, text), vec![])
}

fn words(request: &ChatRequest, text: &str) -> String {
    let lower = text.to_ascii_lowercase();
    if let Some(most) = after(text, "count to ").and_then(|rest| rest.parse::<u64>().ok()) {
        let numbers: Vec<String> = (1..=most.min(MAX_COUNT)).map(|n| n.to_string()).collect();
        return numbers.join(" ");
    }
    if lower.contains("what is my name") || lower.contains("what's my name") || lower.contains("who am i") {
        return match name_of(request) {
            Some(name) => format!("Your name is {name}."),
            None => "You have not told me your name.".to_owned(),
        };
    }
    if after(text, "my name is ").is_some() {
        return format!("Nice to meet you, {}.", name_of(request).unwrap_or_default());
    }
    if lower.contains("what did i say first") {
        return texts(request).next().map_or_else(String::new, |first| format!("You said first: {first}"));
    }
    let first = lower.split(|c: char| !c.is_alphanumeric()).next().unwrap_or_default();
    if matches!(first, "hello" | "hi" | "hey") {
        return "Hello! I am the scripted demo agent. How can I help?".to_owned();
    }
    if lower.contains("bye") {
        return "Goodbye!".to_owned();
    }
    format!("You said: {text}")
}

fn usage(request: &ChatRequest, text: &str) -> Usage {
    let one = |message: &ChatMessage| match message {
        ChatMessage::User(text) | ChatMessage::Assistant { text, .. } => estimated_tokens(text),
        ChatMessage::Tool { content, .. } => estimated_tokens(content),
    };
    let told = request.system.as_deref().map_or(0, estimated_tokens);
    Usage::counted(told + request.messages.iter().map(one).sum::<u64>(), estimated_tokens(text))
}

/// Splits a text into one event per word, blanks included.
fn pieces(text: &str) -> impl Iterator<Item = ChatEvent> {
    text.split_inclusive(' ').map(|word| ChatEvent::Text(word.to_owned()))
}

struct ScriptedAnswer(VecDeque<ChatEvent>);

#[async_trait]
impl ChatEvents for ScriptedAnswer {
    async fn next(&mut self) -> Option<Result<ChatEvent, LlmFailure>> {
        // the reader may be cancelled between two words
        tokio::task::yield_now().await;
        self.0.pop_front().map(Ok)
    }
}

fn known(model: &str) -> Result<(), LlmFailure> {
    if model == SCRIPTED_MODEL { Ok(()) } else { Err(LlmFailure::UnknownModel) }
}

#[async_trait]
impl ChatProvider for Scripted {
    async fn stream(&self, model: &str, request: &ChatRequest) -> Result<Box<dyn ChatEvents>, LlmFailure> {
        known(model)?;
        let (text, calls) = answer(request);
        let usage = ChatEvent::Usage(usage(request, &text));
        let calls = calls.into_iter().map(ChatEvent::ToolCall);
        let told = pieces(&text).chain(calls).chain([usage, ChatEvent::Finished(Finish::Stop)]).collect();
        Ok(Box::new(ScriptedAnswer(told)))
    }

    async fn complete(&self, model: &str, request: &ChatRequest) -> Result<Completion, LlmFailure> {
        known(model)?;
        let (text, calls) = answer(request);
        let usage = usage(request, &text);
        Ok(Completion { text, calls, usage, finish: Finish::Stop })
    }

    async fn models(&self) -> Result<Vec<String>, LlmFailure> {
        Ok(vec![SCRIPTED_MODEL.to_owned()])
    }
}

#[cfg(test)]
mod tests {
    use domain::ports::llm::ToolSpec;
    use serde_json::json;

    use super::*;

    fn asked(texts: &[&str]) -> ChatRequest {
        let messages = texts.iter().map(|text| ChatMessage::User((*text).to_owned())).collect();
        ChatRequest { messages, ..ChatRequest::default() }
    }

    #[test]
    fn it_remembers_what_it_is_told() {
        assert_eq!(answer(&asked(&["My name is Ada.", "What is my name?"])).0, "Your name is Ada.");
        assert_eq!(answer(&asked(&["what's my name"])).0, "You have not told me your name.");
        assert_eq!(answer(&asked(&["count to 3"])).0, "1 2 3");
        assert_eq!(answer(&asked(&["blue"])).0, "You said: blue");
    }

    #[test]
    fn it_uses_a_tool_it_is_asked_to_use_and_tells_what_came_of_it() {
        let parameters =
            json!({"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]});
        let tool = ToolSpec { name: "find_booking".into(), description: "".into(), parameters };
        let mut request = ChatRequest { tools: vec![tool], ..asked(&["please find booking"]) };
        let calls = answer(&request).1;
        assert_eq!((&*calls[0].name, &*calls[0].arguments), ("find_booking", r#"{"n":1}"#));
        request.messages[0] = ChatMessage::User("use find_booking {\"n\": 7}".into());
        assert_eq!(answer(&request).1[0].arguments, "{\"n\": 7}");
        let (call_id, name) = (calls[0].id.clone(), "find_booking".to_owned());
        request.messages.push(ChatMessage::Assistant { text: String::new(), calls, by: None });
        request.messages.push(ChatMessage::Tool { call_id, name, content: "ten".into(), failed: false });
        assert_eq!(answer(&request), ("find_booking says: ten".to_owned(), vec![]));
    }
}
