//! Answers as servers really give them, byte by byte over a socket: what is whole is an answer, whatever its form.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a stage that cannot be set up is a test that fails")]

use std::sync::Arc;
use std::time::Duration;

use adapters::llm::{Anthropic, Dialect, Family, Google, HttpChat, LlmKey, OpenAi, Patience};
use domain::conversation::Finish;
use domain::model::Usage;
use domain::ports::clock::Clock as _;
use domain::ports::llm::{
    ChatEvent, ChatMessage, ChatProvider, ChatRequest, LlmFailure, ToolCall, ToolSpec, withdraw,
};
use serde_json::{Value, json};
use tests::llm_server::{Family as Server, LlmServer, Raw};

/// What came of an answer.
#[derive(Debug)]
struct Told {
    text: String,
    calls: Vec<ToolCall>,
    usage: Usage,
    finish: Finish,
}

impl Told {
    /// The names and arguments of its calls.
    fn calls(&self) -> Vec<(&str, Value)> {
        let read = |call: &ToolCall| serde_json::from_str(&call.arguments).unwrap_or_default();
        self.calls.iter().map(|call| (call.name.as_str(), read(call))).collect()
    }
}

struct Line {
    server: LlmServer,
    provider: Arc<dyn ChatProvider>,
}

impl Line {
    async fn to<D: Dialect>(family: Server, dialect: D) -> Self {
        let server = LlmServer::start(family).await.unwrap();
        let patience = Patience {
            first_token: Duration::from_secs(3),
            between: Duration::from_secs(3),
            ..Patience::default()
        };
        let http = adapters::http::client().build().unwrap();
        let clock = Arc::new(adapters::clock::SystemClock);
        let key = LlmKey::new("key-1");
        let provider = Arc::new(HttpChat::new(dialect, http, &server.base, key, patience, clock));
        Self { server, provider }
    }

    async fn openai() -> Self {
        Self::to(Server::OpenAi, OpenAi(Family::Compatible)).await
    }

    fn request() -> ChatRequest {
        let tool = |name: &str| ToolSpec {
            name: name.to_owned(),
            description: "Looks up".to_owned(),
            parameters: json!({"type": "object"}),
        };
        ChatRequest {
            messages: vec![ChatMessage::User("When is my booking?".to_owned())],
            tools: vec![tool("find"), tool("book")],
            ..ChatRequest::default()
        }
    }

    /// What is told of an answer of these bytes.
    async fn says(&self, raw: Raw) -> Result<Told, LlmFailure> {
        self.server.send(vec![raw]);
        let mut events = self.provider.stream("model-1", &Self::request()).await?;
        let (mut text, mut calls, mut usage, mut finish) = (String::new(), vec![], Usage::default(), None);
        while let Some(event) = events.next().await {
            match event? {
                ChatEvent::Text(more) => text.push_str(&more),
                ChatEvent::Withdrawn(bytes) => withdraw(&mut text, bytes),
                ChatEvent::ToolCall(call) => calls.push(call),
                ChatEvent::Usage(so_far) => usage = so_far,
                ChatEvent::Finished(how) => finish = Some(how),
            }
        }
        Ok(Told { text, calls, usage, finish: finish.unwrap() })
    }

    /// That is all the same, however the bytes are cut.
    async fn hears(&self, body: &str, text: &str) {
        for size in [1, 3, 1_000] {
            let told = self.says(Raw::stream(&[body]).cut_every(size)).await;
            let told = told.unwrap_or_else(|failure| panic!("{failure}: {body:?}"));
            assert_eq!(
                (told.text.as_str(), told.finish),
                (text, Finish::Stop),
                "of {body:?} cut every {size}"
            );
        }
    }
}

fn data(value: &Value) -> String {
    format!("data: {value}\n\n")
}

fn chunk(delta: &Value) -> String {
    data(&json!({"id": "c1", "choices": [{"index": 0, "delta": delta, "finish_reason": null}]}))
}

