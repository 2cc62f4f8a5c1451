//! Models as they really are, through the whole node: what a caller is told, what is kept, and what tools are asked.

use anyhow::{Context, Result};
use serde_json::{Value, json};
use tests::llm_server::{Family, LlmServer, Raw};
use tests::tool_server::ToolServer;

use super::{Node, contents};

fn data(value: &Value) -> String {
    format!("data: {value}\n\n")
}

/// A stream of one delta that ends as it should.
fn delta(delta: &Value) -> Raw {
    let chunk = data(&json!({"id": "c1", "choices": [{"index": 0, "delta": delta, "finish_reason": null}]}));
    let end = data(&json!({"id": "c1", "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}));
    Raw::stream(&[&chunk, &end, "data: [DONE]\n\n"])
}

fn says(text: &str) -> Raw {
    delta(&json!({ "content": text }))
}

/// A node whose agent asks `first`, then `second`.
struct Two {
    first: LlmServer,
    second: LlmServer,
    node: Node,
}

impl Two {
    async fn start() -> Result<Self> {
        let (first, second) =
            (LlmServer::start(Family::OpenAi).await?, LlmServer::start(Family::Groq).await?);
        let node = Node::start(&[
            ("OPENAI_API_BASE", &first.base),
            ("OPENAI_API_KEY", "sk-test"),
            ("GROQ_API_BASE", &second.base),
            ("GROQ_API_KEY", "gsk-test"),
            ("WEBHOOKS_ALLOW_PRIVATE", "true"),
        ])?;
        Ok(Self { first, second, node })
    }

    /// Where messages go to an agent with these tools.
    async fn messages(&self, tools: &[Value], fallback: bool) -> Result<String> {
        let mut agent = json!({"name": "A", "provider": "openai", "model": "model-1", "tools": tools});
        if fallback {
            agent["fallback"] = json!([{"provider": "groq", "model": "model-1"}]);
        }
        Ok(format!("{}/messages", self.node.conversation(&self.node.agent(agent).await?).await?))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_without_words_is_none_and_the_next_model_is_asked() -> Result<()> {
    let two = Two::start().await?;
    let path = two.messages(&[], true).await?;
    let parts =
        delta(&json!({"content": [{"type": "text", "text": "In "}, {"type": "text", "text": "parts."}]}));
    two.first.send(vec![parts]);
    let answer = two.node.api.post(&path, json!({"content": "Hi"})).await?.data()?;
    assert_eq!((&answer["content"], &answer["provider"]), (&json!("In parts."), &json!("openai")));
    for silent in [
        says(""),
        says(" \n\u{200b}"),
        delta(&json!({"content": null, "reasoning_content": "They say hi."})),
        says("They say hi.</think>\n"),
        delta(&json!({"refusal": "I cannot help with that."})),
        delta(&json!({"content": []})),
    ] {
        // a second answer in between, so that it is not left alone
        two.first.send(vec![silent.clone(), says("Sure.")]);
        two.second.send(vec![says("The second one.")]);
        let answer = two.node.api.post(&path, json!({"content": "Hi"})).await?.data()?;
        assert_eq!(answer["content"], "The second one.", "after {silent:?}");
        let history = two.node.api.list_all(&path.replace("/messages", "/events")).await?;
        let completed = history.iter().rfind(|event| event["type"] == "conversation.turn_completed");
        let passed_over = &completed.context("an answer")?["data"]["passed_over"];
        assert_eq!(passed_over[0]["model"]["provider"], "openai", "after {silent:?}");
        let answer = two.node.api.post(&path, json!({"content": "Hi"})).await?.data()?;
        assert_eq!(answer["content"], "Sure.");
    }
    // nobody has words: no answer, and none is kept
    let alone = two.messages(&[], false).await?;
    two.first.send(vec![says(" ")]);
    let failed = two.node.api.post(&alone, json!({"content": "Hi"})).await?;
    assert_eq!((failed.status, failed.code()), (502, "provider_failed"));
    let kept = two.node.messages(&alone.replace("/messages", "")).await?;
    assert_eq!(contents(&kept), ["Hi"]);
    two.node.server.terminate()?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_model_thinks_is_neither_told_nor_kept_and_its_marks_are() -> Result<()> {
    let two = Two::start().await?;
    let path = two.messages(&[], true).await?;
    let pieces = ["<thi", "nk>SECRET", " plan</th", "ink>\n\n**Tea** it ", "is: [menu](https://x.example)."];
    let chunks: Vec<String> =
        pieces.iter().map(|piece| data(&json!({"choices": [{"delta": {"content": piece}}]}))).collect();
    let stream = Raw::stream(&[&chunks.concat(), "data: [DONE]\n\n"]);
    two.first.send(vec![stream.cut_every(7)]);
    let response = two.node.api.open_post(&path, &[], &json!({"content": "Hi"})).await?;
    let told = response.text().await?;
    assert!(told.contains("event: message") && !told.contains("SECRET") && !told.contains("think"), "{told}");
    two.first.send(vec![delta(&json!({"reasoning": "SECRET", "content": "Yes."}))]);
    two.node.api.post(&path, json!({"content": "Hi"})).await?.data()?;
    let kept = two.node.messages(&path.replace("/messages", "")).await?;
    assert_eq!(contents(&kept), ["Hi", "**Tea** it is: [menu](https://x.example).", "Hi", "Yes."]);
    let history = two.node.api.list_all(&path.replace("/messages", "/events")).await?;
    assert!(!json!(history).to_string().contains("SECRET"));
    two.node.server.terminate()?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tool_is_used_once_with_what_the_model_wrote_and_what_cannot_be_read_is_told_to_it() -> Result<()> {
    let (two, tools) = (Two::start().await?, ToolServer::start().await?);
    let tool = json!({"name": "json", "description": "Looks up", "url": format!("{}/json", tools.base), "method": "POST",
        "parameters": {"type": "object", "properties": {"n": {"type": "integer"}}}});
    let tool = two.node.api.post("/api/v1/tools", tool).await?.data()?;
    let path = two.messages(&[tool["id"].clone()], false).await?;
    let call = |arguments: Value| json!({"function": {"name": " json ", "arguments": arguments}});
    let mut used = 0;
    for calls in [
        json!({"tool_calls": [call(json!({"n": 7}))]}),
        json!({"tool_calls": [call(json!("{\"n\":7}")), call(json!("{\"n\":7}"))]}),
        json!({"function_call": {"name": "json", "arguments": "{\"n\":7}"}}),
        json!({"content": [{"type": "text", "text": "One moment."}], "tool_calls": [call(json!("\"{\\\"n\\\":7}\""))]}),
    ] {
        two.first.send(vec![delta(&calls), says("Tomorrow.")]);
        let answer = two.node.api.post(&path, json!({"content": "When?"})).await?.data()?;
        assert_eq!(answer["content"], "Tomorrow.");
        used += 1;
        let asked = tools.used();
        assert_eq!(
            (asked.len(), asked.last().context("used")?.1.as_str()),
            (used, "{\"n\":7}"),
            "of {calls}"
        );
    }
    // never with another's arguments in place of what cannot be read
    two.first.send(vec![delta(&json!({"tool_calls": [call(json!("{\"n\": oops"))]})), says("Sorry, again.")]);
    let answer = two.node.api.post(&path, json!({"content": "When?"})).await?.data()?;
    assert_eq!((&answer["content"], tools.used().len()), (&json!("Sorry, again."), used));
    let asked = two.first.asked();
    let told = &asked.last().context("asked")?.body["messages"];
    let told = told.as_array().context("messages")?;
    let (call, result) = (&told[told.len() - 2]["tool_calls"][0]["function"], &told[told.len() - 1]);
    assert!(call["arguments"].as_str().is_some_and(|arguments| arguments.contains("oops")), "{call}");
    assert!(result["content"].as_str().is_some_and(|content| content.contains("not JSON")), "{result}");
    two.node.server.terminate()?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn whole_answers_are_kept_in_whatever_form_they_come_and_what_is_not_counted_is_estimated() -> Result<()>
{
    let two = Two::start().await?;
    let path = two.messages(&[], false).await?;
    let plain = json!({"choices": [{"message": {"content": "Plain."}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 9, "completion_tokens": 2}});
    two.first.send(vec![Raw::of("application/json", &[&plain.to_string()])]);
    let answer = two.node.api.post(&path, json!({"content": "Hi"})).await?.data()?;
    assert_eq!((&answer["content"], &answer["tokens_estimated"]), (&json!("Plain."), &json!(false)));
    let halves = "\u{feff}data: {\"choices\":[{\"delta\":{\"content\":\"Hi \\ud83d\"}}]}\r\rdata: \
        {\"choices\":[{\"delta\":{\"content\":\"\\udc4b\"}}]}\r\rdata: [DONE]\r\r";
    two.first.send(vec![Raw::stream(&[halves]).cut_every(5)]);
    let events = super::all(tests::sse::Stream::of(
        two.node.api.open_post(&path, &[], &json!({"content": "Hi"})).await?,
    ))
    .await?;
    assert_eq!(super::words(&events), "Hi 👋");
    let told = events.iter().find(|event| event.name == "message").context("a message")?;
    assert_eq!(told.data["usage"]["tokens_estimated"], true);
    assert!(told.data["usage"]["tokens_input"].as_u64() > Some(0), "{}", told.data);
    let history = two.node.api.list_all(&path.replace("/messages", "/events")).await?;
    let usage: Vec<&Value> = history
        .iter()
        .filter(|event| event["type"] == "conversation.turn_completed")
        .map(|event| &event["data"]["usage"])
        .collect();
    assert_eq!((usage[0].get("estimated"), &usage[1]["estimated"]), (None, &json!(true)));
    let kept = two.node.messages(&path.replace("/messages", "")).await?;
    assert_eq!(contents(&kept), ["Hi", "Plain.", "Hi", "Hi 👋"]);
    assert_eq!(kept[3]["tokens_estimated"], true);
    // an error within a stream is one
    let error = Raw::stream(&[
        &data(&json!({"choices": [{"delta": {"content": "Hi"}}]})),
        &data(&json!({"error": {"message": "no"}})),
    ]);
    two.first.send(vec![error]);
    assert_eq!(two.node.api.post(&path, json!({"content": "Hi"})).await?.code(), "provider_failed");
    two.node.server.terminate()?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_that_names_a_date_is_left_alone_until_then() -> Result<()> {
    let two = Two::start().await?;
    let path = two.messages(&[], true).await?;
    let mut away = Raw::of("application/json", &["{\"error\":{\"code\":\"rate_limit_exceeded\"}}"]);
    away.status = 429;
    // the oldest form
    away.headers.push(("Retry-After".into(), "Tue Dec 31 23:59:59 2069".into()));
    two.first.send(vec![away]);
    for _ in 0..2 {
        let answer = two.node.api.post(&path, json!({"content": "Hi"})).await?.data()?;
        assert_eq!(answer["provider"], "groq");
    }
    assert_eq!(two.first.count(), 1, "it is not asked while it wants to be left alone");
    two.node.server.terminate()?;
    Ok(())
}
