//! A leg has several names: whichever a webhook carries, it leads to the same call.

use std::time::Duration;

use adapters::telephony::fake_telnyx::{CallScript, CalleeScript, Step};
use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
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
