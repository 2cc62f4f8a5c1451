//! Agents on calls: greeted in the agent's words, answered line by line.

use std::time::Duration;

use adapters::telephony::fake_telnyx::{CallScript, CalleeScript, Step};
use anyhow::{Context, Result};
use serde_json::{Value, json};
use tests::until::{SOON, until};
use tests::webhook::OUR_NUMBER;
use tests::world::World;

const CALLER: &str = "+12025550111";
const CALLEE: &str = "+12025550151";

fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value[field].as_str().unwrap_or_default()
}

/// Says each line once the one before was answered.
fn lines(lines: &[&str]) -> Vec<Step> {
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
async fn ended(world: &World, call: &str) -> Result<Value> {
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
        Ok((updated.len() == 2 && over.len() == 1).then_some(updated))
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
