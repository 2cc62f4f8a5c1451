//! Figures: what happened is counted, hour by hour, and again the same from the log.

use anyhow::{Context, Result};
use serde_json::{Value, json};
use simulator::fake_telnyx::{CallScript, CalleeScript, Step};
use tests::client::Api;
use tests::history::check_views;
use tests::until::{SOON, until};
use tests::webhook::OUR_NUMBER;
use tests::world::World;

use crate::ivr::{item, make};

const OVERVIEW: &str = "/api/v1/analytics/overview";
const SERIES: &str = "/api/v1/analytics/timeseries";
const CALLER: &str = "+12025550111";

/// Three callers in a menu, and two calls of ours of which one is answered.
async fn happen(world: &World) -> Result<String> {
    let items = [item("1", "say", json!("Nine to five.")), item("0", "hangup", Value::Null)];
    let menu = make(world, json!({"name": "Main", "prompt": "Welcome.", "items": items})).await?;
    let route = json!({"number": OUR_NUMBER, "route": {"type": "ivr_menu", "id": menu}});
    world.api.post("/api/v1/numbers", route).await?.data()?;
    let caller = || CallScript::new(CALLER, OUR_NUMBER);
    let scripts = [
        caller().presses("1").presses("0"),
        caller().presses("7").presses("0"),
        caller().then(Step::HearOut).then(Step::HangUp),
    ];
    for script in scripts {
        world.carrier.place_call(script).await.ended().await.context("the carrier stopped")?;
    }
    let answers = CalleeScript::Answers { ring: std::time::Duration::ZERO, steps: vec![Step::HangUp] };
    world.carrier.set_callee("+12025550120", answers);
    world.carrier.set_callee("+12025550121", CalleeScript::Busy);
    for callee in ["+12025550120", "+12025550121"] {
        let call = world.dial(json!({"to": callee})).await?;
        let id = call["id"].as_str().context("an id")?;
        world.call_when(id, |call| !call["ended_at"].is_null() && !call["cost"].is_null()).await?;
    }
    until("every call to be over", SOON, async || {
        let calls = world.api.list_all("/api/v1/calls").await?;
        let over = |call: &Value| !call["ended_at"].is_null() && !call["cost"].is_null();
        Ok((calls.len() == 5 && calls.iter().all(over)).then_some(()))
    })
    .await?;
    Ok(menu)
}

