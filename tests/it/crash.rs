//! P1 to P7 under `kill -9`: nothing acknowledged is lost, nothing happens twice, the views tell the truth.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use adapters::database::SecretUrl;
use adapters::testing::postgres::Cluster;
use anyhow::{Context, Result, ensure};
use fake_kurrentdb::{AppendFault, FakeKurrentDb, Settings};
use simulator::fake_telnyx::FakeTelnyx;
use sqlx::ConnectOptions;
use tests::client::Api;
use tests::history::{History, check_views};
use tests::random::SeededRandom;
use tests::server::{Node, ServerOptions};
use tests::until::{SOON, until};
use tests::webhook::{Leg, rfc3339, unix_now};
use tests::world::World;

use crate::chaos::{callers, cast_callees, dialler, hostile, until_settled, verify};

const MOMENTS: u64 = 10;

/// Waits until the carrier has had `webhooks` more taken and `commands` more given.
async fn busy(carrier: &FakeTelnyx, webhooks: u64, commands: u64) -> Result<()> {
    let before = carrier.ledger().totals;
    until("the node to be busy", Duration::from_secs(60), async || {
        let now = carrier.ledger().totals;
        let enough = now.accepted >= before.accepted + webhooks && now.commands >= before.commands + commands;
        Ok(enough.then_some(()))
    })
    .await
}

/// Kills the node at ten random moments under load, and `between` does whatever else is to go wrong.
async fn besiege(
    world: &mut World,
    seed: u64,
    mut between: impl AsyncFnMut(u64, &Api) -> Result<()>,
) -> Result<Vec<String>> {
    let over = AtomicBool::new(false);
    let (carrier, api, node) = (&world.carrier, &world.api, &mut world.node);
    let killer = async {
        let mut dice = SeededRandom::new(seed);
        for moment in 0..MOMENTS {
            let (webhooks, commands) = (dice.roll(20..400), dice.roll(3..60));
            let outcome = async {
                busy(carrier, webhooks, commands).await?;
                between(moment, api).await?;
                kill_and_resume(node)
            };
            outcome.await.with_context(|| format!("seed {seed}, moment {moment}"))?;
        }
        // the last incarnation works for a while, too
        busy(carrier, 50, 5).await
    };
    let killer = async {
        let outcome = killer.await;
        over.store(true, Ordering::Relaxed);
        outcome
    };
    let (outcome, (), first, second) =
        tokio::join!(killer, callers(carrier, seed, &over), dialler(api, 1, &over), dialler(api, 2, &over),);
    outcome?;
    Ok([first, second].concat())
}

fn kill_and_resume(node: &mut Node) -> Result<()> {
    tokio::task::block_in_place(|| {
        node.kill()?;
        node.resume()
    })
}

