//! A leg has several names: whichever a webhook carries, it leads to the same call.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use domain::ids::CallId;
use serde_json::{Value, json};
use simulator::fake_telnyx::{CallScript, CalleeScript, Step};
use tests::receiver::{Answers, Received, Receiver};
use tests::until::{SOON, until};
use tests::webhook::{Leg, OUR_NUMBER, rfc3339, unix_now};
use tests::world::World;

const CALLER: &str = "+12025550111";
const CALLEE: &str = "+12025550151";

fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value[field].as_str().unwrap_or_default()
}

/// The webhook with these of the leg's names alone.
fn named(mut webhook: Value, names: &[&str]) -> Value {
    if let Some(payload) = webhook["data"]["payload"].as_object_mut() {
        let of_leg = ["call_control_id", "call_leg_id", "call_session_id"];
        payload.retain(|field, _| !of_leg.contains(&field.as_str()) || names.contains(&field.as_str()));
    }
    webhook
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leg_told_of_by_either_of_its_ids_is_one_call() -> Result<()> {
    let world = World::start().await?;
    world.take_number().await?;
    let (control, leg) = ("call_control_id", "call_leg_id");
    let orders: [[&[&str]; 3]; 4] = [
        [&[control, leg], &[control], &[leg]],
        [&[control], &[control, leg], &[leg]],
        [&[leg], &[control, leg], &[control]],
        [&[control, "call_session_id"], &[leg, "call_session_id"], &[leg]],
    ];
    let at = rfc3339(unix_now());
    for (number, order) in (1..).zip(&orders) {
        let mut leg = Leg::inbound(number);
        let webhooks = [leg.initiated(&at), leg.event("call.preview", &at, json!({})), leg.hangup(&at)];
        for (webhook, names) in webhooks.into_iter().zip(order) {
            let taken = world.api.webhook(&named(webhook, names)).await?;
            ensure!(taken.status == 200, "{}", taken.body);
        }
        let calls = until("one call that has ended", SOON, async || {
            let calls = world.api.list_all("/api/v1/calls").await?;
            ensure!(calls.len() as u64 <= number, "{order:?}: {} calls", calls.len());
            let over = |call: &Value| call["status"] == "ended" || call["status"] == "failed";
            Ok((calls.len() as u64 == number && calls.iter().all(over)).then_some(calls))
        })
        .await?;
        let call = calls.iter().find(|call| text(call, "from") == leg.from).context("the call")?;
        assert_eq!(call["provider_call_id"], leg.control_id(), "{order:?}");
    }
    world.close().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn whole_calls_whose_webhooks_carry_one_id_each_are_one_call_each() -> Result<()> {
    let world = World::with(|plan| {
        plan.carrier.mischief.one_name = 1.0;
        plan.carrier.mischief.null_client_state = 1.0;
        plan.carrier.mischief.shuffle = 0.2;
        plan.carrier.mischief.duplicate = 0.2;
    })
    .await?;
    world.take_number().await?;
    for n in 0..8 {
        let script = CallScript::new(format!("+120255501{n:02}"), OUR_NUMBER).talks(["hello"]);
        let record = world.carrier.place_call(script).await.ended().await.context("the carrier stopped")?;
        ensure!(record.unmet.is_empty(), "the caller waited in vain: {:?}", record.unmet);
    }
    let mut calls = Vec::new();
    let ended = until("all calls to have ended", SOON, async || {
        calls = world.api.list_all("/api/v1/calls").await?;
        Ok(calls.iter().all(|call| call["status"] == "ended").then_some(()))
    })
    .await;
    ended.with_context(|| format!("{calls:?}"))?;
    assert_eq!(calls.len(), 8);
    world.close().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_leg_of_a_transfer_that_names_nothing_but_the_session_is_the_transfers() -> Result<()> {
    let world = World::with(|plan| plan.carrier.mischief.null_client_state = 1.0).await?;
    world.take_number().await?;
    world.carrier.set_callee(CALLEE, CalleeScript::Answers { ring: Duration::ZERO, steps: vec![] });
    let handle = world.carrier.place_call(CallScript::new(CALLER, OUR_NUMBER).then(Step::Stay)).await;
    let call = world.call_of_leg(&handle.control_id).await?;
    let id = text(&call, "id");
    world.call_when(id, |call| call["status"] == "in_progress").await?;
    let asked = world.api.post(&format!("/api/v1/calls/{id}/transfer"), json!({"to": CALLEE})).await?;
    assert_eq!(asked.status, 202);
    let ended = world.call_when(id, |call| call["status"] == "ended").await?;
    assert_eq!(text(&ended, "end_reason"), "transferred");
    assert_eq!(world.api.list_all("/api/v1/calls").await?.len(), 1);
    world.close().await?;
    Ok(())
}

/// A carrier whose webhooks bear no tag of ours, and whose answers to commands come `late`.
async fn without_tags(late: Duration) -> Result<World> {
    World::with(|plan| {
        plan.carrier.mischief.null_client_state = 1.0;
        plan.carrier.mischief.late_answer = 1.0;
        plan.carrier.mischief.late_by = late;
        plan.options = plan.options.clone().set("WEBHOOKS_ALLOW_PRIVATE", "true");
    })
    .await
}

fn is_over(call: &Value) -> bool {
    matches!(text(call, "status"), "ended" | "failed")
}

fn says_and_hangs_up() -> CalleeScript {
    let steps = vec![Step::Say("who is there".to_owned()), Step::HangUp];
    CalleeScript::Answers { ring: Duration::ZERO, steps }
}

/// Our call as it ended, with the line its callee said, and whatever other calls there are.
async fn ended_as_dialled(world: &World, id: &str, lines: &[&str]) -> Result<(Value, Vec<Value>)> {
    let call = world.call_when(id, is_over).await?;
    until("every call to be over", SOON, async || {
        let calls = world.api.list_all("/api/v1/calls").await?;
        Ok(calls.iter().all(is_over).then_some(()))
    })
    .await
    .context("a call rings for ever")?;
    let said = world.api.list_all(&format!("/api/v1/calls/{id}/transcript")).await?;
    assert_eq!(said.iter().map(|line| text(line, "text")).collect::<Vec<_>>(), lines);
    let calls = world.api.list_all("/api/v1/calls").await?;
    let others = calls.into_iter().filter(|other| text(other, "id") != id).collect();
    Ok((call, others))
}

#[tokio::test(flavor = "multi_thread")]
async fn webhooks_that_overtake_the_answer_to_our_dial_wait_for_it() -> Result<()> {
    let world = without_tags(Duration::from_millis(250)).await?;
    let receiver = Receiver::start(|_| Answers::Status(200, "")).await?;
    let hook = json!({"url": receiver.url, "events": ["call.*"]});
    world.api.post("/api/v1/webhooks", hook).await?.data()?;
    world.carrier.set_callee(CALLEE, says_and_hangs_up());
    let call = world.dial(json!({"to": CALLEE})).await?;
    let id = text(&call, "id");
    let (call, others) = ended_as_dialled(&world, id, &["who is there"]).await?;
    assert_eq!((text(&call, "status"), text(&call, "end_reason")), ("ended", "caller_hangup"));
    assert_eq!(others, Vec::<Value>::new(), "one call");
    let told = until("the call's end to be told", SOON, async || {
        let told = receiver.received().iter().map(Received::json).collect::<Result<Vec<_>>>()?;
        Ok(told.iter().any(|event| event["type"] == "call.ended").then_some(told))
    })
    .await?;
    assert!(told.iter().all(|event| event["subject"]["id"] == id), "{told:?}");
    world.close().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_began_before_our_dial_was_answered_is_merged_into_the_dialled_one() -> Result<()> {
    let world = without_tags(Duration::from_millis(2_500)).await?;
    world.carrier.set_callee(CALLEE, says_and_hangs_up());
    let call = world.dial(json!({"to": CALLEE})).await?;
    let id = text(&call, "id");
    let (call, others) = ended_as_dialled(&world, id, &["who is there"]).await?;
    assert_eq!((text(&call, "status"), text(&call, "end_reason")), ("ended", "caller_hangup"));
    let [other] = &others[..] else { anyhow::bail!("{} other calls", others.len()) };
    assert_eq!((text(other, "status"), text(other, "end_reason")), ("ended", "merged"), "{other}");
    let events = world.api.list_all(&format!("/api/v1/calls/{}/events", text(other, "id"))).await?;
    let merged = events.iter().find(|event| event["type"] == "call.merged").context("a merger")?;
    assert_eq!(merged["data"]["into"], id.parse::<CallId>()?.0.to_string(), "{merged}");
    let figures = world.api.get("/api/v1/analytics/overview").await?.data()?;
    assert_eq!(figures["calls"]["total"], 1, "one call is counted: {figures}");
    world.close().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_is_merged_though_the_node_dies_before_our_dial_is_answered() -> Result<()> {
    let mut world = without_tags(Duration::from_secs(5)).await?;
    let steps = vec![Step::Say("who is there".to_owned()), Step::Stay];
    world.carrier.set_callee(CALLEE, CalleeScript::Answers { ring: Duration::ZERO, steps });
    let call = world.dial(json!({"to": CALLEE})).await?;
    let id = text(&call, "id");
    until("a strange call that was answered", SOON, async || {
        let calls = world.api.list_all("/api/v1/calls").await?;
        Ok(calls.iter().any(|call| text(call, "id") != id && call["status"] == "in_progress").then_some(()))
    })
    .await?;
    world.node.kill()?;
    world.node.resume()?;
    world.call_when(id, |call| call["status"] == "in_progress").await?;
    world.api.post(&format!("/api/v1/calls/{id}/hangup"), Value::Null).await?.data()?;
    let (call, others) = ended_as_dialled(&world, id, &["who is there"]).await?;
    assert_eq!((text(&call, "status"), text(&call, "end_reason")), ("ended", "api_hangup"));
    let reasons: Vec<_> = others.iter().map(|other| text(other, "end_reason")).collect();
    assert_eq!(reasons, ["merged"]);
    world.close().await?;
    Ok(())
}
