//! Traces, logs, and what must never be in either (P9, P10).

use std::net::TcpListener;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use simulator::fake_telnyx::{CallScript, CalleeScript, Step};
use tests::client::TEST_KEY;
use tests::collector::{Collector, Span};
use tests::history::History;
use tests::until::{SOON, until};
use tests::webhook::{self, Leg, OUR_NUMBER, rfc3339, unix_now};
use tests::world::{CARRIER_KEY, World};

const HOOK: &str = "POST /api/v1/webhooks/telnyx";

async fn traced(collector: &Collector) -> Result<World> {
    World::with(|plan| {
        plan.options = plan.options.clone().set("OTLP_ENDPOINT", &collector.endpoint);
    })
    .await
}

/// The whole way of a webhook, once all of it has arrived at the collector.
async fn whole_way(collector: &Collector, trace: &str) -> Result<Vec<Span>> {
    let mut last = Vec::new();
    let whole = until("the whole trace", SOON, async || {
        last = collector.trace(trace);
        let has = |name: &str| last.iter().any(|span| span.name == name);
        let whole =
            [HOOK, "call.execute", "log.append", "projection.commit", "effect.perform"].into_iter().all(has);
        Ok(whole.then(|| last.clone()))
    });
    whole.await.with_context(|| format!("trace {trace} is {last:#?}"))
}

