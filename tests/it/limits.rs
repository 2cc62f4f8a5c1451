//! Rates and quotas of keys, clients and logins, as who runs into them sees them.

use adapters::testing::postgres::Cluster;
use anyhow::{Context, Result};
use futures::future::try_join_all;
use serde_json::{Value, json};
use sqlx::{Connection as _, SqliteConnection};
use tests::client::{Answer, Api};
use tests::installation::Installation;
use tests::until::{SOON, until};
use tests::world::World;

use crate::crash::address_of;

const CALLS: &str = "/api/v1/calls";
const CLIENTS: &str = "/api/v1/auth/clients";
const KEYS: &str = "/api/v1/auth/api-keys";
const ME: &str = "/api/v1/auth/me";
const LOGIN: &str = "/api/v1/auth/login";

fn text<'a>(value: &'a Value, field: &str) -> Result<&'a str> {
    value[field].as_str().with_context(|| format!("no {field} in {value}"))
}

/// A key with these terms beside its name, and where it is.
async fn key_with(api: &Api, mut terms: Value) -> Result<(Api, String)> {
    terms["name"] = json!("k");
    terms["scopes"] = json!(["*"]);
    let made = api.post(KEYS, terms).await?.data()?;
    Ok((api.with_key(Some(text(&made, "plain_key")?)), format!("{KEYS}/{}", text(&made, "id")?)))
}

/// A client of its own, its owner's key, and where it is.
async fn client(world: &World) -> Result<(Api, String)> {
    let made = world.api.post(CLIENTS, json!({"name": "Another"})).await?.data()?;
    let api = world.api.with_key(Some(text(&made, "plain_key")?));
    Ok((api, format!("{CLIENTS}/{}", text(&made, "id")?)))
}

fn order() -> Value {
    json!({"to": "+12025550161"})
}

fn number(answer: &Answer, header: &str) -> Result<u64> {
    let value = answer.header(header).with_context(|| format!("no {header} with {}", answer.status))?;
    Ok(value.parse()?)
}

/// `RateLimit-Limit`, `-Remaining` and `-Reset`.
fn standing(answer: &Answer) -> Result<(u64, u64, u64)> {
    let header = |name| number(answer, name);
    Ok((header("ratelimit-limit")?, header("ratelimit-remaining")?, header("ratelimit-reset")?))
}

fn refused(answer: &Answer, code: &str) -> bool {
    (answer.status, answer.code()) == (429, code)
}

/// Asks for what is not there, which takes no store to answer, until a request is refused; answers how many were not, and the refusal.
async fn exhaust(api: &Api, most: usize) -> Result<(usize, Answer)> {
    for admitted in 0..=most {
        let answer = api.get("/api/v1/calls/nonsense").await?;
        if answer.status == 429 {
            return Ok((admitted, answer));
        }
    }
    anyhow::bail!("{most} requests and none was refused")
}

async fn metric(api: &Api, name: &str) -> Result<u64> {
    let metrics = api.get("/metrics").await?.body;
    let lines = metrics.as_str().context("text")?.lines();
    let value = lines.filter_map(|line| line.strip_prefix(name)).next();
    Ok(value.map_or("0", str::trim).parse()?)
}

