//! The audit log: who did what, from where, and what it was before.

use anyhow::{Context, Result};
use serde_json::{Value, json};
use tests::client::Api;
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