fn end(reason: &str) -> String {
    data(&json!({"id": "c1", "choices": [{"index": 0, "delta": {}, "finish_reason": reason}]}))
}

const DONE: &str = "data: [DONE]\n\n";

#[tokio::test]
async fn what_is_whole_is_an_answer_in_whatever_form_it_comes() {
    let line = Line::openai().await;
    let hi = chunk(&json!({"content": "Hi 👋"}));
    let whole = json!({"object": "chat.completion", "choices": [{"message": {"content": "Hi 👋"}, "finish_reason": "stop"}]});
    let usage = data(&json!({"choices": [], "usage": {"prompt_tokens": 9, "completion_tokens": 2}}));
    for body in [
        format!("{hi}{}{DONE}", end("stop")),
        format!("{hi}{}", end("stop")),
        format!("{hi}{DONE}"),
        format!("{hi}{}{DONE}", end("")),
        format!("{hi}{usage}"),
        format!("\u{feff}{hi}{}", end("stop")),
        format!("{hi}{}{DONE}", end("stop")).replace('\n', "\r\n"),
        format!("{hi}{}{DONE}", end("stop")).replace('\n', "\r"),
        format!(": OPENROUTER PROCESSING\n\n:\n\n{hi}: x\nid: 3\nretry: 9\n{}", end("stop")),
        format!("data:\n\ndata: null\n\n{hi}{}{DONE}", end("stop")),
        format!("{hi}{}{DONE}", end("stop")).replace("\n\n", "\n"),
        format!("{}\n\n", hi.trim()).replace(": {", ":{") + "data:[DONE]",
        whole.to_string(),
        serde_json::to_string_pretty(&whole).unwrap(),
        format!("\u{feff}{whole}\n"),
        format!("{}\n{}\n", hi.trim_start_matches("data: ").trim(), end("stop").trim_start_matches("data: ").trim()),
        format!("{hi}{}{}", end("stop"), data(&json!({"error": {"message": "too late"}}))),
        chunk(&json!({"content": [{"type": "text", "text": "Hi "}, {"type": "text", "text": "👋"}]})) + DONE,
        chunk(&json!({"content": ["Hi ", {"text": "👋"}], "refusal": null, "tool_calls": null})) + DONE,
        chunk(&json!({"content": null})) + &hi + &chunk(&json!({"content": null, "tool_calls": []})) + DONE,
        format!("{hi}{}{DONE}", data(&json!({"choices": [{"index": 0, "message": {"content": "Hi 👋"}, "finish_reason": "stop"}]}))),
        "data: {\"choices\":[{\"delta\":{\"content\":\"Hi \\ud83d\"}}]}\n\ndata: {\"choices\":[{\"delta\":{\"content\":\"\\udc4b\"}}]}\n\ndata: [DONE]\n\n".to_owned(),
    ] {
        line.hears(&body, "Hi 👋").await;
    }
}

#[tokio::test]
async fn an_answer_that_has_told_its_end_needs_no_end_of_its_connection() {
    let line = Line::openai().await;
    for last in [end("stop"), format!("{}{DONE}", end("stop"))] {
        let mut raw = Raw::stream(&[&chunk(&json!({"content": "Hi"})), &last]);
        raw.hangs = true;
        assert_eq!(line.says(raw).await.unwrap().text, "Hi");
    }
}

