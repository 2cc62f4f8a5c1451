//! Two nodes on one PostgreSQL: any of them takes any webhook, one of them does the work, and when it dies
//! the other goes on.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use adapters::clock::SystemClock;
use adapters::testing::ports::free_port;
use adapters::testing::postgres::Cluster;
use anyhow::{Context, Result, ensure};
use fake_kurrentdb::{FakeKurrentDb, Settings};
use serde_json::{Value, json};
use simulator::fake_telnyx::{CallScript, FakeTelnyx};
use sqlx::postgres::{PgConnectOptions, PgPool};
use tempfile::TempDir;
use tests::balancer::Balancer;
use tests::client::Api;
use tests::history::{History, check_views};
use tests::installation::MASTER_KEY;
use tests::server::{Node, ServerOptions};
use tests::until::{SOON, until};
use tests::webhook::OUR_NUMBER;
use tests::world::{carrier_config, with_carrier};

use crate::chaos::{CALLERS_PATIENCE, callers, cast_callees, dialler, hostile, until_settled, verify};
use crate::crash::address_of;

/// How long a node that is told to stop goes on serving: longer than the balancer takes to notice.
const DRAIN_MS: &str = "2000";

/// Calls at a time: enough that two cores with several nodes on them are busy all the time, and few enough that callers
/// are still answered before they hang up.
pub const LINES: usize = 24;

/// The longest a dead owner may be missed.
pub const TAKE_OVER: Duration = Duration::from_secs(10);

pub struct Member {
    pub node: Node,
    pub api: Api,
    /// The name of this incarnation, as leases and events have it.
    pub name: String,
    _folder: TempDir,
}

struct Pair {
    members: [Member; 2],
    carrier: FakeTelnyx,
    database: PgPool,
    balancer: Balancer,
    _cluster: Cluster,
}

impl Member {
    pub async fn start(port: u16, url: &str, log: &str, carrier: &FakeTelnyx) -> Result<Self> {
        Self::start_as(port, url, log, carrier, &[], None).await
    }

    /// With further settings, and as another binary than the one under test.
    pub async fn start_as(
        port: u16,
        url: &str,
        log: &str,
        carrier: &FakeTelnyx,
        settings: &[(&str, &str)],
        program: Option<PathBuf>,
    ) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let address = format!("127.0.0.1:{port}");
        let options =
            ServerOptions::postgres(folder.path(), url).set("EVENT_STORE", log).set("BIND", &address);
        let options = options.set("MASTER_KEY", MASTER_KEY).set("HTTP_DRAIN_MS", DRAIN_MS);
        let options = settings.iter().fold(options, |options, (name, value)| options.set(name, value));
        let node = Node::start(with_carrier(options, carrier).program(program))?;
        let api = Api::new(&format!("http://{address}"))?;
        let mut member = Self { node, api, name: String::new(), _folder: folder };
        member.name = member.introduce().await?;
        Ok(member)
    }

    /// Has the node write something, and reads who wrote it.
    async fn introduce(&self) -> Result<String> {
        let port = self.node.options.env.get("BIND").and_then(|bind| bind.rsplit(':').next());
        let number = format!("+1202555{:0>5}", port.context("a port")?);
        let body = json!({"number": number, "route": {"type": "reject"}});
        let id = self.api.post("/api/v1/numbers", body).await?.data()?["id"].clone();
        let path = format!("/api/v1/numbers/{}", id.as_str().context("an id")?);
        let events = self.api.list_all(&format!("{path}/events")).await?;
        self.api.send("DELETE", &path, &[], None).await?;
        Ok(events[0]["metadata"]["node"].as_str().context("a node")?.to_owned())
    }

    pub async fn resume(&mut self) -> Result<()> {
        tokio::task::block_in_place(|| self.node.resume())?;
        self.name = self.introduce().await?;
        Ok(())
    }
}

impl Pair {
    async fn start(seed: u64) -> Result<Self> {
        Self::start_on(seed, None).await
    }