async fn judge(mut world: World, acknowledged: &[String]) -> Result<()> {
    let calls = until_settled(&world.api, &world.carrier).await?;
    ensure!(world.node.terminate()?.success());
    let options = world.node.options.clone();
    let ledger = world.carrier.shutdown().await;
    let history = History::read(&options).await?;
    verify(&history, &ledger, &calls, acknowledged)?;
    ensure!(!acknowledged.is_empty() && ledger.totals.duplicates > 0 && ledger.totals.disturbed > 0);
    let rows = check_views(&options).await?;
    ensure!(rows["calls"] == calls.len() as u64 && rows["transcripts"] > 0, "{rows:?}");
    println!(
        "{} events, {} calls, {} webhooks taken, {} commands",
        history.events.len(),
        calls.len(),
        ledger.totals.accepted,
        ledger.totals.commands
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn killed_at_ten_random_moments_the_embedded_node_loses_nothing_and_does_nothing_twice() -> Result<()> {
    let seed = 20_260_101;
    let mut world = World::with(|plan| hostile(&mut plan.carrier, seed)).await?;
    world.take_number().await?;
    cast_callees(&world.carrier);
    let acknowledged = besiege(&mut world, seed, async |_, _| Ok(())).await?;
    judge(world, &acknowledged).await
}

/// While the server is away every write is 503 with a time to come back, and reads of the node itself go on; once
/// it is back the node recovers by itself.
async fn lose_the_server(cluster: &Cluster, api: &Api, moment: u64) -> Result<()> {
    tokio::task::block_in_place(|| cluster.kill());
    let event = Leg::inbound(1_000 + moment).initiated(&rfc3339(unix_now()));
    let refused = until("a webhook to be refused", SOON, async || {
        let answer = api.webhook(&event).await?;
        Ok((answer.status != 200).then_some(answer))
    })
    .await?;
    ensure!(refused.status == 503 && refused.code() == "unavailable", "{}", refused.body);
    ensure!(refused.header("retry-after").is_some(), "no Retry-After");
    let order = serde_json::json!({"to": "+12025550171"});
    let refused = api.post("/api/v1/calls", order).await?;
    ensure!(refused.status == 503 && refused.header("retry-after").is_some(), "{}", refused.body);
    ensure!(api.get("/healthz").await?.status == 200);
    let ready = api.get("/readyz").await?;
    ensure!(ready.status == 503, "{}", ready.body);
    tokio::task::block_in_place(|| cluster.resume());
    until("the node to take webhooks again", SOON, async || {
        Ok((api.webhook(&event).await?.status == 200).then_some(()))
    })
    .await?;
    until("the node to be ready again", SOON, async || {
        Ok((api.get("/readyz").await?.status == 200).then_some(()))
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn killed_at_ten_random_moments_and_its_server_twice_the_node_on_postgresql_does_as_well() -> Result<()>
{
    let seed = 20_260_102;
    let cluster = tokio::task::block_in_place(Cluster::start);
    let url = address_of(&cluster.database().await)?;
    let mut world = World::with(|plan| {
        hostile(&mut plan.carrier, seed);
        plan.options = on(&plan.options, &url);
    })
    .await?;
    world.take_number().await?;
    cast_callees(&world.carrier);
    let acknowledged = besiege(&mut world, seed, async |moment, api| match moment {
        3 | 7 => lose_the_server(&cluster, api, moment).await,
        _ => Ok(()),
    })
    .await?;
    judge(world, &acknowledged).await
}

/// Shakes the database in the way of the moment: connections, leader, answers, subscriptions.
fn shake(server: &FakeKurrentDb, moment: u64) {
    match moment {
        1 | 6 => server.reset_connections(None),
        2 | 7 => server.faults().next_appends([
            AppendFault::LeaderMovesAfterCommit,
            AppendFault::TimeoutWritten,
            AppendFault::ResetAfterCommit,
        ]),
        3 | 8 => server.faults().cut_subscriptions(),
        4 | 9 => server.faults().next_appends([
            AppendFault::LeaderMoves,
            AppendFault::NotReady,
            AppendFault::ResetBeforeCommit,
        ]),
        _ => {}
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn killed_at_ten_random_moments_with_its_cluster_shaken_the_node_on_kurrentdb_does_as_well()
-> Result<()> {
    let seed = 20_260_107;
    let server = FakeKurrentDb::start_with(Settings { nodes: 3, ..Settings::default() }).await?;
    let mut world = World::with(|plan| {
        hostile(&mut plan.carrier, seed);
        plan.options = plan.options.clone().set("EVENT_STORE", &server.address());
    })
    .await?;
    world.take_number().await?;
    cast_callees(&world.carrier);
    let acknowledged = besiege(&mut world, seed, async |moment, _| {
        shake(&server, moment);
        Ok(())
    })
    .await?;
    judge(world, &acknowledged).await
}

/// The address as a setting.
pub fn address_of(database: &SecretUrl) -> Result<String> {
    Ok(database.options()?.to_url_lossy().to_string())
}

/// The same node with both stores on a server.
pub fn on(options: &ServerOptions, url: &str) -> ServerOptions {
    options.clone().set("EVENT_STORE", url).set("READ_MODELS", url)
}
