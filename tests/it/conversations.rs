//! Talking with agents, from outside: memory, streams, tools, providers that fail.

mod models;
mod privacy;
mod streams;
mod updates;

use anyhow::{Context, Result};
use conformance::llm::{Away, Ending, Scene};
use serde_json::{Value, json};
use tests::client::Api;
use tests::llm_server::{Family, LlmServer};
use tests::server::{Server, ServerOptions};
use tests::sse::{Event, Stream};
use tests::tool_server::ToolServer;
use tests::until::{SOON, until};

struct Node {
    server: Server,
    api: Api,
    options: ServerOptions,
    _data: tempfile::TempDir,
}

impl Node {
    fn start(set: &[(&str, &str)]) -> Result<Self> {
        let data = tempfile::tempdir()?;
        // otherwise models are asked for moods whenever there is time
        let embedded = ServerOptions::embedded(data.path()).set("CONVERSATIONS_MODEL_SENTIMENT", "false");
        let options = set.iter().fold(embedded, |options, (name, value)| options.set(name, value));
        let server = Server::start(&options)?;
        Ok(Self { api: Api::new(&server.base)?, server, options, _data: data })
    }

    /// Killed without warning, and started again.
    fn die_and_rise(self) -> Result<Self> {
        let Self { server, options, _data, .. } = self;
        server.kill()?;
        let server = Server::start(&options)?;
        Ok(Self { api: Api::new(&server.base)?, server, options, _data })
    }

    async fn agent(&self, body: Value) -> Result<String> {
        let agent = self.api.post("/api/v1/agents", body).await?.data()?;
        Ok(agent["id"].as_str().context("an id")?.to_owned())
    }

    async fn conversation(&self, agent: &str) -> Result<String> {
        let begun = self.api.post("/api/v1/conversations", json!({"agent_id": agent})).await?.data()?;
        Ok(format!("/api/v1/conversations/{}", begun["id"].as_str().context("an id")?))
    }

    async fn messages(&self, conversation: &str) -> Result<Vec<Value>> {
        self.api.list_all(&format!("{conversation}/messages")).await
    }
}

fn contents(messages: &[Value]) -> Vec<&str> {
    messages.iter().map(|message| message["content"].as_str().unwrap_or_default()).collect()
}

async fn all(mut stream: Stream) -> Result<Vec<Event>> {
    let mut events = Vec::new();
    while let Some(event) = stream.next().await? {
        events.push(event);
    }
    Ok(events)
}

fn names(events: &[Event]) -> Vec<&str> {
    events.iter().map(|event| event.name.as_str()).collect()
}

