//! Callers in menus, many at once: from the carrier's word about keys to the next command.
//!
//! `cargo bench -p tests --bench ivr [-- SESSIONS]`, after `cargo build --release`; 5,000 sessions unless said
//! otherwise. Callers, carrier and node share the machine. Callers press a key about every ten seconds.

#![expect(clippy::unwrap_used, reason = "a bench that fails panics")]

use std::collections::HashMap;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use simulator::fake_telnyx::{CallScript, Pace, SeededRandom, Step};
use tests::webhook::OUR_NUMBER;
use tests::world::World;

/// Keys each caller presses before the last one.
const KEYS: usize = 4;
/// Calls begin over so long, and end over so long.
const RAMP: Duration = Duration::from_secs(40);
/// Callers stay so long before the last key, so that all are under way at once for a while.
const STAY: Duration = Duration::from_secs(20);

fn main() {
    let sessions = std::env::args().skip(1).find_map(|arg| arg.parse().ok()).unwrap_or(5_000);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(run(sessions));
}

async fn run(sessions: usize) {
    let world = World::with(|plan| {
        plan.carrier.pace = Pace::REAL;
        plan.carrier.max_calls = sessions + 1;
        plan.carrier.max_in_flight = 512;
        plan.carrier.ledger_capacity = 2_000_000;
        plan.carrier.patience = Duration::from_secs(120);
        plan.carrier.cost = false;
        // what the carrier itself allows while the node is busy
        plan.carrier.webhook_timeout = Duration::from_secs(10);
    })
    .await
    .unwrap();
    let item = |digit: &str, action: &str, target: Value| json!({"digit": digit, "label": "Option", "action": action, "target": target});
    let menu = json!({"name": "Main", "prompt": "Press a key.", "timeout_ms": 60_000,
        "items": [item("1", "repeat", Value::Null), item("0", "hangup", Value::Null)]});
    let menu = world.api.post("/api/v1/ivr/menus", menu).await.unwrap().data().unwrap();
    let route = json!({"number": OUR_NUMBER, "route": {"type": "ivr_menu", "id": menu["id"]}});
    world.api.post("/api/v1/numbers", route).await.unwrap().data().unwrap();

    let (begun, mut dice, mut handles) = (Instant::now(), SeededRandom::new(7, 7), Vec::new());
    for n in 0..sessions {
        tokio::time::sleep_until((begun + RAMP * n as u32 / sessions as u32).into()).await;
        let mut script = CallScript::new("+12025550111", OUR_NUMBER);
        for _ in 0..KEYS {
            let pause = Duration::from_millis(5_000 + dice.next() % 10_000);
            script = script.then(Step::HearOut).then(Step::Pause(pause)).then(Step::Press("1".to_owned()));
        }
        script = script.then(Step::HearOut).then(Step::Pause(STAY)).then(Step::Press("0".to_owned()));
        handles.push(world.carrier.place_call(script).await);
    }
    let mut unmet = 0;
    for handle in handles {
        unmet += usize::from(handle.ended().await.is_none_or(|record| !record.unmet.is_empty()));
    }
    let took = begun.elapsed();
    let ledger = world.carrier.ledger();
    let mut commands: HashMap<&str, Vec<_>> = HashMap::new();
    for command in &ledger.commands {
        if let Some(leg) = &command.leg_id {
            commands.entry(leg).or_default().push(command.at);
        }
    }
    // from the moment the gather's end was sent, whichever of the two webhooks about the key drove it
    let mut waits: Vec<f64> = Vec::new();
    for hook in
        ledger.webhooks.iter().filter(|hook| &*hook.event_type == "call.dtmf.received" && hook.attempt == 1)
    {
        let leg = hook.leg_id.as_deref().unwrap();
        let next = commands.get(leg).and_then(|of| of.iter().find(|at| **at > hook.at));
        waits.extend(next.map(|next| (*next - hook.at).as_seconds_f64() * 1_000.0));
    }
    waits.sort_by(f64::total_cmp);
    let at = |part: f64| waits[((waits.len() - 1) as f64 * part) as usize];
    println!(
        "{sessions} sessions, {} answers to keys in {:.0} s: p50 {:.1} ms, p90 {:.1} ms, p99 {:.1} ms, max {:.1} ms",
        waits.len(),
        took.as_secs_f64(),
        at(0.5),
        at(0.9),
        at(0.99),
        at(1.0),
    );
    println!(
        "{} webhooks, p99 of their answers {:.1} ms; {} commands; {unmet} callers waited in vain; node {} MiB",
        ledger.totals.attempts,
        ledger.latency.value_at_quantile(0.99) as f64 / 1_000.0,
        ledger.totals.commands,
        world.node.server().unwrap().resident_bytes().unwrap() >> 20,
    );
    world.close().await.unwrap();
}
