//! Calls that a client places.

use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::{Value, json};
use simulator::fake_telnyx::{CalleeScript, Step};
use tests::client::Api;
use tests::server::{Server, ServerOptions};
use tests::until::{SOON, until};
use tests::webhook;
use tests::world::{CALLER_ID, World};

use crate::ivr::{item, make};

const CALLEE: &str = "+12025550151";

fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value[field].as_str().unwrap_or_default()
}

fn over(call: &Value) -> bool {
    matches!(text(call, "status"), "ended" | "failed")
}

async fn dialled(world: &World, callee: CalleeScript, order: Value) -> Result<Value> {
    world.carrier.set_callee(CALLEE, callee);
    let call = world.dial(order).await?;
    assert_eq!((text(&call, "status"), text(&call, "direction")), ("queued", "outbound"));
    assert_eq!(text(&call, "from"), CALLER_ID, "as whom it is dialled");
    Ok(call)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answered_call_is_recorded_and_told_to_its_end() -> Result<()> {
    let world = World::start().await?;
    let steps = vec![Step::Say("who is there".to_owned()), Step::HangUp];
    let callee = CalleeScript::Answers { ring: Duration::ZERO, steps };
    let order = json!({"to": CALLEE, "record": true, "metadata": {"ticket": "A-7"}});
    let call = dialled(&world, callee, order).await?;
    let id = text(&call, "id").to_owned();
    let call = world.call_when(&id, |call| over(call) && call["recording_status"] == "available").await?;
    let expected = json!({
        "status": "ended", "to": CALLEE, "end_reason": "caller_hangup", "ended_by": "caller",
        "fault": "none", "provider": "telnyx", "metadata": {"ticket": "A-7"},
    });
    for (field, value) in expected.as_object().context("an object")? {
        assert_eq!(&call[field], value, "{field}");
    }
    let recording = world.api.get(&format!("/api/v1/calls/{id}/recording")).await?.data()?;
    assert_eq!(recording["status"], "available");
    // at the carrier, or in the object store by now
    let url = text(&recording, "url");
    assert!(url.contains("/recordings/") || url.contains("/api/v1/objects/"), "{recording}");
    let lines = world.api.list_all(&format!("/api/v1/calls/{id}/transcript")).await?;
    assert_eq!(lines.iter().map(|line| text(line, "text")).collect::<Vec<_>>(), ["who is there"]);
    let ledger = world.close().await?;
    let dials: Vec<_> = ledger.commands_named("dial").collect();
    assert_eq!(dials.len(), 1);
    assert_eq!((&dials[0].body["from"], &dials[0].body["to"]), (&json!(CALLER_ID), &json!(CALLEE)));
    assert!(dials[0].command_id.is_some() && dials[0].body["client_state"].is_string());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_cannot_be_dialled_is_refused_at_once() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let node = Server::start(&ServerOptions::embedded(folder.path()))?;
    let api = Api::new(&node.base)?;
    let refused = api.post("/api/v1/calls", json!({"to": CALLEE})).await?;
    assert_eq!((refused.status, refused.code()), (422, "no_carrier"), "{}", refused.body);
    // an account of the client's own, without a caller id
    let settings = json!({"connection_id": "1900000000000000001"});
    let account = json!({"provider": "telnyx", "api_key": "KEY0123456789", "settings": settings});
    api.patch("/api/v1/auth/providers/telephony", None, account).await?.data()?;
    let refused = api.post("/api/v1/calls", json!({"to": CALLEE})).await?;
    assert_eq!(
        (refused.status, &refused.body["errors"][0]["field"]),
        (422, &json!("from")),
        "{}",
        refused.body
    );
    for nonsense in ["", "nonsense", "+1", "tel:"] {
        assert_eq!(api.post("/api/v1/calls", json!({"to": nonsense})).await?.status, 422, "{nonsense}");
    }
    assert_eq!(api.list_all("/api/v1/calls").await?, Vec::<Value>::new());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_is_led_by_an_agent_or_by_a_menu_and_not_by_both() -> Result<()> {
    let world = World::start().await?;
    let menu = make(
        &world,
        json!({"name": "Main", "prompt": "Hello.", "items": [item("0", "hangup", Value::Null)]}),
    )
    .await?;
    let agent = json!({"name": "A", "system_prompt": "Help.", "provider": "groq", "model": "m"});
    let agent = world.api.post("/api/v1/agents", agent).await?.data()?;
    let both = json!({"to": CALLEE, "agent_id": agent["id"], "ivr_menu_id": menu});
    let refused = world.api.post("/api/v1/calls", both).await?;
    assert_eq!(
        (refused.status, &refused.body["errors"][0]["field"]),
        (422, &json!("ivr_menu_id")),
        "{}",
        refused.body
    );
    assert_eq!(world.api.list_all("/api/v1/calls").await?, Vec::<Value>::new());
    world.close().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn every_way_not_to_be_reached_has_its_own_end_reason() -> Result<()> {
    let world = World::start().await?;
    for (callee, reason, by) in [
        (CalleeScript::Busy, "busy", "caller"),
        (CalleeScript::NoAnswer, "no_answer", "system"),
        (CalleeScript::Rejects, "rejected", "caller"),
        (CalleeScript::NotFound, "invalid_number", "provider"),
    ] {
        let call = dialled(&world, callee, json!({"to": CALLEE, "ring_timeout_ms": 5000})).await?;
        let call = world.call_when(text(&call, "id"), over).await?;
        assert_eq!(
            (text(&call, "status"), text(&call, "end_reason"), text(&call, "ended_by")),
            ("failed", reason, by),
            "{call}"
        );
        assert_eq!(call["duration_ms"], Value::Null);
    }
    world.close().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_machine_that_answers_is_told_from_a_person() -> Result<()> {
    let world = World::start().await?;
    let callee = CalleeScript::Answers { ring: Duration::ZERO, steps: vec![] };
    let call = dialled(&world, callee, json!({"to": CALLEE})).await?;
    let id = text(&call, "id").to_owned();
    let call = world.call_when(&id, |call| call["status"] == "in_progress").await?;
    assert_eq!(call["answered_by"], Value::Null);
    let control_id = text(&call, "provider_call_id");
    let ledger = world.carrier.ledger();
    let leg_id = ledger.commands_named("dial").next().and_then(|dial| dial.leg_id.clone());
    let leg_id = leg_id.context("the leg")?;
    let verdict = "call.machine.detection.ended";
    let event = webhook::about(control_id, &leg_id, verdict, json!({"result": "machine"}));
    assert_eq!(world.api.webhook(&event).await?.status, 200);
    world.call_when(&id, |call| call["answered_by"] == "machine").await?;
    world.api.post(&format!("/api/v1/calls/{id}/hangup"), Value::Null).await?.data()?;
    let call = world.call_when(&id, over).await?;
    assert_eq!(text(&call, "end_reason"), "api_hangup");
    world.close().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dial_whose_answer_is_lost_is_unknown_then_found_and_never_placed_twice() -> Result<()> {
    // the carrier dials, hangs up on us instead of answering, and none of its webhooks arrives
    let world = World::with(|plan| {
        plan.carrier.mischief.drop_response = 1.0;
        plan.carrier.mischief.lose = 1.0;
    })
    .await?;
    let callee = CalleeScript::Answers { ring: Duration::ZERO, steps: vec![] };
    let call = dialled(&world, callee, json!({"to": CALLEE})).await?;
    let id = text(&call, "id").to_owned();
    world.call_when(&id, |call| call["status"] == "dial_unknown").await?;
    let found = world.call_when(&id, |call| !call["provider_call_id"].is_null()).await?;
    let events = world.api.list_all(&format!("/api/v1/calls/{id}/events")).await?;
    let types: Vec<_> = events.iter().map(|event| text(event, "type")).collect();
    let expected = ["call.queued", "call.dial_started", "call.dial_unknown", "call.dial_accepted"];
    assert_eq!(types, expected);

    let ledger = world.carrier.ledger();
    let dial = ledger.commands_named("dial").next().context("a dial")?;
    let leg_id = dial.leg_id.clone().context("a leg")?;
    let hangup = json!({
        "hangup_cause": "normal_clearing", "hangup_source": "callee", "sip_hangup_cause": "200",
    });
    let event = webhook::about(text(&found, "provider_call_id"), &leg_id, "call.hangup", hangup);
    assert_eq!(world.api.webhook(&event).await?.status, 200);
    world.call_when(&id, over).await?;
    let ledger = world.close().await?;
    assert_eq!(ledger.commands_named("dial").count(), 1, "a lost dial was placed again");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_taken_back_before_it_rings_is_cancelled() -> Result<()> {
    let world = World::with(|plan| {
        plan.options = plan.options.clone().set("TELNYX_API_BASE", "http://127.0.0.1:9/v2");
    })
    .await?;
    let call = world.dial(json!({"to": CALLEE})).await?;
    let id = text(&call, "id").to_owned();
    let path = format!("/api/v1/calls/{id}");
    until("a first try", SOON, async || {
        let events = world.api.list_all(&format!("{path}/events")).await?;
        Ok(events.iter().any(|event| text(event, "type") == "call.dial_postponed").then_some(()))
    })
    .await?;
    assert_eq!(world.api.post(&format!("{path}/hangup"), Value::Null).await?.status, 202);
    let call = world.call_when(&id, over).await?;
    assert_eq!((text(&call, "status"), text(&call, "end_reason")), ("failed", "cancelled"));
    world.close().await?;
    Ok(())
}
