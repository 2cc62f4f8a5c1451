//! Callers in menus, on calls of the fake carrier.

use std::collections::HashMap;
use std::slice;

use anyhow::{Context, Result};
use serde_json::{Value, json};
use simulator::fake_telnyx::{CallScript, CalleeScript, Pace, Step};
use tests::history::{History, check_views};
use tests::until::{SOON, until};
use tests::webhook::{OUR_NUMBER, about, rfc3339, unix_now};
use tests::world::World;

use crate::ivr::{item, make};

const CALLER: &str = "+12025550111";
const DESK: &str = "+12025550155";

/// A menu with a menu below it, to which the tests' number leads.
async fn to_menu(world: &World) -> Result<String> {
    let collect = json!({"name": "pin", "prompt": "Your pin, please.", "min_digits": 4, "max_digits": 4,
        "secret": true, "then": {"action": "hangup"}});
    let back = [item("1", "collect", collect), item("2", "back", Value::Null)];
    let below = make(world, json!({"name": "Below", "prompt": "Below.", "items": back})).await?;
    let items = [
        item("1", "submenu", json!(below)),
        item("2", "say", json!("Nine to five.")),
        item("8", "transfer", json!(DESK)),
        item("9", "agent", Value::Null),
        item("0", "hangup", Value::Null),
    ];
    let main = json!({"name": "Main", "prompt": "Welcome.", "short_prompt": "Again.", "items": items,
        "invalid_prompt": "Wrong.", "timeout_prompt": "Nothing.",
        "on_exhausted": {"action": "say", "target": "Goodbye."}});
    let main = make(world, main).await?;
    let route = json!({"number": OUR_NUMBER, "route": {"type": "ivr_menu", "id": main}});
    world.api.post("/api/v1/numbers", route).await?.data()?;
    Ok(main)
}

struct Told {
    call: Value,
    session: Value,
    spoken: Vec<String>,
}

/// The caller calls; what came of it.
async fn call(world: &World, script: CallScript) -> Result<Told> {
    let handle = world.carrier.place_call(script).await;
    let control_id = handle.control_id.clone();
    let record = handle.ended().await.context("the carrier stopped")?;
    anyhow::ensure!(record.unmet.is_empty(), "the caller waited in vain: {:?}", record.unmet);
    let call = world.call_of_leg(&control_id).await?;
    let id = call["id"].as_str().context("an id")?.to_owned();
    let call = world.call_when(&id, |call| !call["ended_at"].is_null()).await?;
    let session = session_over(world, &call).await?;
    Ok(Told { call, session, spoken: record.spoken })
}

async fn session_over(world: &World, call: &Value) -> Result<Value> {
    let id = call["ivr_session_id"].as_str().context("a session")?;
    until("the session to be over", SOON, async || {
        let session = world.api.get(&format!("/api/v1/ivr/sessions/{id}")).await?.data()?;
        Ok((session["status"] != "active").then_some(session))
    })
    .await
}

