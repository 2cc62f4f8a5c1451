//! What was said belongs to whoever said it: in chats and on calls.

use anyhow::{Context, Result};
use serde_json::{Value, json};
use simulator::fake_telnyx::CallScript;
use tests::history::check_views;
use tests::receiver::{Answers, Receiver};
use tests::until::{SOON, until};
use tests::webhook::OUR_NUMBER;
use tests::world::World;

use crate::agent_calls::{ended, lines, text};
use crate::privacy::{ask, done, files_with};

const NAME: &str = "Quillfeather";
const PERSON: &str = "+12025550111";

async fn say(world: &World, body: Value) -> Result<Value> {
    world.api.post("/api/v1/conversation", body).await?.data()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_person_of_a_chat_is_exported_then_erased_and_forgotten_by_whoever_answers() -> Result<()> {
    let receiver = Receiver::start(|_| Answers::Echo).await?;
    let world = World::with(|plan| {
        plan.options = plan.options.clone().set("WEBHOOKS_ALLOW_PRIVATE", "true");
    })
    .await?;
    let hook = json!({"url": receiver.url, "events": ["conversation.*"]});
    let hook = world.api.post("/api/v1/webhooks", hook).await?.data()?;
    let hers =
        say(&world, json!({"message": format!("My name is {NAME}."), "user_id": "user-rosalind-7"})).await?;
    assert_eq!(hers["message"]["content"], format!("Nice to meet you, {NAME}."));
    let metadata = json!({"metadata": {"customer_id": "user-rosalind-7", "note": NAME}});
    let other_way = world.api.post("/api/v1/conversations", metadata).await?.data()?;
    // the same number is the same person, in a chat as on a call
    let by_phone = say(&world, json!({"message": format!("{NAME} again"), "user_id": PERSON})).await?;
    let others = say(&world, json!({"message": "My name is Ada.", "user_id": "user-ada-8"})).await?;
    let told = format!("/api/v1/webhooks/{}/deliveries", text(&hook, "id"));
    until("the deliveries", SOON, async || {
        let all = world.api.list_all(&told).await?;
        Ok((all.len() >= 3 && all.iter().all(|one| one["status"] == "succeeded")).then_some(()))
    })
    .await?;
    let whom = json!({"customer_id": "user-rosalind-7"});
    let job = ask(&world.api, "export", whom.clone()).await?;
    done(&world.api, &job).await?;
    let result = format!("/api/v1/privacy/jobs/{}/result", text(&job, "id"));
    let export = world.api.get(&result).await?.data()?.to_string();
    assert!(export.contains(NAME) && export.contains("conversation.turn_completed"), "{export}");
    assert!(!export.contains("Ada"), "{export}");

    let receipt = done(&world.api, &ask(&world.api, "erase", whom).await?).await?;
    assert_eq!(receipt["streams"]["conversation"], 2, "{receipt}");
    assert!(receipt["webhook_bodies"].as_u64() >= Some(1), "{receipt}");
    let path = format!("/api/v1/conversations/{}", text(&hers, "conversation_id"));
    let conversation = world.api.get(&path).await?.data()?;
    assert_eq!((text(&conversation, "user_id"), &conversation["message_count"]), ("[erased]", &json!(2)));
    let messages = world.api.list_all(&format!("{path}/messages")).await?;
    assert!(messages.iter().all(|one| one["content"] == "[erased]"), "{messages:?}");
    let gone = world.api.get(&format!("/api/v1/conversations/{}", text(&other_way, "id"))).await?.data()?;
    assert_eq!(gone["metadata"], json!({}));
    let history = Value::from(world.api.list_all(&format!("{path}/events")).await?).to_string();
    assert!(!history.contains(NAME), "{history}");
    // the conversation was awake: whoever answers has forgotten, too, and goes on (what is written now is read by
    // everybody after the erasure)
    say(&world, json!({"message": "hello", "user_id": "user-ada-8"})).await?;
    let again = json!({"message": "What is my name?", "conversation_id": hers["conversation_id"]});
    assert_eq!(say(&world, again).await?["message"]["content"], "You have not told me your name.");
    let receipt = done(&world.api, &ask(&world.api, "erase", json!({"phone": PERSON})).await?).await?;
    assert_eq!(receipt["streams"]["conversation"], 1, "{receipt}");
    let path = format!("/api/v1/conversations/{}/messages", text(&by_phone, "conversation_id"));
    assert!(world.api.list_all(&path).await?.iter().all(|one| one["content"] == "[erased]"));
    // others are not touched
    let path = format!("/api/v1/conversations/{}/messages", text(&others, "conversation_id"));
    assert_eq!(world.api.list_all(&path).await?[0]["content"], "My name is Ada.");
    for gone in [NAME, "user-rosalind-7"] {
        assert_eq!(files_with(world.data_dir(), gone)?, [] as [String; 0], "{gone}, while the node runs");
    }
    let World { folder, mut node, carrier, .. } = world;
    tokio::task::block_in_place(|| node.terminate())?;
    carrier.shutdown().await;
    check_views(&node.options).await?;
    assert_eq!(files_with(folder.path(), NAME)?, [] as [String; 0]);
    Ok(())
}

/// A caller who tells the agent their name and is answered; the conversation.
async fn talks(world: &World) -> Result<Value> {
    let mut script = CallScript::new(PERSON, OUR_NUMBER);
    for step in lines(&[&format!("My name is {NAME}."), "What is my name?"]) {
        script = script.then(step);
    }
    let handle = world.carrier.place_call(script).await;
    let control_id = handle.control_id.clone();
    let record = handle.ended().await.context("the carrier stopped")?;
    anyhow::ensure!(record.unmet.is_empty(), "the caller waited in vain: {:?}", record.unmet);
    let expected =
        ["Good morning.".to_owned(), format!("Nice to meet you, {NAME}."), format!("Your name is {NAME}.")];
    let call = world.call_of_leg(&control_id).await?;
    assert_eq!(record.spoken, expected);
    ended(world, text(&call, "id")).await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_said_to_an_agent_on_a_call_is_kept_as_the_client_wants_and_goes_with_the_caller()
-> Result<()> {
    let world = World::with(|plan| {
        plan.options = plan.options.clone().set("PRIVACY_CONTENT_GRACE_MS", "100");
    })
    .await?;
    let agent = json!({"name": "Reception", "provider": "scripted", "greeting": "Good morning."});
    world.api.post("/api/v1/agents", agent).await?.data()?;
    world.take_number().await?;
    let kept = talks(&world).await?;
    let path = |conversation: &Value| format!("/api/v1/conversations/{}", text(conversation, "id"));
    let shown = async |conversation: &Value| -> Result<Vec<String>> {
        let messages = world.api.list_all(&format!("{}/messages", path(conversation))).await?;
        Ok(messages.iter().map(|one| text(one, "content").to_owned()).collect())
    };
    assert_eq!(shown(&kept).await?[1], format!("My name is {NAME}."));
    let receipt = done(&world.api, &ask(&world.api, "erase", json!({"phone": PERSON})).await?).await?;
    assert_eq!((&receipt["streams"]["call"], &receipt["streams"]["conversation"]), (&json!(1), &json!(1)));
    assert_eq!(shown(&kept).await?, ["[erased]"; 5]);

    let settings = json!({"call_content": "basic_attributes_only"});
    world.api.patch("/api/v1/privacy/settings", None, settings).await?.data()?;
    // the agent hears and knows all the same
    let passing = talks(&world).await?;
    assert_eq!(passing["message_count"], 5);
    assert_eq!(shown(&passing).await?, ["[erased]"; 5]);
    // chats are no calls
    let chat = say(&world, json!({"message": "My name is Ada."})).await?;
    let chat = format!("/api/v1/conversations/{}/messages", text(&chat, "conversation_id"));
    assert_eq!(world.api.list_all(&chat).await?[0]["content"], "My name is Ada.");
    let data = world.data_dir().to_owned();
    until("the content to end", SOON, async || {
        let keys = world.api.list_all("/api/v1/audit/events?type=privacy_policy.retention_ran").await?;
        let ended: u64 = keys.iter().filter_map(|run| run["data"]["destroyed"].as_u64()).sum();
        Ok((ended >= 2).then_some(()))
    })
    .await?;
    assert_eq!(files_with(&data, NAME)?, [] as [String; 0]);
    world.close().await?;
    Ok(())
}
