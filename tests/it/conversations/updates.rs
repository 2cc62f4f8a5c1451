//! What clients are told of conversations: by webhooks, and to be pulled.

use anyhow::{Context, Result};
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};
use tests::receiver::{Answers, Receiver};
use tests::tool_server::ToolServer;
use tests::until::{SOON, until};

use super::Node;

fn time(event: &Value) -> Result<DateTime<Utc>> {
    Ok(event["timestamp"].as_str().context("a time")?.parse()?)
}

#[tokio::test(flavor = "multi_thread")]
async fn updates_are_told_once_a_second_at_most_and_the_last_one_always() -> Result<()> {
    const SAID: u64 = 12;
    let node = Node::start(&[])?;
    let first = node.api.post("/api/v1/conversation", json!({"message": "Hello"})).await?.data()?;
    let id = first["conversation_id"].as_str().context("an id")?;
    let path = format!("/api/v1/conversations/{id}/messages");
    for n in 1..SAID {
        node.api.post(&path, json!({"content": format!("message {n}")})).await?.data()?;
    }
    let told = until("the last update", SOON, async || {
        let told = node.api.list_all("/api/v1/events?types=conversation.updated").await?;
        let last = told.last().map(|event| event["data"]["message_count"].clone());
        Ok((last == Some(json!(2 * SAID))).then_some(told))
    })
    .await?;
    assert_eq!(told[0]["data"]["message_count"], 2, "the first one at once");
    assert!(told.len() < SAID as usize, "{} updates", told.len());
    let times = told.iter().map(time).collect::<Result<Vec<_>>>()?;
    // the first is stamped when it is written, a moment after it was decided
    assert!(times.windows(2).all(|pair| pair[1] - pair[0] > TimeDelta::milliseconds(500)), "{times:?}");
    // what waits to be told is told after a kill, too
    node.api.post(&path, json!({"content": "one"})).await?.data()?;
    node.api.post(&path, json!({"content": "two"})).await?.data()?;
    let node = node.die_and_rise()?;
    until("the last update", SOON, async || {
        let told = node.api.list_all("/api/v1/events?types=conversation.updated").await?;
        let last = told.last().map(|event| event["data"]["message_count"].clone());
        Ok((last == Some(json!(2 * SAID + 4))).then_some(()))
    })
    .await?;
    node.server.terminate()?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn endpoints_hear_of_tools_failures_updates_and_ends() -> Result<()> {
    let (receiver, tools) =
        (Receiver::start(|_| Answers::Status(204, "")).await?, ToolServer::start().await?);
    let node = Node::start(&[("WEBHOOKS_ALLOW_PRIVATE", "true")])?;
    let events = ["function.executed", "conversation.updated", "conversation.ended", "error.occurred"];
    let hook = json!({"url": receiver.url, "events": events});
    node.api.post("/api/v1/webhooks", hook).await?.data()?;
    let tool = json!({"name": "page", "description": "Looks up", "url": format!("{}/html", tools.base)});
    let tool = node.api.post("/api/v1/tools", tool).await?.data()?;
    let agent = json!({"name": "A", "provider": "scripted", "tools": [tool["id"]]});
    let conversation = node.conversation(&node.agent(agent).await?).await?;
    let path = format!("{conversation}/messages");
    // a tool that answers with a page has failed; the model says so, and it is no error of ours
    let answer = node.api.post(&path, json!({"content": "use page"})).await?.data()?;
    let said = answer["content"].as_str().context("an answer")?;
    assert!(said.starts_with("page could not be used"), "{said}");
    node.api.post(&format!("{conversation}/end"), json!({})).await?.data()?;
    let lonely = node.agent(json!({"name": "B", "provider": "groq", "model": "openai/gpt-oss-20b"})).await?;
    let lost = json!({"message": "Hi", "agent_id": lonely});
    assert_eq!(node.api.post("/api/v1/conversation", lost).await?.code(), "provider_not_configured");
    let told = until("all four to be delivered", SOON, async || {
        let told = receiver.received().iter().map(|one| one.json()).collect::<Result<Vec<_>>>()?;
        Ok(events.iter().all(|name| told.iter().any(|event| event["type"] == *name)).then_some(told))
    })
    .await?;
    let of = |name: &str| told.iter().find(|event| event["type"] == name).context("told");
    let used = of("function.executed")?;
    assert_eq!((&used["data"]["name"], &used["data"]["outcome"]), (&json!("page"), &json!("failed")));
    assert_eq!(used["subject"]["type"], "conversation");
    assert_eq!(of("conversation.updated")?["data"]["message_count"], 4);
    assert_eq!(of("conversation.ended")?["data"]["status"], "ended");
    assert_eq!(of("error.occurred")?["data"]["code"], "provider_not_configured");
    node.server.terminate()?;
    Ok(())
}