    /// Two nodes with all stores on PostgreSQL, or with the log elsewhere.
    async fn start_on(seed: u64, log: Option<&str>) -> Result<Self> {
        let cluster = tokio::task::block_in_place(Cluster::start);
        let database = cluster.database().await;
        let url = address_of(&database)?;
        let ports = [free_port()?, free_port()?];
        let balancer = Balancer::probing(ports.map(|port| format!("127.0.0.1:{port}")).to_vec()).await?;
        let hook = format!("http://{}/api/v1/webhooks/telnyx", balancer.address);
        let mut config = carrier_config(&hook);
        hostile(&mut config, seed);
        config.max_calls = LINES;
        let carrier = FakeTelnyx::start(config, Arc::new(SystemClock)).await?;
        let log = log.unwrap_or(&url);
        let first = Member::start(ports[0], &url, log, &carrier).await?;
        let second = Member::start(ports[1], &url, log, &carrier).await?;
        let database = PgPool::connect_with(url.parse::<PgConnectOptions>()?).await?;
        Ok(Self { members: [first, second], carrier, database, balancer, _cluster: cluster })
    }
}

/// Who holds which lease.
pub async fn owners(database: &PgPool) -> Result<Vec<(String, String)>> {
    let held = "SELECT job, owner FROM (SELECT * FROM leases UNION ALL SELECT * FROM work_leases) AS held \
                WHERE expires_at > now() AND owner <> '' ORDER BY job";
    Ok(sqlx::query_as(held).fetch_all(database).await?)
}

/// Waits until `name` holds every lease that there is.
async fn owns_all(database: &PgPool, name: &str, limit: Duration) -> Result<()> {
    owned_by(database, limit, |owner| owner == name).await.with_context(|| format!("awaited of {name}"))
}

