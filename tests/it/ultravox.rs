//! Agents and calls at a simulated Ultravox.

use std::sync::Arc;
use std::time::Duration;

use adapters::clock::SystemClock;
use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use simulator::fake_ultravox::{FakeUltravox, Operation, Trap, UltravoxWebhook};
use tests::client::{Answer, Api};
use tests::until::{SOON, until};
use tests::world::World;

use crate::customers::text;

const KEY: &str = "abcd1234.key-of-the-simulated-ultravox";
const HOOK_SECRET: &str = "secret-of-a-webhook";
const CALLER_ID: &str = "+12025550100";
const CALLEE: &str = "+12025550151";
/// Longer than a sync waits after a lost answer.
const PATIENT: Duration = Duration::from_secs(60);

/// A node whose client has an account with a simulated Ultravox.
async fn started() -> Result<(World, FakeUltravox)> {
    let ultravox = FakeUltravox::start(Arc::new(SystemClock))?;
    ultravox.add_key("main", KEY);
    let base = ultravox.base.clone();
    let world =
        World::with(|plan| plan.options = plan.options.clone().set("ULTRAVOX_API_BASE", &base)).await?;
    use_account(&world.api, &format!("{KEY},{HOOK_SECRET}")).await?;
    Ok((world, ultravox))
}

async fn use_account(api: &Api, keys: &str) -> Result<()> {
    let settings = json!({"caller_id": CALLER_ID, "calls_per_second": "30", "calls_per_minute": "360"});
    let account = json!({"provider": "ultravox", "api_key": keys, "settings": settings});
    api.patch("/api/v1/auth/providers/runtime", None, account).await?.data().map(drop)
}

async fn agent(api: &Api) -> Result<String> {
    let body = json!({"name": "Reception", "system_prompt": "You answer the phone.", "runtime": "ultravox",
        "greeting": "Hello.", "provider": "groq", "model": "m"});
    let agent = api.post("/api/v1/agents", body).await?.data()?;
    assert_eq!(agent["runtime"], "ultravox");
    Ok(text(&agent, "id").to_owned())
}

async fn deploy(api: &Api, agent: &str) -> Result<()> {
    api.post(&format!("/api/v1/agents/{agent}/deploy"), json!({})).await?.data().map(drop)
}

async fn sync_when(api: &Api, agent: &str, status: &str) -> Result<Value> {
    let mut last = Value::Null;
    let found = until("the copy as wanted", PATIENT, async || {
        last = api.get(&format!("/api/v1/agents/{agent}/sync")).await?.data()?;
        Ok((last["status"] == status).then(|| last.clone()))
    })
    .await;
    found.with_context(|| format!("the copy is {last}"))
}

async fn deployed(api: &Api) -> Result<String> {
    let agent = agent(api).await?;
    deploy(api, &agent).await?;
    sync_when(api, &agent, "synced").await?;
    Ok(agent)
}

/// Places a call; answers our id of it and Ultravox's.
async fn placed(world: &World, ultravox: &FakeUltravox, agent: &str) -> Result<(String, String)> {
    let call = world.dial(json!({"to": CALLEE, "agent_id": agent})).await?;
    let id = text(&call, "id").to_owned();
    let there = until("the call at Ultravox", SOON, async || {
        let calls = ultravox.calls("main");
        Ok(calls
            .iter()
            .find(|call| call["metadata"]["voxledger_call"] == *id)
            .map(|call| text(call, "callId").to_owned()))
    })
    .await?;
    world.call_when(&id, |call| call["provider_call_id"] == *there).await?;
    Ok((id, there))
}

async fn deliver(world: &World, webhook: &UltravoxWebhook) -> Result<Answer> {
    let path = webhook.url.find("/api/").map_or(webhook.url.as_str(), |at| &webhook.url[at..]);
    let body = Some(webhook.body.clone());
    world.api.with_key(None).send("POST", path, &webhook.headers(), body).await
}

async fn delivered(world: &World, webhook: &UltravoxWebhook) -> Result<()> {
    let answer = deliver(world, webhook).await?;
    ensure!(answer.status == 200, "{} {}", answer.status, answer.body);
    Ok(())
}

