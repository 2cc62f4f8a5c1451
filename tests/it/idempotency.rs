//! P6 from outside: a POST that is sent again under its key gives the same answer and has no second effect,
//! whoever dies in between.

use std::collections::BTreeSet;

use adapters::database::SecretUrl;
use adapters::testing::postgres::Cluster;
use anyhow::{Context, Result, ensure};
use futures::StreamExt as _;
use futures::future::try_join_all;
use futures::stream::FuturesUnordered;
use serde_json::{Value, json};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _};
use tests::client::{Answer, Api};
use tests::installation::Installation;
use tests::random::SeededRandom;
use tests::receiver::{Answers, Receiver};
use tests::sse::Stream;
use tests::until::{SOON, until};
use tests::webhook::OUR_NUMBER;
use tests::world::World;

use crate::crash::address_of;

const CALLS: &str = "/api/v1/calls";
const NUMBERS: &str = "/api/v1/numbers";
const API_KEYS: &str = "/api/v1/auth/api-keys";
const USERS: &str = "/api/v1/auth/users";

fn order() -> Value {
    json!({"to": "+12025550161", "metadata": {"ticket": "A-7"}})
}

/// A carrier that calls can be placed with, though it never answers.
const UNREACHABLE_CARRIER: [(&str, &str); 4] = [
    ("TELNYX_API_BASE", "http://127.0.0.1:1"),
    ("TELNYX_API_KEY", "KEY0123456789"),
    ("TELNYX_CONNECTION_ID", "1900000000000000001"),
    ("TELNYX_CALLER_ID", "+12025550188"),
];

fn replayed(answer: &Answer) -> bool {
    answer.header("idempotent-replayed") == Some("true")
}

fn in_progress(answer: &Answer) -> bool {
    (answer.status, answer.code()) == (409, "idempotency_in_progress")
}

fn id(answer: &Answer) -> &str {
    answer.body["data"]["id"].as_str().unwrap_or_default()
}