fn one<'a>(spans: &'a [Span], name: &str, parent: &str) -> Result<&'a Span> {
    let found = spans.iter().find(|span| span.name == name && span.parent == parent);
    found.with_context(|| format!("no {name} under {parent} in {spans:#?}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn one_trace_runs_from_the_carriers_webhook_through_actor_append_view_and_effect() -> Result<()> {
    let collector = Collector::start()?;
    let world = traced(&collector).await?;
    world.take_number().await?;
    // the carrier's own trace is continued
    let (trace, carriers_span) = ("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7");
    let mut leg = Leg::inbound(1);
    let body = leg.initiated(&rfc3339(unix_now())).to_string().into_bytes();
    let [signature, timestamp] = webhook::signed(&body, unix_now());
    let traceparent = format!("00-{trace}-{carriers_span}-01");
    let headers = [
        (signature.0, signature.1.as_str()),
        (timestamp.0, timestamp.1.as_str()),
        ("traceparent", &traceparent),
    ];
    let taken =
        world.api.with_key(None).send("POST", "/api/v1/webhooks/telnyx", &headers, Some(body)).await?;
    assert_eq!(taken.status, 200);
    let spans = whole_way(&collector, trace).await?;
    let request = one(&spans, HOOK, carriers_span)?;
    let actor = one(&spans, "call.execute", &request.id)?;
    one(&spans, "log.append", &actor.id)?;
    one(&spans, "projection.commit", &actor.id)?;
    let effect = one(&spans, "effect.perform", &actor.id)?;
    // what the carrier answered goes back into the call within the same trace
    one(&spans, "call.execute", &effect.id)?;

    // events say which trace they belong to, and of which step
    let call = world.call_of_leg(&leg.control_id()).await?;
    let path = format!("/api/v1/calls/{}/events", call["id"].as_str().context("an id")?);
    let events = world.api.list_all(&path).await?;
    let written_by = format!("00-{trace}-{}-01", actor.id);
    assert_eq!(events[0]["metadata"]["traceparent"], *written_by);

    // without a trace of the carrier's the node begins one itself
    let handle = world.carrier.place_call(CallScript::new("+12025550111", OUR_NUMBER).talks(["hello"])).await;
    let call = world.call_of_leg(&handle.control_id).await?;
    let path = format!("/api/v1/calls/{}/events", call["id"].as_str().context("an id")?);
    let events = world.api.list_all(&path).await?;
    let own = events[0]["metadata"]["traceparent"].as_str().context("a traceparent")?;
    let own = own.split('-').nth(1).context("a trace")?.to_owned();
    assert_ne!(own, trace);
    let spans = whole_way(&collector, &own).await?;
    one(&spans, HOOK, "")?;
    handle.ended().await.context("the carrier stopped")?;
    for secret in [OUR_NUMBER, "+12025550111", "hello", TEST_KEY, CARRIER_KEY] {
        assert!(!collector.heard_of(secret), "a trace holds {secret}");
    }
    world.close().await?;
    collector.stop().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_collector_events_keep_the_carriers_trace() -> Result<()> {
    let world = World::start().await?;
    let mut leg = Leg::inbound(1);
    let body = leg.initiated(&rfc3339(unix_now())).to_string().into_bytes();
    let [signature, timestamp] = webhook::signed(&body, unix_now());
    let traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let headers = [
        (signature.0, signature.1.as_str()),
        (timestamp.0, timestamp.1.as_str()),
        ("traceparent", traceparent),
    ];
    let taken =
        world.api.with_key(None).send("POST", "/api/v1/webhooks/telnyx", &headers, Some(body)).await?;
    assert_eq!(taken.status, 200);
    let call = world.call_of_leg(&leg.control_id()).await?;
    let path = format!("/api/v1/calls/{}/events", call["id"].as_str().context("an id")?);
    assert_eq!(world.api.list_all(&path).await?[0]["metadata"]["traceparent"], traceparent);
    world.close().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_is_dead_or_silent_slows_no_webhook_and_no_farewell() -> Result<()> {
    // the one takes connections into its backlog and never answers; nobody listens at the other
    let silent = TcpListener::bind("127.0.0.1:0")?;
    let silent = (format!("http://{}", silent.local_addr()?), silent);
    for endpoint in [silent.0.as_str(), "http://127.0.0.1:9"] {
        let mut world = World::with(|plan| {
            plan.options = plan.options.clone().set("OTLP_ENDPOINT", endpoint);
        })
        .await?;
        let mut slowest = Duration::ZERO;
        for number in 0..200 {
            let event = Leg::inbound(number).initiated(&rfc3339(unix_now()));
            let begun = Instant::now();
            assert_eq!(world.api.webhook(&event).await?.status, 200);
            slowest = slowest.max(begun.elapsed());
        }
        // a batch that waited for the collector would wait for five seconds
        assert!(slowest < Duration::from_secs(2), "{endpoint}: a webhook took {slowest:?}");
        assert_eq!(world.api.get("/readyz").await?.status, 200);
        let begun = Instant::now();
        assert!(world.node.terminate()?.success());
        assert!(begun.elapsed() < Duration::from_secs(15), "{endpoint}: stopping took {:?}", begun.elapsed());
        world.close().await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn logs_tell_the_request_and_never_a_number_a_word_or_a_key() -> Result<()> {
    let mut world = World::with(|plan| {
        plan.options = plan.options.clone().set("LOG", "debug");
        // an operator's worst day: the carrier misbehaves, so that there are warnings, too
        plan.carrier.mischief = simulator::fake_telnyx::CarrierFaults::BEARABLE;
    })
    .await?;
    let (caller, callee, target) = ("+12025550161", "+12025550162", "+12025550163");
    let steps = vec![Step::Say("my password is swordfish".to_owned()), Step::Press("8675309".to_owned())];
    world.carrier.set_callee(callee, CalleeScript::Answers { ring: Duration::ZERO, steps });
    world.carrier.set_callee(target, CalleeScript::Busy);
    world.take_number().await?;
    let inbound = CallScript::new(caller, OUR_NUMBER).talks(["this is Ottoline Hartmann"]);
    let inbound = world.carrier.place_call(inbound).await;
    let order = json!({"to": callee, "record": true, "metadata": {"customer": "Ottoline"}});
    let order = order.to_string().into_bytes();
    let placed = world.api.send("POST", "/api/v1/calls", &[("x-request-id", "mine-77")], Some(order)).await?;
    let id = placed.data()?["id"].as_str().context("an id")?.to_owned();
    world.call_when(&id, |call| call["status"] == "in_progress").await?;
    let path = format!("/api/v1/calls/{id}");
    for (part, body) in [
        ("say", json!({"text": "the code is zanzibar"})),
        ("dtmf", json!({"digits": "9021048377"})),
        ("transfer", json!({"to": target})),
        // refused, malformed and unknown: errors tempt to repeat what was sent
        ("say", json!({"text": "", "colour": "vermilion"})),
        ("transfer", json!({"to": "+1202555016x"})),
    ] {
        world.api.post(&format!("{path}/{part}"), body).await?;
    }
    world.api.get(&format!("/api/v1/calls?from=%2B{}&limit=x", &caller[1..])).await?;
    world.api.get(&format!("/api/v1/calls?to=%2B{}", &callee[1..])).await?;
    let typo = TEST_KEY.replacen('T', "U", 1);
    world.api.with_key(Some(&typo)).get("/api/v1/calls").await?;
    let broken = format!(r#"{{"data": {{"payload": {{"from": "{caller}", "text": "swordfish""#);
    let headers = webhook::signed(broken.as_bytes(), unix_now());
    let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    world.api.send("POST", "/api/v1/webhooks/telnyx", &headers, Some(broken.into_bytes())).await?;
    world.api.post(&format!("{path}/hangup"), Value::Null).await?.data()?;
    world.call_when(&id, |call| call["status"] == "ended").await?;
    inbound.ended().await.context("the carrier stopped")?;
    world.carrier.settled().await;

    let server = world.node.server()?;
    let log = until("the log of the last request", SOON, async || {
        let log = server.printed();
        Ok(log.contains("mine-77").then_some(log))
    })
    .await?;
    let line = log.lines().find(|line| line.contains("mine-77") && line.contains("request served"));
    let line: Value = serde_json::from_str(line.context("no line of the request")?)?;
    ensure!(line.to_string().contains("/api/v1/calls") && line.to_string().contains("201"), "{line}");
    ensure!(log.lines().filter(|line| line.contains("DEBUG")).count() > 5, "the log is not at debug:\n{log}");

    assert!(world.node.terminate()?.success());
    let history = History::read(&world.node.options).await?;
    let private = [
        OUR_NUMBER,
        caller,
        callee,
        target,
        "+12025550100",
        "2025550",
        "swordfish",
        "8675309",
        "Ottoline",
        "zanzibar",
        "9021048377",
        "vermilion",
        "Hello, thank you",
    ];
    for secret in private.into_iter().chain([TEST_KEY, &typo, CARRIER_KEY]) {
        let line = log.lines().find(|line| line.contains(secret));
        ensure!(line.is_none(), "the log tells {secret}: {}", line.unwrap_or_default());
        for event in &history.events {
            let metadata = String::from_utf8_lossy(&event.metadata);
            let told = [event.stream.as_str(), &event.event_type, &metadata]
                .iter()
                .any(|text| text.contains(secret));
            ensure!(!told, "event {} tells {secret} outside of its payload: {metadata}", event.position);
        }
    }
    world.close().await?;
    Ok(())
}