#[tokio::test]
async fn what_is_not_whole_or_says_that_it_failed_is_a_failure() {
    let line = Line::openai().await;
    let hi = chunk(&json!({"content": "Hi"}));
    for body in [
        hi.clone(),
        format!("{hi}{}", data(&json!({"error": {"message": "overloaded", "code": 503}}))),
        format!("{hi}{}{DONE}", data(&json!({"error": "out of memory"}))),
        format!("{hi}event: error\ndata: {{\"message\":\"no\"}}\n\n"),
        format!("{hi}error: {{\"code\":500,\"message\":\"no\"}}\n\n"),
        format!("{hi}{}", data(&json!({"object": "error", "message": "no", "code": 50001}))),
        format!("{hi}{DONE}").replace("\"Hi\"", "\"Hi"),
        format!("{hi}{}{DONE}", end("error")),
        format!("{hi}{}", end("insufficient_system_resource")),
        json!({"error": {"message": "no"}}).to_string(),
        json!([{"error": {"message": "no"}}]).to_string(),
        json!({"detail": "Not here"}).to_string(),
        "<html>busy</html>".to_owned(),
        String::new(),
        "{\"choices\":[{\"message\":{\"content\":\"Hi".to_owned(),
    ] {
        let told = line.says(Raw::stream(&[&body])).await;
        assert!(told.is_err(), "{told:?} of {body:?}");
    }
}

