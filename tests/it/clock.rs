//! Wrong clocks against the real binary: a node behind its carrier, and one whose clock is set while it runs.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use simulator::fake_telnyx::{CallScript, Step};
use tests::client::Api;
use tests::faketime::WrongClock;
use tests::server::{Server, ServerOptions};
use tests::until::{SOON, until};
use tests::webhook::OUR_NUMBER;
use tests::world::World;

/// Much less than the clocks are apart, and much more than an answer takes on a slow machine.
const AT_ONCE: Duration = Duration::from_secs(8);

/// Writes something; answers where it stands in the log.
async fn write(api: &Api, n: u32) -> Result<u64> {
    let number = json!({"number": format!("+1415556{n:04}"), "route": {"type": "agent"}});
    let answer = api.post("/api/v1/numbers", number).await?;
    ensure!(answer.status == 201, "{} {}", answer.status, answer.body);
    answer.body["meta"]["position"].as_u64().with_context(|| answer.body.to_string())
}

async fn sealed(api: &Api, position: u64) -> Result<Value> {
    until("a checkpoint that covers what was written", SOON, async || {
        let latest = api.get("/api/v1/audit/checkpoints/latest").await?.data()?;
        Ok((latest["tree_size"].as_u64() >= Some(position)).then_some(latest))
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_behind_its_carrier_answers_calls_at_once() -> Result<()> {
    let clock = WrongClock::new()?;
    clock.set("-30s")?;
    let world = World::with(|plan| plan.options = clock.of(plan.options.clone())).await?;
    world.take_number().await?;
    let placed = Instant::now();
    world.carrier.place_call(CallScript::new("+12025550111", OUR_NUMBER).then(Step::Stay)).await;
    until("the call to be answered and greeted", AT_ONCE, async || {
        let ledger = world.carrier.ledger();
        let asked = |name| ledger.commands_named(name).count();
        Ok((asked("answer") == 1 && asked("speak") == 1).then_some(()))
    })
    .await
    .with_context(|| format!("{:?} after it rang", placed.elapsed()))?;
    let metrics = world.api.get("/metrics").await?.body;
    let ahead = metrics.as_str().context("text")?.lines().find_map(|line| {
        line.strip_prefix("voxledger_carrier_clock_ahead_seconds{provider=\"telnyx\"} ")?.parse::<f64>().ok()
    });
    ensure!(ahead.is_some_and(|ahead| (20.0..=31.0).contains(&ahead)), "{ahead:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_set_back_a_day_and_forward_locks_no_key_out_and_keeps_nothing_from_being_sealed()
-> Result<()> {
    let clock = WrongClock::new()?;
    let folder = tempfile::tempdir()?;
    let server = Server::start(&clock.of(ServerOptions::embedded(folder.path())))?;
    let owner = Api::new(&server.base)?;
    let terms = json!({"name": "k", "scopes": ["*"], "rate_limit": 20});
    let made = owner.post("/api/v1/auth/api-keys", terms).await?.data()?;
    let api = owner.with_key(made["plain_key"].as_str());
    let position = write(&api, 0).await?;
    sealed(&owner, position).await?;
    for (n, by) in (1..).zip(["-1d", "+2d", "-400d", "+0"]) {
        clock.set(by)?;
        let position = write(&api, n).await?;
        sealed(&owner, position).await.with_context(|| format!("with the clock at {by}"))?;
        // the outbox, the views and the leases go on as well
        let ready = owner.get("/readyz").await?;
        ensure!(ready.status == 200, "{by}: {}", ready.body);
    }
    // and nothing of the hour was given away: five of twenty are spent
    let answer = api.get("/api/v1/calls/nonsense").await?;
    ensure!(answer.header("ratelimit-remaining") == Some("14"), "{:?}", answer.header("ratelimit-remaining"));
    Ok(())
}