async fn figures(api: &Api, path: &str) -> Result<Value> {
    api.get(path).await?.data()
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_and_steps_in_menus_are_counted_and_a_rebuild_counts_the_same() -> Result<()> {
    let mut world = World::start().await?;
    let menu = happen(&world).await?;
    let overview = until("the figures to be complete", SOON, async || {
        let overview = figures(&world.api, OVERVIEW).await?;
        Ok((overview["ivr"]["abandoned"] == 1 && overview["ivr"]["completed"] == 2).then_some(overview))
    })
    .await?;
    let calls = world.api.list_all("/api/v1/calls").await?;
    let expected = json!({"total": 5, "inbound": 3, "outbound": 2, "answered": 4, "ended": 4, "failed": 1, "answer_rate": 0.8});
    assert_eq!(overview["calls"], expected);
    let reasons = json!([
        {"reason": "caller_hangup", "fault": "none", "count": 2}, {"reason": "ivr_completed", "fault": "none", "count": 2},
        {"reason": "busy", "fault": "none", "count": 1}]);
    assert_eq!(overview["end_reasons"], reasons);
    assert_eq!(overview["ivr"], json!({"entries": 3, "completed": 2, "abandoned": 1, "exhausted": 0}));
    let cost: i64 = calls.iter().filter_map(|call| call["cost"]["amount_micros"].as_i64()).sum();
    assert_eq!(overview["cost"], json!([{"amount_micros": cost, "currency": "USD"}]));
    let average = calls.iter().filter_map(|call| call["duration_ms"].as_u64()).sum::<u64>() / 4;
    let shown = overview["duration_ms"]["average"].as_u64().context("an average")?;
    assert!(shown.abs_diff(average) <= 1, "{shown} and {average}");

    let of_menu = figures(&world.api, &format!("/api/v1/analytics/ivr/{menu}")).await?;
    let choices = json!([
        {"digit": "1", "label": "Option 1", "action": "say", "count": 1},
        {"digit": "0", "label": "Option 0", "action": "hangup", "count": 2}]);
    assert_eq!((&of_menu["entries"], &of_menu["choices"]), (&json!(3), &choices), "{of_menu}");
    assert_eq!((&of_menu["invalid"], &of_menu["abandoned"]), (&json!(1), &json!(1)));
    assert_eq!(of_menu["outcomes"], json!([{"action": "hangup", "count": 2}]));

    let (status, text) = csv(&world.api, OVERVIEW).await?;
    assert_eq!(status, 200);
    assert!(text.starts_with("figure,value\n") && text.contains("\ncalls.total,5\n"), "{text}");
    assert!(text.contains("\nend_reasons.none.busy.count,1\n"), "{text}");
    assert!(world.node.terminate()?.success());
    check_views(&world.node.options).await?;
    world.carrier.shutdown().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn conversations_are_counted_by_agent_and_a_rebuild_counts_the_same() -> Result<()> {
    let mut world = World::start().await?;
    let agent =
        json!({"name": "A", "system_prompt": "Be kind.", "provider": "scripted", "model": "scripted-1"});
    let agent = world.api.post("/api/v1/agents", agent).await?.data()?;
    let agent = agent["id"].as_str().context("an id")?;
    let say = async |body: Value| -> Result<String> {
        let answer = world.api.post("/api/v1/conversation", body).await?.data()?;
        Ok(answer["conversation_id"].as_str().context("an id")?.to_owned())
    };
    let ended = say(json!({"message": "Thank you, this is wonderful!", "agent_id": agent})).await?;
    say(json!({"message": "And again: great!", "conversation_id": ended})).await?;
    world.api.post(&format!("/api/v1/conversations/{ended}/end"), json!({})).await?.data()?;
    say(json!({"message": "This is terrible, I am angry."})).await?;

    let shown = until("every mood to be judged and counted", SOON, async || {
        let shown = world.api.list_all("/api/v1/conversations").await?;
        let overview = figures(&world.api, OVERVIEW).await?;
        let counted = overview["conversations"]["ended"] == 1;
        let judged = shown.len() == 2 && shown.iter().all(|one| !one["sentiment"].is_null());
        Ok((counted && judged).then_some(shown))
    })
    .await?;
    let sum = |name: &str| shown.iter().filter_map(|one| one[name].as_u64()).sum::<u64>();
    let all = figures(&world.api, OVERVIEW).await?["conversations"].clone();
    let expected = json!({"started": 2, "ended": 1, "messages": sum("message_count"), "tokens_input": sum("tokens_input"),
        "tokens_output": sum("tokens_output"), "sentiment": all["sentiment"]});
    assert_eq!(all, expected);
    assert!(sum("tokens_input") > 0 && sum("message_count") == 6, "{shown:?}");
    // of two who were pleased and one who was not
    let of_agent =
        figures(&world.api, &format!("{OVERVIEW}?agent_id={agent}")).await?["conversations"].clone();
    let moods = [&of_agent["sentiment"], &all["sentiment"]].map(|mood| mood.as_f64().unwrap_or(-2.0));
    assert!(of_agent["started"] == 1 && moods[0] > moods[1] && moods[1] > -1.0, "{of_agent} {all}");

    let last = async |query: &str| -> Result<Vec<(Value, Value)>> {
        let points = figures(&world.api, &format!("{SERIES}?interval=day&{query}")).await?;
        let some = points.as_array().context("points")?.iter().filter(|point| point["value"] != 0);
        Ok(some.map(|point| (point["group"].clone(), point["value"].clone())).collect())
    };
    assert_eq!(last("metric=conversations").await?, [(Value::Null, json!(2))]);
    assert_eq!(last("metric=conversations&group_by=channel").await?, [(json!("api"), json!(2))]);
    let agents = last("metric=conversations&group_by=agent").await?;
    assert_eq!(agents, [(json!(agent), json!(1)), (json!("none"), json!(1))]);
    let tokens = last("metric=tokens&group_by=kind").await?;
    let (read, written) = (json!(sum("tokens_input")), json!(sum("tokens_output")));
    assert_eq!(tokens, [(json!("input"), read), (json!("output"), written)]);
    assert!(world.node.terminate()?.success());
    check_views(&world.node.options).await?;
    world.carrier.shutdown().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_series_has_every_hour_or_day_and_is_told_apart_as_asked() -> Result<()> {
    let world = World::start().await?;
    happen(&world).await?;
    let points = figures(&world.api, &format!("{SERIES}?metric=calls")).await?;
    let points = points.as_array().context("points")?;
    assert_eq!(points.len(), 25, "the hours of a day, and the one that is under way");
    assert_eq!(points.iter().filter_map(|point| point["value"].as_u64()).sum::<u64>(), 5);
    assert!(points.iter().all(|point| point.get("group").is_none()));
    let empty = figures(
        &world.api,
        &format!("{SERIES}?metric=duration_ms_p95&from=2020-01-01T00:00:00Z&to=2020-01-01T02:00:00Z"),
    )
    .await?;
    let hours = json!([{"bucket": "2020-01-01T00:00:00.000000Z", "value": null}, {"bucket": "2020-01-01T01:00:00.000000Z", "value": null}]);
    assert_eq!(empty, hours);
    let grouped = async |query: &str| -> Result<Vec<(String, u64)>> {
        let points = figures(&world.api, &format!("{SERIES}?interval=day&{query}")).await?;
        let last = points.as_array().context("points")?.iter().filter(|point| point["value"] != 0);
        last.map(|point| {
            Ok((
                point["group"].as_str().context("a group")?.to_owned(),
                point["value"].as_u64().context("a value")?,
            ))
        })
        .collect()
    };
    let pairs =
        |pairs: &[(&str, u64)]| pairs.iter().map(|(name, n)| ((*name).to_owned(), *n)).collect::<Vec<_>>();
    assert_eq!(grouped("metric=calls&group_by=direction").await?, pairs(&[("inbound", 3), ("outbound", 2)]));
    assert_eq!(grouped("metric=calls&group_by=status").await?, pairs(&[("ended", 4), ("failed", 1)]));
    assert_eq!(grouped("metric=calls&group_by=fault").await?, pairs(&[("none", 5)]));
    assert_eq!(grouped("metric=calls&group_by=agent").await?, pairs(&[("none", 5)]));
    assert_eq!(grouped("metric=cost").await?.len(), 1);
    let (_, text) =
        csv(&world.api, &format!("{SERIES}?metric=calls&interval=day&group_by=direction")).await?;
    assert!(text.starts_with("bucket,value,group\n") && text.contains(",3,inbound\n"), "{text}");

    for (query, field) in [
        ("metric=luck", "metric"),
        ("metric=calls&interval=week", "interval"),
        ("metric=answered&group_by=direction", "group_by"),
        ("metric=calls&from=2020-01-01T00:00:00Z", "from"),
        ("metric=calls&from=2020-01-02T00:00:00Z&to=2020-01-01T00:00:00Z", "from"),
        ("metric=calls&from=yesterday", "from"),
        ("metric=calls&page=2", "page"),
    ] {
        let answer = world.api.get(&format!("{SERIES}?{query}")).await?;
        assert_eq!((answer.status, &answer.body["errors"][0]["field"]), (422, &json!(field)), "{query}");
    }
    // another client has figures of its own
    let other = world.api.post("/api/v1/auth/clients", json!({"name": "other"})).await?.data()?;
    let other = world.api.with_key(other["plain_key"].as_str());
    assert_eq!(figures(&other, OVERVIEW).await?["calls"]["total"], 0);
    world.close().await?;
    Ok(())
}

async fn csv(api: &Api, path: &str) -> Result<(u16, String)> {
    let answer = api.send("GET", path, &[("accept", "text/csv")], None).await?;
    assert_eq!(answer.header("content-type"), Some("text/csv; charset=utf-8"));
    Ok((answer.status, String::from_utf8(answer.bytes)?))
}