fn words(events: &[Event]) -> String {
    let deltas = events.iter().filter(|event| event.name == "delta");
    deltas.map(|event| event.data["content"].as_str().unwrap_or_default()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_said_is_known_after_a_kill() -> Result<()> {
    let node = Node::start(&[])?;
    let first =
        node.api.post("/api/v1/conversation", json!({"message": "Hello, my name is Ada."})).await?.data()?;
    let id = first["conversation_id"].as_str().context("an id")?.to_owned();
    assert_eq!(first["message"]["provider"], "scripted");
    let node = node.die_and_rise()?;
    let ask = json!({"message": "What is my name?", "conversation_id": id});
    let second = node.api.post("/api/v1/conversation", ask).await?.data()?;
    assert_eq!(second["message"]["content"], "Your name is Ada.");
    let path = format!("/api/v1/conversations/{id}");
    let messages = node.messages(&path).await?;
    assert_eq!(
        messages.iter().map(|message| message["seq"].as_u64()).collect::<Vec<_>>(),
        [1, 2, 3, 4].map(Some)
    );
    let conversation = node.api.get(&path).await?.data()?;
    assert_eq!(
        (conversation["message_count"].as_u64(), &conversation["status"]),
        (Some(4), &json!("active"))
    );
    let page = node.api.get(&format!("{path}/messages?limit=2&order=desc")).await?;
    assert_eq!(page.body["data"][0]["content"], "Your name is Ada.");
    assert_eq!(page.body["meta"]["has_more"], true);
    node.server.terminate()?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_is_told_as_it_comes_and_can_be_resumed() -> Result<()> {
    let model = LlmServer::start(Family::OpenAi).await?;
    let node = Node::start(&[("OPENAI_API_BASE", &model.base), ("OPENAI_API_KEY", "sk-test")])?;
    let agent = json!({"name": "A", "system_prompt": "Be kind.", "provider": "openai", "model": "model-1",
        "temperature": 0.4, "max_tokens": 300});
    let conversation = node.conversation(&node.agent(agent).await?).await?;
    model.play(vec![Scene::says(&["Grüß ", "dich, ", "你好 👋"]).cut_every(3)]);
    let path = format!("{conversation}/messages");
    let response = node.api.open_post(&path, &[], &json!({"content": "Hi"})).await?;
    assert_eq!(
        (response.status().as_u16(), &response.headers()["content-type"]),
        (200, &"text/event-stream".parse()?)
    );
    let events = all(Stream::of(response)).await?;
    assert_eq!(names(&events), ["delta", "delta", "delta", "message", "done"]);
    assert_eq!(words(&events), "Grüß dich, 你好 👋");
    assert_eq!(events[3].data["content"], "Grüß dich, 你好 👋");
    assert_eq!(events[3].data["usage"]["tokens_total"], 48);
    // whoever lost the connection hears the rest, by either way
    let last = [("last-event-id", events[1].id.as_str())];
    let rest = all(Stream::of(node.api.open(&format!("{conversation}/stream"), &last).await?)).await?;
    assert_eq!(rest, events[2..]);
    let rest = all(Stream::of(node.api.open_post(&path, &last, &json!({"content": "Hi"})).await?)).await?;
    assert_eq!(rest, events[2..]);
    // also when the node that told it is gone: what is stored takes the place of the words
    let node = node.die_and_rise()?;
    let rest = all(Stream::of(node.api.open(&format!("{conversation}/stream"), &[]).await?)).await?;
    assert_eq!(names(&rest), ["message", "done"]);
    assert_eq!(rest[0].data["content"], "Grüß dich, 你好 👋");
    let asked = model.asked();
    assert_eq!((asked.len(), asked[0].header("authorization")), (1, "Bearer sk-test"));
    assert_eq!(asked[0].body["messages"][0], json!({"role": "system", "content": "Be kind."}));
    assert_eq!(
        (&asked[0].body["temperature"], &asked[0].body["max_completion_tokens"]),
        (&json!(0.4), &json!(300))
    );
    assert_eq!(node.messages(&conversation).await?.len(), 2, "nothing was said twice");
    node.server.terminate()?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn who_goes_away_in_the_middle_finds_the_whole_answer_and_there_is_one_turn_at_a_time() -> Result<()> {
    let model = LlmServer::held(Family::Anthropic).await?;
    let node = Node::start(&[("ANTHROPIC_API_BASE", &model.base), ("ANTHROPIC_API_KEY", "sk-test")])?;
    let agent = json!({"name": "A", "provider": "anthropic", "model": "claude-haiku-4-5"});
    let conversation = node.conversation(&node.agent(agent).await?).await?;
    model.play(vec![Scene::says(&["One ", "moment, ", "please."])]);
    let path = format!("{conversation}/messages");
    let hi = json!({"content": "Hi"});
    let opening = node.api.open_post(&path, &[], &hi);
    // as far as the first word: message_start, ping, the block's start
    model.let_go(4);
    let mut stream = Stream::of(opening.await?);
    assert_eq!(stream.next().await?.context("a word")?.data["content"], "One ");
    let busy = node.api.post(&path, json!({"content": "Are you there?"})).await?;
    assert_eq!((busy.status, busy.code()), (409, "turn_under_way"));
    drop(stream);
    model.let_go(100);
    let messages = until("the answer is stored", SOON, async || {
        let messages = node.messages(&conversation).await?;
        Ok((messages.len() == 2).then_some(messages))
    })
    .await?;
    assert_eq!(contents(&messages), ["Hi", "One moment, please."]);
    node.server.terminate()?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_killed_in_the_middle_of_an_answer_goes_on_with_the_next_message() -> Result<()> {
    let model = LlmServer::held(Family::OpenAi).await?;
    let node = Node::start(&[("OPENAI_API_BASE", &model.base), ("OPENAI_API_KEY", "sk-test")])?;
    let conversation =
        node.conversation(&node.agent(json!({"name": "A", "provider": "openai"})).await?).await?;
    let path = format!("{conversation}/messages");
    let name = json!({"content": "My name is Ada."});
    let opening = node.api.open_post(&path, &[], &name);
    model.let_go(3);
    let mut stream = Stream::of(opening.await?);
    assert_eq!(stream.next().await?.context("a word")?.name, "delta");
    let node = node.die_and_rise()?;
    model.let_go(1_000);
    let answer = node.api.post(&path, json!({"content": "Are you there?"})).await?.data()?;
    assert_eq!(answer["content"], "Sure.");
    let asked = model.asked();
    let told = asked.last().context("asked")?.body["messages"].to_string();
    assert!(told.contains("My name is Ada.") && told.contains("Are you there?"), "{told}");
    let history = node.api.list_all(&format!("{conversation}/events")).await?;
    let failed =
        history.iter().find(|event| event["type"] == "conversation.turn_failed").context("a failed turn")?;
    assert_eq!(failed["data"]["fault"], "abandoned");
    node.server.terminate()?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_whose_node_was_killed_over_the_answer_is_told_as_failed_once_it_is_started_again()
-> Result<()> {
    let model = LlmServer::held(Family::OpenAi).await?;
    let node = Node::start(&[("OPENAI_API_BASE", &model.base), ("OPENAI_API_KEY", "sk-test")])?;
    let conversation =
        node.conversation(&node.agent(json!({"name": "A", "provider": "openai"})).await?).await?;
    let path = format!("{conversation}/messages");
    let said = json!({"content": "My name is Ada."});
    let opening = node.api.open_post(&path, &[], &said);
    model.let_go(3);
    let mut stream = Stream::of(opening.await?);
    assert_eq!(stream.next().await?.context("a word")?.name, "delta");
    let node = node.die_and_rise()?;
    // nobody says anything more
    let failed = until("the turn to be noted as failed", SOON, async || {
        let history = node.api.list_all(&format!("{conversation}/events")).await?;
        Ok(history.into_iter().find(|event| event["type"] == "conversation.turn_failed"))
    })
    .await?;
    assert_eq!(failed["data"]["fault"], "abandoned");
    node.server.terminate()?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_next_model_answers_when_one_does_not_also_when_it_breaks_before_its_first_word() -> Result<()> {
    let (groq, openai) = (LlmServer::start(Family::Groq).await?, LlmServer::start(Family::OpenAi).await?);
    let node = Node::start(&[
        ("GROQ_API_BASE", &groq.base),
        ("GROQ_API_KEY", "gsk-test"),
        ("OPENAI_API_BASE", &openai.base),
        ("OPENAI_API_KEY", "sk-test"),
        ("LLM_FIRST_TOKEN_TIMEOUT_MS", "400"),
    ])?;
    // an old name, its successor is asked
    let agent = node
        .agent(json!({"name": "A", "provider": "groq", "model": "llama3-70b-8192",
            "fallback": [{"provider": "anthropic", "model": "none"}, {"provider": "openai", "model": "model-1"}]}))
        .await?;
    let conversation = node.conversation(&agent).await?;
    let path = format!("{conversation}/messages");
    for (scenes, fault) in [
        (vec![Scene::Away(Away::Overloaded), Scene::Away(Away::Overloaded)], "provider_unavailable"),
        (vec![Scene::says(&[]).ending(Ending::BreaksOff)], "provider_unavailable"),
        (vec![Scene::Silent], "provider_timeout"),
        (vec![Scene::Nonsense], "provider_protocol"),
        (vec![Scene::Away(Away::Billing)], "provider_billing"),
    ] {
        groq.play(scenes);
        let answer = node.api.post(&path, json!({"content": "Hi"})).await?.data()?;
        assert_eq!((&answer["provider"], &answer["model"]), (&json!("openai"), &json!("model-1")));
        let history = node.api.list_all(&format!("{conversation}/events")).await?;
        let completed = history.iter().rfind(|event| event["type"] == "conversation.turn_completed");
        let passed_over = &completed.context("an answer")?["data"]["passed_over"];
        assert_eq!(passed_over[0]["fault"], fault);
        assert_eq!(passed_over[1]["fault"], "provider_not_configured");
    }
    assert_eq!(groq.asked()[0].body["model"], "openai/gpt-oss-120b");
    // five failures in a row but for the bill: it is shown, and after 429 it is left alone as long as it wants
    groq.play(vec![Scene::Away(Away::RateLimited(60_000))]);
    node.api.post(&path, json!({"content": "Hi"})).await?.data()?;
    let before = groq.count();
    node.api.post(&path, json!({"content": "Hi"})).await?.data()?;
    assert_eq!(groq.count(), before, "it is not asked while it wants to be left alone");
    let providers = node.api.get("/api/v1/llm/providers").await?.data()?;
    let shown = providers
        .as_array()
        .context("a list")?
        .iter()
        .find(|one| one["provider"] == "groq")
        .context("groq")?;
    assert_eq!((&shown["configured"], &shown["breaker"]), (&json!(true), &json!("open")));
    assert_eq!(shown["last_error"], "provider_rate_limited");
    assert_eq!(shown["replaced"]["llama3-70b-8192"], "openai/gpt-oss-120b");
    node.server.terminate()?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_answer_is_an_error_and_what_was_said_is_kept() -> Result<()> {
    let model = LlmServer::start(Family::OpenAi).await?;
    let node = Node::start(&[("OPENAI_API_BASE", &model.base), ("OPENAI_API_KEY", "sk-test")])?;
    let conversation =
        node.conversation(&node.agent(json!({"name": "A", "provider": "openai"})).await?).await?;
    let path = format!("{conversation}/messages");
    model.play(vec![Scene::says(&["One ", "moment"]).ending(Ending::BreaksOff)]);
    let events = all(Stream::of(node.api.open_post(&path, &[], &json!({"content": "Hi"})).await?)).await?;
    assert_eq!(names(&events)[events.len() - 2..], ["error", "done"]);
    assert_eq!(events[events.len() - 2].data["code"], "provider_failed");
    model.play(vec![Scene::Away(Away::Credentials)]);
    let refused = node.api.post(&path, json!({"content": "Hi"})).await?;
    assert_eq!((refused.status, refused.code()), (502, "provider_failed"));
    // at once: a problem, not an event
    model.play(vec![Scene::Away(Away::Credentials)]);
    let refused = node.api.open_post(&path, &[], &json!({"content": "Hi"})).await?;
    assert_eq!(refused.status().as_u16(), 502);
    model.play(vec![]);
    node.api.post(&path, json!({"content": "Hello?"})).await?.data()?;
    assert_eq!(contents(&node.messages(&conversation).await?), ["Hi", "Hi", "Hi", "Hello?", "Sure."]);
    node.server.terminate()?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_uses_tools_and_hears_what_became_of_it() -> Result<()> {
    let (model, tools) = (LlmServer::start(Family::OpenAi).await?, ToolServer::start().await?);
    let node = Node::start(&[
        ("OPENAI_API_BASE", &model.base),
        ("OPENAI_API_KEY", "sk-test"),
        ("WEBHOOKS_ALLOW_PRIVATE", "true"),
    ])?;
    let mut ids = Vec::new();
    for name in ["json", "html", "broken", "long", "error", "moved", "never"] {
        let tool = json!({"name": name, "description": "Looks up", "url": format!("{}/{name}", tools.base),
            "method": if name == "json" { "POST" } else { "GET" }, "timeout_ms": 300,
            "headers": {"x-tenant": "7"}, "auth": {"type": "bearer", "token": "tool-secret"},
            "parameters": {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}});
        let tool = node.api.post("/api/v1/tools", tool).await?.data()?;
        assert!(!tool.to_string().contains("tool-secret"), "{tool}");
        ids.push(tool["id"].clone());
    }
    let agent = node.agent(json!({"name": "A", "provider": "openai", "tools": ids})).await?;
    let conversation = node.conversation(&agent).await?;
    let path = format!("{conversation}/messages");
    // all at once: seven tools, two of them asked wrongly, and one that is not there
    let call = |name| (name, ["{\"n\":", "7}"]);
    let calls = ["json", "html", "broken", "long", "error", "moved", "never", "nothing"].map(call);
    let mut calls: Vec<(&str, &[&str])> =
        calls.iter().map(|(name, pieces)| (*name, pieces.as_slice())).collect();
    calls.push(("json", &["{\"n\": \"seven\"}"]));
    calls.push(("json", &["{\"n\": "]));
    model.play(vec![Scene::calls(&calls), Scene::says(&["You come ", "tomorrow."])]);
    let events = all(Stream::of(node.api.open_post(&path, &[], &json!({"content": "When?"})).await?)).await?;
    assert_eq!(names(&events).iter().filter(|name| **name == "tool_call").count(), 10);
    assert_eq!(words(&events), "You come tomorrow.");
    let messages = node.messages(&conversation).await?;
    let outcomes: Vec<&str> =
        messages.iter().filter_map(|message| message["tool_outcome"].as_str()).collect();
    let expected = [
        "succeeded",
        "failed",
        "failed",
        "failed",
        "failed",
        "failed",
        "timed_out",
        "refused",
        "refused",
        "refused",
    ];
    assert_eq!(outcomes, expected);
    assert_eq!(messages[2]["content"], "{\"when\":\"tomorrow at ten\"}");
    assert_eq!(messages[1]["tool_calls"][0]["arguments"], "{\"n\":7}");
    // the model heard it all, every call has its answer
    let told = &model.asked()[1].body["messages"];
    let answers = told.as_array().context("messages")?.iter().filter(|message| message["role"] == "tool");
    assert_eq!(answers.count(), 10);
    let used = tools.used();
    let (head, body) = used.iter().find(|(head, _)| head.starts_with("POST /json")).context("used")?;
    assert_eq!(body, "{\"n\":7}");
    for header in ["authorization: Bearer tool-secret", "x-tenant: 7", "idempotency-key: "] {
        assert!(head.contains(header), "{head}");
    }
    assert!(used.iter().any(|(head, _)| head.starts_with("GET /html?n=7")));
    assert_eq!(used.len(), 7, "what does not fit is not sent, a redirect is not followed");
    // the next turn goes on with it all
    model.play(vec![]);
    node.api.post(&path, json!({"content": "Thanks"})).await?.data()?;
    node.server.terminate()?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_that_does_nothing_but_call_tools_is_stopped_after_eight_rounds() -> Result<()> {
    let (model, tools) = (LlmServer::start(Family::Google).await?, ToolServer::start().await?);
    let node = Node::start(&[
        ("GOOGLE_API_BASE", &model.base),
        ("GOOGLE_API_KEY", "key-1"),
        ("WEBHOOKS_ALLOW_PRIVATE", "true"),
    ])?;
    let tool = json!({"name": "json", "description": "Looks up", "url": format!("{}/json", tools.base)});
    let tool = node.api.post("/api/v1/tools", tool).await?.data()?;
    let agent =
        json!({"name": "A", "provider": "google", "model": "gemini-3.5-flash-lite", "tools": [tool["id"]]});
    let conversation = node.conversation(&node.agent(agent).await?).await?;
    model.answer_by(|_| Scene::calls(&[("json", &["{}"])]));
    let answer =
        node.api.post(&format!("{conversation}/messages"), json!({"content": "When?"})).await?.data()?;
    assert_eq!(answer["finish_reason"], "tool_rounds");
    assert_eq!((model.count(), tools.used().len()), (9, 8));
    // Google gets its signatures back
    let told = model.asked()[8].body["contents"].to_string();
    assert_eq!(told.matches("thoughtSignature").count(), 8);
    node.server.terminate()?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn conversations_run_what_is_deployed_and_say_which_version_that_was() -> Result<()> {
    let model = LlmServer::start(Family::OpenAi).await?;
    let node = Node::start(&[("OPENAI_API_BASE", &model.base), ("OPENAI_API_KEY", "sk-test")])?;
    let id = node.agent(json!({"name": "A", "system_prompt": "first", "provider": "openai"})).await?;
    let path = format!("/api/v1/agents/{id}");
    let deploy = format!("{path}/deploy");
    let deployed = node.api.send("POST", &deploy, &[], None).await?.data()?;
    assert_eq!((&deployed["status"], &deployed["deployed_version"]), (&json!("deployed"), &json!(1)));
    node.api.patch(&path, Some(2), json!({"system_prompt": "second"})).await?.data()?;
    assert_eq!(node.api.patch(&path, Some(1), json!({"name": "B"})).await?.status, 412);
    let conversation = node.conversation(&id).await?;
    let say = async |prompt: &str| -> Result<()> {
        node.api.post(&format!("{conversation}/messages"), json!({"content": "Hi"})).await?.data()?;
        assert_eq!(model.asked().last().context("asked")?.body["messages"][0]["content"], prompt);
        Ok(())
    };
    say("first").await?;
    node.api.post(&deploy, json!({})).await?.data()?;
    say("second").await?;
    assert_eq!(node.api.get(&conversation).await?.data()?["agent_version"], 3);
    node.api.post(&deploy, json!({"version": 1})).await?.data()?;
    say("first").await?;
    assert_eq!(node.api.get(&format!("{path}?version=1")).await?.data()?["system_prompt"], "first");
    let wrong = node.api.post(&deploy, json!({"version": 99})).await?;
    assert_eq!((wrong.status, wrong.body["errors"][0]["field"].as_str()), (422, Some("version")));
    node.server.terminate()?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_is_refused_with_its_field() -> Result<()> {
    let node = Node::start(&[])?;
    let agent = node.agent(json!({"name": "A", "provider": "scripted"})).await?;
    let conversation = node.conversation(&agent).await?;
    let path = format!("{conversation}/messages");
    let unknown = "agt_01h455vb4pex5vsknk084sn02q";
    let tool = |change: Value| {
        let mut tool = json!({"name": "t", "description": "d", "url": "https://example.com/"});
        tool.as_object_mut()
            .into_iter()
            .for_each(|tool| tool.extend(change.as_object().cloned().unwrap_or_default()));
        tool
    };
    let cases = [
        ("/api/v1/conversation", json!({"message": ""}), 422, "message"),
        ("/api/v1/conversation", json!({"message": "x".repeat(65_537)}), 422, "message"),
        (&path, json!({"content": " \n"}), 422, "content"),
        (&path, json!({"content": "x".repeat(65_537)}), 422, "content"),
        (&path, json!({}), 422, "content"),
        ("/api/v1/conversation", json!({"message": "Hi", "agent_id": unknown}), 422, "agent_id"),
        ("/api/v1/conversations", json!({"agent_id": unknown}), 422, "agent_id"),
        ("/api/v1/conversations", json!({"channel": "smoke"}), 422, "channel"),
        ("/api/v1/conversations", json!({"user_id": ""}), 422, "user_id"),
        ("/api/v1/agents", json!({"name": ""}), 422, "name"),
        ("/api/v1/agents", json!({"name": "A", "provider": "nobody"}), 422, "provider"),
        ("/api/v1/agents", json!({"name": "A", "provider": "openai_compatible"}), 422, "model"),
        ("/api/v1/agents", json!({"name": "A", "temperature": 2.5}), 422, "temperature"),
        (
            "/api/v1/agents",
            json!({"name": "A", "tools": ["tool_01h455vb4pex5vsknk084sn02q"]}),
            422,
            "tools[0]",
        ),
        ("/api/v1/tools", tool(json!({"parameters": {"type": "objekt"}})), 422, "parameters"),
        ("/api/v1/tools", tool(json!({"parameters": {"type": "array"}})), 422, "parameters"),
        ("/api/v1/tools", tool(json!({"parameters": {"$ref": "https://example.com/x"}})), 422, "parameters"),
        ("/api/v1/tools", tool(json!({"url": "http://127.0.0.1:1/"})), 422, "url"),
        ("/api/v1/tools", tool(json!({"url": "https://169.254.169.254/"})), 422, "url"),
        ("/api/v1/tools", tool(json!({"timeout_ms": 5})), 422, "timeout_ms"),
        (
            "/api/v1/tools",
            tool(json!({"auth": {"type": "api_key", "header": "host", "key": "k"}})),
            422,
            "auth.header",
        ),
    ];
    for (path, body, status, field) in cases {
        let answer = node.api.post(path, body.clone()).await?;
        let shown: String = body.to_string().chars().take(100).collect();
        assert_eq!(
            (answer.status, answer.body["errors"][0]["field"].as_str()),
            (status, Some(field)),
            "{shown}"
        );
    }
    let huge = json!({"content": "x".repeat(1_100_000)});
    assert_eq!(node.api.post(&path, huge).await?.status, 413);
    let lost = "/api/v1/conversations/conv_01h455vb4pex5vsknk084sn02q";
    for (method, path) in
        [("GET", lost.to_owned()), ("POST", format!("{lost}/end")), ("GET", format!("{lost}/messages"))]
    {
        assert_eq!(node.api.send(method, &path, &[], None).await?.status, 404, "{path}");
    }
    let lonely = node.agent(json!({"name": "A", "provider": "groq", "model": "openai/gpt-oss-20b"})).await?;
    let nobody = json!({"message": "Hi", "agent_id": lonely});
    let answer = node.api.post("/api/v1/conversation", nobody.clone()).await?;
    assert_eq!((answer.status, answer.code()), (503, "provider_not_configured"));
    assert_eq!(node.api.open_post("/api/v1/conversation", &[], &nobody).await?.status().as_u16(), 503);
    let ended = node.api.post(&format!("{conversation}/end"), json!({})).await?.data()?;
    assert_eq!(ended["status"], "ended");
    let late = node.api.post(&path, json!({"content": "Hi"})).await?;
    assert_eq!((late.status, late.code()), (409, "conversation_ended"));
    node.server.terminate()?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clients_own_account_is_used_in_place_of_the_nodes() -> Result<()> {
    let (own, nodes) = (LlmServer::start(Family::OpenAi).await?, LlmServer::start(Family::OpenAi).await?);
    let node = Node::start(&[
        ("OPENAI_API_BASE", &nodes.base),
        ("OPENAI_API_KEY", "sk-node"),
        ("WEBHOOKS_ALLOW_PRIVATE", "true"),
    ])?;
    let say = json!({"message": "Hi"});
    node.api.post("/api/v1/conversation", say.clone()).await?.data()?;
    let account = json!({"provider": "openai_compatible", "api_key": "sk-client",
        "settings": {"base_url": own.base, "model": "llama"}});
    node.api.patch("/api/v1/auth/providers/llm", None, account).await?.data()?;
    let answer = node.api.post("/api/v1/conversation", say).await?.data()?;
    assert_eq!(
        (&answer["message"]["provider"], &answer["message"]["model"]),
        (&json!("openai_compatible"), &json!("llama"))
    );
    assert_eq!((nodes.count(), own.asked()[0].header("authorization")), (1, "Bearer sk-client"));
    let wrong = json!({"provider": "scripted", "api_key": "12345678"});
    assert_eq!(node.api.patch("/api/v1/auth/providers/llm", None, wrong).await?.status, 422);
    node.server.terminate()?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_request_under_one_key_says_it_once_streamed_or_not() -> Result<()> {
    let node = Node::start(&[])?;
    let body = json!({"message": "count to 3"});
    let once = node.api.post_once("/api/v1/conversation", "k1", &body).await?.data()?;
    let again = node.api.post_once("/api/v1/conversation", "k1", &body).await?.data()?;
    assert_eq!(once, again);
    let key = [("idempotency-key", "k2")];
    let told = all(Stream::of(node.api.open_post("/api/v1/conversation", &key, &body).await?)).await?;
    let retold = all(Stream::of(node.api.open_post("/api/v1/conversation", &key, &body).await?)).await?;
    assert_eq!(told, retold);
    assert_eq!(node.api.list_all("/api/v1/conversations").await?.len(), 2);
    node.server.terminate()?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_judges_what_is_said_and_a_list_of_words_does_where_it_makes_no_sense() -> Result<()> {
    let model = LlmServer::start(Family::OpenAi).await?;
    let node = Node::start(&[
        ("OPENAI_API_BASE", &model.base),
        ("OPENAI_API_KEY", "sk-test"),
        ("CONVERSATIONS_MODEL_SENTIMENT", "true"),
    ])?;
    let judged = async |message: &str, words: &'static str, by: &str| -> Result<f64> {
        model.answer_by(move |asked| {
            let judging =
                asked.body["messages"][0]["content"].as_str().is_some_and(|text| text.starts_with("Judge"));
            Scene::says(if judging { std::slice::from_ref(&words) } else { &["Sure."] })
        });
        let said = node.api.post("/api/v1/conversation", json!({"message": message})).await?.data()?;
        let path = format!("/api/v1/conversations/{}", said["conversation_id"].as_str().context("an id")?);
        let score = until("the mood is judged", SOON, async || {
            Ok(node.api.get(&path).await?.data()?["sentiment"].as_f64())
        })
        .await?;
        let history = node.api.list_all(&format!("{path}/events")).await?;
        let event = history.iter().find(|event| event["type"] == "conversation.sentiment_judged");
        assert_eq!(event.context("judged")?["data"]["by"], by);
        Ok(score)
    };
    assert_eq!(judged("My booking?", "[80]", "model").await?, 0.8);
    assert!(judged("That is terrible", "I would say it is bad.", "lexicon").await? < -0.3);
    node.server.terminate()?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_said_is_judged_and_long_conversations_are_summed_up() -> Result<()> {
    let node = Node::start(&[("CONVERSATIONS_WINDOW_TOKENS", "300")])?;
    let first = node
        .api
        .post("/api/v1/conversation", json!({"message": "My name is Ada. This is terrible!"}))
        .await?;
    let id = first.data()?["conversation_id"].as_str().context("an id")?.to_owned();
    let path = format!("/api/v1/conversations/{id}");
    for n in 0..8 {
        let long = json!({"content": format!("message {n} {}", "and so on ".repeat(30))});
        node.api.post(&format!("{path}/messages"), long).await?.data()?;
    }
    let answer =
        node.api.post(&format!("{path}/messages"), json!({"content": "What is my name?"})).await?.data()?;
    assert_eq!(answer["content"], "Your name is Ada.", "it stands in the summary");
    let history = node.api.list_all(&format!("{path}/events")).await?;
    assert!(history.iter().any(|event| event["type"] == "conversation.summarised"));
    until("the mood is judged", SOON, async || {
        let messages = node.messages(&path).await?;
        Ok(messages[0]["sentiment"].as_f64().filter(|score| *score < -0.3))
    })
    .await?;
    assert_eq!(node.messages(&path).await?.len(), 20, "all of it can be read");
    node.server.terminate()?;
    Ok(())
}