async fn client_id(api: &Api) -> Result<String> {
    Ok(text(&api.get("/api/v1/auth/me").await?.data()?, "client").to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_is_copied_on_deployment_and_its_call_is_followed_to_its_bill() -> Result<()> {
    let (world, ultravox) = started().await?;
    let price =
        json!({"component": "runtime", "provider": "ultravox", "unit": "second", "per": 60, "price": 50_000});
    let prices = json!({"currency": "USD", "prices": [price]}).to_string().into_bytes();
    let set = world.api.send("PUT", "/api/v1/billing/prices", &[], Some(prices)).await?;
    ensure!(set.status == 200, "{} {}", set.status, set.body);
    let agent = agent(&world.api).await?;
    assert_eq!(world.api.get(&format!("/api/v1/agents/{agent}/sync")).await?.status, 404, "not deployed");
    let early = world.api.post("/api/v1/calls", json!({"to": CALLEE, "agent_id": agent})).await?;
    assert_eq!((early.status, &early.body["errors"][0]["code"]), (422, &json!("not_deployed")));
    deploy(&world.api, &agent).await?;
    let copy = sync_when(&world.api, &agent, "synced").await?;
    let [there] = &ultravox.agents("main")[..] else { anyhow::bail!("one agent") };
    assert_eq!(
        (&copy["remote_id"], &there["callTemplate"]["systemPrompt"]),
        (&there["agentId"], &json!("You answer the phone."))
    );
    let recorded =
        world.api.post("/api/v1/calls", json!({"to": CALLEE, "agent_id": agent, "record": true})).await?;
    assert_eq!((recorded.status, &recorded.body["errors"][0]["field"]), (422, &json!("record")));

    let (id, call) = placed(&world, &ultravox, &agent).await?;
    let asked = ultravox.calls("main").remove(0);
    let outgoing = json!({"to": CALLEE, "from": CALLER_ID});
    assert_eq!(
        (&asked["medium"]["telnyx"]["outgoing"], &asked["recordingEnabled"]),
        (&outgoing, &json!(false))
    );
    ultravox.join(&call);
    let joined = ultravox.webhook("call.joined", &call);
    delivered(&world, &joined).await?;
    world.call_when(&id, |call| call["status"] == "in_progress").await?;
    for (role, text) in [
        ("AGENT", "Is Tuesday fine?"),
        ("USER", "Yes, at ten."),
        ("TOOL_CALL", "{\"slot\":\"tue-10\"}"),
        ("AGENT", "Done."),
    ] {
        ultravox.say(&call, role, text);
    }
    ultravox.trap(Operation::ListMessages, Trap::Refuse { status: 425, retry_after: None });
    ultravox.end(&call, "hangup");
    let ended = ultravox.webhook("call.ended", &call);
    ultravox.bill(&call, "48s", "BILLED");
    // the bill comes first, and everything again
    for webhook in [&ultravox.webhook("call.billed", &call), &ended, &joined, &ended, &joined] {
        delivered(&world, webhook).await?;
    }
    let over = world.call_when(&id, |call| call["cost"]["total"]["amount_micros"] == 40_000).await?;
    assert_eq!(
        (text(&over, "status"), text(&over, "end_reason"), text(&over, "provider")),
        ("ended", "caller_hangup", "ultravox")
    );
    let [item] = over["cost"]["items"].as_array().context("items")?.as_slice() else {
        anyhow::bail!("{over}")
    };
    assert_eq!(
        (&item["component"], &item["provider"], &item["quantity"]),
        (&json!("runtime"), &json!("ultravox"), &json!(48))
    );
    let lines = until("the transcript", SOON, async || {
        let lines = world.api.list_all(&format!("/api/v1/calls/{id}/transcript")).await?;
        Ok((lines.len() == 3).then_some(lines))
    })
    .await?;
    let said: Vec<_> = lines.iter().map(|line| (text(line, "role"), text(line, "text"))).collect();
    assert_eq!(said, [("agent", "Is Tuesday fine?"), ("caller", "Yes, at ten."), ("agent", "Done.")]);
    // what is kept of the webhooks shows no secret, and everything else
    let events = world.api.list_all(&format!("/api/v1/calls/{id}/events")).await?;
    let kept = serde_json::to_string(&events)?;
    let secret = asked["callbacks"]["ended"]["secrets"][0].as_str().context("a secret")?;
    assert!(!kept.contains(secret) && !kept.contains("secret-join-url"));
    assert_eq!(events.iter().filter(|event| event["type"] == "call.ended").count(), 1);
    assert_eq!(world.carrier.ledger().commands_named("dial").count(), 0, "the phone carrier was not asked");
    world.close().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn lost_answers_create_no_second_agent_and_no_second_call() -> Result<()> {
    let (world, ultravox) = started().await?;
    ultravox.trap(Operation::CreateAgent, Trap::LoseAnswer);
    let agent = deployed(&world.api).await?;
    assert_eq!((ultravox.agents("main").len(), ultravox.asked(Operation::CreateAgent)), (1, 1));
    ultravox.trap(Operation::CreateCall, Trap::LoseAnswerTo503);
    ultravox.trap(Operation::ListCalls, Trap::Refuse { status: 503, retry_after: Some("1".to_owned()) });
    let (id, call) = placed(&world, &ultravox, &agent).await?;
    assert_eq!(ultravox.asked(Operation::CreateCall), 1);
    let events = world.api.list_all(&format!("/api/v1/calls/{id}/events")).await?;
    assert!(events.iter().any(|event| event["type"] == "call.dial_unknown"), "{events:?}");
    // busy at first: a pause in seconds, and one until a date
    let date = httpdate();
    for retry_after in ["1".to_owned(), date] {
        ultravox.trap(Operation::SendMessage, Trap::Refuse { status: 429, retry_after: Some(retry_after) });
    }
    ultravox.join(&call);
    delivered(&world, &ultravox.webhook("call.joined", &call)).await?;
    world.call_when(&id, |call| call["status"] == "in_progress").await?;
    world.api.post(&format!("/api/v1/calls/{id}/say"), json!({"text": "One moment."})).await?.data()?;
    until("the text at Ultravox", SOON, async || Ok(ultravox.messages(&call).first().cloned())).await?;
    ultravox.trap(Operation::SendMessage, Trap::LoseAnswerTo503);
    world.api.post(&format!("/api/v1/calls/{id}/say"), json!({"text": "Still there?"})).await?.data()?;
    until("the failed text", SOON, async || {
        let events = world.api.list_all(&format!("/api/v1/calls/{id}/events")).await?;
        Ok(events.into_iter().find(|event| event["type"] == "call.command_failed"))
    })
    .await?;
    world.api.post(&format!("/api/v1/calls/{id}/hangup"), json!({})).await?.data()?;
    until("the hang-up at Ultravox", SOON, async || Ok((ultravox.messages(&call).len() == 3).then_some(())))
        .await?;
    let said: Vec<Value> =
        ultravox.messages(&call).iter().map(|message| message["content"].clone()).collect();
    assert_eq!(said, [json!("One moment."), json!("Still there?"), Value::Null], "each once");
    delivered(&world, &ultravox.webhook("call.ended", &call)).await?;
    let over = world.call_when(&id, |call| call["status"] == "ended").await?;
    assert_eq!((text(&over, "end_reason"), text(&over, "ended_by")), ("api_hangup", "operator"));
    world.close().await?;
    Ok(())
}

/// An HTTP date that is just past.
fn httpdate() -> String {
    use domain::ports::clock::Clock as _;
    SystemClock.now().format("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_number_that_cannot_be_called_and_a_call_nobody_takes_have_their_own_ends() -> Result<()> {
    let (world, ultravox) = started().await?;
    let agent = deployed(&world.api).await?;
    let refused = world.dial(json!({"to": "+12025550199", "agent_id": agent})).await?;
    let refused = world.call_when(text(&refused, "id"), |call| call["status"] == "failed").await?;
    assert_eq!(
        (text(&refused, "end_reason"), text(&refused, "provider_code")),
        ("invalid_number", "http_400")
    );
    let (id, call) = placed(&world, &ultravox, &agent).await?;
    world.api.post(&format!("/api/v1/calls/{id}/hangup"), json!({})).await?.data()?;
    until("a hang-up that is refused", SOON, async || {
        Ok((ultravox.asked(Operation::SendMessage) >= 2).then_some(()))
    })
    .await?;
    ultravox.join(&call);
    until("the hang-up", SOON, async || Ok((!ultravox.messages(&call).is_empty()).then_some(()))).await?;
    delivered(&world, &ultravox.webhook("call.ended", &call)).await?;
    world.call_when(&id, |call| call["end_reason"] == "api_hangup").await?;
    world.close().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn forged_stale_and_replayed_webhooks_change_nothing_and_unknown_ones_are_kept() -> Result<()> {
    let (world, ultravox) = started().await?;
    let agent = deployed(&world.api).await?;
    let (id, call) = placed(&world, &ultravox, &agent).await?;
    ultravox.join(&call);
    let good = ultravox.webhook("call.joined", &call);
    let forged = UltravoxWebhook { signature: "00".repeat(32), ..good.clone() };
    assert_eq!(deliver(&world, &forged).await?.code(), "signature_invalid");
    let moved = UltravoxWebhook { timestamp: "2026-05-01T12:34:56Z".to_owned(), ..good.clone() };
    assert_eq!(deliver(&world, &moved).await?.code(), "signature_invalid");
    let unsigned = world
        .api
        .with_key(None)
        .send("POST", "/api/v1/webhooks/ultravox", &[], Some(good.body.clone()))
        .await?;
    assert_eq!(unsigned.code(), "carrier_not_configured", "the node has no account");
    let client = client_id(&world.api).await?;
    let path = format!("/api/v1/webhooks/ultravox/{client}");
    assert!(good.url.ends_with(&path), "{}", good.url);
    // an event without a readable call is kept, and a later readable copy of it is taken
    let torn = json!({"event": "call.joined", "call": {"callId": 7, "joinUrl": "wss://secret"}}).to_string();
    delivered(&world, &ultravox.signed(&path, torn.into_bytes(), &[HOOK_SECRET])).await?;
    let strange = json!({"event": "account.renamed", "account": {"name": "x"}}).to_string();
    delivered(&world, &ultravox.signed(&path, strange.into_bytes(), &["old", HOOK_SECRET])).await?;
    assert_eq!(deliver(&world, &ultravox.signed(&path, b"{".to_vec(), &[HOOK_SECRET])).await?.status, 400);
    assert_ne!(world.api.get(&format!("/api/v1/calls/{id}")).await?.data()?["status"], "in_progress");
    delivered(&world, &good).await?;
    delivered(&world, &good).await?;
    world.call_when(&id, |call| call["status"] == "in_progress").await?;
    let events = world.api.list_all(&format!("/api/v1/calls/{id}/events")).await?;
    assert_eq!(events.iter().filter(|event| event["type"] == "call.answered").count(), 1);
    // a call that nobody here placed
    let theirs = ultravox.incoming("main");
    ultravox.join(&theirs);
    let shown = ultravox.webhook("call.joined", &theirs);
    delivered(&world, &ultravox.signed(&path, shown.body, &[HOOK_SECRET])).await?;
    let foreign = world.call_of_leg(&theirs).await?;
    assert_eq!((text(&foreign, "direction"), text(&foreign, "provider")), ("inbound", "ultravox"));
    // a webhook of this client's account changes no call of another client
    let other = world.api.post("/api/v1/auth/clients", json!({"name": "Other"})).await?.data()?;
    let others = world.api.with_key(other["plain_key"].as_str());
    use_account(&others, &format!("{KEY},another-secret-here")).await?;
    let path = format!("/api/v1/webhooks/ultravox/{}", client_id(&others).await?);
    ultravox.end(&call, "hangup");
    let stolen = ultravox.webhook("call.ended", &call);
    let answer = deliver(&world, &ultravox.signed(&path, stolen.body, &["another-secret-here"])).await?;
    assert_eq!(answer.status, 404, "{}", answer.body);
    assert_eq!(world.api.get(&format!("/api/v1/calls/{id}")).await?.data()?["status"], "in_progress");
    world.close().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn edits_there_are_shown_and_agents_follow_their_clients_account() -> Result<()> {
    let (world, ultravox) = started().await?;
    let agent = deployed(&world.api).await?;
    let path = format!("/api/v1/agents/{agent}/sync");
    let copy = ultravox.agents("main").remove(0);
    ultravox.edit_agent(text(&copy, "agentId"), |agent| {
        agent["callTemplate"]["systemPrompt"] = json!("You sell.")
    });
    let asked = world.api.post(&path, json!({"compare_only": true})).await?;
    assert_eq!(asked.status, 202, "{}", asked.body);
    let drifted = sync_when(&world.api, &agent, "drifted").await?;
    let expected = json!([{"field": "callTemplate.systemPrompt", "ours": "\"You answer the phone.\"", "theirs": "\"You sell.\""}]);
    assert_eq!(drifted["differences"], expected);
    assert_eq!(ultravox.agents("main")[0]["callTemplate"]["systemPrompt"], "You sell.");
    world.api.post(&path, json!({})).await?.data()?;
    sync_when(&world.api, &agent, "synced").await?;
    assert_eq!(ultravox.agents("main")[0]["callTemplate"]["systemPrompt"], "You answer the phone.");
    // another account
    ultravox.add_key("second", "wxyz9876.key-of-another-account");
    use_account(&world.api, "wxyz9876.key-of-another-account").await?;
    until("the copy in the other account", PATIENT, async || {
        Ok((ultravox.agents("second").len() == 1 && ultravox.agents("main").is_empty()).then_some(()))
    })
    .await?;
    let moved = until("the earlier copy to be gone", SOON, async || {
        let copy = world.api.get(&path).await?.data()?;
        Ok((copy["status"] == "synced" && copy["left"] == 0).then_some(copy))
    })
    .await?;
    assert_eq!(moved["remote_id"], ultravox.agents("second")[0]["agentId"]);
    // another runtime, and back to the version before
    world.api.patch(&format!("/api/v1/agents/{agent}"), None, json!({"runtime": "carrier"})).await?.data()?;
    deploy(&world.api, &agent).await?;
    until("no copy", PATIENT, async || Ok(ultravox.agents("second").is_empty().then_some(()))).await?;
    world.api.post(&format!("/api/v1/agents/{agent}/deploy"), json!({"version": 1})).await?.data()?;
    sync_when(&world.api, &agent, "synced").await?;
    assert_eq!(ultravox.agents("second").len(), 1);
    // what Ultravox refuses says so
    world
        .api
        .patch(
            &format!("/api/v1/agents/{agent}"),
            None,
            json!({"system_prompt": "Hello {{name}}", "runtime": "ultravox"}),
        )
        .await?
        .data()?;
    deploy(&world.api, &agent).await?;
    let failed = sync_when(&world.api, &agent, "failed").await?;
    assert_eq!(failed["error"], "double_braces");
    world.close().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_is_followed_and_ended_where_it_was_placed_though_the_account_changed_since() -> Result<()> {
    let (world, ultravox) = started().await?;
    let agent = deployed(&world.api).await?;
    let (id, call) = placed(&world, &ultravox, &agent).await?;
    ultravox.join(&call);
    delivered(&world, &ultravox.webhook("call.joined", &call)).await?;
    world.call_when(&id, |call| call["status"] == "in_progress").await?;
    // a mistyped key, and then more changes of other settings than keys are kept
    let account = json!({"provider": "ultravox", "api_key": "mistyped-key"});
    world.api.patch("/api/v1/auth/providers/runtime", None, account).await?.data()?;
    for calls_per_minute in 40..46 {
        let settings = json!({"caller_id": CALLER_ID, "calls_per_minute": calls_per_minute.to_string()});
        world
            .api
            .patch("/api/v1/auth/providers/runtime", None, json!({"settings": settings}))
            .await?
            .data()?;
    }
    let failed = sync_when(&world.api, &agent, "failed").await?;
    assert_eq!(failed["error"], "http_403");
    world.api.post(&format!("/api/v1/calls/{id}/hangup"), json!({})).await?.data()?;
    until("the hang-up at Ultravox", SOON, async || Ok((!ultravox.messages(&call).is_empty()).then_some(())))
        .await?;
    // the end is seen by a look, in the account before
    let over = until("the end", PATIENT, async || {
        let call = world.api.get(&format!("/api/v1/calls/{id}")).await?.data()?;
        Ok((call["status"] == "ended").then_some(call))
    })
    .await?;
    assert_eq!(text(&over, "end_reason"), "api_hangup");
    world.close().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_that_cannot_work_are_refused_and_the_key_is_never_shown() -> Result<()> {
    let (world, _ultravox) = started().await?;
    let account = world.api.get("/api/v1/auth/providers/runtime").await?;
    assert!(!account.body.to_string().contains(KEY), "{}", account.body);
    for (provider, settings, field) in [
        ("vapi", json!({}), "provider"),
        ("ultravox", json!({"medium": "pigeon"}), "settings.medium"),
        ("ultravox", json!({"medium": "sip"}), "settings.sip_gateway"),
        ("ultravox", json!({"caller_id": "12"}), "settings.caller_id"),
        ("ultravox", json!({"calls_per_minute": "0"}), "settings.calls_per_minute"),
        ("ultravox", json!({"base_url": "https://evil.example"}), "settings.base_url"),
    ] {
        let body = json!({"provider": provider, "api_key": "key-of-eight", "settings": settings});
        let refused = world.api.patch("/api/v1/auth/providers/runtime", None, body).await?;
        assert_eq!(
            (refused.status, &refused.body["errors"][0]["field"]),
            (422, &json!(field)),
            "{}",
            refused.body
        );
    }
    world.close().await?;
    Ok(())
}