pub fn caller() -> CallScript {
    CallScript::new(CALLER, OUR_NUMBER)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_walks_the_menu_and_both_histories_refer_to_each_other() -> Result<()> {
    let world = World::start().await?;
    let main = to_menu(&world).await?;
    let told = call(&world, caller().presses("2").presses("1").presses("2").presses("0")).await?;
    assert_eq!(told.spoken, ["Welcome.", "Nine to five. Again.", "Below.", "Welcome."]);
    assert_eq!((&told.session["status"], &told.session["turn_count"]), (&json!("completed"), &json!(4)));
    assert_eq!((&told.call["status"], &told.call["end_reason"]), (&json!("ended"), &json!("ivr_completed")));
    let path = format!("/api/v1/calls/{}/transcript", told.call["id"].as_str().context("an id")?);
    let lines = world.api.list_all(&path).await?;
    let keys: Vec<_> = lines.iter().filter(|line| line["kind"] == "dtmf").map(|line| &line["text"]).collect();
    assert_eq!(keys, ["2", "1", "2", "0"], "{lines:?}");
    assert_eq!((&told.session["call_id"], &told.session["menu_stack"]), (&told.call["id"], &json!([main])));
    assert_eq!(told.call["ended_by"], "system");
    let path = format!("/api/v1/calls/{}", told.call["id"].as_str().context("an id")?);
    let lines = world.api.list_all(&format!("{path}/transcript")).await?;
    let lines: Vec<_> = lines.iter().filter_map(|line| line["text"].as_str()).collect();
    assert_eq!(lines, ["Welcome.", "2", "Nine to five. Again.", "1", "Below.", "2", "Welcome.", "0"]);
    let session = told.session["id"].as_str().context("an id")?;
    let events = world.api.list_all(&format!("/api/v1/ivr/sessions/{session}/events")).await?;
    let call_id: Vec<_> = events.iter().map(|event| event["metadata"]["correlation_id"].clone()).collect();
    assert!(call_id.iter().all(|id| *id == call_id[0]), "all of it is correlated by the call");
    let by_call = format!("/api/v1/ivr/sessions?call_id={}", told.call["id"].as_str().context("an id")?);
    assert_eq!(world.api.list_all(&by_call).await?, slice::from_ref(&told.session));
    let public = until("the public event", SOON, async || {
        Ok(world.api.list_all("/api/v1/events?types=ivr.*").await?.into_iter().next())
    })
    .await?;
    assert_eq!((&public["type"], &public["data"]), (&json!("ivr.completed"), &told.session));
    let ledger = world.carrier.ledger();
    assert_eq!(ledger.commands_named("gather_using_speak").count(), 4);
    assert_eq!(ledger.commands_named("hangup").count(), 1);
    assert!(ledger.commands.iter().all(|command| command.status == 200 && !command.repeat));
    world.close().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn callers_mistype_stay_silent_and_hang_up() -> Result<()> {
    let world = World::start().await?;
    to_menu(&world).await?;
    let wrong = call(&world, caller().presses("7").presses("7").presses("7")).await?;
    assert_eq!(wrong.spoken, ["Welcome.", "Wrong. Again.", "Wrong. Again.", "Goodbye."]);
    assert_eq!(
        (&wrong.session["status"], &wrong.session["end_cause"]),
        (&json!("exhausted"), &json!("too_many_invalid"))
    );
    assert_eq!(wrong.call["end_reason"], "ivr_too_many_invalid");
    let silent = call(&world, caller().stays_silent().stays_silent().stays_silent()).await?;
    assert_eq!(silent.spoken, ["Welcome.", "Nothing. Again.", "Nothing. Again.", "Goodbye."]);
    assert_eq!(silent.call["end_reason"], "ivr_no_input");
    let gone = call(&world, caller().presses("1").then(Step::HearOut).then(Step::HangUp)).await?;
    assert_eq!(
        (&gone.session["status"], &gone.call["end_reason"]),
        (&json!("abandoned"), &json!("caller_hangup"))
    );
    assert_eq!(gone.session["menu_stack"].as_array().map(Vec::len), Some(2), "at that very menu");
    world.close().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_is_transferred_or_comes_back_when_nobody_answers() -> Result<()> {
    let world = World::start().await?;
    to_menu(&world).await?;
    world.carrier.set_callee(DESK, CalleeScript::Busy);
    let busy = call(&world, caller().presses("8").presses("0")).await?;
    assert_eq!(busy.spoken, ["Welcome.", "Again."]);
    assert_eq!(busy.session["outcome"]["action"], "hangup");
    world.carrier.set_callee(DESK, CalleeScript::default());
    let handed = call(&world, caller().presses("8")).await?;
    assert_eq!(handed.session["outcome"], json!({"action": "transfer", "target": DESK}));
    assert_eq!(handed.call["end_reason"], "transferred");
    let agent = call(&world, caller().presses("9").then(Step::HearOut).then(Step::HangUp)).await?;
    assert_eq!(agent.session["outcome"]["action"], "agent");
    assert!(agent.spoken[1].starts_with("Hello"), "{:?}", agent.spoken);
    world.close().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn duplicate_and_disordered_webhooks_walk_the_same_way() -> Result<()> {
    let world = World::with(|plan| {
        plan.carrier.mischief.duplicate = 0.5;
        plan.carrier.mischief.unknown_field = 0.2;
        plan.carrier.mischief.webhook_first = 0.3;
        plan.carrier.mischief.server_error = 0.1;
        plan.carrier.seed = 5;
    })
    .await?;
    to_menu(&world).await?;
    for _ in 0..8 {
        let told = call(&world, caller().presses("2").presses("1").presses("2").presses("0")).await?;
        assert_eq!((&told.session["status"], &told.session["turn_count"]), (&json!("completed"), &json!(4)));
    }
    assert_eq!(world.carrier.totals().doubled, 0);
    world.close().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_late_digit_of_an_earlier_prompt_is_harmless() -> Result<()> {
    let world = World::with(|plan| plan.carrier.pace = Pace::REAL).await?;
    to_menu(&world).await?;
    let handle = world.carrier.place_call(caller().presses("1").then(Step::Stay)).await;
    let call = world.call_of_leg(&handle.control_id).await?;
    let id = call["id"].as_str().context("an id")?.to_owned();
    let call = world.call_when(&id, |call| !call["ivr_session_id"].is_null()).await?;
    let session = format!("/api/v1/ivr/sessions/{}", call["ivr_session_id"].as_str().context("a session")?);
    let below = until("the menu below", SOON, async || {
        let session = world.api.get(&session).await?.data()?;
        Ok((session["prompt"] == "Below.").then_some(session))
    })
    .await?;
    // a gather that ended before this prompt was asked for, and says nothing of itself
    let mut late = about(
        &handle.control_id,
        &handle.leg_id,
        "call.gather.ended",
        json!({"digits": "2", "status": "valid"}),
    );
    late["data"]["occurred_at"] = json!(rfc3339(unix_now() - 3_600));
    assert_eq!(world.api.webhook(&late).await?.status, 200);
    assert_eq!(world.api.get(&session).await?.data()?, below);
    assert_eq!(world.api.post(&format!("{session}/end"), Value::Null).await?.status, 200);
    world.call_when(&id, |call| call["end_reason"] == "api_hangup").await?;
    world.close().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn secret_keys_of_a_caller_are_kept_nowhere() -> Result<()> {
    let mut world = World::start().await?;
    to_menu(&world).await?;
    let told = call(&world, caller().presses("1").presses("1").presses("8361")).await?;
    assert_eq!(
        (&told.session["status"], &told.session["collected"]),
        (&json!("completed"), &json!({"pin": null}))
    );
    assert!(world.node.terminate()?.success());
    let history = History::read(&world.node.options).await?;
    for event in &history.events {
        let holds = |needle: &[u8]| event.payload.windows(needle.len()).any(|window| window == needle);
        let shown = || domain::wire::readable(&event.event_type, &event.payload);
        assert!(
            !holds(br#""8361""#) && !holds(b"\xa48361") && !holds(br#""digit":"8""#),
            "{} holds it: {:?}",
            event.event_type,
            shown()
        );
    }
    check_views(&world.node.options).await?;
    world.carrier.shutdown().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_we_place_is_led_through_a_menu_and_a_session_can_be_put_on_a_call() -> Result<()> {
    let world = World::start().await?;
    let main = to_menu(&world).await?;
    let presses = |keys: &str| vec![Step::HearOut, Step::Press(keys.to_owned()), Step::Stay];
    let answers = CalleeScript::Answers { ring: std::time::Duration::ZERO, steps: presses("0") };
    world.carrier.set_callee(CALLER, answers.clone());
    let call = world.dial(json!({"to": CALLER, "ivr_menu_id": main})).await?;
    let id = call["id"].as_str().context("an id")?.to_owned();
    let call = world.call_when(&id, |call| call["end_reason"] == "ivr_completed").await?;
    assert_eq!(session_over(&world, &call).await?["status"], "completed");

    let stays = CalleeScript::Answers { ring: std::time::Duration::ZERO, steps: presses("0") };
    world.carrier.set_callee(CALLER, stays);
    let call = world.dial(json!({"to": CALLER})).await?;
    let id = call["id"].as_str().context("an id")?.to_owned();
    world.call_when(&id, |call| call["status"] == "in_progress").await?;
    let started = world.api.post("/api/v1/ivr/sessions", json!({"menu_id": main, "call_id": id})).await?;
    assert_eq!(started.status, 201, "{}", started.body);
    let call = world.call_when(&id, |call| call["end_reason"] == "ivr_completed").await?;
    assert_eq!(session_over(&world, &call).await?["call_id"], json!(id));
    world.close().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn killed_in_the_middle_of_many_sessions_the_node_goes_on_with_all_of_them() -> Result<()> {
    const SESSIONS: usize = 500;
    let mut world = World::with(|plan| plan.carrier.patience = std::time::Duration::from_secs(60)).await?;
    to_menu(&world).await?;
    // keys that come late because the node was down are no silence
    for menu in world.api.list_all("/api/v1/ivr/menus").await? {
        let path = format!("/api/v1/ivr/menus/{}", menu["id"].as_str().context("an id")?);
        world.api.patch(&path, None, json!({"timeout_ms": 60_000})).await?.data()?;
    }
    let script = || caller().presses("2").presses("1").presses("2").presses("2").presses("0");
    let mut handles = Vec::new();
    for _ in 0..SESSIONS {
        handles.push(world.carrier.place_call(script()).await);
    }
    for _ in 0..2 {
        let before = world.carrier.totals().commands;
        until("the sessions to be under way", SOON, async || {
            Ok((world.carrier.totals().commands > before + SESSIONS as u64 / 2).then_some(()))
        })
        .await?;
        tokio::task::block_in_place(|| {
            world.node.kill()?;
            world.node.resume()
        })?;
    }
    let mut spoken: HashMap<Vec<String>, usize> = HashMap::new();
    for handle in handles {
        let record = handle.ended().await.context("the carrier stopped")?;
        anyhow::ensure!(record.unmet.is_empty(), "{:?} after {:?}", record.unmet, record.spoken);
        *spoken.entry(record.spoken).or_default() += 1;
    }
    // nobody heard a prompt twice, and nobody missed one
    let way = ["Welcome.", "Nine to five. Again.", "Below.", "Welcome.", "Nine to five. Again."];
    assert_eq!(spoken, HashMap::from([(way.map(str::to_owned).to_vec(), SESSIONS)]));
    until("all sessions to be over", SOON, async || {
        let completed = world.api.list_all("/api/v1/ivr/sessions?status=completed").await?.len();
        Ok((completed == SESSIONS).then_some(()))
    })
    .await?;
    assert!(world.node.terminate()?.success());
    check_views(&world.node.options).await?;
    world.carrier.shutdown().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_told_twice_by_a_fast_clock_is_one_and_keys_pressed_ahead_are_kept() -> Result<()> {
    let world = World::with(|plan| plan.carrier.pace = Pace::REAL).await?;
    to_menu(&world).await?;
    for menu in world.api.list_all("/api/v1/ivr/menus").await? {
        let path = format!("/api/v1/ivr/menus/{}", menu["id"].as_str().context("an id")?);
        world.api.patch(&path, None, json!({"timeout_ms": 60_000})).await?.data()?;
    }
    let handle = world.carrier.place_call(caller().then(Step::Stay)).await;
    let call = world.call_of_leg(&handle.control_id).await?;
    let id = call["id"].as_str().context("an id")?.to_owned();
    let call = world.call_when(&id, |call| !call["ivr_session_id"].is_null()).await?;
    let session = format!("/api/v1/ivr/sessions/{}", call["ivr_session_id"].as_str().context("a session")?);
    let stands = async |prompt: &str, turns: u64| {
        let mut last = Value::Null;
        let found = until("the menu", SOON, async || {
            last = world.api.get(&session).await?.data()?;
            Ok((last["prompt"] == prompt && last["turn_count"] == turns).then_some(()))
        })
        .await;
        let events = world.api.list_all(&format!("/api/v1/calls/{id}/events")).await?;
        let events: Vec<_> = events.iter().map(|e| format!("{} {}", e["type"], e["data"])).collect();
        found
            .with_context(|| format!("{prompt} at turn {turns}, the session is {last} {}", events.join("\n")))
    };
    let tells = async |n: u32, event_type: &str, mut more: Value| {
        more["n"] = json!(n); // two presses of a key are two events
        let mut webhook = about(&handle.control_id, &handle.leg_id, event_type, more);
        webhook["data"]["occurred_at"] = json!(rfc3339(unix_now() + 1));
        let answer = world.api.webhook(&webhook).await?;
        anyhow::ensure!(answer.status == 200, "{}", answer.body);
        Ok(())
    };
    let pressed = async |n: u32, key: &str| tells(n, "call.dtmf.received", json!({"digit": key})).await;
    stands("Welcome.", 0).await?;
    pressed(1, "1").await?;
    stands("Below.", 1).await?;
    tells(2, "call.gather.ended", json!({"digits": "1", "status": "valid"})).await?;
    pressed(3, "2").await?;
    tells(4, "call.gather.ended", json!({"digits": "2", "status": "valid"})).await?;
    stands("Welcome.", 2).await?;
    // down, back and out at once
    for (n, key) in (5..).zip(["1", "2", "0"]) {
        pressed(n, key).await?;
    }
    world.call_when(&id, |call| call["end_reason"] == "ivr_completed").await?;
    let over = world.api.get(&session).await?.data()?;
    assert_eq!((&over["status"], &over["turn_count"]), (&json!("completed"), &json!(5)));
    world.close().await?;
    Ok(())
}
