//! Spend limits: of a client, of an API key, of an agent; over REST, in menus, and over a restart.

use std::time::Duration;

use anyhow::{Result, ensure};
use futures::StreamExt as _;
use serde_json::{Value, json};
use simulator::fake_telnyx::{CalleeScript, Step};
use tests::client::{Answer, Api};
use tests::until::{SOON, until};
use tests::webhook::OUR_NUMBER;
use tests::world::World;

use crate::billing::price;
use crate::customers::text;
use crate::ivr::{item, make};
use crate::ivr_calls::caller;

const LIMITS: &str = "/api/v1/limits/spend";
const CALLS: &str = "/api/v1/calls";

fn stays() -> CalleeScript {
    CalleeScript::Answers { ring: Duration::ZERO, steps: vec![Step::Stay] }
}

async fn limit(api: &Api, query: &str, limits: Value) -> Result<Value> {
    api.patch(&format!("{LIMITS}{query}"), None, limits).await?.data()
}

async fn place(api: &Api, to: &str) -> Result<Answer> {
    api.post(CALLS, json!({"to": to})).await
}

/// The limit that refuses a call, by what the answer says.
fn refused_by(answer: &Answer) -> Option<&'static str> {
    if (answer.status, answer.code()) != (403, "spend_limit_reached") {
        return None;
    }
    let limits = ["destination", "rate_per_minute", "calls_per_minute", "calls_per_number", "daily_spend"];
    limits.into_iter().find(|limit| answer.body.to_string().contains(&format!("`{limit}`")))
}

