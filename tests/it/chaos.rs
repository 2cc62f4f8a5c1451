//! A carrier at full rate, clients that place calls, and what must hold once it is over. Shared by the tests that kill.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use simulator::fake_telnyx::{CallScript, CalleeScript, CarrierFaults, FakeConfig, FakeTelnyx, Ledger, Step};
use tests::client::Api;
use tests::history::History;
use tests::until::until;
use tests::webhook::OUR_NUMBER;
use uuid::Uuid;

/// Carriers may take this long to see a call through, on a busy machine with a node that is down half of the time.
const AFTERMATH: Duration = Duration::from_secs(90);

/// How long callers wait for an answer.
pub const CALLERS_PATIENCE: Duration = Duration::from_secs(3);

/// A carrier that does all a carrier may do wrong, at full rate.
pub fn hostile(config: &mut FakeConfig, seed: u64) {
    config.seed = seed;
    config.mischief = CarrierFaults::BEARABLE;
    config.max_calls = 64;
    config.max_in_flight = 16;
    config.patience = CALLERS_PATIENCE;
    // a node that is down for seconds must not be given up on
    config.retry_backoff = Duration::from_millis(100);
    config.attempts = 10;
}

/// How those behave whom the clients call.
pub fn cast_callees(carrier: &FakeTelnyx) {
    let steps = vec![Step::Say("yes, speaking".to_owned()), Step::Press("1".to_owned()), Step::HangUp];
    carrier.set_usual_callee(CalleeScript::Answers { ring: Duration::ZERO, steps });
    carrier.set_callee("+12025550171", CalleeScript::Busy);
    carrier.set_callee("+12025550172", CalleeScript::NoAnswer);
    carrier.set_callee("+12025550173", CalleeScript::Rejects);
}

/// Callers, as many at once as the carrier allows, until it is over.
pub async fn callers(carrier: &FakeTelnyx, seed: u64, over: &AtomicBool) {
    let mut index = 0;
    while !over.load(Ordering::Relaxed) {
        // now and then somebody calls a number that is nobody's
        let to = if index % 10 == 9 { "+12025550177" } else { OUR_NUMBER };
        carrier.place_call(CallScript::sample(seed, index, to)).await;
        index += 1;
    }
}

/// A client that places one call after the other until it is over. Answers with those the node acknowledged.
pub async fn dialler(api: &Api, number: u64, over: &AtomicBool) -> Vec<String> {
    let mut acknowledged = Vec::new();
    let mut order = 0;
    while !over.load(Ordering::Relaxed) {
        order += 1;
        let to = format!("+1202555017{}", order % 5);
        let body =
            json!({"to": to, "ring_timeout_ms": 5000, "metadata": {"dialler": number, "order": order}});
        let Ok(answer) = api.post("/api/v1/calls", body).await else { continue };
        if answer.status != 201 {
            continue;
        }
        let id = answer.body["data"]["id"].as_str().unwrap_or_default().to_owned();
        // the next one once this one is under way; whether that works out is looked at when all is over
        let _ = until("the call to be dialled", Duration::from_secs(1), async || {
            let call = api.get(&format!("/api/v1/calls/{id}")).await?.data()?;
            Ok((call["status"] != "queued").then_some(()))
        })
        .await;
        acknowledged.push(id);
    }
    acknowledged
}

/// Waits until the carrier has told everything and the node shows every call as over. A dial that never left a node
/// that died is looked for until its ring timeout and half a minute have passed. Answers with the calls.
pub async fn until_settled(api: &Api, carrier: &FakeTelnyx) -> Result<Vec<Value>> {
    tokio::time::timeout(AFTERMATH, carrier.settled()).await.context("the carrier is not done")?;
    let open = "/api/v1/calls?status=queued,dialing,ringing,in_progress,dial_unknown";
    let mut last = Vec::new();
    let over = until("every call to be over", AFTERMATH, async || {
        last = api.list_all(open).await?;
        Ok(last.is_empty().then_some(()))
    })
    .await;
    over.with_context(|| format!("still open: {last:?}"))?;
    // a write waits for the views: what is read after it is all there is
    api.post("/api/v1/numbers", json!({"number": "+12025550199", "route": {"type": "reject"}})).await?;
    api.list_all("/api/v1/calls").await
}

/// What must hold of the log, the calls and the carrier's memory together.
pub fn verify(history: &History, ledger: &Ledger, calls: &[Value], acknowledged: &[String]) -> Result<()> {
    ensure!(ledger.forgotten == 0, "the carrier forgot what it asked");
    history.check_order()?;

    let taken = history.carrier_events();
    for hook in ledger.webhooks.iter().filter(|hook| hook.status == Some(200)) {
        let times = taken.get(&*hook.event_id).copied().unwrap_or(0);
        ensure!(times > 0, "{} {} was acknowledged and is not in the log", hook.event_type, hook.event_id);
    }
    let twice = taken.iter().find(|(_, times)| **times > 1);
    ensure!(twice.is_none(), "a webhook stands in the log twice: {twice:?}");

    let effects = history.effects()?;
    let mut performed: HashMap<Uuid, u32> = HashMap::new();
    let mut once: HashMap<(&str, &str), u32> = HashMap::new();
    for command in &ledger.commands {
        let id: Uuid = command.command_id.as_deref().context("a command without an id")?.parse()?;
        let stream = effects.get(&id);
        let stream = stream.with_context(|| format!("{} {id} was asked for by no event", command.name))?;
        let carried_out = matches!(command.status, 0 | 200) && !command.repeat;
        if carried_out {
            *performed.entry(id).or_default() += 1;
            if matches!(command.name.as_str(), "dial" | "answer" | "reject") {
                *once.entry((stream, &command.name)).or_default() += 1;
            }
        }
    }
    let doubled = performed.iter().find(|(_, times)| **times > 1);
    ensure!(doubled.is_none(), "an effect was performed twice: {doubled:?}");
    let doubled = once.iter().find(|(_, times)| **times > 1);
    ensure!(doubled.is_none(), "a call was dialled, answered or refused twice: {doubled:?}");
    ensure!(ledger.totals.doubled == 0, "the carrier saw {} effects twice", ledger.totals.doubled);

    for id in acknowledged {
        ensure!(calls.iter().any(|call| call["id"] == **id), "{id} was acknowledged and is gone");
    }
    let mut by_leg: HashMap<&str, Vec<&Value>> = HashMap::new();
    for call in calls {
        ensure!(matches!(call["status"].as_str(), Some("ended" | "failed")), "not over: {call}");
        if let Some(leg) = call["provider_call_id"].as_str() {
            by_leg.entry(leg).or_default().push(call);
        }
    }
    for leg in ledger.calls.iter().filter(|leg| !leg.transfer_target) {
        let found = by_leg.get(leg.control_id.as_str()).map(Vec::as_slice).unwrap_or_default();
        let [call] = found else { anyhow::bail!("{leg:?} belongs to {} calls: {found:?}", found.len()) };
        if leg.expected.certain {
            ensure!(
                call["status"] == leg.expected.status.as_str(),
                "the carrier has {leg:?}, the node {call}"
            );
            if let Some(reason) = leg.expected.end_reason {
                ensure!(call["end_reason"] == reason.as_str(), "the carrier has {leg:?}, the node {call}");
            }
        }
    }
    let certain = ledger.calls.iter().filter(|leg| leg.expected.certain).count();
    ensure!(certain * 10 >= ledger.calls.len() * 9, "the carrier gave up on too much to compare");
    Ok(())
}
