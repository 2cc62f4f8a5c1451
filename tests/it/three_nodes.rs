//! Three nodes with the log in KurrentDB and all else on PostgreSQL: while one is killed, frozen, or cut off from a store,
//! the others go on.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use adapters::clock::SystemClock;
use adapters::testing::ports::free_port;
use adapters::testing::postgres::Cluster;
use anyhow::{Context, Result, ensure};
use fake_kurrentdb::{FakeKurrentDb, Settings};
use serde_json::json;
use simulator::fake_telnyx::FakeTelnyx;
use sqlx::postgres::{PgConnectOptions, PgPool};
use tests::balancer::Balancer;
use tests::history::{History, check_views};
use tests::until::SOON;
use tests::webhook::OUR_NUMBER;
use tests::wire::Wire;
use tests::world::carrier_config;

use crate::chaos::{callers, cast_callees, dialler, hostile, until_settled, verify};
use crate::crash::address_of;
use crate::two_nodes::{LINES, Member, TAKE_OVER, answers, busy, owned_by, owners};

/// A node's connections to the stores.
struct Wires {
    log: Wire,
    database: Wire,
}

/// The address with another host and port in place of its own.
fn through(address: &str, wire: &Wire) -> Result<String> {
    let (scheme, rest) = address.split_once("://").context("an address")?;
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    let login = authority.rsplit_once('@').map(|(login, _)| format!("{login}@")).unwrap_or_default();
    Ok(format!("{scheme}://{login}{}{path}", wire.address))
}

fn host(address: &str) -> Result<&str> {
    let (_, rest) = address.split_once("://").context("an address")?;
    let authority = rest.split(['/', '?']).next().unwrap_or_default();
    Ok(authority.rsplit('@').next().unwrap_or_default())
}

/// The node that holds most leases, by its place among the members.
async fn busiest(database: &PgPool, members: &[Member]) -> Result<usize> {
    let held = owners(database).await?;
    let count = |member: &Member| held.iter().filter(|(_, owner)| *owner == member.name).count();
    (0..members.len()).max_by_key(|&n| count(&members[n])).context("a member")
}

/// Waits until the others do all the work and a call that comes in is answered. Says how long that took. A node that does
/// not answer still gets its share of the webhooks, which come again at another node once the carrier has waited.
async fn others_take_over(
    carrier: &FakeTelnyx,
    database: &PgPool,
    members: &[Member],
    gone: usize,
) -> Result<Duration> {
    let since = Instant::now();
    let name = &members[gone].name;
    owned_by(database, TAKE_OVER, |owner| owner != name).await?;
    let heir = &members[(gone + 1) % members.len()];
    answers(carrier, heir, SOON).await?;
    Ok(since.elapsed())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn while_one_of_three_is_killed_frozen_or_cut_off_the_others_lose_and_double_nothing() -> Result<()> {
    let seed = 20_260_109;
    let cluster = tokio::task::block_in_place(Cluster::start);
    let url = address_of(&cluster.database().await)?;
    let server = FakeKurrentDb::start_with(Settings::default()).await?;
    let ports = [free_port()?, free_port()?, free_port()?];
    let balancer = Balancer::probing(ports.map(|port| format!("127.0.0.1:{port}")).to_vec()).await?;
    let mut config = carrier_config(&format!("http://{}/api/v1/webhooks/telnyx", balancer.address));
    hostile(&mut config, seed);
    config.max_calls = LINES;
    let carrier = FakeTelnyx::start(config, Arc::new(SystemClock)).await?;
    let (mut members, mut wires) = (Vec::new(), Vec::new());
    for port in ports {
        let pair =
            Wires { log: Wire::to(host(&server.address())?).await?, database: Wire::to(host(&url)?).await? };
        let (log, rest) = (through(&server.address(), &pair.log)?, through(&url, &pair.database)?);
        members.push(Member::start(port, &rest, &log, &carrier).await?);
        wires.push(pair);
    }
    let database = PgPool::connect_with(url.parse::<PgConnectOptions>()?).await?;
    cast_callees(&carrier);
    let number = json!({"number": OUR_NUMBER, "route": {"type": "agent"}});
    members[0].api.post("/api/v1/numbers", number).await?.data()?;
    owned_by(&database, SOON, |_| true).await?;

    let over = AtomicBool::new(false);
    let apis = [members[0].api.clone(), members[1].api.clone()];
    let (line, database) = (&carrier, &database);
    let trouble = async {
        let outcome = async {
            let mut took = Vec::new();
            busy(line, 100, 10).await?;
            let gone = busiest(database, &members).await?;
            tokio::task::block_in_place(|| members[gone].node.kill())?;
            took.push(("killed", others_take_over(line, database, &members, gone).await?));
            members[gone].resume().await?;

            busy(line, 60, 6).await?;
            let gone = busiest(database, &members).await?;
            members[gone].node.server()?.freeze()?;
            took.push(("frozen", others_take_over(line, database, &members, gone).await?));
            members[gone].node.server()?.thaw()?;

            busy(line, 60, 6).await?;
            let gone = busiest(database, &members).await?;
            wires[gone].log.cut();
            took.push(("cut off from the log", others_take_over(line, database, &members, gone).await?));
            wires[gone].log.mend();

            busy(line, 60, 6).await?;
            let gone = busiest(database, &members).await?;
            wires[gone].database.cut();
            took.push(("cut off from the database", others_take_over(line, database, &members, gone).await?));
            wires[gone].database.mend();
            busy(line, 60, 6).await?;
            anyhow::Ok(took)
        }
        .await;
        over.store(true, Ordering::Relaxed);
        outcome
    };
    let (took, (), placed, more) = tokio::join!(
        trouble,
        callers(line, seed, &over),
        dialler(&apis[0], 1, &over),
        dialler(&apis[1], 2, &over),
    );
    let took = took?;
    println!("taken over within {took:?}");
    ensure!(took[0].1 <= TAKE_OVER, "the work of a node that was killed waited for {:?}", took[0].1);

    let calls = until_settled(&members[0].api, &carrier).await?;
    for member in &members[1..] {
        ensure!(calls == member.api.list_all("/api/v1/calls").await?, "the nodes do not show the same");
    }
    for member in &mut members {
        ensure!(tokio::task::block_in_place(|| member.node.terminate())?.success());
    }
    let options = members[0].node.options.clone();
    let ledger = carrier.shutdown().await;
    let history = History::read(&options).await?;
    verify(&history, &ledger, &calls, &[placed, more].concat())?;
    check_views(&options).await?;
    Ok(())
}