/// The public events of limits that were reached: the limit and the kind of its scope.
async fn told(api: &Api) -> Result<Vec<(String, String)>> {
    let events = api.list_all("/api/v1/events?types=spend.limit_reached").await?;
    let of = |event: &Value| {
        let data = &event["data"];
        (text(data, "limit").to_owned(), text(&data["scope"], "type").to_owned())
    };
    Ok(events.iter().map(of).collect())
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_beyond_a_limit_are_refused_told_and_recorded() -> Result<()> {
    let world = World::start().await?;
    let api = &world.api;
    world.carrier.set_usual_callee(stays());
    price(api, json!([{"component": "carrier", "unit": "second", "per": 60, "price": 50_000}])).await?;
    let none = api.get(LIMITS).await?.data()?;
    assert_eq!((&none["daily_spend"], &none["spent_today"]), (&Value::Null, &json!(0)), "{none}");
    assert_eq!(place(api, "+19005550123").await?.status, 201, "nothing is limited yet");

    let limits = json!({"destinations": {"allow": ["+1", "sip:pbx.example"], "deny": ["+1900"]},
        "max_rate_per_minute": 60_000, "calls_per_number": 2});
    let set = limit(api, "", limits).await?;
    assert_eq!(set["destinations"], json!({"allow": ["+1", "sip:pbx.example"], "deny": ["+1900"]}));
    for to in ["+19005550123", "+4930123456", "sip:+19005550123@pbx.example", "sip:a@elsewhere.example"] {
        let answer = place(api, to).await?;
        assert_eq!(refused_by(&answer), Some("destination"), "{to}: {} {}", answer.status, answer.body);
        ensure!(!answer.body.to_string().contains("5550123"), "the answer tells the number: {}", answer.body);
    }
    let mut made = Vec::new();
    for to in ["+12025550123", "sip:+12025550123@pbx.example", "+12025550124"] {
        let answer = place(api, to).await?;
        assert_eq!(answer.status, 201, "{to}: {}", answer.body);
        made.push(text(&answer.data()?, "id").to_owned());
    }
    assert_eq!(refused_by(&place(api, "+12025550123").await?), Some("calls_per_number"));

    // a transfer is held to destinations, too
    let first = &made[0];
    world.call_when(first, |call| call["status"] == "in_progress").await?;
    let transfer = format!("{CALLS}/{first}/transfer");
    let answer = api.post(&transfer, json!({"to": "+19005550199"})).await?;
    assert_eq!(refused_by(&answer), Some("destination"), "{}", answer.body);

    // an agent and a key have limits of their own
    let agent = json!({"name": "Ann", "provider": "scripted", "model": "scripted-1"});
    let agent = api.post("/api/v1/agents", agent).await?.data()?;
    limit(api, &format!("?agent_id={}", text(&agent, "id")), json!({"calls_per_minute": 0})).await?;
    let by_agent = json!({"to": "+12025550150", "agent_id": agent["id"]});
    assert_eq!(refused_by(&api.post(CALLS, by_agent).await?), Some("calls_per_minute"));
    let key = json!({"name": "dialler", "scopes": ["calls:read", "calls:write"]});
    let key = api.post("/api/v1/auth/api-keys", key).await?.data()?;
    let dialler = api.with_key(key["plain_key"].as_str());
    let query = format!("?key_id={}", text(&key, "id"));
    let set = limit(api, &query, json!({"calls_per_minute": 1})).await?;
    assert_eq!(set["scope"], json!({"type": "key", "id": key["id"]}));
    assert_eq!(place(&dialler, "+12025550130").await?.status, 201);
    assert_eq!(refused_by(&place(&dialler, "+12025550131").await?), Some("calls_per_minute"));
    assert_eq!(place(api, "+12025550131").await?.status, 201, "the limit is of the other key");

    // the price of a minute, and how the limits look then
    price(api, json!([{"component": "carrier", "unit": "second", "per": 60, "price": 70_000}])).await?;
    let mut next = 12_025_550_140_u64;
    let dear = until("the new price", SOON, async || {
        next += 1;
        let answer = place(api, &format!("+{next}")).await?;
        Ok((answer.status != 201).then_some(answer))
    });
    assert_eq!(refused_by(&dear.await?), Some("rate_per_minute"));
    let shown = api.get(LIMITS).await?.data()?;
    let (key, agent) = (json!({"type": "key", "id": key["id"]}), json!({"type": "agent", "id": agent["id"]}));
    assert_eq!(shown["others"], json!([key, agent]));
    ensure!(shown["spent_today"].as_i64() >= Some(500_000), "{shown}");

    let told = until("all to be told", SOON, async || {
        let told = told(api).await?;
        Ok((told.len() >= 5).then_some(told))
    });
    let mut told = told.await?;
    told.sort();
    let of = |limit: &str, scope: &str| (limit.to_owned(), scope.to_owned());
    let all = [
        of("calls_per_minute", "agent"),
        of("calls_per_minute", "key"),
        of("calls_per_number", "client"),
        of("destination", "client"),
        of("rate_per_minute", "client"),
    ];
    assert_eq!(told, all, "each once, however often it refused");
    let audited = api.list_all("/api/v1/audit/log?action=SPEND_LIMITS_CHANGED").await?;
    assert_eq!(audited.len(), 3);
    world.close().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn five_hundred_calls_race_for_the_money_of_a_day() -> Result<()> {
    let mut world = World::with(|plan| {
        let options = plan.options.clone();
        plan.options = options.set("LIMITS_CLIENT_REQUESTS_PER_MINUTE", "1000000");
    })
    .await?;
    world.carrier.set_usual_callee(stays());
    price(&world.api, json!([{"component": "carrier", "unit": "second", "per": 60, "price": 50_000}]))
        .await?;
    // two minutes of a call count 100 000 until it is charged: enough for ten
    limit(&world.api, "", json!({"daily_spend": 1_000_000})).await?;
    let placed = futures::stream::iter(0..500).map(|_| place(&world.api, "+12025550123"));
    let answers: Vec<Result<Answer>> = placed.buffer_unordered(32).collect().await;
    let mut made = Vec::new();
    for answer in answers {
        let answer = answer?;
        match answer.status {
            201 => made.push(text(&answer.data()?, "id").to_owned()),
            _ => assert_eq!(refused_by(&answer), Some("daily_spend"), "{} {}", answer.status, answer.body),
        }
    }
    let calls = world.api.list_all(CALLS).await?;
    assert_eq!(made.len(), 10, "{calls:?}");
    // the log remembers it, not the node
    world.node.kill()?;
    world.node.resume()?;
    assert_eq!(refused_by(&place(&world.api, "+12025550123").await?), Some("daily_spend"));
    for id in &made {
        world.api.post(&format!("{CALLS}/{id}/hangup"), json!({})).await?;
    }
    // calls of a few seconds cost a minute or nothing: there is room again once they are charged
    until("room for a call", SOON, async || {
        let spent = world.api.get(LIMITS).await?.data()?["spent_today"].as_i64();
        Ok((spent <= Some(500_000)).then_some(()))
    })
    .await?;
    assert_eq!(place(&world.api, "+12025550123").await?.status, 201);
    world.close().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_menu_transfers_nobody_to_where_no_call_may_go() -> Result<()> {
    let world = World::start().await?;
    let items = [item("8", "transfer", json!("+19005550155"))];
    let menu = json!({"name": "Main", "prompt": "Welcome.", "items": items,
        "on_exhausted": {"action": "say", "target": "Goodbye."}});
    let menu = make(&world, menu).await?;
    let route = json!({"number": OUR_NUMBER, "route": {"type": "ivr_menu", "id": menu}});
    world.api.post("/api/v1/numbers", route).await?.data()?;
    limit(&world.api, "", json!({"destinations": {"deny": ["+1900"]}})).await?;
    let handle = world.carrier.place_call(caller().presses("8").then(Step::HearOut).then(Step::HangUp)).await;
    let call = world.call_of_leg(&handle.control_id).await?;
    let events = format!("{CALLS}/{}/events", text(&call, "id"));
    let failed = until("the transfer to fail", SOON, async || {
        let events = world.api.list_all(&events).await?;
        Ok(events.into_iter().find(|event| text(event, "type") == "call.transfer_failed"))
    });
    assert_eq!(failed.await?["data"]["provider_code"], "spend_limit_reached");
    world.close().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_limits_are_refused_and_others_may_not_change_them() -> Result<()> {
    let world = World::start().await?;
    let api = &world.api;
    for (body, field) in [
        (json!({"destinations": {"deny": ["+49", "everywhere"]}}), "destinations.deny[1]"),
        (json!({"daily_spend": -1}), "daily_spend"),
        (json!({"calls_per_minute": 10_001}), "calls_per_minute"),
        (json!({"destinations": {"allow": vec!["+1"; 501]}}), "destinations"),
    ] {
        let answer = api.patch(LIMITS, None, body).await?;
        assert_eq!(answer.status, 422, "{}", answer.body);
        ensure!(answer.body.to_string().contains(field), "{field}: {}", answer.body);
    }
    for query in ["?key_id=key_01h455vb4pex5vsknk084sn02q", "?agent_id=agt_01h455vb4pex5vsknk084sn02q"] {
        assert_eq!(api.get(&format!("{LIMITS}{query}")).await?.status, 422, "{query}");
    }
    let key = json!({"name": "k", "scopes": ["calls:write", "billing:read"]});
    let key = api.post("/api/v1/auth/api-keys", key).await?.data()?;
    let other = api.with_key(key["plain_key"].as_str());
    assert_eq!(other.get(LIMITS).await?.status, 200);
    let answer = other.patch(LIMITS, None, json!({"daily_spend": null})).await?;
    assert_eq!((answer.status, answer.code()), (403, "insufficient_scope"));
    // a change is made on the limits it was meant for
    let answer = api.patch(LIMITS, None, json!({"daily_spend": 5})).await?;
    let stale = api.patch(LIMITS, Some(0), json!({"daily_spend": 6})).await?;
    assert_eq!((answer.status, stale.status), (200, 412));
    world.close().await?;
    Ok(())
}
