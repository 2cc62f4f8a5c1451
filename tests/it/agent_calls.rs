//! Agents on calls: greeted in the agent's words, answered line by line.

use std::time::Duration;

use anyhow::{Context, Result};
use conformance::llm::{Away, Scene};
use serde_json::{Value, json};
use simulator::fake_telnyx::{CallScript, CalleeScript, Step};
use tests::llm_server::{Family, LlmServer, Raw};
use tests::server::ServerOptions;
use tests::until::{SOON, until};
use tests::webhook::{OUR_NUMBER, about, rfc3339, unix_now};
use tests::world::World;

use crate::ivr::{item, make};

const CALLER: &str = "+12025550111";
const CALLEE: &str = "+12025550151";

pub fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value[field].as_str().unwrap_or_default()
}

/// Says each line once the one before was answered.
pub fn lines(lines: &[&str]) -> Vec<Step> {
    let mut steps = vec![Step::HearOut];
    for line in lines {
        steps.extend([Step::Say((*line).to_owned()), Step::HearOut]);
    }
    steps.push(Step::HangUp);
    steps
}

async fn agent(world: &World) -> Result<Value> {
    let agent =
        json!({"name": "Reception", "provider": "scripted", "greeting": "Riverside Clinic, good morning."});
    world.api.post("/api/v1/agents", agent).await?.data()
}

/// The conversation of a call, once it is over.
pub async fn ended(world: &World, call: &str) -> Result<Value> {
    until("the conversation to end", SOON, async || {
        let found = world.api.get(&format!("/api/v1/conversations?call_id={call}")).await?.data()?;
        Ok(found[0].is_object().then(|| found[0].clone()).filter(|one| one["status"] == "ended"))
    })
    .await
}