/// Waits until every lease that there is has an owner of this kind.
pub async fn owned_by(database: &PgPool, limit: Duration, owner: impl Fn(&str) -> bool) -> Result<()> {
    let mut last = Vec::new();
    let all = until("every job to be taken over", limit, async || {
        last = owners(database).await?;
        // the commands to carriers, the webhooks, the sealer, erasures, the index of memories, the match with the
        // carrier's records, and a lease for each view
        let views: i64 = sqlx::query_scalar("SELECT count(*) FROM projections").fetch_one(database).await?;
        let jobs = usize::try_from(views)? + 6;
        Ok((views > 0 && last.len() == jobs && last.iter().all(|(_, name)| owner(name))).then_some(()))
    })
    .await;
    all.with_context(|| format!("held: {last:?}"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn when_the_owner_dies_under_load_the_other_node_takes_over_and_nothing_is_lost_or_doubled()
-> Result<()> {
    let seed = 20_260_103;
    the_owner_dies(Pair::start(seed).await?, seed).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn when_the_owner_dies_with_the_log_in_kurrentdb_the_other_node_takes_over_as_well() -> Result<()> {
    let seed = 20_260_108;
    let server = FakeKurrentDb::start_with(Settings { nodes: 3, ..Settings::default() }).await?;
    the_owner_dies(Pair::start_on(seed, Some(&server.address())).await?, seed).await
}

async fn the_owner_dies(mut pair: Pair, seed: u64) -> Result<()> {
    cast_callees(&pair.carrier);
    let [first, second] = &mut pair.members;
    let number = json!({"number": OUR_NUMBER, "route": {"type": "agent"}});
    first.api.post("/api/v1/numbers", number).await?.data()?;
    owns_all(&pair.database, &first.name, SOON).await?;

    let beginners = [first.name.clone(), second.name.clone()];
    let over = AtomicBool::new(false);
    let (carrier, database) = (&pair.carrier, &pair.database);
    let (first_api, second_api) = (first.api.clone(), second.api.clone());
    let killer = async {
        let outcome = async {
            let mut took = Vec::new();
            busy(carrier, 200, 20).await?;
            tokio::task::block_in_place(|| first.node.kill())?;
            took.push(take_over(carrier, database, second).await?);
            // and back: the first comes again under a new name, then the second dies
            first.resume().await?;
            busy(carrier, 100, 10).await?;
            tokio::task::block_in_place(|| second.node.kill())?;
            took.push(take_over(carrier, database, first).await?);
            second.resume().await?;
            busy(carrier, 100, 10).await?;
            anyhow::Ok(took)
        }
        .await;
        over.store(true, Ordering::Relaxed);
        outcome
    };
    let (took, (), placed_first, placed_second) = tokio::join!(
        killer,
        callers(carrier, seed, &over),
        dialler(&first_api, 1, &over),
        dialler(&second_api, 2, &over),
    );
    println!("taken over within {:?}", took?);

    let calls = until_settled(&first_api, carrier).await?;
    ensure!(calls == second_api.list_all("/api/v1/calls").await?, "the nodes do not show the same");
    for member in &mut pair.members {
        ensure!(member.node.terminate()?.success());
    }
    let options = pair.members[0].node.options.clone();
    let ledger = pair.carrier.shutdown().await;
    let history = History::read(&options).await?;
    verify(&history, &ledger, &calls, &[placed_first, placed_second].concat())?;
    let took_webhooks: BTreeSet<String> = history
        .events
        .iter()
        .filter(|event| event.event_type == "call.carrier_event_received")
        .filter_map(|event| event.metadata().ok()?.node)
        .collect();
    // connections are kept, so a node that comes back may have to wait for its share
    let both = beginners.iter().all(|name| took_webhooks.contains(name));
    ensure!(both && took_webhooks.len() > 2, "only {took_webhooks:?} took webhooks");
    check_views(&options).await?;
    Ok(())
}

pub async fn busy(carrier: &FakeTelnyx, webhooks: u64, commands: u64) -> Result<()> {
    let before = carrier.ledger().totals;
    until("the nodes to be busy", Duration::from_secs(60), async || {
        let now = carrier.ledger().totals;
        let enough = now.accepted >= before.accepted + webhooks && now.commands >= before.commands + commands;
        Ok(enough.then_some(()))
    })
    .await
}

/// From the death of the other node until this one does all the work: the leases are its, a call that comes in is
/// answered, and the views show it.
async fn take_over(carrier: &FakeTelnyx, database: &PgPool, heir: &Member) -> Result<Duration> {
    let died = Instant::now();
    owns_all(database, &heir.name, TAKE_OVER).await?;
    answers(carrier, heir, TAKE_OVER.saturating_sub(died.elapsed())).await?;
    Ok(died.elapsed())
}

/// Waits until a call that comes in is answered, and shown by this node. Who is not answered hangs up and calls again.
pub async fn answers(carrier: &FakeTelnyx, node: &Member, limit: Duration) -> Result<()> {
    let begun = Instant::now();
    let script = || CallScript::new("+12025550111", OUR_NUMBER).talks(["still there?"]);
    // the carrier's places are all taken by calls that wait for the node that is gone
    let place = async |limit| {
        tokio::time::timeout(limit, carrier.place_call(script())).await.context("no place for a call")
    };
    let (mut placed, mut called) = (vec![place(limit).await?], Instant::now());
    until("a call to be answered and shown", limit.saturating_sub(begun.elapsed()), async || {
        if called.elapsed() > CALLERS_PATIENCE {
            placed.push(place(limit.saturating_sub(begun.elapsed())).await?);
            called = Instant::now();
        }
        let talking = node.api.list_all("/api/v1/calls?from=%2B12025550111").await?;
        let ours = |call: &&Value| placed.iter().any(|handle| call["provider_call_id"] == *handle.control_id);
        Ok(talking.iter().find(|call| ours(call) && !call["answered_at"].is_null()).map(|_| ()))
    })
    .await
    .with_context(|| {
        let (ledger, legs) = (carrier.ledger(), placed.iter().map(|handle| &*handle.leg_id));
        let told = |leg| ledger.commands.iter().filter(move |made| made.leg_id.as_deref() == Some(leg));
        let legs: Vec<_> = legs
            .map(|leg| (ledger.events_of(leg).collect::<Vec<_>>(), told(leg).collect::<Vec<_>>()))
            .collect();
        format!("what the carrier sent and was told: {legs:#?}")
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_one_node_wrote_the_other_shows_and_goes_on_from() -> Result<()> {
    let pair = Pair::start(20_260_104).await?;
    let [first, second] = &pair.members;
    for (n, (writer, reader)) in [(first, second), (second, first)].into_iter().cycle().take(10).enumerate() {
        let body = json!({"number": format!("+120255503{n:02}"), "route": {"type": "agent"}});
        let created = writer.api.post("/api/v1/numbers", body.clone()).await?;
        ensure!(created.body["meta"]["position"].as_u64().is_some());
        let number = created.data()?;
        let path = format!("/api/v1/numbers/{}", number["id"].as_str().context("an id")?);
        ensure!(writer.api.get(&path).await?.data()? == number, "a node does not read its own write");
        ensure!(reader.api.get(&path).await?.data()? == number, "the other node does not show it");
        // a write on the other node waits until that node knows all that came before: it refuses the number then
        let changed = reader.api.patch(&path, Some(1), json!({"route": {"type": "reject"}})).await?.data()?;
        let again = reader.api.post("/api/v1/numbers", body).await?;
        ensure!((again.status, again.code()) == (409, "number_taken"), "{}", again.body);
        ensure!(writer.api.get(&path).await?.data()? == changed);
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_rolling_restart_resets_no_request_and_loses_no_call() -> Result<()> {
    let seed = 20_260_105;
    let mut pair = Pair::start(seed).await?;
    cast_callees(&pair.carrier);
    let [first, second] = &mut pair.members;
    let number = json!({"number": OUR_NUMBER, "route": {"type": "agent"}});
    first.api.post("/api/v1/numbers", number).await?.data()?;
    let balanced = Api::new(&format!("http://{}", pair.balancer.address))?;
    let (over, rolled) = (AtomicBool::new(false), AtomicBool::new(false));
    let (carrier, asked) = (&pair.carrier, AtomicUsize::new(0));
    let roller = async {
        let outcome = async {
            busy(carrier, 100, 10).await?;
            for member in [&mut *first, &mut *second] {
                ensure!(tokio::task::block_in_place(|| member.node.terminate())?.success());
                member.resume().await?;
                busy(carrier, 100, 10).await?;
            }
            anyhow::Ok(())
        }
        .await;
        rolled.store(true, Ordering::Relaxed);
        outcome
    };
    // people who look at calls, on connections they keep
    let lookers = futures::future::try_join_all((0..2).map(async |_| {
        while !rolled.load(Ordering::Relaxed) || asked.load(Ordering::Relaxed) < 1_000 {
            let answer = balanced.get("/api/v1/calls?limit=5").await.context("a request was reset")?;
            ensure!(answer.status == 200, "a request was answered {}: {}", answer.status, answer.body);
            asked.fetch_add(1, Ordering::Relaxed);
        }
        Ok(())
    }));
    let traffic = async {
        let outcome = tokio::try_join!(roller, lookers);
        over.store(true, Ordering::Relaxed);
        outcome
    };
    let (outcome, (), placed) =
        tokio::join!(traffic, callers(carrier, seed, &over), dialler(&balanced, 1, &over));
    outcome?;
    println!("{} requests across two restarts", asked.load(Ordering::Relaxed));

    let calls = until_settled(&balanced, carrier).await?;
    for member in &mut pair.members {
        ensure!(tokio::task::block_in_place(|| member.node.terminate())?.success());
    }
    let options = pair.members[0].node.options.clone();
    let ledger = pair.carrier.shutdown().await;
    let history = History::read(&options).await?;
    verify(&history, &ledger, &calls, &placed)?;
    check_views(&options).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_menu_is_given_up_while_another_node_comes_to_lead_to_it() -> Result<()> {
    let pair = Pair::start(20_260_106).await?;
    let [first, second] = &pair.members;
    let menu = |name: &str| json!({"name": name, "prompt": "Hello.", "items": [{"digit": "1", "label": "Bye", "action": "hangup"}]});
    let (mut led, mut gone) = (0, 0);
    for round in 0..40 {
        let made = first.api.post("/api/v1/ivr/menus", menu("Main")).await?.data()?;
        let id = made["id"].as_str().context("an id")?.to_owned();
        // the other node knows it, too
        until("the menu on the other node", SOON, async || {
            let answer = second.api.get(&format!("/api/v1/ivr/menus/{id}")).await?;
            Ok((answer.status == 200).then_some(()))
        })
        .await?;
        let path = format!("/api/v1/ivr/menus/{id}");
        let body = json!({"number": format!("+1202556{round:04}"), "route": {"type": "ivr_menu", "id": id}});
        let (added, deleted) = tokio::join!(
            second.api.post("/api/v1/numbers", body),
            first.api.send("DELETE", &path, &[], None),
        );
        let (added, deleted) = (added?.status, deleted?.status);
        ensure!(added != 201 || deleted != 204, "round {round}: a number leads to a menu that was given up");
        ensure!(matches!(added, 201 | 409 | 422) && matches!(deleted, 204 | 409), "{added} {deleted}");
        (led, gone) = (led + u32::from(added == 201), gone + u32::from(deleted == 204));
    }
    println!("{led} came to be led to, {gone} were given up");
    Ok(())
}
