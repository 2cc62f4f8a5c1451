//! Webhooks to clients, from a call's event to a receiver on this machine and back through the API.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use tests::receiver::{Answers, Received, Receiver};
use tests::until::{SOON, until};
use tests::webhook::{Leg, rfc3339, unix_now};
use tests::world::World;

const OK: Answers = Answers::Status(200, "");

/// A node that delivers to this machine, and tries again soon.
async fn world() -> Result<World> {
    world_with(|options| options).await
}

async fn world_with(
    change: impl FnOnce(tests::server::ServerOptions) -> tests::server::ServerOptions,
) -> Result<World> {
    World::with(|plan| {
        let options = plan.options.clone().set("WEBHOOKS_ALLOW_PRIVATE", "true");
        plan.options = change(options.set("WEBHOOKS_RETRY_SCHEDULE", "50ms,100ms,200ms,400ms"));
    })
    .await
}

fn text<'v>(value: &'v Value, field: &str) -> &'v str {
    value[field].as_str().unwrap_or_default()
}

async fn create(world: &World, body: Value) -> Result<Value> {
    world.api.post("/api/v1/webhooks", body).await?.data()
}

/// A call that comes in and is hung up: `call.started`, and `call.failed` or `call.ended`.
async fn call(world: &World, number: u64) -> Result<()> {
    let mut leg = Leg::inbound(number);
    for event in [leg.initiated(&rfc3339(unix_now())), leg.hangup(&rfc3339(unix_now()))] {
        let answer = world.api.webhook(&event).await?;
        ensure!(answer.status == 200, "{}", answer.body);
    }
    Ok(())
}

async fn receives(receiver: &Receiver, count: usize) -> Result<Vec<Received>> {
    until(&format!("{count} webhooks"), SOON, async || {
        let received = receiver.received();
        Ok((received.len() >= count).then_some(received))
    })
    .await
}