#[tokio::test]
async fn thoughts_are_never_told() {
    let line = Line::openai().await;
    let said = |pieces: &[&str]| -> String {
        let chunks: String = pieces.iter().map(|piece| chunk(&json!({"content": piece}))).collect();
        chunks + &end("stop")
    };
    for body in [
        said(&["<think>They want tea.</think>", "Tea it is."]),
        said(&["<th", "ink>They want", " tea.</th", "ink>\n\nTea", " it is."]),
        said(&["They want tea.\n", "</think>\n\nTea it is."]),
        said(&["[THINK]tea[/THINK]Tea it is."]),
        said(&[
            "<|channel|>analysis<|message|>tea<|end|><|start|>assistant<|channel|>final<|message|>Tea it is.",
        ]),
        chunk(&json!({"reasoning_content": "They want tea.", "content": null})) + &said(&["Tea it is."]),
        chunk(&json!({"reasoning": "tea", "thinking": "tea", "content": ""})) + &said(&["Tea it is."]),
        chunk(&json!({"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "tea"}]}]}))
            + &said(&["Tea it is."]),
    ] {
        line.hears(&body, "Tea it is.").await;
    }
    line.hears(&said(&["<think>They want tea and"]), "").await;
    let line = Line::to(Server::Anthropic, Anthropic).await;
    let event = |value: Value| format!("event: {}\n{}", value["type"].as_str().unwrap(), data(&value));
    let body: String = [
        json!({"type": "message_start", "message": {"usage": {"input_tokens": 9, "output_tokens": 1}}}),
        json!({"type": "content_block_start", "index": 0, "content_block": {"type": "thinking", "thinking": "Th"}}),
        json!({"type": "content_block_delta", "index": 0, "delta": {"type": "thinking_delta", "thinking": "ey"}}),
        json!({"type": "content_block_delta", "index": 0, "delta": {"type": "signature_delta", "signature": "x"}}),
        json!({"type": "content_block_stop", "index": 0}),
        json!({"type": "content_block_start", "index": 1, "content_block": {"type": "text", "text": "Tea "}}),
        json!({"type": "content_block_delta", "index": 1, "delta": {"type": "text_delta", "text": "it is."}}),
        json!({"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 4}}),
    ]
    .into_iter()
    .map(event)
    .collect();
    line.hears(&body, "Tea it is.").await;
    let line = Line::to(Server::Google, Google).await;
    let response =
        |parts: Value| data(&json!({"candidates": [{"content": {"parts": parts}, "finishReason": "STOP"}]}));
    let body = response(json!([{"text": "They want tea.", "thought": true}, {"text": "Tea "}]));
    line.hears(&(body + &response(json!([{"text": "it is."}]))), "Tea it is.").await;
}

#[tokio::test]
async fn each_call_of_a_tool_is_told_once_with_what_the_model_wrote() {
    let line = Line::openai().await;
    let (find, whole) = (json!({"n": 1}), "{\"n\":1}");
    let calls = |calls: Value| chunk(&json!({ "tool_calls": calls }));
    let f = |name: &str, arguments: Value| json!({"name": name, "arguments": arguments});
    let call = |id: &str, name: &str, arguments: &str| json!([{"id": id, "index": 0, "function": {"name": name, "arguments": arguments}}]);
    let more = |arguments: &str| json!([{"function": {"arguments": arguments}}]);
    let one = vec![
        calls(call("a", "find", ""))
            + &calls(json!([{"index": 0, "function": {"arguments": "{\"n\":"}}]))
            + &calls(json!([{"index": 0, "function": {"arguments": "1}"}}])),
        calls(json!([{"id": "a", "function": f("find", "".into())}]))
            + &calls(more("{\"n\":"))
            + &calls(more("1}")),
        calls(json!([{"function": f("find", "{\"n\":".into())}])) + &calls(more("1}")),
        calls(call("a", "find", "{\"n\":")) + &calls(call("a", "", "1}")),
        calls(call("a", "find", "{\"n\":")) + &calls(call("b", "", "1}")),
        calls(call("a", "find", whole)) + &calls(call("a", "find", whole)),
        calls(json!([{"function": f("find", whole.into())}]))
            + &calls(json!([{"function": f("find", whole.into())}])),
        calls(json!([{"function": f("find", find.clone())}])),
        calls(json!({"function": f("find", find.clone())})),
        calls(json!([{"function": f(" find\n", whole.into())}])),
        calls(json!([{"function": f("functions.find", whole.into())}])),
        calls(json!([{"function": f("find", "\"{\\\"n\\\":1}\"".into())}])),
        calls(json!([{"id": "a", "index": 0, "function": f("find", json!({}))}]))
            + &calls(call("a", "", whole)),
        chunk(&json!({"function_call": {"name": "find", "arguments": ""}}))
            + &chunk(&json!({"function_call": {"arguments": whole}})),
        chunk(
            &json!({"function_call": f("find", whole.into()), "tool_calls": [{"function": f("find", whole.into())}]}),
        ),
        chunk(
            &json!({"content": "<tool_call>\n{\"name\": \"find\", \"arguments\": {\"n\": 1}}\n</tool_call>"}),
        ),
    ];
    for body in one {
        for ending in [end("tool_calls"), end("stop"), end("") + DONE, DONE.to_owned(), end("")] {
            let told = line.says(Raw::stream(&[&body, &ending])).await;
            let told = told.unwrap_or_else(|failure| panic!("{failure}: {body}{ending}"));
            assert_eq!(
                (told.calls(), told.text.as_str()),
                (vec![("find", find.clone())], ""),
                "of {body}{ending}"
            );
            assert!(!told.calls[0].id.is_empty());
        }
    }
    let several = calls(json!([
        {"function": f("find", whole.into())}, {"function": f("book", whole.into())}, {"function": f("find", json!({"n": 2}))}
    ]));
    let told = line.says(Raw::stream(&[&several, DONE])).await.unwrap();
    assert_eq!(told.calls(), [("find", find.clone()), ("book", find.clone()), ("find", json!({"n": 2}))]);
    let plain = json!({"choices": [{"message": {"content": null, "tool_calls": [{"id": "a", "function": f("find", find.clone())}]}, "finish_reason": "tool_calls"}]});
    assert_eq!(
        line.says(Raw::of("application/json", &[&plain.to_string()])).await.unwrap().calls(),
        [("find", find.clone())]
    );
    // what cannot be read is told as it is, and nothing is an empty object
    for (written, told) in [("{\"n\": oops", "{\"n\": oops"), ("", "{}"), ("null", "{}")] {
        let body = calls(call("a", "find", written));
        assert_eq!(line.says(Raw::stream(&[&body, DONE])).await.unwrap().calls[0].arguments, told);
    }
    // half a call is none
    assert!(line.says(Raw::stream(&[&calls(call("a", "find", "{\"n\":")), &end("")])).await.is_err());
}

#[tokio::test]
async fn calls_of_other_protocols_are_told_once_too() {
    let find = [("find", json!({"n": 1}))];
    let line = Line::to(Server::Anthropic, Anthropic).await;
    let block = |input: Value| json!({"type": "content_block_start", "index": 0, "content_block": {"type": "tool_use", "id": "t", "name": "find", "input": input}});
    let stop = json!({"type": "message_delta", "delta": {"stop_reason": "tool_use"}});
    let input = json!({"type": "content_block_delta", "index": 0, "delta": {"type": "input_json_delta", "partial_json": "{\"n\":1}"}});
    for events in [
        vec![block(json!({"n": 1})), stop.clone()],
        vec![block(json!({})), input.clone(), stop.clone()],
        vec![block(Value::Null), input, json!({"type": "message_stop"})],
    ] {
        let body: String = events.iter().map(data).collect::<String>() + DONE;
        assert_eq!(line.says(Raw::stream(&[&body])).await.unwrap().calls(), find, "of {body}");
    }
    let line = Line::to(Server::Google, Google).await;
    let part = |args: Value| json!({"functionCall": {"name": "find", "args": args}});
    let response =
        |parts: Value| json!({"candidates": [{"content": {"parts": parts}, "finishReason": "STOP"}]});
    for body in [
        data(&response(json!([part(json!({"n": 1}))]))),
        data(&response(json!([part(json!("{\"n\":1}"))]))),
        data(&response(json!([part(json!({"n": 1}))]))) + &data(&response(json!([part(json!({"n": 1}))]))),
        json!([response(json!([part(json!({"n": 1}))])), response(json!([{"text": ""}]))]).to_string(),
    ] {
        assert_eq!(line.says(Raw::stream(&[&body])).await.unwrap().calls(), find, "of {body}");
    }
}

#[tokio::test]
async fn what_a_provider_does_not_count_is_estimated_and_marked_so() {
    let line = Line::openai().await;
    let hi = chunk(&json!({"content": "Good morning, this is the clinic."}));
    for usage in [json!({"choices": []}), json!({"choices": null}), json!({})] {
        let mut counted = usage;
        counted["usage"] = json!({"prompt_tokens": 9, "completion_tokens": 2.0});
        let told = line.says(Raw::stream(&[&hi, &end("stop"), &data(&counted), DONE])).await.unwrap();
        assert_eq!(told.usage, Usage::counted(9, 2));
    }
    for usage in [json!(null), json!({}), json!({"prompt_tokens": 0, "completion_tokens": 0})] {
        let last = json!({"choices": [{"delta": {}, "finish_reason": "stop"}], "usage": usage});
        let told = line.says(Raw::stream(&[&hi, &data(&last), DONE])).await.unwrap();
        assert!(told.usage.estimated && told.usage.input > 4 && told.usage.output > 4, "{:?}", told.usage);
    }
    let half = json!({"choices": [], "usage": {"prompt_tokens": 9}});
    let told = line.says(Raw::stream(&[&hi, &end("stop"), &data(&half)])).await.unwrap();
    assert_eq!((told.usage.input, told.usage.estimated), (9, true));
}

#[tokio::test]
async fn a_wait_is_kept_whichever_form_its_date_has() {
    let line = Line::openai().await;
    let at = adapters::clock::SystemClock.now() + Duration::from_secs(120);
    for form in ["%a, %d %b %Y %H:%M:%S GMT", "%A, %d-%b-%y %H:%M:%S GMT", "%a %b %e %H:%M:%S %Y"] {
        let mut raw = Raw::of("application/json", &["{}"]);
        raw.status = 429;
        raw.headers.push(("retry-after".into(), at.format(form).to_string()));
        let failure = line.says(raw).await.map(|told| told.text);
        let Err(LlmFailure::RateLimited { retry_after: Some(wait) }) = failure else {
            panic!("{failure:?} of {}", at.format(form));
        };
        assert!((60..=120).contains(&wait.as_secs()), "{wait:?} of {}", at.format(form));
    }
}
