//! An upgrade under live calls: the nodes of a pair are replaced one after the other while callers talk with an agent.
//!
//! `tests/upgrade` runs it with 1,000 calls, and with another revision's binary as the one that is upgraded from.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use adapters::clock::SystemClock;
use adapters::testing::ports::free_port;
use adapters::testing::postgres::Cluster;
use anyhow::{Context, Result, ensure};
use domain::agent::DEFAULT_APOLOGY;
use domain::envelope::Time;
use domain::ports::clock::Clock as _;
use serde_json::json;
use simulator::fake_telnyx::{
    CallRecord, CallScript, FakeTelnyx, Ledger, Pace, Step, WebhookRecord, fictional_number,
};
use tests::balancer::Balancer;
use tests::client::Api;
use tests::history::{History, check_views};
use tests::llm_server::{Family, LlmServer};
use tests::until::until;
use tests::webhook::OUR_NUMBER;
use tests::world::carrier_config;

use crate::chaos::{until_settled, verify};
use crate::crash::address_of;
use crate::two_nodes::Member;

/// Every node is replaced so often.
const ROUNDS: usize = 3;
/// What a caller says before hanging up; each line is answered.
const LINES: [&str; 4] = ["What are your hours?", "And on Sunday?", "Is there parking?", "Thank you."];
/// How long the model thinks, so that some turn is always pending.
const THINKS: Duration = Duration::from_millis(400);
/// New turns of one caller begin about so far apart, times the number of calls over 50: 50 turns a second at most.
const LISTENS: Duration = Duration::from_secs(1);
/// The longest that 99 of 100 turns wait while nodes are replaced, beside what the model takes: of release builds, which
/// `tests/upgrade` runs, and of unoptimised ones, less than the 15 s after which a caller speaks on unanswered.
const WAITS: [Duration; 2] = [Duration::from_secs(2), Duration::from_secs(12)];

/// Calls at a time, and how long their turns may wait.
fn calls_at_once() -> Result<(usize, Duration)> {
    let [optimised, unoptimised] = WAITS;
    std::env::var("UPGRADE_CALLS").map_or(Ok((40, unoptimised)), |calls| Ok((calls.parse()?, optimised)))
}

/// One caller: listens, says a line, listens to the answer, and so on.
fn caller(number: u64, pause: Duration) -> CallScript {
    let script = CallScript::new(fictional_number(number), OUR_NUMBER).then(Step::HearOut);
    let talks = |script: CallScript, line: &&str| {
        script.then(Step::Pause(pause)).then(Step::Say((*line).to_owned())).then(Step::HearOut)
    };
    LINES.iter().fold(script, talks).then(Step::HangUp)
}

/// As many callers at once as the carrier allows; who hangs up is followed by another.
async fn callers(carrier: &FakeTelnyx, pause: Duration, over: &AtomicBool) {
    let mut number = 0;
    while !over.load(Ordering::Relaxed) {
        carrier.place_call(caller(number, pause)).await;
        number += 1;
    }
}

async fn live(api: &Api) -> Result<usize> {
    Ok(api.list_all("/api/v1/calls?status=in_progress").await?.len())
}

/// Waits until so many more answers were spoken.
async fn answered(carrier: &FakeTelnyx, answers: usize) -> Result<()> {
    let spoken = || carrier.ledger().commands_named("speak").count();
    let before = spoken();
    until("the agents to answer", Duration::from_secs(120), async || {
        Ok((spoken() >= before + answers).then_some(()))
    })
    .await
}

/// From a caller's words to the command that speaks the answer, of each turn: when it began, and how long it took.
fn turns(ledger: &Ledger) -> Vec<(Time, Duration)> {
    let mut turns = Vec::new();
    for call in &ledger.calls {
        let said = ledger.events_of(&call.leg_id).filter(|event| is_first(event)).map(|event| event.at);
        let spoken: Vec<Time> = ledger
            .commands_named("speak")
            .filter(|command| command.leg_id.as_deref() == Some(&*call.leg_id) && !command.repeat)
            .map(|command| command.at)
            .collect();
        for at in said {
            if let Some(answer) = spoken.iter().find(|answer| **answer >= at) {
                turns.push((at, (*answer - at).to_std().unwrap_or_default()));
            }
        }
    }
    turns
}

fn is_first(event: &WebhookRecord) -> bool {
    &*event.event_type == "call.transcription" && event.attempt == 1
}

