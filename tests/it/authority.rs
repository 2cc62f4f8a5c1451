//! Rights that end while an answer goes on, and rights that must not be given or given up.

use std::collections::BTreeSet;
use std::time::Duration;

use adapters::testing::postgres::Cluster;
use anyhow::{Context, Result, ensure};
use conformance::llm::Scene;
use serde_json::{Value, json};
use tests::client::Api;
use tests::installation::Installation;
use tests::llm_server::{Family, LlmServer};
use tests::sse::Stream;
use tests::until::{SOON, until};
use tests::world::World;

use crate::crash::address_of;

const KEYS: &str = "/api/v1/auth/api-keys";
const USERS: &str = "/api/v1/auth/users";
const STREAM: &str = "/api/v1/calls/stream";
const PASSWORD: &str = "correct horse battery";
/// Well-formed, and nobody has it.
const UNKNOWN_KEY: &str = "vx_00000000000000000000000000000000000000000008df72f43";
/// The longest that a right which ended may still be of use.
const AT_MOST: Duration = Duration::from_secs(1);

fn text(value: &Value, field: &str) -> Result<String> {
    Ok(value[field].as_str().with_context(|| format!("no {field} in {value}"))?.to_owned())
}

/// A key, and where it is.
async fn key(api: &Api, terms: Value) -> Result<(Api, String)> {
    let made = api.post(KEYS, terms).await?.data()?;
    Ok((api.with_key(Some(&text(&made, "plain_key")?)), format!("{KEYS}/{}", text(&made, "id")?)))
}

async fn user(api: &Api, email: &str, role: &str) -> Result<String> {
    let body = json!({"email": email, "password": PASSWORD, "role": role});
    Ok(format!("{USERS}/{}", text(&api.post(USERS, body).await?.data()?, "id")?))
}

/// Somebody signed in, and their refresh token.
async fn signed_in(api: &Api, email: &str) -> Result<(Api, String)> {
    let body = json!({"email": email, "password": PASSWORD});
    let tokens = api.with_key(None).post("/api/v1/auth/login", body).await?.data()?;
    Ok((api.with_key(Some(&text(&tokens, "access_token")?)), text(&tokens, "refresh_token")?))
}

/// The stream of all calls, once it stands.
async fn follow(api: &Api) -> Result<Stream> {
    let mut stream = Stream::of(api.open(STREAM, &[]).await?);
    ensure!(stream.next().await?.context("the stream ended")?.name == "ready");
    Ok(stream)
}