/// Waits until an exchange of rates has begun after now and ended.
async fn exchanged(api: &Api) -> Result<()> {
    const TOLD: &str = r#"voxledger_limit_exchanges_total{outcome="told"}"#;
    let before = metric(api, TOLD).await?;
    until("an exchange of rates", SOON, async || Ok((metric(api, TOLD).await? >= before + 2).then_some(())))
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_may_send_its_hour_at_once_and_is_told_when_the_next_one_is_taken() -> Result<()> {
    let world = World::start().await?;
    let (key, path) = key_with(&world.api, json!({"rate_limit": 3})).await?;
    for remaining in [2, 1, 0] {
        let answer = key.get(ME).await?;
        assert_eq!(answer.status, 200);
        let (limit, left, reset) = standing(&answer)?;
        assert_eq!((limit, left), (3, remaining));
        let used = (3 - remaining) * 1_200;
        assert!((used - 60..=used).contains(&reset), "{reset} after {used}");
    }
    // whatever is asked and whatever its fault: only who sends it counts
    for path in [ME, "/api/v1/calls/nonsense", "/api/v1/calls?limit=0"] {
        let answer = key.get(path).await?;
        assert!(refused(&answer, "rate_limited"), "{path}: {}", answer.body);
        assert_eq!(answer.header("content-type"), Some("application/problem+json"));
        assert_eq!(standing(&answer)?.0, 3);
        assert!((1_000..=1_200).contains(&number(&answer, "retry-after")?));
    }
    // an answer that is given again counts once more
    let (twice, _) = key_with(&world.api, json!({"rate_limit": 2})).await?;
    for (remaining, replayed) in [(1, None), (0, Some("true"))] {
        let answer = twice.post_once(CALLS, "once", &order()).await?;
        assert_eq!((standing(&answer)?.1, answer.header("idempotent-replayed")), (remaining, replayed));
    }
    assert!(refused(&twice.post_once(CALLS, "once", &order()).await?, "rate_limited"));
    // others of the client go on, and what is not authenticated has no limits to be told
    assert_eq!(world.api.get(ME).await?.status, 200);
    assert_eq!(world.api.get("/healthz").await?.header("ratelimit-limit"), None);
    world.api.patch(&path, None, json!({"rate_limit": null})).await?.data()?;
    let answer = key.get(ME).await?;
    assert!(answer.status == 200 || refused(&answer, "rate_limited"));
    let refusals = metric(&world.api, r#"voxledger_limit_refusals_total{limit="key_rate"}"#).await?;
    assert!((4..=5).contains(&refusals), "{refusals}");
    world.close().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clients_limit_counts_all_its_keys_and_nobody_elses() -> Result<()> {
    let world = World::start().await?;
    let (owner, path) = client(&world).await?;
    let (other, _) = key_with(&owner, json!({})).await?;
    let answer = world.api.patch(&path, Some(1), json!({"limits": {"requests_per_minute": 3}})).await?;
    assert_eq!((answer.status, answer.header("etag")), (200, Some("\"2\"")), "{}", answer.body);
    assert!(answer.body["meta"]["position"].is_u64());
    let limits = json!({"requests_per_minute": 3, "calls_per_day": null, "concurrent_calls": null,
        "storage_bytes": null});
    assert_eq!(answer.data()?["limits"], limits);
    // what was spent of the old limit may be as much as one request of the new one
    for api in [&owner, &other] {
        assert_eq!(api.get(ME).await?.status, 200);
    }
    assert!(exhaust(&other, 1).await?.0 <= 1);
    for api in [&owner, &other] {
        let answer = api.get(ME).await?;
        assert!(refused(&answer, "rate_limited"), "{}", answer.body);
        assert!((1..=60).contains(&number(&answer, "retry-after")?));
    }
    assert_eq!(world.api.get(ME).await?.status, 200);
    world.close().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_platforms_administrator_changes_a_client() -> Result<()> {
    let world = World::start().await?;
    let (owner, path) = client(&world).await?;
    let (_, stranger) = client(&world).await?;
    let a_call = json!({"limits": {"calls_per_day": 1}});
    let own = owner.patch(&path, None, a_call.clone()).await?;
    assert_eq!((own.status, own.code()), (403, "platform_only"));
    assert_eq!(owner.patch(&stranger, None, a_call.clone()).await?.status, 404);
    let unknown = format!("{CLIENTS}/cli_01je7pmavwfmf8m00000000002");
    assert_eq!(world.api.patch(&unknown, None, a_call.clone()).await?.status, 404);
    for (body, field) in [
        (json!({"name": " "}), "name"),
        (json!({"limits": {"requests_per_minute": 0}}), "limits.requests_per_minute"),
        (json!({"limits": {"calls_per_day": -1}}), "limits.calls_per_day"),
        (json!({"limits": {"color": 1}}), "limits.color"),
    ] {
        let answer = world.api.patch(&path, None, body.clone()).await?;
        assert_eq!((answer.status, &answer.body["errors"][0]["field"]), (422, &json!(field)), "{body}");
    }
    world.api.patch(&path, Some(1), a_call.clone()).await?.data()?;
    assert_eq!(world.api.patch(&path, Some(1), a_call).await?.status, 412);
    // what is not named stays, `null` lifts
    let both = json!({"name": "Example Travels", "limits": {"concurrent_calls": 3}});
    let changed = world.api.patch(&path, Some(2), both).await?.data()?;
    assert_eq!((&changed["name"], &changed["version"]), (&json!("Example Travels"), &json!(4)));
    assert_eq!(changed["limits"]["calls_per_day"], 1);
    world.api.patch(&path, None, json!({"limits": {"calls_per_day": null}})).await?.data()?;

    let now = owner.get(&path).await?;
    assert_eq!(now.header("etag"), Some("\"5\""));
    assert_eq!(now.data()?["limits"]["calls_per_day"], Value::Null);
    let before = owner.get(&format!("{path}?version=4")).await?.data()?;
    assert_eq!(before["limits"]["calls_per_day"], 1);
    let events = owner.list_all(&format!("{path}/events")).await?;
    let types: Vec<_> = events.iter().filter_map(|event| event["type"].as_str()).collect();
    let (renamed, limited) = ("client.renamed", "client.limits_changed");
    assert_eq!(types, ["client.created", limited, renamed, limited, limited]);
    let told = owner.list_all("/api/v1/audit/log?action=CLIENT_LIMITS_CHANGED&order=asc").await?;
    assert_eq!((told.len(), &told[0]["after"]), (3, &json!({"calls_per_day": 1})));
    world.close().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn logins_are_throttled_by_address_and_email_together_so_that_nobody_is_locked_out_from_elsewhere()
-> Result<()> {
    let world = World::with(|plan| {
        plan.options =
            plan.options.clone().set("LIMITS_LOGINS_PER_MINUTE", "2").set("HTTP_TRUSTED_PROXIES", "1");
    })
    .await?;
    let ann = json!({"email": "ann@example.com", "password": "correct horse battery", "role": "viewer"});
    world.api.post("/api/v1/auth/users", ann).await?.data()?;
    let nobody = world.api.with_key(None);
    let attempt = async |email: &str, password: &str, from: &str| {
        let body = json!({"email": email, "password": password}).to_string().into_bytes();
        nobody.send("POST", LOGIN, &[("x-forwarded-for", from)], Some(body)).await
    };
    let (right, wrong) = ("correct horse battery", "wrong horse battery");
    for _ in 0..2 {
        let first = attempt("ann@example.com", wrong, "203.0.113.1").await?;
        assert_eq!((first.status, first.code()), (401, "invalid_credentials"));
    }
    // however the address is written, and whether the password is right or not
    let answer = attempt("Ann@Example.com", right, "203.0.113.1").await?;
    assert!(refused(&answer, "rate_limited"), "{}", answer.body);
    assert!((1..=60).contains(&number(&answer, "retry-after")?));
    // she herself, elsewhere, gets in; and others from there are told apart
    assert_eq!(attempt("ann@example.com", right, "203.0.113.2").await?.status, 200);
    assert_eq!(attempt("bob@example.com", wrong, "203.0.113.1").await?.code(), "invalid_credentials");
    // nobody learns from it who is a user here
    for _ in 0..2 {
        assert_eq!(attempt("cy@example.com", wrong, "203.0.113.3").await?.status, 401);
    }
    assert!(refused(&attempt("cy@example.com", wrong, "203.0.113.3").await?, "rate_limited"));
    // many addresses together are held back too, and spare where she signed in
    let mut taken = 0;
    for n in 0..40 {
        let answer = attempt("ann@example.com", wrong, &format!("198.51.100.{n}")).await?;
        taken += u32::from(answer.status == 401);
    }
    assert!((10..=25).contains(&taken), "{taken} of 40 guesses were taken");
    assert_eq!(attempt("ann@example.com", right, "203.0.113.2").await?.status, 200);
    world.close().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clients_calls_of_a_day_are_counted_to_the_one_also_in_parallel_and_after_a_restart() -> Result<()>
{
    let mut world = World::start().await?;
    let (owner, path) = client(&world).await?;
    world.api.patch(&path, None, json!({"limits": {"calls_per_day": 5}})).await?.data()?;
    let answers = try_join_all((0..20).map(|_| owner.post(CALLS, order()))).await?;
    assert_eq!(answers.iter().filter(|answer| answer.status == 201).count(), 5);
    let spent = answers.iter().filter(|answer| refused(answer, "quota_exhausted"));
    let waits: Vec<_> = spent.map(|answer| number(answer, "retry-after")).collect::<Result<_>>()?;
    assert!(waits.len() == 15 && waits.iter().all(|wait| (1..=86_400).contains(wait)), "{waits:?}");
    assert_eq!(owner.list_all(CALLS).await?.len(), 5);
    world.node.kill()?;
    world.node.resume()?;
    let answer = owner.post(CALLS, order()).await?;
    assert!(refused(&answer, "quota_exhausted"), "{}", answer.body);
    assert!(text(&answer.body, "detail")?.contains("calls_per_day"));
    // others may, and so may it once there is more
    assert_eq!(world.api.post(CALLS, order()).await?.status, 201);
    world.api.patch(&path, None, json!({"limits": {"calls_per_day": 6}})).await?.data()?;
    assert_eq!(owner.post(CALLS, order()).await?.status, 201);
    assert!(refused(&owner.post(CALLS, order()).await?, "quota_exhausted"));
    world.close().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_ends_makes_room_for_another() -> Result<()> {
    let world = World::start().await?;
    let (owner, path) = client(&world).await?;
    world.api.patch(&path, None, json!({"limits": {"concurrent_calls": 1}})).await?.data()?;
    let place = async || owner.post(CALLS, order()).await;
    let call = owner.post_once(CALLS, "first", &order()).await?.data()?;
    let call = format!("{CALLS}/{}", text(&call, "id")?);
    let in_progress = async || Ok((owner.get(&call).await?.data()?["status"] == "in_progress").then_some(()));
    until("the call to be answered", SOON, in_progress).await?;
    let answer = place().await?;
    assert!(refused(&answer, "quota_exhausted"), "{}", answer.body);
    assert!(text(&answer.body, "detail")?.contains("concurrent_calls"));
    assert_eq!(number(&answer, "retry-after")?, 1);
    owner.post(&format!("{call}/hangup"), Value::Null).await?.data()?;
    let placed = async || {
        let answer = place().await?;
        Ok((!refused(&answer, "quota_exhausted")).then_some(answer))
    };
    assert_eq!(until("room for another call", SOON, placed).await?.status, 201);
    world.close().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_whose_storage_is_full_places_no_call() -> Result<()> {
    let mut world = World::start().await?;
    let (owner, path) = client(&world).await?;
    let call = owner.post(CALLS, order()).await?.data()?;
    let limit = async |bytes: Value| {
        world.api.patch(&path, None, json!({"limits": {"storage_bytes": bytes}})).await?.data()
    };
    limit(json!(call.to_string().len() / 2)).await?;
    let answer = owner.post(CALLS, order()).await?;
    assert!(refused(&answer, "quota_exhausted"), "{}", answer.body);
    assert!(text(&answer.body, "detail")?.contains("storage_bytes"));
    limit(json!(1_000_000)).await?;
    assert_eq!(owner.post(CALLS, order()).await?.status, 201);
    limit(json!(1)).await?;
    world.node.kill()?;
    world.node.resume()?;
    assert!(refused(&owner.post(CALLS, order()).await?, "quota_exhausted"));
    world.close().await?;
    Ok(())
}

/// What the log says of the use of keys: events, and requests in them.
async fn written(world: &World) -> Result<Vec<(String, i64)>> {
    let file = format!("sqlite:{}?mode=ro", world.data_dir().join("events.db").display());
    let mut log = SqliteConnection::connect(&file).await?;
    let count = "SELECT stream, count(*) FROM events WHERE type = 'api_key.used' GROUP BY stream";
    let counts = sqlx::query_as(count).fetch_all(&mut log).await?;
    log.close().await?;
    Ok(counts)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_keys_quota_outlives_restarts_and_a_key_is_one_event_a_flush() -> Result<()> {
    let mut world = World::start().await?;
    let (key, path) = key_with(&world.api, json!({"usage_quota": 40})).await?;
    for _ in 0..30 {
        assert_eq!(key.get(ME).await?.status, 200);
    }
    assert!(world.node.terminate()?.success());
    let events = written(&world).await?;
    // the bootstrap's key, and this one: at most one more each, should the start have been slow
    assert!(events.len() == 2 && events.iter().all(|(_, events)| *events <= 2), "{events:?}");
    world.node.resume()?;
    let (admitted, answer) = exhaust(&key, 40).await?;
    assert_eq!((admitted, answer.code()), (10, "quota_exhausted"));
    assert_eq!(number(&answer, "retry-after")?, 3_600);
    assert!(world.node.terminate()?.success());
    world.node.resume()?;
    assert_eq!(exhaust(&key, 40).await?.0, 0);
    // what was refused was not counted
    let stats = world.api.get(&format!("{path}/stats")).await?.data()?;
    assert_eq!((&stats["usage_count"], &stats["quota_remaining"]), (&json!(40), &json!(0)));
    world.api.patch(&path, None, json!({"usage_quota": 43})).await?.data()?;
    assert_eq!(exhaust(&key, 40).await?.0, 3);
    world.close().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_loses_no_use_that_was_flushed() -> Result<()> {
    let flush = |plan: &mut tests::world::Plan| {
        plan.options = plan.options.clone().set("LIMITS_USAGE_FLUSH_MS", "20");
    };
    let mut world = World::with(flush).await?;
    let (key, path) = key_with(&world.api, json!({"usage_quota": 10})).await?;
    for _ in 0..6 {
        assert_eq!(key.get(ME).await?.status, 200);
    }
    let flushed = async || Ok((world.api.get(&path).await?.data()?["usage_count"] == 6).then_some(()));
    until("the use to be written", SOON, flushed).await?;
    world.node.kill()?;
    world.node.resume()?;
    assert_eq!(exhaust(&key, 10).await?.0, 4);
    world.close().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_nodes_on_one_database_share_limits_and_without_it_each_holds_its_own() -> Result<()> {
    let cluster = tokio::task::block_in_place(Cluster::start);
    let url = address_of(&cluster.database().await)?;
    let pair = Installation::start(&url, &[("LIMITS_LOGINS_PER_MINUTE", "1")])?;
    let [a, b] = &pair.apis;
    let (key, _) = key_with(a, json!({"rate_limit": 60})).await?;
    let there = |api: &Api| api.with_key(key.key());
    // known on the other node, too, before it counts
    until("the key on the other node", SOON, async || {
        Ok((there(b).get(ME).await?.status == 200).then_some(()))
    })
    .await?;
    for _ in 0..40 {
        assert_eq!(there(a).get(ME).await?.status, 200);
    }
    // the one tells, then the other learns
    exchanged(a).await?;
    exchanged(b).await?;
    let (admitted, answer) = exhaust(&there(b), 60).await?;
    assert!(refused(&answer, "rate_limited"), "{}", answer.body);
    // 41 of 60 were spent, and one comes back with every minute
    assert!((18..=20).contains(&admitted), "{admitted}");
    exchanged(b).await?;
    exchanged(a).await?;
    assert!(exhaust(&there(a), 60).await?.0 <= 1);

    // logins alike
    let body = json!({"email": "ann@example.com", "password": "whatever it is"});
    assert_eq!(a.with_key(None).post(LOGIN, body.clone()).await?.status, 401);
    exchanged(a).await?;
    exchanged(b).await?;
    assert!(refused(&b.with_key(None).post(LOGIN, body).await?, "rate_limited"));

    let (key, _) = key_with(a, json!({"rate_limit": 20})).await?;
    tokio::task::block_in_place(|| cluster.stop());
    let (admitted, answer) = exhaust(&key, 30).await?;
    assert!(refused(&answer, "rate_limited") && (20..=21).contains(&admitted), "{admitted}");
    tokio::task::block_in_place(|| cluster.resume());
    pair.stop()
}