fn percentile(sorted: &[Duration], of_100: usize) -> Duration {
    sorted.get((sorted.len() * of_100).div_ceil(100).saturating_sub(1)).copied().unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_upgrade_under_live_calls_loses_no_call_and_no_turn() -> Result<()> {
    let (at_once, waits) = calls_at_once()?;
    let pause = LISTENS.mul_f64((at_once as f64 / 50.0).max(1.0));
    let before: Option<PathBuf> = std::env::var_os("UPGRADE_FROM").map(Into::into);
    let cluster = tokio::task::block_in_place(Cluster::start);
    let url = address_of(&cluster.database().await)?;
    let thinks = tests::llm_server::Pace { first: THINKS, ..Default::default() };
    let model = LlmServer::paced(Family::OpenAi, thinks).await?;
    let ports = [free_port()?, free_port()?];
    let balancer = Balancer::probing(ports.map(|port| format!("127.0.0.1:{port}")).to_vec()).await?;
    let mut config = carrier_config(&format!("http://{}/api/v1/webhooks/telnyx", balancer.address));
    (config.max_calls, config.pace, config.ledger_capacity) = (at_once, Pace::REAL, 1_000_000);
    let carrier = FakeTelnyx::start(config, Arc::new(SystemClock)).await?;
    let mut members = Vec::new();
    for port in ports {
        let with = [("OPENAI_API_BASE", &*model.base), ("OPENAI_API_KEY", "sk-test")];
        members.push(Member::start_as(port, &url, &url, &carrier, &with, before.clone()).await?);
    }
    let balanced = Api::new(&format!("http://{}", balancer.address))?;
    let agent = json!({"name": "Reception", "provider": "openai", "greeting": "Good morning."});
    let agent = balanced.post("/api/v1/agents", agent).await?.data()?;
    let number = json!({"number": OUR_NUMBER, "route": {"type": "agent", "id": agent["id"]}});
    balanced.post("/api/v1/numbers", number).await?.data()?;

    let over = AtomicBool::new(false);
    let roller = async {
        let outcome = async {
            let mut replaced = Vec::new();
            until("all callers to be connected", Duration::from_secs(300), async || {
                Ok((live(&balanced).await? * 10 >= at_once * 9).then_some(()))
            })
            .await?;
            for round in 0..ROUNDS {
                for (n, member) in members.iter_mut().enumerate() {
                    answered(&carrier, at_once / 4).await?;
                    let (from, lived) = (SystemClock.now(), live(&balanced).await?);
                    ensure!(tokio::task::block_in_place(|| member.node.terminate())?.success());
                    // upgraded, rolled back, upgraded again
                    let program = before.clone().filter(|_| round % 2 == 1);
                    member.node.options = member.node.options.clone().program(program);
                    member.resume().await?;
                    let (until, lives) = (SystemClock.now(), live(&balanced).await?);
                    println!("round {round}, node {n}: {lived} live calls before, {lives} after");
                    replaced.push((from, until));
                }
            }
            answered(&carrier, at_once / 4).await?;
            anyhow::Ok(replaced)
        }
        .await;
        over.store(true, Ordering::Relaxed);
        outcome
    };
    let (replaced, ()) = tokio::join!(roller, callers(&carrier, pause, &over));
    let replaced = replaced?;

    let calls = until_settled(&balanced, &carrier).await?;
    for member in &mut members {
        ensure!(tokio::task::block_in_place(|| member.node.terminate())?.success());
    }
    let options = members[0].node.options.clone();
    let ledger = carrier.shutdown().await;
    let history = History::read(&options).await?;
    verify(&history, &ledger, &calls, &[])?;
    check_views(&options).await?;

    let unheard = |call: &&CallRecord| {
        call.spoken.len() != 1 + LINES.len() || call.spoken.iter().any(|text| text == DEFAULT_APOLOGY)
    };
    let lost: Vec<_> = ledger
        .calls
        .iter()
        .filter(unheard)
        .map(|call| (call.started_at, call.ended_at, call.hangup_cause, &call.spoken))
        .collect();
    let mut all = turns(&ledger);
    let mut pending: Vec<Duration> = all
        .iter()
        .filter(|(at, took)| replaced.iter().any(|(from, until)| at < until && *at + *took > *from))
        .map(|(_, took)| *took)
        .collect();
    pending.sort_unstable();
    all.sort_unstable_by_key(|(_, took)| *took);
    let all: Vec<_> = all.into_iter().map(|(_, took)| took).collect();
    println!(
        "{} calls, {} turns, {} calls with a lost turn; a turn p50 {:?} p99 {:?}; while a node was replaced ({} turns) p50 {:?} p99 {:?} most {:?}; the model thinks {THINKS:?}",
        ledger.calls.len(),
        all.len(),
        lost.len(),
        percentile(&all, 50),
        percentile(&all, 99),
        pending.len(),
        percentile(&pending, 50),
        percentile(&pending, 99),
        pending.last().context("a pending turn")?,
    );
    ensure!(lost.is_empty(), "turns were lost: {:?}", &lost[..lost.len().min(3)]);
    ensure!(percentile(&pending, 99) <= THINKS + waits, "pending turns waited too long");
    Ok(())
}
