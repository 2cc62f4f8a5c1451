//! API keys: made, bounded, rotated, revoked; nobody makes one stronger than their own.

use std::time::Duration;

use adapters::testing::postgres::Cluster;
use anyhow::{Context, Result};
use serde_json::{Value, json};
use tests::client::Api;
use tests::installation::Installation;
use tests::until::{SOON, until};
use tests::world::World;

use crate::crash::address_of;

const KEYS: &str = "/api/v1/auth/api-keys";

fn text<'a>(value: &'a Value, field: &str) -> Result<&'a str> {
    value[field].as_str().with_context(|| format!("no {field} in {value}"))
}

async fn make(api: &Api, body: Value) -> Result<(String, String)> {
    let made = api.post(KEYS, body).await?.data()?;
    Ok((format!("{KEYS}/{}", text(&made, "id")?), text(&made, "plain_key")?.to_owned()))
}

async fn code_with(world: &World, key: &str) -> Result<String> {
    Ok(world.api.with_key(Some(key)).get("/api/v1/calls").await?.code().to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_opens_what_its_scopes_say_until_it_is_revoked() -> Result<()> {
    let world = World::start().await?;
    let made = world.api.post(KEYS, json!({"name": " office ", "scopes": ["calls:read"]})).await?;
    assert_eq!((made.status, made.header("etag")), (201, Some("\"1\"")));
    let location = made.header("location").context("a location")?.to_owned();
    let made = made.data()?;
    let key = text(&made, "plain_key")?.to_owned();
    assert_eq!(text(&made, "key_prefix")?, &key[..10]);
    assert_eq!(
        (&made["name"], &made["enabled"], &made["usage_count"]),
        (&json!("office"), &json!(true), &json!(0))
    );
    // the plain text is shown once and the hash never
    for path in [location.clone(), KEYS.to_owned(), format!("{location}/events")] {
        let shown = world.api.get(&path).await?.body.to_string();
        assert!(!shown.contains(&key[10..]) && !shown.contains("plain_key"), "{path}");
    }
    let office = world.api.with_key(Some(&key));
    assert_eq!(office.get("/api/v1/calls").await?.status, 200);
    assert_eq!(office.get("/api/v1/numbers").await?.code(), "insufficient_scope");
    let me = office.get("/api/v1/auth/me").await?.data()?;
    assert_eq!(
        (&me["principal"], &me["scopes"], &me["role"]),
        (&json!("api_key"), &json!(["calls:read"]), &Value::Null)
    );
    assert_eq!(me["api_key"]["id"], made["id"]);

    let off =
        world.api.patch(&location, Some(1), json!({"enabled": false, "rate_limit": 100})).await?.data()?;
    assert_eq!(
        (&off["enabled"], &off["rate_limit"], &off["version"]),
        (&json!(false), &json!(100), &json!(2))
    );
    assert_eq!(code_with(&world, &key).await?, "api_key_disabled");
    let on = world.api.patch(&location, None, json!({"enabled": true, "rate_limit": null})).await?.data()?;
    assert_eq!(on["rate_limit"], Value::Null);
    assert_eq!(office.get("/api/v1/calls").await?.status, 200);

    let revoked = world.api.post(&format!("{location}/revoke"), Value::Null).await?.data()?;
    assert!(revoked["revoked_at"].is_string());
    assert_eq!(code_with(&world, &key).await?, "api_key_revoked");
    assert_eq!(world.api.patch(&location, None, json!({"enabled": true})).await?.status, 409);
    assert_eq!(world.api.send("DELETE", &location, &[], None).await?.status, 204);
    assert_eq!(world.api.get(&location).await?.status, 404);
    assert_eq!(code_with(&world, &key).await?, "api_key_unknown");
    world.close().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotated_key_has_two_plain_texts_for_as_long_as_was_said() -> Result<()> {
    let world = World::start().await?;
    let (path, first) = make(&world.api, json!({"name": "office", "scopes": ["calls:read"]})).await?;
    let rotated =
        world.api.post(&format!("{path}/rotate"), json!({"overlap_seconds": 3600})).await?.data()?;
    let second = text(&rotated, "plain_key")?.to_owned();
    for key in [&first, &second] {
        assert_eq!(world.api.with_key(Some(key)).get("/api/v1/calls").await?.status, 200);
    }
    // at once, and the one before goes on to its own end
    let rotated = world.api.post(&format!("{path}/rotate"), json!({})).await?.data()?;
    let third = text(&rotated, "plain_key")?.to_owned();
    assert_eq!(code_with(&world, &second).await?, "api_key_expired");
    assert_eq!(world.api.with_key(Some(&first)).get("/api/v1/calls").await?.status, 200);
    assert_eq!(world.api.with_key(Some(&third)).get("/api/v1/calls").await?.status, 200);
    let long = world.api.post(&format!("{path}/rotate"), json!({"overlap_seconds": 2_592_001})).await?;
    assert_eq!((long.status, &long.body["errors"][0]["field"]), (422, &json!("overlap_seconds")));
    world.close().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_makes_or_takes_over_a_key_stronger_than_their_own() -> Result<()> {
    let world = World::start().await?;
    let terms =
        json!({"name": "clerk", "scopes": ["keys:write", "keys:read", "calls:read"], "rate_limit": 100});
    let (own, clerk) = make(&world.api, terms).await?;
    let (strong, _) = make(&world.api, json!({"name": "strong", "scopes": ["calls:write"]})).await?;
    let clerk = world.api.with_key(Some(&clerk));
    let weaker = json!({"name": "w", "scopes": ["calls:read"], "rate_limit": 100});
    let (weak, _) = make(&clerk, weaker).await?;
    let refused = [
        ("POST", KEYS.to_owned(), json!({"name": "x", "scopes": ["*"], "rate_limit": 1})),
        ("POST", KEYS.to_owned(), json!({"name": "x", "scopes": ["calls:write"], "rate_limit": 1})),
        ("POST", KEYS.to_owned(), json!({"name": "x", "scopes": ["calls:read"]})),
        ("POST", KEYS.to_owned(), json!({"name": "x", "scopes": ["calls:read"], "rate_limit": 101})),
        ("PATCH", own.clone(), json!({"scopes": ["*"]})),
        ("PATCH", own, json!({"rate_limit": null})),
        ("PATCH", weak, json!({"scopes": ["calls:write"]})),
        ("PATCH", strong.clone(), json!({"name": "mine"})),
        ("POST", format!("{strong}/rotate"), json!({})),
        ("POST", format!("{strong}/revoke"), Value::Null),
        ("DELETE", strong, Value::Null),
    ];
    for (method, path, body) in refused {
        let answer = clerk.send(method, &path, &[], Some(body.to_string().into_bytes())).await?;
        assert_eq!((answer.status, answer.code()), (403, "would_exceed_yours"), "{method} {path} {body}");
    }
    world.close().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_a_key_to_be_made_is_named() -> Result<()> {
    let world = World::start().await?;
    let cases = [
        (json!({"name": "", "scopes": ["calls:read"]}), "name"),
        (json!({"name": "x".repeat(201), "scopes": ["calls:read"]}), "name"),
        (json!({"name": "x", "scopes": []}), "scopes"),
        (json!({"name": "x", "scopes": ["calls:read", "calls:fly"]}), "scopes[1]"),
        (json!({"name": "x", "scopes": ["calls:read"], "rate_limit": 0}), "rate_limit"),
        (json!({"name": "x", "scopes": ["calls:read"], "usage_quota": 0}), "usage_quota"),
        (json!({"name": "x", "scopes": ["calls:read"], "expires_in_days": 0}), "expires_in_days"),
        (json!({"name": "x", "scopes": ["calls:read"], "expires_in_days": 3651}), "expires_in_days"),
        (json!({"name": "x", "scopes": ["calls:read"], "color": "red"}), "color"),
    ];
    for (body, field) in cases {
        let answer = world.api.post(KEYS, body.clone()).await?;
        assert_eq!((answer.status, &answer.body["errors"][0]["field"]), (422, &json!(field)), "{body}");
    }
    world.close().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_is_revoked_on_one_node_opens_nothing_on_the_other_within_a_second() -> Result<()> {
    let pair = Installation::start(&address_of(&Cluster::shared().database().await)?, &[])?;
    let [here, there] = &pair.apis;
    let status =
        async |api: &Api, key: &str| anyhow::Ok(api.with_key(Some(key)).get("/api/v1/calls").await?.status);
    for _ in 0..10 {
        let (location, key) = make(here, json!({"name": "k", "scopes": ["calls:read"]})).await?;
        until("the key on the other node", SOON, async || {
            Ok((status(there, &key).await? == 200).then_some(()))
        })
        .await?;
        assert_eq!(here.post(&format!("{location}/revoke"), json!({})).await?.status, 200);
        assert_eq!(status(here, &key).await?, 401, "at once where it was done");
        until("the key to be dead on the other node", Duration::from_secs(1), async || {
            Ok((status(there, &key).await? == 401).then_some(()))
        })
        .await?;
    }
    pair.stop()
}