/// Sends the request until it is answered, as a client would whose connection breaks or who is told to wait.
async fn insist(api: &Api, path: &str, key: &str, body: &Value) -> Result<Answer> {
    until("an answer under the key", SOON, async || {
        let answer = api.post_once(path, key, body).await?;
        Ok((!in_progress(&answer)).then_some(answer))
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn of_200_parallel_requests_with_one_key_one_places_a_call_and_all_answers_are_its_bytes() -> Result<()>
{
    let world = World::start().await?;
    let order = order();
    let answers = try_join_all((0..200).map(|_| world.api.post_once(CALLS, "order-7", &order))).await?;
    let mut placed = Vec::new();
    for answer in &answers {
        if in_progress(answer) {
            ensure!(answer.header("retry-after") == Some("1"));
        } else {
            ensure!(answer.status == 201, "{}: {}", answer.status, answer.body);
            placed.push(answer);
        }
    }
    ensure!(placed.iter().filter(|answer| !replayed(answer)).count() == 1);
    let first = placed[0];
    let again = world.api.post_once(CALLS, "order-7", &order).await?;
    ensure!(again.status == 201 && replayed(&again));
    for answer in placed.iter().chain([&&again]) {
        ensure!(answer.bytes == first.bytes);
        for name in ["content-type", "location", "etag"] {
            ensure!(answer.header(name).is_some() && answer.header(name) == first.header(name), "{name}");
        }
    }
    // each answer has an id of its own in its head; the body is the first one's, its id too
    let ids: BTreeSet<_> = answers.iter().filter_map(|answer| answer.header("x-request-id")).collect();
    ensure!(ids.len() == 200 && ids.contains(first.body["meta"]["request_id"].as_str().context("an id")?));
    ensure!(world.api.list_all(CALLS).await?.len() == 1);
    let call = id(first).to_owned();
    world.call_when(&call, |call| !call["provider_call_id"].is_null()).await?;
    let events = world.api.list_all(&format!("{CALLS}/{call}/events")).await?;
    ensure!(events.iter().filter(|event| event["type"] == "call.queued").count() == 1);
    let shown = world.api.get("/metrics").await?;
    let shown = String::from_utf8_lossy(&shown.bytes).into_owned();
    ensure!(shown.contains("voxledger_idempotency_total{outcome=\"fresh\"} 1"), "{shown}");
    let ledger = world.close().await?;
    ensure!(ledger.commands_named("dial").count() == 1);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_stands_for_one_request_and_a_bad_one_for_none() -> Result<()> {
    let world = World::start().await?;
    let call = world.api.post_once(CALLS, "k", &order()).await?;
    for (path, body) in [(CALLS, json!({"to": "+12025550162"})), (NUMBERS, order())] {
        let refused = world.api.post_once(path, "k", &body).await?;
        ensure!((refused.status, refused.code()) == (409, "idempotency_key_reused"), "{}", refused.body);
    }

    let longest = "k".repeat(255);
    ensure!(world.api.post_once(CALLS, &longest, &order()).await?.status == 201);
    let too_long = "k".repeat(256);
    let bodies = || Some(order().to_string().into_bytes());
    for headers in [
        &[("idempotency-key", too_long.as_str())][..],
        &[("idempotency-key", "")],
        &[("x-idempotency-key", "two words")],
        &[("idempotency-key", "k"), ("x-idempotency-key", "l")],
    ] {
        let refused = world.api.send("POST", CALLS, headers, bodies()).await?;
        ensure!(
            (refused.status, refused.code()) == (422, "invalid_request"),
            "{headers:?}: {}",
            refused.body
        );
        ensure!(refused.body["errors"][0]["field"] == "Idempotency-Key");
        let nobody = world.api.with_key(None).send("POST", CALLS, headers, bodies()).await?;
        ensure!(nobody.status == 401);
    }
    let both = &[("idempotency-key", "k"), ("x-idempotency-key", "k")];
    let same = world.api.send("POST", CALLS, both, bodies()).await?;
    ensure!(replayed(&same) && same.bytes == call.bytes);
    // a key is for POST; elsewhere it means nothing
    let path = format!("{CALLS}/{}", id(&call));
    for n in 0..2 {
        let patch = json!({"metadata": {"n": n}}).to_string().into_bytes();
        let patched = world.api.send("PATCH", &path, &[("idempotency-key", "k")], Some(patch)).await?;
        ensure!(patched.body["data"]["metadata"]["n"] == n && !replayed(&patched));
    }
    ensure!(world.api.list_all(CALLS).await?.len() == 2);
    world.close().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_is_refused_before_anything_ran_frees_its_key() -> Result<()> {
    let world = World::start().await?;
    let reader = json!({"name": "reader", "scopes": ["calls:read"]});
    let reader = world.api.post(API_KEYS, reader).await?.data()?;
    let reader = world.api.with_key(reader["plain_key"].as_str());
    let number = |number: &str| json!({"number": number, "route": {"type": "agent"}});
    world.api.post(NUMBERS, number(OUR_NUMBER)).await?.data()?;
    let json = ("content-type", "application/json");
    let text = |body: Value| body.to_string().into_bytes();
    let unknown = format!("{CALLS}/call_01h455vb4pex5vsknk084sn02q/hangup");
    for (what, api, path, kind, body, status) in [
        ("no such number", &world.api, CALLS, json, text(json!({"to": "nobody"})), 422),
        ("a field too many", &world.api, CALLS, json, text(json!({"to": "+12025550161", "x": 1})), 422),
        ("no JSON", &world.api, CALLS, json, b"{\"to\": ".to_vec(), 400),
        ("another kind", &world.api, CALLS, ("content-type", "text/plain"), text(order()), 415),
        ("too long", &world.api, CALLS, json, vec![b' '; (1 << 20) + 1], 413),
        ("no right", &reader, CALLS, json, text(order()), 403),
        ("no such call", &world.api, &unknown, json, Vec::new(), 404),
        ("it is taken", &world.api, NUMBERS, json, text(number(OUR_NUMBER)), 409),
    ] {
        let before = world.api.list_all(CALLS).await?.len();
        let headers = [("idempotency-key", what), kind].map(|(name, value)| (name, value.replace(' ', "-")));
        let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        for _ in 0..2 {
            let refused = api.send("POST", path, &headers, Some(body.clone())).await?;
            ensure!(refused.status == status && !replayed(&refused), "{what}: {}", refused.body);
        }
        let key = what.replace(' ', "-");
        let placed = world.api.post_once(CALLS, &key, &order()).await?;
        ensure!(placed.status == 201 && !replayed(&placed), "{what}: {}", placed.body);
        let again = world.api.post_once(CALLS, &key, &order()).await?;
        ensure!(replayed(&again) && again.bytes == placed.bytes, "{what}");
        ensure!(world.api.list_all(CALLS).await?.len() == before + 1, "{what}");
    }
    world.close().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_outlive_the_node_and_another_clients_same_key_is_another_key() -> Result<()> {
    let mut world = World::start().await?;
    let first = world.api.post_once(CALLS, "k", &order()).await?;
    ensure!(world.node.terminate()?.success());
    let created = crate::cli::run::voxledger(&["client", "create", "Acme", "--json"], &world.node.options)?;
    let created: Value = serde_json::from_str(&created.succeeded().out)?;
    tokio::task::block_in_place(|| world.node.resume())?;
    let again = world.api.post_once(CALLS, "k", &order()).await?;
    ensure!(replayed(&again) && again.bytes == first.bytes);

    let theirs = world.api.with_key(created["plain_key"].as_str());
    let other = theirs.post_once(CALLS, "k", &order()).await?;
    ensure!(other.status == 201 && !replayed(&other) && id(&other) != id(&first));
    ensure!(theirs.list_all(CALLS).await?.len() == 1 && world.api.list_all(CALLS).await?.len() == 1);
    world.close().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_died_between_the_work_and_its_answer_does_not_do_it_twice() -> Result<()> {
    let mut world = World::start().await?;
    let number = json!({"number": OUR_NUMBER, "route": {"type": "agent"}});
    let call = world.api.post_once(CALLS, "call", &order()).await?;
    let taken = world.api.post_once(NUMBERS, "number", &number).await?;
    let hangup = format!("{CALLS}/{}/hangup", id(&call));
    let hung_up = world.api.post_once(&hangup, "hangup", &Value::Null).await?;
    ensure!((call.status, taken.status, hung_up.status) == (201, 201, 202), "{}", hung_up.body);
    let (terms, person) = (
        json!({"name": "office", "scopes": ["calls:read"]}),
        json!({
            "email": "ann@example.com", "password": "correct horse battery", "role": "viewer",
        }),
    );
    let made = world.api.post_once(API_KEYS, "key", &terms).await?;
    let added = world.api.post_once(USERS, "user", &person).await?;
    ensure!((made.status, added.status) == (201, 201), "{} {}", made.body, added.body);
    let plain_key = made.body["data"]["plain_key"].as_str().context("a key")?.to_owned();
    tokio::task::block_in_place(|| world.node.kill())?;

    let file = SqliteConnectOptions::new().filename(world.data_dir().join("keys.db"));
    let mut keys = file.connect().await?;
    let kept: Vec<(Vec<u8>, Vec<u8>)> =
        sqlx::query_as("SELECT key_hash, answer FROM idempotency_keys").fetch_all(&mut keys).await?;
    ensure!(kept.len() == 5);
    for secret in ["+12025550161", OUR_NUMBER, "A-7", "hangup", &plain_key, "ann@"] {
        let shows = |bytes: &[u8]| bytes.windows(secret.len()).any(|part| part == secret.as_bytes());
        ensure!(
            !kept.iter().any(|(key, answer)| shows(key) || shows(answer)),
            "{secret} stands there plainly"
        );
    }
    // as if the node had not come to keep them; it is alone on its files, so it need not wait for the locks
    let held = "UPDATE idempotency_keys SET answer = NULL, sealed_under = NULL";
    ensure!(sqlx::query(held).execute(&mut keys).await?.rows_affected() == 5);
    keys.close().await?;
    tokio::task::block_in_place(|| world.node.resume())?;

    for (path, key, body, first) in [
        (CALLS, "call", order(), &call),
        (NUMBERS, "number", number, &taken),
        (hangup.as_str(), "hangup", Value::Null, &hung_up),
        (API_KEYS, "key", terms, &made),
        (USERS, "user", person, &added),
    ] {
        let again = world.api.post_once(path, key, &body).await?;
        ensure!((again.status, id(&again)) == (first.status, id(first)), "{key}: {}", again.body);
        ensure!(!replayed(&again) && again.body["data"]["plain_key"] == first.body["data"]["plain_key"]);
        let third = world.api.post_once(path, key, &body).await?;
        ensure!(replayed(&third) && third.bytes == again.bytes);
    }
    ensure!(world.api.list_all(CALLS).await?.len() == 1 && world.api.list_all(NUMBERS).await?.len() == 1);
    // the bootstrap's key and this one
    ensure!(world.api.list_all(API_KEYS).await?.len() == 2 && world.api.list_all(USERS).await?.len() == 1);
    ensure!(world.api.with_key(Some(&plain_key)).get(CALLS).await?.status == 200);
    let events = world.api.list_all(&format!("{CALLS}/{}/events", id(&call))).await?;
    for kind in ["call.queued", "call.hangup_requested"] {
        ensure!(events.iter().filter(|event| event["type"] == kind).count() <= 1, "{events:?}");
    }
    let events = world.api.list_all(&format!("{NUMBERS}/{}/events", id(&taken))).await?;
    ensure!(events.len() == 1);
    let ledger = world.close().await?;
    ensure!(ledger.commands_named("dial").count() <= 1);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn killed_with_requests_under_way_the_node_places_one_call_for_each_key() -> Result<()> {
    const EACH: usize = 24;
    let mut world = World::start().await?;
    let mut dice = SeededRandom::new(20_260_105);
    let order = order();
    for round in 0..4_usize {
        let keys: Vec<_> = (0..EACH).map(|n| format!("{round}-{n}")).collect();
        let mut under_way: FuturesUnordered<_> = keys
            .iter()
            .enumerate()
            .map(|(n, key)| {
                let (api, order) = (&world.api, &order);
                async move { (n, api.post_once(CALLS, key, order).await) }
            })
            .collect();
        let mut answered: Vec<Option<Answer>> = (0..EACH).map(|_| None).collect();
        for _ in 0..dice.roll(1..EACH as u64) {
            let (n, answer) = under_way.next().await.context("an answer")?;
            answered[n] = Some(answer?);
        }
        tokio::task::block_in_place(|| world.node.kill())?;
        while let Some((n, answer)) = under_way.next().await {
            answered[n] = answer.ok();
        }
        drop(under_way);
        tokio::task::block_in_place(|| world.node.resume())?;
        for (key, first) in keys.iter().zip(&answered) {
            let again = insist(&world.api, CALLS, key, &order).await?;
            ensure!(again.status == 201, "{}", again.body);
            if let Some(first) = first {
                ensure!(first.status == 201 && replayed(&again) && again.bytes == first.bytes);
            }
        }
        let calls = world.api.list_all(CALLS).await?.len();
        ensure!(calls == EACH * (round + 1), "{calls} calls after round {round}");
    }
    world.close().await?;
    Ok(())
}

async fn change(database: &SecretUrl, sql: &'static str) -> Result<u64> {
    let mut keys = database.options()?.connect().await?;
    let changed = sqlx::query(sql).execute(&mut keys).await?.rows_affected();
    keys.close().await?;
    Ok(changed)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_nodes_on_one_server_share_their_keys_and_one_takes_over_from_the_other() -> Result<()> {
    let database = Cluster::shared().database().await;
    let mut pair = Installation::start(&address_of(&database)?, &UNREACHABLE_CARRIER)?;
    let order = order();
    let asking = (0..200).map(|n| pair.apis[n % 2].post_once(CALLS, "k", &order));
    let answers = try_join_all(asking).await?;
    let placed: Vec<_> = answers.iter().filter(|answer| !in_progress(answer)).collect();
    ensure!(placed.iter().all(|answer| answer.status == 201 && answer.bytes == placed[0].bytes));
    ensure!(placed.iter().filter(|answer| !replayed(answer)).count() == 1);
    for api in &pair.apis {
        let again = api.post_once(CALLS, "k", &order).await?;
        ensure!(replayed(&again) && again.bytes == placed[0].bytes);
        let other = api.post_once(CALLS, "k", &json!({"to": "+12025550162"})).await?;
        ensure!(other.code() == "idempotency_key_reused");
    }
    ensure!(pair.apis[1].list_all(CALLS).await?.len() == 1);

    // the first node dies over a call that it has placed and a number it has taken
    let number = json!({"number": OUR_NUMBER, "route": {"type": "agent"}});
    let call = pair.apis[0].post_once(CALLS, "call", &order).await?;
    let taken = pair.apis[0].post_once(NUMBERS, "number", &number).await?;
    tokio::task::block_in_place(|| pair.nodes[0].kill())?;
    let locked = "UPDATE idempotency_keys SET answer = NULL, sealed_under = NULL";
    ensure!(change(&database, locked).await? == 3);
    // the server knows that its holder is dead: nobody waits until the reservation ends
    let second = &pair.apis[1];
    let again = second.post_once(CALLS, "call", &order).await?;
    ensure!((again.status, id(&again)) == (201, id(&call)), "{}", again.body);
    let again = second.post_once(NUMBERS, "number", &number).await?;
    ensure!((again.status, id(&again)) == (201, id(&taken)), "{}", again.body);
    ensure!(second.list_all(CALLS).await?.len() == 2 && second.list_all(NUMBERS).await?.len() == 1);

    // a node that starts beside another one gives nobody's reservation back
    change(&database, "UPDATE idempotency_keys SET answer = NULL, sealed_under = NULL").await?;
    tokio::task::block_in_place(|| pair.nodes[0].resume())?;
    ensure!(in_progress(&pair.apis[0].post_once(CALLS, "call", &order).await?));
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_a_stopping_node_still_works_on_is_nobody_elses() -> Result<()> {
    let receiver = Receiver::start(|_| Answers::Never).await?;
    let database = Cluster::shared().database().await;
    let settings = [
        ("WEBHOOKS_ALLOW_PRIVATE", "true"),
        ("WEBHOOKS_TIMEOUT_MS", "6000"),
        ("HTTP_SHUTDOWN_GRACE_MS", "20000"),
    ];
    let mut pair = Installation::start(&address_of(&database)?, &settings)?;
    let hook = json!({"url": receiver.url, "events": ["credits.*"]});
    let hook = pair.apis[0].post("/api/v1/webhooks", hook).await?.data()?;
    let test = format!("/api/v1/webhooks/{}/test", hook["id"].as_str().context("an id")?);
    let mut stream = Stream::of(pair.apis[0].open("/api/v1/calls/stream", &[]).await?);
    ensure!(stream.next().await?.context("hello")?.name == "ready");
    let (first, path) = (pair.apis[0].clone(), test.clone());
    let under_way = tokio::spawn(async move { first.post_once(&path, "k", &json!({})).await });
    until("the endpoint to be asked", SOON, async || Ok((receiver.count() == 1).then_some(()))).await?;
    pair.nodes[0].server()?.ask_to_stop()?;
    // streams end once the node stops; its requests may still take their time
    while stream.next().await?.is_some() {}
    for _ in 0..50 {
        let asked = pair.apis[1].post_once(&test, "k", &json!({})).await?;
        ensure!(in_progress(&asked), "{} {}", asked.status, asked.body);
    }
    let done = under_way.await??;
    ensure!(done.status == 200, "{} {}", done.status, done.body);
    let again = pair.apis[1].post_once(&test, "k", &json!({})).await?;
    ensure!(replayed(&again) && again.bytes == done.bytes, "{}", again.body);
    ensure!(receiver.count() == 1, "the endpoint was asked twice");
    ensure!(tokio::task::block_in_place(|| pair.nodes[0].terminate())?.success());
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn without_the_key_store_a_request_with_a_key_is_503_and_others_go_on() -> Result<()> {
    let cluster = tokio::task::block_in_place(Cluster::start);
    let url = address_of(&cluster.database().await)?;
    let world = World::with(|plan| plan.options = plan.options.clone().set("KEY_STORE", &url)).await?;
    let first = world.api.post_once(CALLS, "k", &order()).await?;
    ensure!(first.status == 201, "{}", first.body);
    tokio::task::block_in_place(|| cluster.kill());
    for key in ["k", "l"] {
        let refused = world.api.post_once(CALLS, key, &order()).await?;
        ensure!((refused.status, refused.code()) == (503, "unavailable"), "{}", refused.body);
        ensure!(refused.header("retry-after").is_some());
    }
    ensure!(world.api.post(CALLS, order()).await?.status == 201);
    tokio::task::block_in_place(|| cluster.resume());
    let again = until("the key store to be back", SOON, async || {
        let again = world.api.post_once(CALLS, "k", &order()).await?;
        Ok((again.status != 503).then_some(again))
    })
    .await?;
    ensure!(replayed(&again) && again.bytes == first.bytes);
    ensure!(world.api.list_all(CALLS).await?.len() == 2);
    world.close().await?;
    Ok(())
}
