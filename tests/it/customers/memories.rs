//! What is remembered of customers: recorded, found in time, told to agents, and forgotten.

use anyhow::{Context, Result};
use conformance::llm::Scene;
use serde_json::{Value, json};
use tests::client::Api;
use tests::llm_server::{Family, LlmServer};
use tests::server::{Server, ServerOptions};
use tests::until::{SOON, until};
use tests::webhook::{rfc3339, unix_now};
use tests::world::World;

use super::{create, path_of, text};
use crate::privacy::{ask, done, files_with};

async fn remember(api: &Api, customer: &Value, body: Value) -> Result<Value> {
    let made = api.post(&format!("{}/memories", path_of(customer)), body).await?;
    anyhow::ensure!(made.status == 201, "{}", made.body);
    made.data()
}

fn path(memory: &Value) -> String {
    format!("/api/v1/memories/{}", text(memory, "id"))
}

async fn memories(api: &Api, customer: &Value, query: &str) -> Result<Vec<Value>> {
    api.list_all(&format!("{}/memories?{query}", path_of(customer))).await
}

fn contents(memories: &[Value]) -> Vec<&str> {
    memories.iter().map(|memory| text(memory, "content")).collect()
}

async fn context(api: &Api, customer: &Value, query: &str) -> Result<Value> {
    // a machine under load may be late; how that is told has a test of its own
    let path = format!("{}/context?deadline_ms=5000&query={query}", path_of(customer));
    let answer = api.get(&path).await?;
    anyhow::ensure!(answer.status == 200, "{}", answer.body);
    answer.data()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_memory_is_recorded_found_changed_and_forgotten() -> Result<()> {
    let world = World::start().await?;
    let ros = create(&world.api, json!({"name": "Rosalind"})).await?;
    let other = create(&world.api, json!({"name": "Somebody"})).await?;
    let tea = json!({"content": "Drinks tea with milk.", "kind": "preference", "confidence": 0.6});
    let tea = remember(&world.api, &ros, tea).await?;
    assert_eq!((text(&tea, "status"), &tea["source"]), ("active", &json!({"type": "api", "id": null})));
    remember(&world.api, &ros, json!({"content": "Her router fails at night.", "kind": "issue"})).await?;
    remember(&world.api, &other, json!({"content": "Drinks tea with milk.", "kind": "preference"})).await?;

    // the same again is no other memory, but a surer one
    let again = json!({"content": "drinks tea with milk", "kind": "preference"});
    let again = world.api.post(&format!("{}/memories", path_of(&ros)), again).await?;
    assert_eq!((again.status, &again.body["data"]["id"]), (200, &tea["id"]), "{}", again.body);
    assert_eq!(again.body["data"]["confidence"], 0.8);
    let all = memories(&world.api, &ros, "order=asc").await?;
    assert_eq!(contents(&all), ["Drinks tea with milk.", "Her router fails at night."]);
    assert_eq!(
        contents(&memories(&world.api, &ros, "kind=issue&status=active").await?),
        ["Her router fails at night."]
    );

    let known = context(&world.api, &ros, "problems%20with%20the%20router").await?;
    assert_eq!(text(&known["customer"], "id"), text(&ros, "id"));
    let first = &known["relevant_memories"][0];
    assert_eq!((text(first, "content"), text(first, "kind")), ("Her router fails at night.", "issue"));
    assert!(first["similarity"].as_f64().context("a cosine")? > 0.1, "{first}");
    assert_eq!(known["degraded"], false, "{known}");
    assert!(
        text(&known, "suggested_approach").starts_with("Ask first about open issues: Her router"),
        "{known}"
    );
    let newest = context(&world.api, &ros, "").await?;
    assert_eq!(text(&newest["relevant_memories"][0], "content"), "Her router fails at night.");

    let changed = world.api.patch(&path(&tea), Some(2), json!({"content": "Drinks coffee."})).await?;
    assert_eq!((changed.status, changed.header("etag")), (200, Some("\"3\"")), "{}", changed.body);
    let stale = world.api.patch(&path(&tea), Some(2), json!({"kind": "note"})).await?;
    assert_eq!(stale.status, 412);
    until("the index to know the change", SOON, async || {
        let known = context(&world.api, &ros, "coffee").await?;
        Ok((text(&known["relevant_memories"][0], "content") == "Drinks coffee.").then_some(()))
    })
    .await?;
    let before = world.api.get(&format!("{}?version=1", path(&tea))).await?.data()?;
    assert_eq!(text(&before, "content"), "Drinks tea with milk.");
    let history = world.api.list_all(&format!("{}/events", path(&tea))).await?;
    assert_eq!(
        history.iter().map(|event| text(event, "type")).collect::<Vec<_>>(),
        ["memory.recorded", "memory.confirmed", "memory.updated"]
    );

    assert_eq!(world.api.send("DELETE", &path(&tea), &[], None).await?.status, 204);
    assert_eq!(world.api.get(&path(&tea)).await?.status, 404);
    assert_eq!(contents(&memories(&world.api, &ros, "").await?), ["Her router fails at night."]);
    let known = context(&world.api, &ros, "coffee").await?;
    assert!(!known["relevant_memories"].to_string().contains("coffee"), "{known}");
    let log = world.api.list_all("/api/v1/audit/log").await?;
    let log = serde_json::to_string(&log)?;
    assert!(
        log.contains("MEMORY_CREATED") && log.contains("MEMORY_DELETED") && !log.contains("router"),
        "{log}"
    );
    world.close().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_out_of_bounds_or_somebody_elses_is_refused() -> Result<()> {
    let world = World::start().await?;
    let ros = create(&world.api, json!({"name": "Rosalind"})).await?;
    let memory = remember(&world.api, &ros, json!({"content": "Likes tea.", "kind": "note"})).await?;
    let list = format!("{}/memories", path_of(&ros));
    for (field, body) in [
        ("content", json!({"content": " ", "kind": "note"})),
        ("content", json!({"content": "x".repeat(1_001), "kind": "note"})),
        ("kind", json!({"content": "x", "kind": "secret"})),
        ("confidence", json!({"content": "x", "kind": "note", "confidence": 1.5})),
        ("expires_at", json!({"content": "x", "kind": "note", "expires_at": "2001-01-01T00:00:00Z"})),
        ("expires_at", json!({"content": "x", "kind": "note", "expires_at": "tomorrow"})),
    ] {
        for refused in
            [world.api.post(&list, body.clone()).await?, world.api.patch(&path(&memory), None, body).await?]
        {
            assert_eq!(
                (refused.status, &refused.body["errors"][0]["field"]),
                (422, &json!(field)),
                "{}",
                refused.body
            );
        }
    }
    let huge = format!("{}/context?query={}", path_of(&ros), "x".repeat(1_001));
    for bad in [
        huge.as_str(),
        &format!("{}/context?limit=21", path_of(&ros)),
        &format!("{}/context?deadline_ms=0", path_of(&ros)),
    ] {
        assert_eq!(world.api.get(bad).await?.status, 422, "{bad}");
    }
    let other = world.api.post("/api/v1/auth/clients", json!({"name": "Another"})).await?.data()?;
    let other = world.api.with_key(other["plain_key"].as_str());
    // a memory says where it comes from, which is one's own call or conversation
    let agent = json!({"name": "A", "provider": "scripted"});
    let agent = world.api.post("/api/v1/agents", agent).await?.data()?;
    let conversation = talk(&world.api, &agent, &ros, &["Hello."]).await?;
    let id = conversation.rsplit('/').next().context("an id")?;
    let from =
        json!({"content": "Says hello.", "kind": "note", "source": {"type": "conversation", "id": id}});
    let from = remember(&world.api, &ros, from).await?;
    assert_eq!(from["source"], json!({"type": "conversation", "id": id}));
    for source in [
        json!({"type": "conversation", "id": "conv_01jd0xq8v4e5vsknk084sn02q7"}),
        json!({"type": "call", "id": id}),
        json!({"type": "call"}),
        json!({"type": "hearsay"}),
    ] {
        let bad = json!({"content": "x", "kind": "note", "source": source});
        assert_eq!(world.api.post(&list, bad).await?.status, 422);
    }
    let line = world.api.list_all(&format!("{}/timeline", path_of(&ros))).await?;
    let kinds: Vec<_> = line.iter().map(|entry| text(entry, "type")).collect();
    assert_eq!(kinds.iter().filter(|kind| **kind == "memory").count() + 1, kinds.len(), "{kinds:?}");
    assert_eq!((text(&line[0], "type"), text(&line[0], "id")), ("memory", text(&from, "id")));
    let theirs = json!({"content": "x", "kind": "note", "source": {"type": "conversation", "id": id}});
    for theirs in [
        path(&memory),
        format!("{}/events", path(&memory)),
        list.clone(),
        format!("{}/context", path_of(&ros)),
    ] {
        assert_eq!(other.get(&theirs).await?.status, 404, "{theirs}");
    }
    assert_eq!(other.post(&list, json!({"content": "x", "kind": "note"})).await?.status, 404);
    let own = other.post("/api/v1/customers", json!({"name": "Own"})).await?.data()?;
    let elsewhere = other.post(&format!("{}/memories", path_of(&own)), theirs).await?;
    assert_eq!(elsewhere.status, 422, "a conversation of somebody else's");
    assert_eq!(other.patch(&path(&memory), None, json!({"kind": "fact"})).await?.status, 404);
    assert_eq!(other.send("DELETE", &path(&memory), &[], None).await?.status, 404);
    world.close().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_memory_expires_by_itself() -> Result<()> {
    let world = World::start().await?;
    let ros = create(&world.api, json!({"name": "Rosalind"})).await?;
    let soon = rfc3339(unix_now() + 2);
    let voucher = json!({"content": "Has a voucher.", "kind": "fact", "expires_at": soon});
    let voucher = remember(&world.api, &ros, voucher).await?;
    let expired = until("the memory to expire", SOON, async || {
        let memory = world.api.get(&path(&voucher)).await?.data()?;
        Ok((text(&memory, "status") == "expired").then_some(memory))
    });
    let expired = expired.await?;
    assert!(unix_now() >= chrono::DateTime::parse_from_rfc3339(text(&expired, "expires_at"))?.timestamp());
    let known = context(&world.api, &ros, "voucher").await?;
    assert_eq!(known["relevant_memories"], json!([]));
    world.close().await?;
    Ok(())
}

/// A conversation of this customer that is over.
async fn talk(api: &Api, agent: &Value, customer: &Value, says: &[&str]) -> Result<String> {
    let begin = json!({"agent_id": agent["id"], "customer_id": customer["id"]});
    let begun = api.post("/api/v1/conversations", begin).await?.data()?;
    let path = format!("/api/v1/conversations/{}", text(&begun, "id"));
    for said in says {
        api.post(&format!("{path}/messages"), json!({"content": said})).await?.data()?;
    }
    let ended = api.post(&format!("{path}/end"), json!({})).await?;
    anyhow::ensure!(ended.status == 200, "{}", ended.body);
    Ok(path)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_conversation_that_is_over_is_remembered_by_rules_where_there_is_no_model() -> Result<()> {
    let world = World::start().await?;
    let ada = create(&world.api, json!({"external_id": "crm-1"})).await?;
    let agent = json!({"name": "A", "provider": "scripted", "memory": {"enabled": true}});
    let agent = world.api.post("/api/v1/agents", agent).await?.data()?;
    assert_eq!(agent["memory"], json!({"enabled": true, "limit": 5}));
    let talked = talk(
        &world.api,
        &agent,
        &ada,
        &["Hello, it is me.", "My name is Ada. I prefer calls in the morning."],
    )
    .await?;
    let found = until("what was said to be remembered", SOON, async || {
        let found = memories(&world.api, &ada, "order=asc").await?;
        Ok((found.len() == 2).then_some(found))
    });
    let found = found.await?;
    assert_eq!(contents(&found), ["The name is Ada.", "Prefers calls in the morning."]);
    let said = world.api.list_all(&format!("{talked}/messages")).await?;
    let shown =
        said.iter().find(|message| text(message, "content").starts_with("My name")).context("the message")?;
    assert_eq!(found[0]["evidence"], json!([shown["id"]]));
    assert_eq!(found[0]["source"]["type"], "conversation");
    // a new name takes the place of the old one, and what is said again is no other memory
    talk(&world.api, &agent, &ada, &["My name is Ida. I prefer calls in the morning."]).await?;
    until("the new name", SOON, async || {
        let active = memories(&world.api, &ada, "status=active&order=asc").await?;
        Ok((contents(&active) == ["Prefers calls in the morning.", "The name is Ida."]).then_some(()))
    })
    .await?;
    let old = memories(&world.api, &ada, "status=superseded").await?;
    assert_eq!(contents(&old), ["The name is Ada."]);
    // an agent that keeps no memories records none
    let plain =
        world.api.post("/api/v1/agents", json!({"name": "B", "provider": "scripted"})).await?.data()?;
    let eve = create(&world.api, json!({"external_id": "crm-2"})).await?;
    talk(&world.api, &plain, &eve, &["My name is Eve."]).await?;
    talk(&world.api, &agent, &eve, &["I live in Bonn."]).await?;
    until("the second conversation", SOON, async || {
        Ok((!memories(&world.api, &eve, "").await?.is_empty()).then_some(()))
    })
    .await?;
    assert_eq!(contents(&memories(&world.api, &eve, "").await?), ["Lives in Bonn."]);
    world.close().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_says_what_is_worth_knowing_and_the_next_conversation_is_told() -> Result<()> {
    let model = LlmServer::start(Family::OpenAi).await?;
    model.answer_by(|asked| {
        let system = asked.body["messages"][0]["content"].as_str().unwrap_or_default();
        if system.starts_with("You keep notes") {
            Scene::says(&[
                "[{\"content\": \"Is allergic to ",
                "nuts.\", \"kind\": \"fact\", \"confidence\": 0.9, \"messages\": [1]}]",
            ])
        } else {
            Scene::says(&["Noted."])
        }
    });
    let folder = tempfile::tempdir()?;
    let options = ServerOptions::embedded(folder.path())
        .set("CONVERSATIONS_MODEL_SENTIMENT", "false")
        .set("OPENAI_API_BASE", &model.base)
        .set("OPENAI_API_KEY", "sk-test");
    let server = Server::start(&options)?;
    let api = Api::new(&server.base)?;
    let ada = create(&api, json!({"external_id": "crm-1"})).await?;
    let agent = json!({"name": "A", "system_prompt": "Be kind.", "provider": "openai", "model": "model-1",
        "memory": {"enabled": true, "limit": 3}});
    let agent = api.post("/api/v1/agents", agent).await?.data()?;
    talk(&api, &agent, &ada, &["I cannot eat nuts."]).await?;
    let found = until("what the model wrote down", SOON, async || {
        let found = memories(&api, &ada, "").await?;
        Ok(found.first().cloned())
    });
    let found = found.await?;
    assert_eq!((text(&found, "content"), &found["confidence"]), ("Is allergic to nuts.", &json!(0.9)));
    assert_eq!(found["evidence"].as_array().map(Vec::len), Some(1));
    // a prompt waits no longer than its deadline for memories: on a busy machine a turn may go without
    until("an agent that is told", SOON, async || {
        let before = model.count();
        talk(&api, &agent, &ada, &["What can I eat?"]).await?;
        let asked = model.asked();
        let told = asked[before..].iter().any(|asked| {
            let system = asked.body["messages"][0]["content"].as_str().unwrap_or_default();
            system.starts_with("Be kind.\n\nWhat is known of the person")
                && system.contains("- Is allergic to nuts.")
        });
        Ok(told.then_some(()))
    })
    .await?;
    server.terminate()?;
    Ok(())
}

/// What an agent that only repeats its prompt was told in its last conversation.
fn told(model: &LlmServer, before: usize) -> String {
    let asked = model.asked();
    asked[before..].iter().map(|asked| asked.body["messages"][0]["content"].to_string()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_is_not_told_what_expired_was_forgotten_or_erased() -> Result<()> {
    let model = LlmServer::start(Family::OpenAi).await?;
    model.answer_by(|_| Scene::says(&["[]"]));
    let world = World::with(|plan| {
        plan.options = std::mem::replace(&mut plan.options, ServerOptions::bare())
            .set("CONVERSATIONS_MODEL_SENTIMENT", "false")
            .set("OPENAI_API_BASE", &model.base)
            .set("OPENAI_API_KEY", "sk-test");
    })
    .await?;
    let api = &world.api;
    let ada = create(api, json!({"name": "Ada", "phones": ["+12025550188"]})).await?;
    let agent = json!({"name": "A", "system_prompt": "Be kind.", "provider": "openai", "model": "model-1",
        "memory": {"enabled": true, "limit": 20}});
    let agent = api.post("/api/v1/agents", agent).await?.data()?;
    let soon = rfc3339(unix_now() + 2);
    let voucher = json!({"content": "Has a tea voucher.", "kind": "fact", "expires_at": soon});
    let voucher = remember(api, &ada, voucher).await?;
    let pot = remember(api, &ada, json!({"content": "Has a tea pot.", "kind": "fact"})).await?;
    remember(api, &ada, json!({"content": "Likes green tea.", "kind": "preference"})).await?;
    until("the voucher to expire", SOON, async || {
        Ok((text(&api.get(&path(&voucher)).await?.data()?, "status") == "expired").then_some(()))
    })
    .await?;
    assert_eq!(api.send("DELETE", &path(&pot), &[], None).await?.status, 204);
    let said = async || -> Result<String> {
        let before = model.count();
        talk(api, &agent, &ada, &["Tell me of my tea voucher and the tea pot."]).await?;
        Ok(told(&model, before))
    };
    // a prompt waits no longer than its deadline for memories: on a busy machine a turn may go without
    let first = until("an agent that is told", SOON, async || {
        Ok(Some(said().await?).filter(|told| told.contains("Likes green tea.")))
    });
    let first = first.await?;
    assert!(!first.contains("voucher.") && !first.contains("pot."), "{first}");
    // an erasure by a number reaches what is remembered of the customer who has it
    let job = ask(api, "erase", json!({"phone": "+12025550188"})).await?;
    let receipt = done(api, &job).await?;
    assert_eq!(receipt["streams"]["memory"], 3, "{receipt}");
    assert_eq!(contents(&memories(api, &ada, "status=active").await?), ["[erased]"]);
    assert_eq!(context(api, &ada, "tea").await?["relevant_memories"], json!([]));
    assert_eq!(context(api, &ada, "").await?["relevant_memories"], json!([]));
    let second = said().await?;
    assert!(!second.contains("What is known of the person"), "{second}");
    world.close().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_erasure_reaches_what_is_remembered_and_its_index() -> Result<()> {
    const SECRET: &str = "Collects Bohemian barometers";
    let mut world = World::start().await?;
    let ros = create(&world.api, json!({"external_id": "crm-9", "name": "Rosalind"})).await?;
    let kept = create(&world.api, json!({"name": "Somebody"})).await?;
    let memory = json!({"content": format!("{SECRET}."), "kind": "fact"});
    let memory = remember(&world.api, &ros, memory).await?;
    remember(&world.api, &kept, json!({"content": "Collects stamps.", "kind": "fact"})).await?;
    let export = ask(&world.api, "export", json!({"customer_id": ros["id"]})).await?;
    done(&world.api, &export).await?;
    let result = format!("/api/v1/privacy/jobs/{}/result", text(&export, "id"));
    assert!(world.api.get(&result).await?.data()?.to_string().contains(SECRET));
    let job = ask(&world.api, "erase", json!({"customer_id": ros["id"]})).await?;
    let receipt = done(&world.api, &job).await?;
    assert_eq!(receipt["streams"]["memory"], 1, "{receipt}");
    let husk = world.api.get(&path(&memory)).await?.data()?;
    assert_eq!(text(&husk, "content"), "[erased]");
    let known = context(&world.api, &ros, "barometers").await?;
    assert_eq!(known["relevant_memories"], json!([]));
    let other = context(&world.api, &kept, "stamps").await?;
    assert_eq!(text(&other["relevant_memories"][0], "content"), "Collects stamps.");
    tokio::task::block_in_place(|| world.node.terminate())?;
    assert_eq!(files_with(world.data_dir(), SECRET)?, [] as [String; 0]);
    world.close().await?;
    Ok(())
}
