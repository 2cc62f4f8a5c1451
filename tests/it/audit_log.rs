//! The audit log: who did what, from where, and what it was before.

use std::collections::BTreeSet;

use anyhow::{Context, Result};
use serde_json::{Value, json};
use tests::client::Api;
use tests::until::{SOON, until};
use tests::world::World;

const LOG: &str = "/api/v1/audit/log";
const LOGIN: &str = "/api/v1/auth/login";
const PASSWORD: &str = "correct horse battery";

async fn actions(api: &Api, query: &str) -> Result<Vec<String>> {
    let entries = api.list_all(&format!("{LOG}?{query}")).await?;
    entries.iter().map(|entry| entry["action"].as_str().map(str::to_owned).context("an action")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_done_is_listed_with_who_from_where_and_what_it_was_before() -> Result<()> {
    let world = World::start().await?;
    let user = json!({"email": "ann@example.com", "password": PASSWORD, "role": "admin"});
    let user = world.api.post("/api/v1/auth/users", user).await?.data()?;
    let nobody = world.api.with_key(None);
    let wrong = json!({"email": "ann@example.com", "password": "wrong horse battery"});
    assert_eq!(nobody.post(LOGIN, wrong).await?.status, 401);
    // noted while the answer is on its way: how long that takes tells nobody anything
    until("the failed login", SOON, async || {
        Ok((actions(&world.api, "action=USER_LOGIN_FAILED").await?.len() == 1).then_some(()))
    })
    .await?;
    let right = json!({"email": "ann@example.com", "password": PASSWORD});
    let token = nobody.post(LOGIN, right).await?.data()?["access_token"].clone();
    let ann = world.api.with_key(token.as_str());
    let key = json!({"name": "office", "scopes": ["calls:read"]});
    let key = ann.post("/api/v1/auth/api-keys", key).await?.data()?;
    let path = format!("/api/v1/auth/api-keys/{}", key["id"].as_str().context("an id")?);
    ann.patch(&path, None, json!({"name": "shop"})).await?.data()?;

    let of_ann = format!("actor={}&order=asc", user["id"].as_str().context("an id")?);
    let entries = world.api.list_all(&format!("{LOG}?{of_ann}")).await?;
    let updated = entries.iter().find(|entry| entry["action"] == "API_KEY_UPDATED").context("the update")?;
    let expected = json!({
        "actor": {"type": "user", "id": user["id"]}, "resource": {"type": "api_key", "id": key["id"]},
        "before": {"name": "office"}, "after": {"name": "shop"}, "ip": "127.0.0.1",
    });
    for (field, value) in expected.as_object().context("an object")? {
        assert_eq!(&updated[field], value, "{field} of {updated}");
    }
    assert!(updated["request_id"].as_str().is_some_and(|id| id.starts_with("req_")), "{updated}");
    let plain = key["plain_key"].as_str().context("a key")?;
    let all = world.api.list_all(LOG).await?;
    let text = json!(all).to_string();
    for secret in [&plain[10..], PASSWORD, token.as_str().context("a token")?] {
        assert!(!text.contains(secret), "{text}");
    }
    // failed and successful logins stand there with their addresses
    let logins = world.api.list_all(&format!("{LOG}?action=USER_LOGIN,USER_LOGIN_FAILED&order=asc")).await?;
    let told: Vec<_> = logins.iter().map(|entry| (&entry["action"], &entry["ip"])).collect();
    let ip = &json!("127.0.0.1");
    assert_eq!(told, [(&json!("USER_LOGIN_FAILED"), ip), (&json!("USER_LOGIN"), ip)]);
    world.close().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn filters_hold_together_and_nobody_sees_another_clients_log() -> Result<()> {
    let world = World::start().await?;
    let made = world.api.post("/api/v1/auth/clients", json!({"name": "Another"})).await?.data()?;
    let other = world.api.with_key(made["plain_key"].as_str());
    world.take_number().await?;
    let key = json!({"name": "k", "scopes": ["audit:read"]});
    let auditor = other.post("/api/v1/auth/api-keys", key).await?.data()?;
    let auditor = other.with_key(auditor["plain_key"].as_str());

    assert_eq!(actions(&world.api, "resource=number").await?, ["NUMBER_ADDED"]);
    assert_eq!(actions(&world.api, "resource=number&action=API_KEY_CREATED").await?, [""; 0]);
    assert_eq!(actions(&world.api, "to=2020-01-01T00:00:00Z").await?, [""; 0]);
    assert_eq!(actions(&world.api, "from=2020-01-01T00:00:00Z&resource=number").await?, ["NUMBER_ADDED"]);
    let theirs = actions(&auditor, "order=asc").await?;
    assert!(theirs.ends_with(&["API_KEY_CREATED".to_owned()]), "{theirs:?}");
    assert!(!theirs.contains(&"NUMBER_ADDED".to_owned()), "{theirs:?}");
    // in pages it is the same log
    let (whole, pages) = (auditor.list_all(LOG).await?, auditor.list_in_pages(LOG, 1).await?);
    assert_eq!(whole, pages);
    for (query, field) in [("action=MADE_UP", "action"), ("from=yesterday", "from"), ("colour=red", "colour")]
    {
        let answer = world.api.get(&format!("{LOG}?{query}")).await?;
        let fields: Vec<&Value> =
            answer.body["errors"].as_array().into_iter().flatten().map(|error| &error["field"]).collect();
        assert_eq!((answer.status, fields), (422, vec![&json!(field)]), "{query}");
    }
    world.close().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn every_line_that_somebody_asked_for_says_who_it_was_and_from_where() -> Result<()> {
    let world = World::start().await?;
    let api = &world.api;
    let id = |made: Value| made["id"].as_str().map(str::to_owned).context("an id");
    let menu = json!({"name": "Main", "prompt": "Hello.", "timeout_ms": 60_000});
    let menu = id(api.post("/api/v1/ivr/menus", menu).await?.data()?)?;
    api.patch(&format!("/api/v1/ivr/menus/{menu}"), None, json!({"name": "Entrance"})).await?.data()?;
    api.send("DELETE", &format!("/api/v1/ivr/menus/{menu}"), &[], None).await?;
    let number = world.take_number().await?;
    let number = format!("/api/v1/numbers/{}", number["id"].as_str().context("an id")?);
    api.patch(&number, None, json!({"route": {"type": "reject"}})).await?.data()?;
    api.send("DELETE", &number, &[], None).await?;
    let call = id(api.post("/api/v1/calls", json!({"to": "+12025550123"})).await?.data()?)?;
    let call = format!("/api/v1/calls/{call}");
    api.patch(&call, None, json!({"metadata": {"order": "7"}})).await?.data()?;
    api.post(&format!("{call}/hangup"), Value::Null).await?;
    api.post("/api/v1/audit/exports", json!({})).await?.data()?;
    api.post("/api/v1/auth/clients", json!({"name": "Another"})).await?.data()?;

    let entries = api.list_all(LOG).await?;
    let asked = entries.iter().filter(|entry| entry["actor"]["type"] != "system");
    let without: Vec<_> = asked.clone().filter(|entry| entry["ip"] != "127.0.0.1").collect();
    assert!(without.is_empty(), "{without:#?}");
    let done: BTreeSet<_> = asked.filter_map(|entry| entry["action"].as_str()).collect();
    let expected = [
        "IVR_MENU_CREATED",
        "IVR_MENU_UPDATED",
        "IVR_MENU_DELETED",
        "NUMBER_ADDED",
        "NUMBER_REROUTED",
        "NUMBER_REMOVED",
        "CALL_PLACED",
        "CALL_METADATA_CHANGED",
        "EXPORT_REQUESTED",
    ];
    assert!(expected.iter().all(|action| done.contains(action)), "{done:?}");
    // an address is personal: it stands in no plain text beside the event, nor in the files of the log
    let events = api.list_all(&format!("{call}/events")).await?;
    assert!(events.iter().all(|event| !event["metadata"].to_string().contains("127.0.0.1")), "{events:?}");
    let key = api.get("/api/v1/auth/me").await?.data()?["api_key"]["id"].clone();
    assert!(entries.iter().any(|entry| entry["action"] == "CALL_PLACED" && entry["actor"]["id"] == key));
    let folder = world.data_dir().to_owned();
    let mut log = std::fs::read(folder.join("events.db"))?;
    log.extend(std::fs::read(folder.join("events.db-wal")).unwrap_or_default());
    assert!(!log.windows(9).any(|bytes| bytes == b"127.0.0.1"), "the log holds an address in the clear");
    world.close().await?;
    Ok(())
}