/// The endpoint's deliveries, once all of at least `count` have come to an end.
async fn delivered(world: &World, id: &str, count: usize) -> Result<Vec<Value>> {
    until("the deliveries to end", SOON, async || {
        let all = world.api.list_all(&format!("/api/v1/webhooks/{id}/deliveries?order=asc")).await?;
        let over = all.iter().all(|delivery| delivery["status"] != "pending");
        Ok((all.len() >= count && over).then_some(all))
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_is_created_read_changed_and_removed_and_its_secret_shown_once() -> Result<()> {
    let world = world().await?;
    let body = json!({"url": "https://example.com/hooks#x", "events": ["call.*"], "description": " mine ",
        "headers": {"X-Tenant": "7", "Authorization": "Bearer hidden"}, "ordering": "per_subject",
        "rate_limit_per_second": 5});
    let created = world.api.post("/api/v1/webhooks", body).await?;
    assert_eq!((created.status, created.header("etag")), (201, Some("\"1\"")), "{}", created.body);
    let path = created.header("location").context("a location")?.to_owned();
    let mut webhook = created.data()?;
    assert!(text(&webhook, "secret").starts_with("whsec_") && text(&webhook, "id").starts_with("whe_"));
    assert_eq!(webhook["headers"], json!({"x-tenant": "7", "authorization": "***"}));
    assert_eq!((text(&webhook, "url"), text(&webhook, "description")), ("https://example.com/hooks", "mine"));
    webhook.as_object_mut().context("an object")?.remove("secret");
    assert_eq!(world.api.get(&path).await?.data()?, webhook, "the secret is shown once");
    assert_eq!(world.api.list_all("/api/v1/webhooks").await?, [webhook.clone()]);

    let patch =
        json!({"description": null, "events": ["*"], "enabled": false, "rate_limit_per_second": null});
    let changed = world.api.patch(&path, Some(1), patch.clone()).await?;
    assert_eq!(changed.header("etag"), Some("\"2\""), "{}", changed.body);
    let changed = changed.data()?;
    assert_eq!(
        (&changed["description"], &changed["events"], &changed["enabled"]),
        (&Value::Null, &json!(["*"]), &json!(false))
    );
    assert_eq!(changed["headers"], webhook["headers"], "what is left out stays");
    assert_eq!(world.api.patch(&path, Some(1), patch).await?.status, 412);
    assert_eq!(world.api.get(&format!("{path}?version=1")).await?.data()?, webhook);
    let rotated =
        world.api.post(&format!("{path}/rotate-secret"), json!({"overlap_seconds": 60})).await?.data()?;
    assert!(text(&rotated, "secret").starts_with("whsec_"));
    assert_eq!(world.api.send("DELETE", &path, &[], None).await?.status, 204);
    assert_eq!(world.api.get(&path).await?.status, 404);
    let history = world.api.list_all(&format!("{path}/events")).await?;
    let types: Vec<_> = history.iter().map(|event| text(event, "type")).collect();
    assert_eq!(types, ["webhook.created", "webhook.updated", "webhook.secret_rotated", "webhook.deleted"]);
    ensure!(!serde_json::to_string(&history)?.contains("Bearer hidden"), "what is sealed is not in the log");
    let audit = world.api.list_all("/api/v1/audit/log?resource=webhook_endpoint&order=asc").await?;
    let actions: Vec<_> = audit.iter().map(|entry| text(entry, "action")).collect();
    assert_eq!(actions, ["WEBHOOK_CREATED", "WEBHOOK_UPDATED", "WEBHOOK_SECRET_ROTATED", "WEBHOOK_DELETED"]);
    world.close().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_calls_events_reach_the_endpoint_signed_and_can_be_pulled_as_the_same_bytes() -> Result<()> {
    let world = world().await?;
    let receiver = Receiver::start(|_| OK).await?;
    let body =
        json!({"url": format!("{}/a", receiver.url), "events": ["call.*"], "headers": {"X-Tenant": "7"}});
    let webhook = create(&world, body).await?;
    call(&world, 1).await?;
    let received = receives(&receiver, 2).await?;
    let verifier = standardwebhooks::Webhook::new(text(&webhook, "secret"))?;
    for webhook in &received {
        let mut headers = reqwest::header::HeaderMap::new();
        for (name, value) in &webhook.headers {
            headers.insert(name.parse::<reqwest::header::HeaderName>()?, value.parse()?);
        }
        verifier.verify(&webhook.body, &headers)?;
        let mut forged = webhook.body.clone();
        forged.push(b' ');
        ensure!(verifier.verify(&forged, &headers).is_err());
        assert_eq!(webhook.header("x-tenant"), "7");
        assert_eq!(webhook.header("content-type"), "application/json");
        let body = webhook.json()?;
        assert_eq!((text(&body, "id"), &body["subject"]["id"]), (webhook.id(), &body["data"]["id"]));
    }
    let mut events: Vec<Value> = received.iter().map(Received::json).collect::<Result<_>>()?;
    events.sort_by_key(|event| event["sequence"].as_u64());
    assert_eq!(text(&events[0], "type"), "call.started");
    ensure!(["call.ended", "call.failed"].contains(&text(&events[1], "type")), "{}", events[1]);
    // the resource is the one the API shows
    let call = events[1]["data"]["id"].as_str().context("an id")?;
    let shown =
        world.api.get(&format!("/api/v1/calls/{call}?version={}", events[1]["sequence"])).await?.data()?;
    assert_eq!(events[1]["data"], shown);

    let pulled = world.api.list_in_pages("/api/v1/events", 1).await?;
    assert_eq!(pulled, events);
    let after = world
        .api
        .get(&format!("/api/v1/events?after={}&types=call.*", text(&events[0], "id")))
        .await?
        .data()?;
    assert_eq!(after, json!([events[1]]));
    let none = world.api.get("/api/v1/events?types=credits.low").await?.data()?;
    assert_eq!(none, json!([]));
    assert_eq!(world.api.get("/api/v1/events?types=call.exploded").await?.status, 422);
    assert_eq!(world.api.get("/api/v1/events?after=evt_00000000000000000000000001").await?.status, 422);

    let id = text(&webhook, "id");
    let deliveries = delivered(&world, id, 2).await?;
    for (delivery, event) in deliveries.iter().zip(&events) {
        assert_eq!((text(delivery, "status"), &delivery["payload"]), ("succeeded", event));
        assert_eq!((&delivery["event_id"], &delivery["attempt_count"]), (&event["id"], &json!(1)));
        assert_eq!(delivery["attempts"][0]["response_body"], "ok");
        let path = format!("/api/v1/webhooks/deliveries/{}", text(delivery, "id"));
        assert_eq!(world.api.get(&path).await?.data()?, *delivery);
        let history = world.api.list_all(&format!("{path}/events")).await?;
        let types: Vec<_> = history.iter().map(|event| text(event, "type")).collect();
        assert_eq!(types, ["delivery.scheduled", "delivery.attempted"]);
    }
    let logs = world.api.list_all(&format!("/api/v1/webhooks/{id}/logs?success=true")).await?;
    assert_eq!(logs.len(), 2);
    ensure!(logs.iter().all(|log| log["status_code"] == 200 && log["delivered_at"].is_string()));
    world.close().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_fails_is_tried_again_with_the_same_id_and_bytes_until_it_succeeds_or_is_given_up() -> Result<()>
{
    let world = world().await?;
    let tries = AtomicU64::new(0);
    let receiver = Receiver::start(move |received| match received.path.as_str() {
        "/never" => Answers::Status(500, ""),
        _ if tries.fetch_add(1, Ordering::Relaxed) < 2 => Answers::Status(503, "retry-after: 1\r\n"),
        _ => OK,
    })
    .await?;
    let never =
        create(&world, json!({"url": format!("{}/never", receiver.url), "events": ["call.started"]})).await?;
    let third =
        create(&world, json!({"url": format!("{}/third", receiver.url), "events": ["call.started"]})).await?;
    call(&world, 1).await?;
    let given_up = delivered(&world, text(&never, "id"), 1).await?;
    assert_eq!((text(&given_up[0], "status"), &given_up[0]["attempt_count"]), ("failed", &json!(5)));
    let taken = delivered(&world, text(&third, "id"), 1).await?;
    assert_eq!((text(&taken[0], "status"), &taken[0]["attempt_count"]), ("succeeded", &json!(3)));
    let attempts = taken[0]["attempts"].as_array().context("attempts")?;
    let statuses: Vec<_> = attempts.iter().map(|attempt| attempt["status_code"].as_u64()).collect();
    assert_eq!(statuses, [Some(503), Some(503), Some(200)]);
    assert_eq!(
        (text(&attempts[0], "error"), &attempts[0]["response_headers"]["retry-after"]),
        ("status", &json!("1"))
    );
    let at = |attempt: &Value| chrono::DateTime::parse_from_rfc3339(text(attempt, "created_at"));
    ensure!(at(&attempts[1])? - at(&attempts[0])? >= chrono::TimeDelta::seconds(1), "Retry-After is kept");
    for path in ["/never", "/third"] {
        let received = receiver.at(path);
        ensure!(received.iter().all(|one| one.id() == received[0].id() && one.body == received[0].body));
    }
    assert_eq!((receiver.at("/never").len(), receiver.at("/third").len()), (5, 3));
    let metrics = world.api.with_key(None).get("/metrics").await?.body;
    let metrics = metrics.as_str().context("text")?;
    ensure!(metrics.contains("voxledger_webhook_attempts_total{outcome=\"status\"} 7"), "{metrics}");
    world.close().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_date_that_a_receiver_names_is_kept_whichever_form_it_has() -> Result<()> {
    let world = world().await?;
    let receiver = Receiver::start(|received| match received.path.as_str() {
        "/fixed" => Answers::Status(503, "retry-after: Tue, 31 Dec 2069 23:59:59 GMT\r\n"),
        "/850" => Answers::Status(503, "retry-after: Tuesday, 31-Dec-69 23:59:59 GMT\r\n"),
        _ => Answers::Status(503, "retry-after: Tue Dec 31 23:59:59 2069\r\n"),
    })
    .await?;
    let mut ids = Vec::new();
    for form in ["fixed", "850", "asctime"] {
        let url = format!("{}/{form}", receiver.url);
        ids.push(create(&world, json!({"url": url, "events": ["call.started"]})).await?["id"].clone());
    }
    call(&world, 1).await?;
    for id in ids {
        let path = format!("/api/v1/webhooks/{}/deliveries", id.as_str().context("an id")?);
        let due = until("an attempt", SOON, async || {
            let found = world.api.get(&path).await?.data()?;
            Ok(found[0]["next_attempt_at"]
                .as_str()
                .map(str::to_owned)
                .filter(|_| found[0]["attempt_count"] == 1))
        })
        .await?;
        let due = chrono::DateTime::parse_from_rfc3339(&due)?;
        let found = world.api.get(&path).await?.data()?;
        let begun = chrono::DateTime::parse_from_rfc3339(text(&found[0], "created_at"))?;
        ensure!(due - begun > chrono::TimeDelta::hours(23), "{due} is not a day after {begun}");
    }
    world.close().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_that_answers_410_is_disabled_and_one_that_hangs_delays_no_other() -> Result<()> {
    let world = world_with(|options| options.set("WEBHOOKS_TIMEOUT_MS", "60000")).await?;
    let receiver = Receiver::start(|received| match received.path.as_str() {
        "/gone" => Answers::Status(410, ""),
        "/hangs" => Answers::Never,
        _ => OK,
    })
    .await?;
    let mut ids = Vec::new();
    for path in ["gone", "hangs", "well"] {
        let body = json!({"url": format!("{}/{path}", receiver.url), "events": ["call.*"]});
        ids.push(text(&create(&world, body).await?, "id").to_owned());
    }
    for number in 0..10 {
        call(&world, number).await?;
    }
    let well = delivered(&world, &ids[2], 20).await?;
    ensure!(well.iter().all(|delivery| delivery["status"] == "succeeded"));
    let gone = until("the endpoint to be disabled", SOON, async || {
        let gone = world.api.get(&format!("/api/v1/webhooks/{}", ids[0])).await?.data()?;
        Ok((gone["enabled"] == false).then_some(gone))
    })
    .await?;
    assert_eq!(text(&gone, "disabled_reason"), "gone");
    let hanging =
        world.api.list_all(&format!("/api/v1/webhooks/{}/deliveries?status=pending", ids[1])).await?;
    assert_eq!(hanging.len(), 20);
    ensure!(receiver.at("/hangs").len() <= 2);
    // it stops although something hangs
    world.close().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn in_order_means_that_a_subjects_events_come_one_after_the_other() -> Result<()> {
    let world = world().await?;
    let tries = AtomicU64::new(0);
    // every third attempt fails
    let receiver = Receiver::start(move |_| match tries.fetch_add(1, Ordering::Relaxed) % 3 {
        0 => Answers::Status(500, ""),
        _ => OK,
    })
    .await?;
    let body = json!({"url": receiver.url, "events": ["call.*"], "ordering": "per_subject"});
    let webhook = create(&world, body).await?;
    for number in 0..8 {
        call(&world, number).await?;
    }
    let deliveries = delivered(&world, text(&webhook, "id"), 16).await?;
    ensure!(deliveries.iter().all(|delivery| delivery["status"] == "succeeded"));
    let mut last = std::collections::BTreeMap::new();
    for delivery in &deliveries {
        let attempts = delivery["attempts"].as_array().context("attempts")?;
        let (first, end) = (attempts.first().context("one")?, attempts.last().context("one")?);
        let subject = delivery["payload"]["subject"]["id"].to_string();
        let sequence = delivery["payload"]["sequence"].as_u64();
        if let Some((before, ended)) = last.insert(subject, (sequence, text(end, "delivered_at").to_owned()))
        {
            ensure!(before < sequence && ended.as_str() <= text(first, "created_at"), "{delivery}");
        }
    }
    world.close().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_failed_is_redelivered_a_window_is_replayed_and_a_test_tells_how_it_went() -> Result<()> {
    let world = world().await?;
    let well = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let is_well = well.clone();
    let receiver = Receiver::start(move |_| match is_well.load(Ordering::Relaxed) {
        true => OK,
        false => Answers::Status(500, ""),
    })
    .await?;
    let webhook = create(&world, json!({"url": receiver.url, "events": ["call.*"]})).await?;
    let path = format!("/api/v1/webhooks/{}", text(&webhook, "id"));
    let since = rfc3339(unix_now() - 60);
    call(&world, 1).await?;
    let failed = delivered(&world, text(&webhook, "id"), 2).await?;
    ensure!(failed.iter().all(|delivery| delivery["status"] == "failed"));
    let test = world.api.post(&format!("{path}/test"), json!({})).await?.data()?;
    assert_eq!(
        (&test["success"], &test["status_code"], text(&test, "error")),
        (&json!(false), &json!(500), "status")
    );

    well.store(true, Ordering::Relaxed);
    let test = world.api.post(&format!("{path}/test"), json!({})).await?.data()?;
    assert_eq!((&test["success"], &test["status_code"]), (&json!(true), &json!(200)));
    let tested = world
        .api
        .get(&format!("/api/v1/webhooks/deliveries/{}", text(&test, "delivery_id")))
        .await?
        .data()?;
    assert_eq!((text(&tested, "event"), text(&tested["payload"], "type")), ("webhook.test", "webhook.test"));
    let pulled = world.api.list_all("/api/v1/events").await?;
    ensure!(pulled.iter().all(|event| event["type"] != "webhook.test"), "a test is no public event");

    let once = format!("/api/v1/webhooks/deliveries/{}", text(&failed[0], "id"));
    let asked = world.api.post(&format!("{once}/redeliver"), json!({})).await?;
    assert_eq!(asked.status, 202, "{}", asked.body);
    until("it is redelivered", SOON, async || {
        Ok((text(&world.api.get(&once).await?.data()?, "status") == "succeeded").then_some(()))
    })
    .await?;
    let over = world.api.post(&format!("{once}/cancel"), json!({})).await?;
    assert_eq!((over.status, over.code()), (409, "conflict"));
    // only the other one failed
    let replay = json!({"since": since, "only_failed": true});
    let replayed = world.api.post(&format!("{path}/replay"), replay).await?;
    assert_eq!((replayed.status, replayed.data()?), (202, json!({"queued": 1})));
    let all = delivered(&world, text(&webhook, "id"), 4).await?;
    let calls: Vec<_> = all.iter().filter(|delivery| text(delivery, "event").starts_with("call.")).collect();
    ensure!(calls.len() == 2 && calls.iter().all(|delivery| delivery["status"] == "succeeded"), "{all:?}");
    // another endpoint, which did not exist then, gets all there was
    let late = create(&world, json!({"url": format!("{}/late", receiver.url), "events": ["call.*"]})).await?;
    let replay = world
        .api
        .post(&format!("/api/v1/webhooks/{}/replay", text(&late, "id")), json!({"since": since}))
        .await?;
    assert_eq!(replay.data()?, json!({"queued": 2}));
    delivered(&world, text(&late, "id"), 2).await?;
    let ids: Vec<_> = receiver.at("/late").iter().map(|one| one.id().to_owned()).collect();
    let events: Vec<_> = pulled.iter().map(|event| text(event, "id").to_owned()).collect();
    ensure!(ids.iter().all(|id| events.contains(id)), "the ids stay");
    let bad = world.api.post(&format!("{path}/replay"), json!({"since": since, "until": since})).await?;
    assert_eq!(bad.status, 422);
    world.close().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn while_a_secret_is_rotated_deliveries_verify_with_either() -> Result<()> {
    let world = world().await?;
    let receiver = Receiver::start(|_| OK).await?;
    let own = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    let webhook = create(&world, json!({"url": receiver.url, "events": ["call.*"], "secret": own})).await?;
    assert_eq!(text(&webhook, "secret"), own);
    let path = format!("/api/v1/webhooks/{}", text(&webhook, "id"));
    let rotated = world.api.post(&format!("{path}/rotate-secret"), json!({})).await?.data()?;
    call(&world, 1).await?;
    for received in receives(&receiver, 2).await? {
        assert_eq!(received.header("webhook-signature").split(' ').count(), 2);
        let mut headers = reqwest::header::HeaderMap::new();
        for (name, value) in &received.headers {
            headers.insert(name.parse::<reqwest::header::HeaderName>()?, value.parse()?);
        }
        for secret in [own, text(&rotated, "secret")] {
            standardwebhooks::Webhook::new(secret)?.verify(&received.body, &headers)?;
        }
    }
    world.close().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_endpoint_is_refused_with_the_field_and_the_reason() -> Result<()> {
    let world = World::start().await?;
    let good = json!({"url": "https://example.com/x", "events": ["call.ended"]});
    let long = "x".repeat(1_001);
    let many: serde_json::Map<_, _> = (0..21).map(|n| (format!("x-{n}"), json!("v"))).collect();
    let cases = [
        ("url", json!("not a url")),
        ("url", json!("")),
        ("url", json!("http://example.com/x")),
        ("url", json!("ftp://example.com/x")),
        ("url", json!("https://user:pw@example.com/x")),
        ("url", json!("https://127.0.0.1/x")),
        ("url", json!("https://[::ffff:10.0.0.1]/x")),
        ("url", json!("https://localhost/x")),
        ("url", json!("https://169.254.169.254/latest")),
        ("url", json!("https://2130706433/")),
        ("url", json!(format!("https://example.com/{}", "x".repeat(2_048)))),
        ("events", json!([])),
        ("events", json!(["call.exploded"])),
        ("events", json!(["call.ended", "cal*"])),
        ("headers.webhook-signature", json!({"webhook-signature": "v1,forged"})),
        ("headers.X-A", json!({"X-A": "a\r\nx-b: c"})),
        ("headers.X A", json!({"X A": "v"})),
        ("headers.x-a", json!({"x-a": long})),
        ("headers", Value::Object(many)),
        ("secret", json!("whsec_")),
        ("secret", json!(format!("whsec_{}", "A".repeat(4_000)))),
        ("secret", json!("hunter2hunter2hunter2hunter2hunter2")),
        ("description", json!("x".repeat(501))),
        ("rate_limit_per_second", json!(0)),
    ];
    for (field, value) in cases {
        let mut body = good.clone();
        let at = field.split('.').next().unwrap_or(field);
        body[at] = value.clone();
        let answer = world.api.post("/api/v1/webhooks", body).await?;
        assert_eq!(
            (answer.status, answer.code()),
            (422, "invalid_request"),
            "{field} {value}: {}",
            answer.body
        );
        assert_eq!(answer.body["errors"][0]["field"], field, "{}", answer.body);
        ensure!(!answer.body.to_string().contains("hunter2"));
    }
    let private =
        world.api.post("/api/v1/webhooks", json!({"url": "https://10.1.2.3/", "events": ["*"]})).await?;
    assert_eq!(private.body["errors"][0]["code"], "private_address");
    let unknown = json!({"url": "https://example.com", "events": ["*"], "evnts": []});
    assert_eq!(world.api.post("/api/v1/webhooks", unknown).await?.status, 422);
    assert_eq!(world.api.list_all("/api/v1/webhooks").await?.len(), 0);
    // a name may lead elsewhere later: then the attempt is blocked, and nothing is connected to
    let types = world.api.get("/api/v1/webhooks/event-types").await?.data()?;
    let types = types.as_array().context("a list")?;
    ensure!(
        types.iter().any(|kind| kind["name"] == "call.ended" && kind["example"]["data"]["id"].is_string())
    );
    for path in ["/api/v1/webhooks/whe_nonsense", "/api/v1/webhooks/deliveries/whd_nonsense"] {
        assert_eq!(world.api.get(path).await?.status, 404);
    }
    world.close().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_at_an_address_that_is_not_allowed_any_more_is_blocked() -> Result<()> {
    let mut world = world().await?;
    let receiver = Receiver::start(|_| OK).await?;
    let webhook = create(&world, json!({"url": receiver.url, "events": ["call.started"]})).await?;
    ensure!(world.node.terminate()?.success());
    world.node.options = world.node.options.clone().set("WEBHOOKS_ALLOW_PRIVATE", "false");
    world.node.resume()?;
    call(&world, 1).await?;
    let deliveries = delivered(&world, text(&webhook, "id"), 1).await?;
    let attempts = deliveries[0]["attempts"].as_array().context("attempts")?;
    ensure!(attempts.iter().all(|attempt| attempt["error"] == "blocked"), "{attempts:?}");
    assert_eq!(receiver.count(), 0);
    world.close().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rate_is_kept() -> Result<()> {
    let world = world().await?;
    let receiver = Receiver::start(|_| OK).await?;
    let body = json!({"url": receiver.url, "events": ["call.*"], "rate_limit_per_second": 10});
    let webhook = create(&world, body).await?;
    let begun = std::time::Instant::now();
    for number in 0..15 {
        call(&world, number).await?;
    }
    delivered(&world, text(&webhook, "id"), 30).await?;
    ensure!(begun.elapsed() >= Duration::from_millis(1_900), "30 at 10 a second, 10 of them saved up");
    world.close().await?;
    Ok(())
}