/// Whatever is under way is told, and then no more.
async fn over(what: &str, stream: &mut Stream) -> Result<()> {
    let end = async {
        while stream.next().await?.is_some() {}
        anyhow::Ok(())
    };
    tokio::time::timeout(AT_MOST, end).await.with_context(|| format!("{what}: the stream goes on"))?
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_ends_with_the_key_it_was_opened_with_whatever_ends_that() -> Result<()> {
    let world = World::start().await?;
    let api = &world.api;
    let ends = [
        ("revoked", "POST", "/revoke", Value::Null),
        ("deleted", "DELETE", "", Value::Null),
        ("disabled", "PATCH", "", json!({"enabled": false})),
        ("without the scope", "PATCH", "", json!({"scopes": ["numbers:read"]})),
        ("rotated", "POST", "/rotate", json!({})),
    ];
    let (bystander, _) = key(api, json!({"name": "b", "scopes": ["calls:read"]})).await?;
    let mut goes_on = follow(&bystander).await?;
    for (what, method, at, body) in ends {
        let (holder, path) = key(api, json!({"name": "k", "scopes": ["calls:read"]})).await?;
        let (mut one, mut other) = (follow(&holder).await?, follow(&holder).await?);
        // what takes nothing away ends nothing
        api.patch(&path, None, json!({"name": "renamed"})).await?.data()?;
        let body = body.to_string().into_bytes();
        let answer = api.send(method, &format!("{path}{at}"), &[], Some(body)).await?;
        assert!(answer.status < 300, "{what}: {}", answer.body);
        over(what, &mut one).await?;
        over(what, &mut other).await?;
        assert!(holder.get(STREAM).await?.status >= 400, "{what}");
    }
    let call = api.post("/api/v1/calls", json!({"to": "+12025550123"})).await?.data()?;
    let told = goes_on.next().await?.context("the bystander's stream ended")?;
    assert_eq!(told.data["call"]["id"], call["id"]);
    drop(goes_on);
    world.close().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_ends_with_the_login_or_the_role_it_was_opened_with() -> Result<()> {
    let world = World::start().await?;
    let api = &world.api;
    let path = user(api, "ann@example.com", "viewer").await?;
    let nobody = api.with_key(None);

    let (ann, token) = signed_in(api, "ann@example.com").await?;
    let (also_ann, _) = signed_in(api, "ann@example.com").await?;
    let (mut stream, mut goes_on) = (follow(&ann).await?, follow(&also_ann).await?);
    nobody.post("/api/v1/auth/revoke", json!({"refresh_token": token})).await?;
    over("signed out", &mut stream).await?;
    let call = api.post("/api/v1/calls", json!({"to": "+12025550123"})).await?.data()?;
    let told = goes_on.next().await?.context("the other login's stream ended")?;
    assert_eq!(told.data["call"]["id"], call["id"]);
    also_ann.post("/api/v1/auth/revoke-all", Value::Null).await?;
    over("signed out everywhere", &mut goes_on).await?;

    let (ann, token) = signed_in(api, "ann@example.com").await?;
    let mut stream = follow(&ann).await?;
    for _ in 0..2 {
        nobody.post("/api/v1/auth/refresh", json!({"refresh_token": token})).await?;
    }
    over("a refresh token used twice", &mut stream).await?;

    for (what, method, body) in [
        ("another password", "PATCH", json!({"password": PASSWORD})),
        ("disabled", "PATCH", json!({"enabled": false})),
        ("removed", "DELETE", Value::Null),
    ] {
        api.patch(&path, None, json!({"enabled": true})).await?;
        let (ann, _) = signed_in(api, "ann@example.com").await?;
        let mut stream = follow(&ann).await?;
        api.send(method, &path, &[], Some(body.to_string().into_bytes())).await?;
        over(what, &mut stream).await?;
    }
    world.close().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn every_stream_of_the_contract_ends_with_its_key() -> Result<()> {
    let model = LlmServer::held(Family::OpenAi).await?;
    let world = World::with(|plan| {
        plan.options =
            plan.options.clone().set("OPENAI_API_BASE", &model.base).set("OPENAI_API_KEY", "sk-test");
    })
    .await?;
    let api = &world.api;
    let agent = api.post("/api/v1/agents", json!({"name": "A", "provider": "openai"})).await?.data()?;
    let begun = api.post("/api/v1/conversations", json!({"agent_id": agent["id"]})).await?.data()?;
    let talk = format!("/api/v1/conversations/{}", text(&begun, "id")?);
    let call = api.post("/api/v1/calls", json!({"to": "+12025550123"})).await?.data()?;
    let call = format!("/api/v1/calls/{}", text(&call, "id")?);
    let scopes = json!(["calls:read", "conversations:read", "conversations:write"]);
    let (holder, path) = key(api, json!({"name": "k", "scopes": scopes})).await?;

    // the model says its first word and falls silent: every answer is still being given
    model.play(vec![Scene::says(&["One ", "moment."]), Scene::says(&["One ", "moment."])]);
    let (say, converse) = (json!({"content": "Hi"}), json!({"message": "Hi", "agent_id": agent["id"]}));
    let messages = format!("{talk}/messages");
    let said = holder.open_post(&messages, &[], &say);
    model.let_go(6);
    let said = Stream::of(said.await?);
    let one_call = Stream::of(holder.open_post("/api/v1/conversation", &[], &converse).await?);
    let listened = Stream::of(holder.open(&format!("{talk}/stream"), &[]).await?);
    let of_call = Stream::of(holder.open(&format!("{call}/stream"), &[]).await?);
    let of_calls = follow(&holder).await?;
    let mut streams = [
        ("POST /api/v1/conversations/{id}/messages", said),
        ("POST /api/v1/conversation", one_call),
        ("GET /api/v1/conversations/{id}/stream", listened),
        ("GET /api/v1/calls/{id}/stream", of_call),
        ("GET /api/v1/calls/stream", of_calls),
    ];
    assert_eq!(
        streams.iter().map(|(name, _)| (*name).to_owned()).collect::<BTreeSet<_>>(),
        streamed(api).await?
    );

    api.post(&format!("{path}/revoke"), Value::Null).await?.data()?;
    for (name, stream) in &mut streams {
        over(name, stream).await?;
    }
    model.let_go(1_000);
    world.close().await?;
    Ok(())
}

/// The operations whose answer may be a stream of events.
async fn streamed(api: &Api) -> Result<BTreeSet<String>> {
    let document = api.with_key(None).get("/api/v1/openapi.json").await?.body;
    let mut names = BTreeSet::new();
    for (path, methods) in document["paths"].as_object().context("paths")? {
        for (method, operation) in methods.as_object().context("methods")? {
            if operation["responses"].to_string().contains("text/event-stream") {
                names.insert(format!("{} {path}", method.to_uppercase()));
            }
        }
    }
    Ok(names)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_stream_ends_within_a_second_when_its_key_is_revoked_on_another_node() -> Result<()> {
    let pair = Installation::start(&address_of(&Cluster::shared().database().await)?, &[])?;
    let [here, there] = &pair.apis;
    for _ in 0..5 {
        let (holder, path) = key(here, json!({"name": "k", "scopes": ["calls:read"]})).await?;
        let holder = there.with_key(holder.key());
        let mut stream = until("the key on the other node", SOON, async || {
            ensure!(holder.get("/api/v1/auth/me").await?.status == 200);
            Ok(Some(follow(&holder).await?))
        })
        .await?;
        here.post(&format!("{path}/revoke"), json!({})).await?.data()?;
        over("revoked elsewhere", &mut stream).await?;
    }
    pair.stop()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bounded_key_makes_nothing_that_is_not() -> Result<()> {
    let world = World::start().await?;
    let api = &world.api;
    let ann = user(api, "ann@example.com", "viewer").await?;
    for bounds in [json!({"rate_limit": 100}), json!({"usage_quota": 100}), json!({"expires_in_days": 1})] {
        let mut terms = json!({"name": "bounded", "scopes": ["*"]});
        terms.as_object_mut().context("terms")?.extend(bounds.as_object().cloned().context("bounds")?);
        let (bounded, _) = key(api, terms).await?;
        let new = json!({"email": "mallory@example.com", "password": PASSWORD, "role": "owner"});
        for (method, path, body) in [
            ("POST", USERS, new),
            ("POST", "/api/v1/auth/clients", json!({"name": "Mallory's"})),
            ("POST", KEYS, json!({"name": "k", "scopes": ["*"]})),
            ("PATCH", &ann, json!({"password": "another horse battery"})),
            ("PATCH", &ann, json!({"role": "owner"})),
            ("PATCH", &ann, json!({"enabled": true})),
        ] {
            let answer = bounded.send(method, path, &[], Some(body.to_string().into_bytes())).await?;
            assert_eq!(
                (answer.status, answer.code()),
                (403, "would_exceed_yours"),
                "{bounds} {method} {path} {body}"
            );
        }
        // to take away gives nothing
        assert_eq!(bounded.patch(&ann, None, json!({"enabled": false})).await?.status, 200);
    }
    world.close().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_keeps_an_owner_whatever_is_asked() -> Result<()> {
    let world = World::start().await?;
    let made = world.api.post("/api/v1/auth/clients", json!({"name": "Another"})).await?.data()?;
    let of_another = world.api.with_key(made["plain_key"].as_str());
    for api in [&world.api, &of_another] {
        let me = api.get("/api/v1/auth/me").await?.data()?;
        let own = format!("{KEYS}/{}", text(&me["api_key"], "id")?);
        let refused = async |api: &Api, method: &str, path: &str, body: Value| {
            let answer = api.send(method, path, &[], Some(body.to_string().into_bytes())).await?;
            assert_eq!((answer.status, answer.code()), (409, "last_owner"), "{method} {path} {body}");
            anyhow::Ok(())
        };
        let against_a_key = async |path: &str| {
            refused(api, "POST", &format!("{path}/revoke"), Value::Null).await?;
            refused(api, "DELETE", path, Value::Null).await?;
            refused(api, "PATCH", path, json!({"enabled": false})).await?;
            refused(api, "PATCH", path, json!({"scopes": ["calls:read"]})).await?;
            refused(api, "PATCH", path, json!({"usage_quota": 10})).await
        };
        against_a_key(&own).await?;
        api.patch(&own, None, json!({"name": "still mine"})).await?.data()?;
        // neither whoever ends by itself nor whoever may do less is an owner
        key(api, json!({"name": "for a day", "scopes": ["*"], "expires_in_days": 1})).await?;
        let email = format!("{}@example.com", me["client"].as_str().context("a client")?);
        user(api, &format!("admin-{email}"), "admin").await?;
        against_a_key(&own).await?;

        let owner = user(api, &email, "owner").await?;
        let (ann, _) = signed_in(api, &email).await?;
        ann.post(&format!("{own}/revoke"), Value::Null).await?.data()?;
        for body in [json!({"role": "admin"}), json!({"enabled": false})] {
            refused(&ann, "PATCH", &owner, body).await?;
        }
        refused(&ann, "DELETE", &owner, Value::Null).await?;
        // of two who remove each other at once one stays
        let second = key(&ann, json!({"name": "second", "scopes": ["*"]})).await?;
        let (revoke, nothing) = (format!("{}/revoke", second.1), Value::Null);
        let (one, other) =
            tokio::join!(ann.post(&revoke, nothing), second.0.send("DELETE", &owner, &[], None),);
        let statuses = [one?.status, other?.status];
        assert_eq!(statuses.iter().filter(|status| **status < 300).count(), 1, "{statuses:?}");
    }
    world.close().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_key_that_one_node_made_is_good_on_the_other_at_once() -> Result<()> {
    let database = Cluster::shared().database().await;
    let pair = Installation::start(&address_of(&database)?, &[])?;
    for n in 0..40 {
        let (made, _) = key(&pair.apis[n % 2], json!({"name": format!("key {n}"), "scopes": ["*"]})).await?;
        let there = pair.apis[(n + 1) % 2].with_key(made.key());
        let answer = there.get("/api/v1/auth/me").await?;
        ensure!(answer.status == 200, "key {n}: {} {}", answer.status, answer.body);
    }
    let unknown = pair.apis[1].with_key(Some(UNKNOWN_KEY)).get("/api/v1/auth/me").await?;
    ensure!((unknown.status, unknown.code()) == (401, "api_key_unknown"), "{}", unknown.body);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_two_owners_who_remove_each_other_on_two_nodes_one_stays() -> Result<()> {
    let database = Cluster::shared().database().await;
    let pair = Installation::start(&address_of(&database)?, &[])?;
    let mut owner = pair.apis[0].clone();
    for round in 0..10 {
        let me = owner.get("/api/v1/auth/me").await?.data()?;
        let own = format!("{KEYS}/{}", text(&me["api_key"], "id")?);
        let (other, others) = key(&owner, json!({"name": format!("owner {round}"), "scopes": ["*"]})).await?;
        let there = pair.apis[1].with_key(other.key());
        until("the second node to know the key", SOON, async || {
            Ok((there.get("/api/v1/auth/me").await?.status == 200).then_some(()))
        })
        .await?;
        let (one, two) =
            tokio::join!(owner.send("DELETE", &others, &[], None), there.send("DELETE", &own, &[], None),);
        let (one, two) = (one?, two?);
        let removed = [&one, &two].into_iter().filter(|answer| answer.status < 300).count();
        ensure!(removed == 1, "round {round}: {} {} and {} {}", one.status, one.body, two.status, two.body);
        if one.status >= 300 {
            owner = other;
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_developer_does_nothing_that_cannot_be_undone() -> Result<()> {
    let world = World::start().await?;
    for (role, may) in [("developer", false), ("viewer", false), ("auditor", false), ("admin", true)] {
        let email = format!("{role}@example.com");
        user(&world.api, &email, role).await?;
        let (api, _) = signed_in(&world.api, &email).await?;
        let erase = api.post("/api/v1/privacy/subjects/erase", json!({"phone": "+12025550123"})).await?;
        let keep = json!({"call_content": "everything"});
        let keep = api.patch("/api/v1/privacy/settings", None, keep).await?;
        let allowed = |answer: &tests::client::Answer| answer.code() != "insufficient_scope";
        assert_eq!((allowed(&erase), allowed(&keep)), (may, may), "{role}: {} {}", erase.body, keep.body);
    }
    world.close().await?;
    Ok(())
}
