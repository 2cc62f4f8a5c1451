//! What a tenant gives to be interpreted costs the node little, whatever it is.

use anyhow::{Context, Result};
use serde_json::{Map, Value, json};
use tests::client::Answer;
use tests::receiver::{Answers, Receiver};
use tests::world::World;

/// `n` definitions, each of which refers twice to the next: 2ⁿ looks at one value.
fn doubling(n: usize, keyword: &str) -> Value {
    let mut defs = Map::new();
    for i in 0..n {
        let next = json!({"$ref": format!("#/$defs/d{}", i + 1)});
        defs.insert(format!("d{i}"), json!({keyword: [next, next]}));
    }
    defs.insert(format!("d{n}"), json!({"type": "string"}));
    json!({"type": "object", "properties": {"a": {"$ref": "#/$defs/d0"}}, "$defs": defs})
}

fn object(of: &Value) -> Value {
    json!({"type": "object", "properties": {"a": of}})
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hostile_schema_is_refused_by_its_place_and_a_usual_one_is_taken() -> Result<()> {
    let world = World::start().await?;
    let create = async |schema: &Value| {
        let tool = json!({"name": "t", "description": "A tool", "url": "https://example.com/t", "parameters": schema});
        world.api.post("/api/v1/tools", tool).await
    };
    let before = world.node.server()?.resident_bytes()?;
    let patterns: Map<_, _> =
        (0..60).map(|n| (format!("p{n}"), json!({"pattern": format!("\\p{{L}}{{1,95}}{n}")}))).collect();
    for (hostile, word) in [
        (doubling(20, "anyOf"), "more than 10000 times"),
        (doubling(20, "oneOf"), "more than 10000 times"),
        (doubling(20, "allOf"), "more than 10000 times"),
        (json!({"type": "object", "properties": patterns}), "pattern"),
        (object(&json!({"pattern": "((a{99}){99}){99}"})), "pattern"),
        (object(&json!({"$ref": "http://127.0.0.1:1/schema.json"})), "nothing is fetched"),
        (object(&json!({"$ref": "file:///etc/passwd"})), "nothing is fetched"),
        (object(&json!({"$ref": "#/properties/a"})), "refers to itself"),
        (object(&json!({"$dynamicRef": "#x"})), "not supported"),
        (object(&json!({"enum": vec!["x".repeat(100); 200]})), "16 KiB"),
        (object(&json!({"type": "objekt"})), "/properties/a"),
    ] {
        let refused = create(&hostile).await?;
        assert_eq!(refused.status, 422, "{word}: {}", refused.body);
        let error = &refused.body["errors"][0];
        assert_eq!(
            (&error["field"], &error["code"]),
            (&json!("parameters"), &json!("invalid_schema")),
            "{error}"
        );
        assert!(error["detail"].as_str().context("a detail")?.contains(word), "{word}: {error}");
    }
    let tree = json!({"type": "object", "properties": {"name": {"type": "string", "pattern": "^\\w{1,95}$"},
        "children": {"type": "array", "items": {"$ref": "#"}}}, "additionalProperties": false});
    for usual in [tree, doubling(6, "anyOf"), object(&json!({"type": "string", "format": "date-time"}))] {
        assert_eq!(create(&usual).await?.status, 201, "{usual}");
    }
    let grown = world.node.server()?.resident_bytes()?.saturating_sub(before);
    assert!(grown < 32 << 20, "the node grew by {grown} bytes");
    world.close().await?;
    Ok(())
}

/// A receiver is a server of its own: another port is another origin.
#[tokio::test(flavor = "multi_thread")]
async fn a_secret_goes_to_no_other_server_than_the_one_it_was_given_for() -> Result<()> {
    const SECRET: &str = "s3cret-of-the-first-server";
    let (first, second) = (
        Receiver::start(|_| Answers::Status(204, "")).await?,
        Receiver::start(|_| Answers::Status(204, "")).await?,
    );
    let world = World::with(|plan| {
        plan.options = plan.options.clone().set("WEBHOOKS_ALLOW_PRIVATE", "true");
    })
    .await?;
    let dropped = |answer: &Answer| answer.body["meta"]["secrets_dropped"].clone();

    let hook = json!({"url": first.url, "events": ["call.*", "call.*"], "headers": {"X-Key": SECRET}});
    let hook = world.api.post("/api/v1/webhooks", hook).await?.data()?;
    assert_eq!(hook["events"], json!(["call.*"]), "named twice, kept once");
    let path = format!("/api/v1/webhooks/{}", hook["id"].as_str().context("an id")?);
    let tried = async || {
        let tried = world.api.post(&format!("{path}/test"), json!({})).await?.data()?;
        anyhow::ensure!(tried["success"] == true, "{tried}");
        anyhow::Ok(())
    };
    tried().await?;
    assert_eq!(first.received()[0].header("x-key"), SECRET);
    let same = world.api.patch(&path, None, json!({"url": format!("{}/elsewhere", first.url)})).await?;
    assert_eq!((same.status, dropped(&same)), (200, Value::Null));
    let moved = world.api.patch(&path, None, json!({"url": second.url})).await?;
    assert_eq!((moved.status, dropped(&moved)), (200, json!(true)), "{}", moved.body);
    assert_eq!(moved.body["data"]["headers"], json!({}));
    tried().await?;
    assert_eq!(second.received().len(), 1);
    assert_eq!(second.received()[0].header("x-key"), "");
    let again = json!({"url": first.url, "headers": {"X-Key": "another"}});
    assert_eq!(dropped(&world.api.patch(&path, None, again).await?), Value::Null);

    let tool = json!({"name": "t", "description": "A tool", "url": first.url, "headers": {"X-Key": SECRET},
        "auth": {"type": "bearer", "token": SECRET}});
    let tool = world.api.post("/api/v1/tools", tool).await?.data()?;
    let path = format!("/api/v1/tools/{}", tool["id"].as_str().context("an id")?);
    let moved = world.api.patch(&path, None, json!({"url": second.url})).await?;
    assert_eq!(dropped(&moved), json!(true), "{}", moved.body);
    assert_eq!(
        (&moved.body["data"]["auth"]["type"], &moved.body["data"]["headers"]),
        (&json!("none"), &json!({}))
    );

    let account = "/api/v1/auth/providers/llm";
    let at = |url: &str| json!({"base_url": url});
    let set = json!({"provider": "openai", "api_key": SECRET, "settings": at(&first.url)});
    world.api.patch(account, None, set).await?.data()?;
    let moved = world.api.patch(account, None, json!({"settings": at(&second.url)})).await?;
    assert_eq!((moved.status, &moved.body["errors"][0]["field"]), (422, &json!("api_key")), "{}", moved.body);
    let same = world.api.patch(account, None, json!({"settings": at(&format!("{}/v2", first.url))})).await?;
    assert_eq!(same.status, 200, "{}", same.body);
    let given = json!({"settings": at(&second.url), "api_key": "another-key"});
    assert_eq!(world.api.patch(account, None, given).await?.status, 200);
    world.close().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn json_too_deep_is_invalid_wherever_it_comes_in() -> Result<()> {
    let world = World::start().await?;
    let deep = |levels: usize| (0..levels).fold(json!(1), |deep, _| json!({"a": deep}));
    for levels in [70, 100, 120] {
        for (path, body) in [
            (
                "/api/v1/tools",
                json!({"name": "t", "description": "A tool", "url": "https://example.com", "parameters": deep(levels)}),
            ),
            ("/api/v1/calls", json!({"to": "+12025550123", "metadata": {"x": deep(levels)}})),
            ("/api/v1/conversations", json!({"metadata": deep(levels)})),
            ("/api/v1/auth/login", json!({"email": deep(levels), "password": "x"})),
        ] {
            let refused = world.api.post(path, body).await?;
            assert_eq!(
                (refused.status, refused.code()),
                (422, "invalid_request"),
                "{path}: {}",
                refused.body
            );
            assert_eq!(refused.body["errors"][0]["code"], "too_deep", "{path}: {}", refused.body);
        }
    }
    // what is taken can be read again, everywhere
    let schema = json!({"type": "object", "properties": {"a": {"default": deep(50)}}});
    let tool =
        json!({"name": "t", "description": "A tool", "url": "https://example.com", "parameters": schema});
    let tool = world.api.post("/api/v1/tools", tool).await?;
    assert_eq!(tool.status, 201, "{}", tool.body);
    let path = format!("/api/v1/tools/{}", tool.data()?["id"].as_str().context("an id")?);
    for path in
        [path.clone(), format!("{path}/events"), format!("{path}?version=1"), "/api/v1/audit/log".to_owned()]
    {
        assert_eq!(world.api.get(&path).await?.status, 200, "{path}");
    }
    world.close().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_are_kept_once_each_and_a_menus_webhook_is_judged_when_it_is_made() -> Result<()> {
    let world = World::start().await?;
    let key = json!({"name": "k", "scopes": ["ivr:read", "calls:read", "ivr:read"]});
    let key = world.api.post("/api/v1/auth/api-keys", key).await?.data()?;
    assert_eq!(key["scopes"], json!(["ivr:read", "calls:read"]));
    let many = json!({"name": "k", "scopes": vec!["ivr:read"; 101]});
    assert_eq!(world.api.post("/api/v1/auth/api-keys", many).await?.status, 422);
    let path = format!("/api/v1/auth/api-keys/{}", key["id"].as_str().context("an id")?);
    let twice =
        world.api.patch(&path, None, json!({"scopes": ["calls:read", "calls:read"]})).await?.data()?;
    assert_eq!(twice["scopes"], json!(["calls:read"]));

    let menu = |url: &str| {
        let webhook = json!({"url": url, "timeout_ms": 1_000, "on_error": {"action": "hangup"}});
        json!({"name": "Main", "prompt": "Hello.",
            "items": [{"digit": "1", "label": "Ask", "action": "webhook", "target": webhook}]})
    };
    for (url, code) in [
        ("https://127.0.0.1/ask", "private_address"),
        ("https://169.254.169.254/latest/meta-data", "private_address"),
        ("https://168.63.129.16/", "private_address"),
        ("https://[::ffff:0:7f00:1]/", "private_address"),
        ("http://example.com/ask", "invalid"),
    ] {
        let refused = world.api.post("/api/v1/ivr/menus", menu(url)).await?;
        let error = &refused.body["errors"][0];
        assert_eq!((refused.status, error["code"].as_str()), (422, Some(code)), "{url}: {}", refused.body);
        assert_eq!(error["field"], "items[0].target.url", "{url}");
    }
    let made = world.api.post("/api/v1/ivr/menus", menu("https://example.com/ask")).await?.data()?;
    let path = format!("/api/v1/ivr/menus/{}", made["id"].as_str().context("an id")?);
    let moved = world.api.patch(&path, None, json!({"items": menu("https://10.0.0.1/")["items"]})).await?;
    assert_eq!(moved.status, 422, "{}", moved.body);
    world.close().await?;
    Ok(())
}
