//! Lists and the filters their resources suggest.

use anyhow::{Context, Result};
use serde_json::{Value, json};
use tests::world::World;

/// How many of a list fit.
async fn count(world: &World, path: &str) -> Result<usize> {
    let counted = world.api.get(&format!("{path}&include_total=true")).await?;
    anyhow::ensure!(counted.status == 200, "{path}: {}", counted.body);
    let total = counted.body["meta"]["total"].as_u64().context("a total")?;
    let found = world.api.list_all(path).await?.len();
    assert_eq!(total, found as u64, "{path}");
    Ok(found)
}

async fn made(world: &World, path: &str, body: Value) -> Result<String> {
    let made = world.api.post(path, body).await?.data()?;
    Ok(made["id"].as_str().context("an id")?.to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_are_filtered_by_what_their_resources_are() -> Result<()> {
    let world = World::start().await?;
    let agent = json!({"name": "A", "system_prompt": "Help.", "provider": "groq", "model": "m"});
    let agent = made(&world, "/api/v1/agents", agent).await?;
    let other = json!({"name": "nul\u{0}", "system_prompt": "Help.", "provider": "openai", "model": "m"});
    let _ = world.api.post("/api/v1/agents", other).await?;
    world.api.post(&format!("/api/v1/agents/{agent}/deploy"), json!({})).await?.data()?;
    assert_eq!(count(&world, "/api/v1/agents?provider=groq").await?, 1);
    assert_eq!(count(&world, "/api/v1/agents?status=deployed").await?, 1);
    assert_eq!(count(&world, "/api/v1/agents?status=draft&provider=groq").await?, 0);

    let hook = |more: Value| {
        let mut body = json!({"url": "https://example.com/hooks", "events": ["call.*"]});
        if let (Some(body), Some(more)) = (body.as_object_mut(), more.as_object()) {
            body.extend(more.clone());
        }
        body
    };
    made(&world, "/api/v1/webhooks", hook(json!({"agent_id": agent}))).await?;
    made(&world, "/api/v1/webhooks", hook(json!({"enabled": false, "description": "nul \\u0000"}))).await?;
    assert_eq!(count(&world, "/api/v1/webhooks?enabled=true").await?, 1);
    assert_eq!(count(&world, "/api/v1/webhooks?enabled=false").await?, 1);
    assert_eq!(count(&world, &format!("/api/v1/webhooks?agent_id={agent}")).await?, 1);

    let menu = |name: &str, parent: Option<&str>| {
        let items = json!([{"digit": "0", "label": "End", "action": "hangup"}]);
        json!({"name": name, "prompt": "Hello.", "items": items, "parent_menu_id": parent})
    };
    let main = made(&world, "/api/v1/ivr/menus", menu("Main", None)).await?;
    made(&world, "/api/v1/ivr/menus", menu("Below", Some(&main))).await?;
    assert_eq!(count(&world, &format!("/api/v1/ivr/menus?parent_menu_id={main}")).await?, 1);

    for (number, route) in [
        ("+14155550150", json!({"type": "agent", "id": agent})),
        ("+14155550151", json!({"type": "ivr_menu", "id": main})),
    ] {
        made(&world, "/api/v1/numbers", json!({"number": number, "route": route})).await?;
    }
    assert_eq!(count(&world, &format!("/api/v1/numbers?agent_id={agent}")).await?, 1);
    assert_eq!(count(&world, &format!("/api/v1/numbers?ivr_menu_id={main}")).await?, 1);
    assert_eq!(count(&world, "/api/v1/numbers?number=%2B14155550151").await?, 1);

    let user = |email: &str, role: &str| json!({"email": email, "password": "correct horse 7", "role": role});
    made(&world, "/api/v1/auth/users", user("a@example.com", "viewer")).await?;
    let second = made(&world, "/api/v1/auth/users", user("b@example.com", "admin")).await?;
    let path = format!("/api/v1/auth/users/{second}");
    world.api.patch(&path, None, json!({"enabled": false})).await?.data()?;
    assert_eq!(count(&world, "/api/v1/auth/users?role=admin&enabled=false").await?, 1);
    assert_eq!(count(&world, "/api/v1/auth/users?enabled=true&role=admin").await?, 0);

    let key = made(&world, "/api/v1/auth/api-keys", json!({"name": "k", "scopes": ["calls:read"]})).await?;
    let path = format!("/api/v1/auth/api-keys/{key}");
    world.api.patch(&path, None, json!({"enabled": false})).await?.data()?;
    assert_eq!(count(&world, "/api/v1/auth/api-keys?enabled=false").await?, 1);

    for list in
        ["agents", "auth/api-keys", "auth/clients", "auth/users", "ivr/menus", "numbers", "tools", "webhooks"]
    {
        let all = count(&world, &format!("/api/v1/{list}?order=asc")).await?;
        let since = format!("/api/v1/{list}?created_after=2020-01-01T00:00:00Z");
        assert_eq!(count(&world, &since).await?, all, "{list}");
        let before = format!("/api/v1/{list}?created_before=2020-01-01T00:00:00Z");
        assert_eq!(count(&world, &before).await?, 0, "{list}");
        let nonsense = world.api.get(&format!("/api/v1/{list}?created_after=yesterday&nonsense=1")).await?;
        assert_eq!(nonsense.status, 422, "{list}");
    }
    for wrong in
        ["agents?provider=nobody", "webhooks?enabled=yes", "numbers?agent_id=x", "auth/users?role=king"]
    {
        let refused = world.api.get(&format!("/api/v1/{wrong}")).await?;
        assert_eq!(refused.status, 422, "{wrong}: {}", refused.body);
    }
    world.close().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn conversations_are_found_by_the_clients_own_name_of_the_person() -> Result<()> {
    let world = World::start().await?;
    let body = json!({"message": "hello", "user_id": "customer-4711"});
    // there is no model: the conversation begins all the same
    let _ = world.api.post("/api/v1/conversation", body).await?;
    tests::until::until("the conversation", tests::until::SOON, async || {
        let found = count(&world, "/api/v1/conversations?user_id=customer-4711").await?;
        Ok((found == 1).then_some(()))
    })
    .await?;
    assert_eq!(count(&world, "/api/v1/conversations?user_id=customer-4712").await?, 0);
    world.close().await?;
    Ok(())
}
