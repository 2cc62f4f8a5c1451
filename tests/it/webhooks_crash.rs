//! `kill -9` in the midst of deliveries: every event reaches its receiver, always as the same, and the log says so.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use domain::ids::{DeliveryId, EndpointId, parse_event_type_id};
use domain::webhook::delivery::{DeliveryEvent, Then};
use domain::wire::DomainEvent;
use serde_json::json;
use tests::client::Api;
use tests::history::History;
use tests::receiver::{Answers, Receiver};
use tests::until::until;
use tests::webhook::{Leg, rfc3339, unix_now};
use tests::world::World;

const CALLS: u64 = 1_000;
const ENDPOINTS: usize = 5;
/// `call.started`, and `call.ended` or `call.failed`.
const EVENTS: usize = CALLS as usize * 2;
const LONG: Duration = Duration::from_secs(240);

/// Every eighth call comes in and is hung up. The node is dead now and then: a carrier tries again.
async fn place(api: &Api, part: u64) -> Result<()> {
    for number in (0..CALLS).filter(|number| number % 8 == part) {
        let mut leg = Leg::inbound(number);
        for event in [leg.initiated(&rfc3339(unix_now())), leg.hangup(&rfc3339(unix_now()))] {
            until("the webhook to be taken", LONG, async || {
                Ok((api.webhook(&event).await?.status == 200).then_some(()))
            })
            .await?;
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn killed_during_ten_thousand_deliveries_every_event_arrives_under_one_id_and_the_log_says_so()
-> Result<()> {
    let receiver = Receiver::start(|_| Answers::Status(200, "")).await?;
    let mut world = World::with(|plan| {
        plan.options = plan.options.clone().set("WEBHOOKS_ALLOW_PRIVATE", "true");
    })
    .await?;
    let mut endpoints = BTreeMap::new();
    for n in 0..ENDPOINTS {
        let body = json!({"url": format!("{}/{n}", receiver.url), "events": ["call.started", "call.ended", "call.failed"]});
        let made = world.api.post("/api/v1/webhooks", body).await?.data()?;
        let id: EndpointId = made["id"].as_str().context("an id")?.parse()?;
        endpoints.insert(format!("/{n}"), id);
    }
    let (api, node) = (world.api.clone(), &mut world.node);
    let callers = futures::future::try_join_all((0..8).map(|part| place(&api, part)));
    let killer =
        async {
            for kill in 1..=5_u64 {
                let enough = kill * (EVENTS * ENDPOINTS) as u64 / 7;
                until("deliveries to be under way", LONG, async || {
                    Ok((receiver.count() >= enough).then_some(()))
                })
                .await?;
                tokio::task::block_in_place(|| {
                    node.kill()?;
                    node.resume()
                })?;
            }
            anyhow::Ok(())
        };
    let (placed, killed) = tokio::join!(callers, killer);
    placed?;
    killed?;
    let distinct = || -> BTreeMap<String, BTreeMap<String, BTreeSet<Vec<u8>>>> {
        let mut all: BTreeMap<String, BTreeMap<String, BTreeSet<Vec<u8>>>> = BTreeMap::new();
        for one in receiver.received() {
            let id = one.id().to_owned();
            all.entry(one.path).or_default().entry(id).or_default().insert(one.body);
        }
        all
    };
    until("every event at every endpoint", LONG, async || {
        let all = distinct();
        let complete = all.len() == ENDPOINTS && all.values().all(|events| events.len() >= EVENTS);
        Ok(complete.then_some(()))
    })
    .await?;
    for id in endpoints.values() {
        until("nothing to be pending", LONG, async || {
            let pending = format!("/api/v1/webhooks/{id}/deliveries?status=pending&limit=1");
            let pending = world.api.get(&pending).await?.data()?;
            Ok(pending.as_array().is_some_and(Vec::is_empty).then_some(()))
        })
        .await?;
    }
    let total = receiver.count();
    let all = distinct();
    ensure!(world.node.terminate()?.success());
    let history = History::read(&world.node.options).await?;
    let mut recorded: BTreeMap<DeliveryId, Vec<Then>> = BTreeMap::new();
    for event in history.events.iter().filter(|event| event.stream.category() == "delivery") {
        if let DeliveryEvent::Attempted(fact) =
            DeliveryEvent::decode(&event.event_type, event.schema, &event.payload)?
        {
            ensure!(DeliveryId::of(fact.of.endpoint, fact.of.event).0 == event.stream.id());
            recorded.entry(DeliveryId(event.stream.id())).or_default().push(fact.then);
        }
    }
    ensure!(recorded.len() == EVENTS * ENDPOINTS, "{} deliveries in the log", recorded.len());
    for (path, events) in all {
        ensure!(events.len() == EVENTS, "{path}: {} events", events.len());
        for (id, bodies) in events {
            ensure!(bodies.len() == 1, "{id} came as {} different bodies", bodies.len());
            let delivery = DeliveryId::of(endpoints[&path], parse_event_type_id(&id)?);
            let attempts = recorded.get(&delivery).context("the log knows of it")?;
            ensure!(attempts.contains(&Then::Succeeded), "{attempts:?}");
        }
    }
    println!("{total} requests for {} deliveries, killed 5 times", EVENTS * ENDPOINTS);
    Ok(())
}