async fn told(world: &World, types: &str) -> Result<Vec<Value>> {
    world.api.list_all(&format!("/api/v1/events?types={types}")).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_is_greeted_heard_and_answered_and_it_is_one_conversation() -> Result<()> {
    let world = World::start().await?;
    let agent = agent(&world).await?;
    let number = json!({"number": OUR_NUMBER, "route": {"type": "agent", "id": agent["id"]}});
    world.api.post("/api/v1/numbers", number).await?.data()?;
    let mut script = CallScript::new(CALLER, OUR_NUMBER);
    for step in lines(&["My name is Ada. This is terrible.", "What is my name?"]) {
        script = script.then(step);
    }
    let handle = world.carrier.place_call(script).await;
    let control_id = handle.control_id.clone();
    let record = handle.ended().await.context("the carrier stopped")?;
    let said = ["Riverside Clinic, good morning.", "Nice to meet you, Ada.", "Your name is Ada."];
    assert_eq!(record.spoken, said);
    let call = world.call_of_leg(&control_id).await?;
    let conversation = ended(&world, text(&call, "id")).await?;
    assert_eq!((text(&conversation, "channel"), &conversation["agent_id"]), ("voice", &agent["id"]));
    assert_eq!(call["conversation_id"], conversation["id"]);
    let path = format!("/api/v1/conversations/{}", text(&conversation, "id"));
    let messages = world.api.list_all(&format!("{path}/messages")).await?;
    let spoken: Vec<_> = messages.iter().map(|one| (text(one, "role"), text(one, "content"))).collect();
    assert_eq!(
        spoken,
        [
            ("assistant", said[0]),
            ("user", "My name is Ada. This is terrible."),
            ("assistant", said[1]),
            ("user", "What is my name?"),
            ("assistant", said[2]),
        ]
    );
    let updated = until("the events to be told", SOON, async || {
        let updated = told(&world, "conversation.updated").await?;
        let over = told(&world, "conversation.ended").await?;
        // two answers within a second are one
        Ok((!updated.is_empty() && over.len() == 1).then_some(updated))
    })
    .await?;
    assert_eq!(updated[0]["subject"]["id"], conversation["id"]);
    let late = world.api.post(&format!("{path}/messages"), json!({"content": "Hello?"})).await?;
    assert_eq!(late.code(), "conversation_ended");
    world.close().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_called_by_an_agent_is_greeted_and_answered_too() -> Result<()> {
    let world = World::start().await?;
    let agent = agent(&world).await?;
    let steps = lines(&["hello"]);
    world.carrier.set_callee(CALLEE, CalleeScript::Answers { ring: Duration::ZERO, steps });
    let call = world.dial(json!({"to": CALLEE, "agent_id": agent["id"]})).await?;
    let conversation = ended(&world, text(&call, "id")).await?;
    assert_eq!(conversation["message_count"], 3);
    let unknown = json!({"to": CALLEE, "agent_id": "agt_01h455vb4pex5vsknk084sn02q"});
    let refused = world.api.post("/api/v1/calls", unknown).await?;
    assert_eq!((refused.status, &refused.body["errors"][0]["field"]), (422, &json!("agent_id")));
    let deployed =
        world.api.post(&format!("/api/v1/agents/{}/deploy", text(&agent, "id")), json!({})).await?;
    deployed.data()?;
    until("the deployment to be told", SOON, async || {
        let told = told(&world, "agent.deployed").await?;
        Ok(told
            .first()
            .map(|event| event["data"]["deployed_version"].clone())
            .filter(|version| *version == 1))
    })
    .await?;
    world.close().await?;
    Ok(())
}

/// A caller calls [`OUR_NUMBER`] and does these steps: what they heard, and the call once it is over.
async fn calls(world: &World, steps: Vec<Step>) -> Result<(Vec<String>, Value)> {
    let script = steps.into_iter().fold(CallScript::new(CALLER, OUR_NUMBER), CallScript::then);
    let handle = world.carrier.place_call(script).await;
    let control_id = handle.control_id.clone();
    let record = handle.ended().await.context("the carrier stopped")?;
    anyhow::ensure!(record.unmet.is_empty(), "the caller waited in vain: {:?}", record.unmet);
    let call = world.call_of_leg(&control_id).await?;
    let call = world.call_when(text(&call, "id"), |call| !call["ended_at"].is_null()).await?;
    Ok((record.spoken, call))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_number_that_names_no_agent_is_answered_by_the_one_last_deployed_or_made() -> Result<()> {
    let world = World::start().await?;
    world.take_number().await?;
    let (spoken, call) = calls(&world, lines(&[])).await?;
    assert!(
        spoken.len() == 1 && spoken[0].starts_with("Hello"),
        "a plain greeting until there is one: {spoken:?}"
    );
    assert_eq!((&call["agent_id"], &call["conversation_id"]), (&Value::Null, &Value::Null));
    let mut agents = vec![];
    for name in ["First", "Second"] {
        let agent = json!({"name": name, "provider": "scripted", "greeting": format!("{name} here.")});
        agents.push(world.api.post("/api/v1/agents", agent).await?.data()?);
    }
    let (spoken, call) = calls(&world, lines(&["My name is Ada."])).await?;
    assert_eq!(spoken, ["Second here.", "Nice to meet you, Ada."]);
    assert_eq!(call["agent_id"], agents[1]["id"]);
    let deploy = format!("/api/v1/agents/{}/deploy", text(&agents[0], "id"));
    world.api.post(&deploy, json!({})).await?.data()?;
    let (spoken, call) = calls(&world, lines(&[])).await?;
    assert_eq!((spoken, &call["agent_id"]), (vec!["First here.".to_owned()], &agents[0]["id"]));
    // also after a restart
    let World { mut node, api, carrier, folder } = world;
    tokio::task::block_in_place(|| node.terminate())?;
    tokio::task::block_in_place(|| node.resume())?;
    let world = World { node, api, carrier, folder };
    assert_eq!(calls(&world, lines(&[])).await?.0, ["First here."]);
    world.close().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_menu_hands_the_caller_to_an_agent_who_listens_from_then_on() -> Result<()> {
    // as a real carrier: nobody is transcribed unless it is asked to
    let world = World::with(|plan| plan.carrier.transcribe_unasked = false).await?;
    let named = agent(&world).await?;
    let other = json!({"name": "Other", "provider": "scripted", "greeting": "The other one here."});
    let other = world.api.post("/api/v1/agents", other).await?.data()?;
    let items = [item("1", "agent", named["id"].clone()), item("2", "agent", Value::Null)];
    let menu = make(&world, json!({"name": "Main", "prompt": "Welcome.", "items": items})).await?;
    let number = json!({"number": OUR_NUMBER, "route": {"type": "ivr_menu", "id": menu}});
    world.api.post("/api/v1/numbers", number).await?.data()?;
    let nobody = item("1", "agent", json!("agt_01h455vb4pex5vsknk084sn02q"));
    let refused = json!({"name": "Main", "prompt": "Welcome.", "items": [nobody]});
    let refused = world.api.post("/api/v1/ivr/menus", refused).await?;
    let field = &refused.body["errors"][0]["field"];
    assert_eq!((refused.status, field), (422, &json!("items[0].target")), "{}", refused.body);
    let way = |key: &str, said: &[&str]| {
        let mut steps = vec![Step::HearOut, Step::Press(key.to_owned())];
        steps.extend(lines(said));
        steps
    };
    let (spoken, call) = calls(&world, way("1", &["My name is Ada.", "What is my name?"])).await?;
    let greeting = "Riverside Clinic, good morning.";
    assert_eq!(spoken, ["Welcome.", greeting, "Nice to meet you, Ada.", "Your name is Ada."]);
    assert_eq!(call["agent_id"], named["id"]);
    let conversation = ended(&world, text(&call, "id")).await?;
    assert_eq!((&conversation["id"], &conversation["agent_id"]), (&call["conversation_id"], &named["id"]));
    let session =
        world.api.get(&format!("/api/v1/ivr/sessions?call_id={}", text(&call, "id"))).await?.data()?;
    assert_eq!(
        (&session[0]["status"], &session[0]["outcome"]["action"]),
        (&json!("completed"), &json!("agent"))
    );
    let path = format!("/api/v1/conversations/{}/messages", text(&conversation, "id"));
    let said = world.api.list_all(&path).await?;
    let said: Vec<_> =
        said.iter().filter(|one| one["kind"] == "text").map(|one| text(one, "content")).collect();
    let expected =
        [greeting, "My name is Ada.", "Nice to meet you, Ada.", "What is my name?", "Your name is Ada."];
    assert_eq!(said, expected, "the menu's own words are not the agent's");
    // no agent is named: the default one
    let (spoken, call) = calls(&world, way("2", &["hello"])).await?;
    assert_eq!((spoken.len(), &*spoken[1], &call["agent_id"]), (3, "The other one here.", &other["id"]));
    let history = world.api.list_all(&format!("/api/v1/calls/{}/events", text(&call, "id"))).await?;
    assert!(history.iter().any(|event| event["type"] == "call.transcription_requested"));
    world.close().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn who_gets_no_answer_hears_an_apology_it_is_noted_and_the_talk_goes_on() -> Result<()> {
    let model = LlmServer::start(Family::Anthropic).await?;
    let world = World::with(|plan| {
        let set = |options: ServerOptions, name: &str, value: &str| options.set(name, value);
        let mut options = plan.options.clone();
        options = set(options, "ANTHROPIC_API_BASE", &model.base);
        options = set(options, "ANTHROPIC_API_KEY", "sk-test");
        plan.options = set(options, "CONVERSATIONS_MODEL_SENTIMENT", "false");
    })
    .await?;
    let own = json!({"name": "A", "provider": "anthropic", "model": "claude-haiku-4-5", "greeting": "Good morning.",
        "apology": "One moment, please say that again."});
    let id = world.api.post("/api/v1/agents", own).await?.data()?["id"].clone();
    world.take_number().await?;
    model.play(vec![Scene::Away(Away::Credentials)]);
    let (spoken, call) = calls(&world, lines(&["hello", "hello?"])).await?;
    assert_eq!(spoken, ["Good morning.", "One moment, please say that again.", "Sure."]);
    let conversation = ended(&world, text(&call, "id")).await?;
    let path = format!("/api/v1/conversations/{}", text(&conversation, "id"));
    let said = world.api.list_all(&format!("{path}/messages")).await?;
    let said: Vec<_> = said.iter().map(|one| (text(one, "role"), text(one, "content"))).collect();
    let expected = [
        ("assistant", "Good morning."),
        ("user", "hello"),
        ("assistant", "One moment, please say that again."),
        ("user", "hello?"),
        ("assistant", "Sure."),
    ];
    assert_eq!(said, expected);
    let history = world.api.list_all(&format!("{path}/events")).await?;
    let failed =
        history.iter().find(|event| event["type"] == "conversation.turn_failed").context("a failure")?;
    assert_eq!(
        (&failed["data"]["fault"], failed["data"]["call"].is_string()),
        (&json!("provider_credentials"), true)
    );
    // the agent spoke first, which this provider does not take
    assert_eq!(model.asked()[0].body["messages"][0]["role"], "user");
    until("the failure to be told", SOON, async || {
        Ok((!told(&world, "error.occurred").await?.is_empty()).then_some(()))
    })
    .await?;
    // without one of its own
    let path = format!("/api/v1/agents/{}", id.as_str().context("an id")?);
    world.api.patch(&path, None, json!({"apology": null})).await?.data()?;
    model.play(vec![Scene::Away(Away::Credentials)]);
    let (spoken, _) = calls(&world, lines(&["hello"])).await?;
    assert!(spoken[1].starts_with("I am sorry"), "{spoken:?}");
    world.close().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_hears_words_without_thoughts_and_marks_or_another_model_or_an_apology() -> Result<()> {
    let (first, second) = (LlmServer::start(Family::OpenAi).await?, LlmServer::start(Family::Groq).await?);
    let world = World::with(|plan| {
        let set = [
            ("OPENAI_API_BASE", first.base.as_str()),
            ("OPENAI_API_KEY", "sk-test"),
            ("GROQ_API_BASE", second.base.as_str()),
            ("GROQ_API_KEY", "gsk-test"),
            ("CONVERSATIONS_MODEL_SENTIMENT", "false"),
        ];
        plan.options =
            set.into_iter().fold(plan.options.clone(), |options, (name, value)| options.set(name, value));
    })
    .await?;
    let own = json!({"name": "A", "provider": "openai", "model": "model-1", "greeting": "**Good** morning 👋",
        "apology": "Sorry, once more please.", "fallback": [{"provider": "groq", "model": "model-1"}]});
    world.api.post("/api/v1/agents", own).await?.data()?;
    world.take_number().await?;
    let says = |text: &str| {
        let chunk = json!({"choices": [{"delta": {"content": text}, "finish_reason": "stop"}]});
        Raw::stream(&[&format!("data: {chunk}\n\ndata: [DONE]\n\n")])
    };
    let written =
        "<think>They want tea.</think>## Tea\n\n* **Green**: 5 * 3 €\n* [Black](https://x.example) 🎉";
    let only_a_picture = says("👍");
    let broken = Raw::stream(&["data: {\"choices\":[{\"delta\":{\"content\":\"Half\"}}]}\n\n"]);
    first.send(vec![says(written), only_a_picture, broken, says("<think>hm"), says("Bye.")]);
    second.send(vec![says("The second one."), says("Whole."), says(" ")]);
    let (spoken, call) = calls(&world, lines(&["tea", "really", "sure", "and", "bye"])).await?;
    let heard = [
        "Good morning",
        "Tea.\nGreen: 5 * 3 €.\nBlack.",
        "The second one.",
        "Whole.",
        "Sorry, once more please.",
        "Bye.",
    ];
    assert_eq!(spoken, heard);
    let conversation = ended(&world, text(&call, "id")).await?;
    let path = format!("/api/v1/conversations/{}/messages", text(&conversation, "id"));
    let kept = world.api.list_all(&path).await?;
    let kept: Vec<_> = kept.iter().map(|one| text(one, "content")).collect();
    assert_eq!(kept[2], written.split_once("</think>").map_or("", |(_, words)| words));
    world.close().await?;
    Ok(())
}

/// What a caller says to the agent and hears, then what is shown of it.
async fn talk(world: &World, said: &[&str]) -> Result<(Vec<String>, Vec<Value>, Vec<Value>)> {
    let mut script = CallScript::new(CALLER, OUR_NUMBER);
    for step in lines(said) {
        script = script.then(step);
    }
    let handle = world.carrier.place_call(script).await;
    let control_id = handle.control_id.clone();
    let record = handle.ended().await.context("the carrier stopped")?;
    let call = world.call_of_leg(&control_id).await?;
    let conversation = ended(world, text(&call, "id")).await?;
    let lines = world.api.list_all(&format!("/api/v1/calls/{}/transcript", text(&call, "id"))).await?;
    let messages = format!("/api/v1/conversations/{}/messages", text(&conversation, "id"));
    Ok((record.spoken, lines, world.api.list_all(&messages).await?))
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_says_how_much_of_its_calls_is_kept() -> Result<()> {
    let world = World::start().await?;
    let agent = json!({"name": "Discreet", "provider": "scripted", "greeting": "Good morning.",
        "call_content": "basic_attributes_only"});
    let agent = world.api.post("/api/v1/agents", agent).await?.data()?;
    assert_eq!(agent["call_content"], "basic_attributes_only");
    let number = json!({"number": OUR_NUMBER, "route": {"type": "agent", "id": agent["id"]}});
    world.api.post("/api/v1/numbers", number).await?.data()?;
    let said = ["My name is Ada.", "What is my name?"];
    let (spoken, lines, messages) = talk(&world, &said).await?;
    assert_eq!(
        spoken,
        ["Good morning.", "Nice to meet you, Ada.", "Your name is Ada."],
        "it knows all the same"
    );
    assert!(lines.len() >= 4 && lines.iter().all(|line| line["text"] == "[erased]"), "{lines:?}");
    assert!(messages.len() >= 4 && messages.iter().all(|one| one["content"] == "[erased]"), "{messages:?}");

    let path = format!("/api/v1/agents/{}", text(&agent, "id"));
    let refused = world.api.patch(&path, None, json!({"call_content": "some"})).await?;
    assert_eq!((refused.status, refused.code()), (422, "invalid_request"));
    let all = world.api.patch(&path, None, json!({"call_content": "everything"})).await?.data()?;
    assert_eq!(all["call_content"], "everything");
    // the agent's word counts for more than the client's
    let pii = json!({"call_content": "everything_except_pii"});
    world.api.patch("/api/v1/privacy/settings", None, pii).await?.data()?;
    let (_, lines, messages) = talk(&world, &said).await?;
    assert!(lines.iter().any(|line| line["text"] == "What is my name?"), "{lines:?}");
    assert!(messages.iter().any(|one| one["content"] == "Your name is Ada."), "{messages:?}");
    world.close().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_caller_said_first_is_read_and_answered_first_though_the_carrier_tells_it_last() -> Result<()>
{
    let model = LlmServer::start(Family::Anthropic).await?;
    model.answer_by(|_| Scene::says(&["Done."]));
    let world = World::with(|plan| {
        let options = plan.options.clone().set("ANTHROPIC_API_BASE", &model.base);
        let options = options.set("ANTHROPIC_API_KEY", "sk-test");
        plan.options = options.set("CONVERSATIONS_MODEL_SENTIMENT", "false");
    })
    .await?;
    let own = json!({"name": "A", "provider": "anthropic", "model": "claude-haiku-4-5", "greeting": "Good morning."});
    world.api.post("/api/v1/agents", own).await?.data()?;
    world.take_number().await?;
    let handle = world.carrier.place_call(CallScript::new(CALLER, OUR_NUMBER).then(Step::Stay)).await;
    let call = world.call_of_leg(&handle.control_id).await?;
    let path = format!("/api/v1/calls/{}", text(&call, "id"));
    let transcript = async || -> Result<Vec<String>> {
        let lines = world.api.list_all(&format!("{path}/transcript")).await?;
        Ok(lines.iter().map(|line| text(line, "text").to_owned()).collect())
    };
    until("the greeting", SOON, async || Ok((transcript().await?.len() == 1).then_some(()))).await?;
    let began = unix_now() - 10;
    let tells = async |words: &str, second: i64| {
        let data = json!({"transcription_data": {"transcript": words, "confidence": 0.9, "is_final": true}});
        let mut webhook = about(&handle.control_id, &handle.leg_id, "call.transcription", data);
        webhook["data"]["occurred_at"] = json!(rfc3339(began + second));
        let answer = world.api.webhook(&webhook).await?;
        anyhow::ensure!(answer.status == 200, "{}", answer.body);
        Ok(())
    };
    // the last is told first
    for (words, second) in [("Book Tuesday.", 3), ("Cancel that.", 1), ("And then.", 2)] {
        tells(words, second).await?;
    }
    let said = ["Good morning.", "Cancel that.", "And then.", "Book Tuesday.", "Done."];
    until("the answer", SOON, async || Ok((transcript().await?.len() == 5).then_some(()))).await?;
    assert_eq!(transcript().await?, said);
    let found =
        world.api.get(&format!("/api/v1/conversations?call_id={}", text(&call, "id"))).await?.data()?;
    let messages = format!("/api/v1/conversations/{}/messages", text(&found[0], "id"));
    let shown = world.api.list_all(&messages).await?;
    assert_eq!(shown.iter().map(|one| text(one, "content")).collect::<Vec<_>>(), said);
    let asked = model.asked().pop().context("the model was asked")?.body.to_string();
    let places: Vec<_> = said[1..4].iter().map(|words| asked.find(words)).collect();
    assert!(places.iter().all(Option::is_some) && places.is_sorted(), "{asked}");
    // long after the answer it is still read where it was said
    tells("Hello?", 0).await?;
    until("the second answer", SOON, async || Ok((transcript().await?.len() == 7).then_some(()))).await?;
    assert_eq!(transcript().await?[..3], ["Good morning.", "Hello?", "Cancel that."]);
    world.close().await?;
    Ok(())
}
