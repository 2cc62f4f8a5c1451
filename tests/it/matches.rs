//! The match of calls with the simulated carrier's own records and the ledger.

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use simulator::fake_telnyx::{CallRecord, CallScript};
use tests::until::{SOON, until};
use tests::webhook::OUR_NUMBER;
use tests::world::World;
use uuid::Uuid;

use crate::customers::text;

const MATCHES: &str = "/api/v1/billing/matches";
const CALLER: &str = "+12025550131";

/// An inbound call that is over, with its charge in the ledger: the carrier's record of it, and its id.
async fn charged(world: &World) -> Result<(CallRecord, String)> {
    let script = CallScript::new(CALLER, OUR_NUMBER).talks(["Hello."]);
    let record = world.carrier.place_call(script).await.ended().await.context("the carrier stopped")?;
    ensure!(record.answered_at.is_some(), "{record:?}");
    let call = world.call_of_leg(&record.control_id).await?;
    let id = text(&call, "id").to_owned();
    let path = format!("/api/v1/billing/transactions?call_id={id}");
    until("the carrier's cost in the ledger", SOON, async || {
        let posted = world.api.list_all(&path).await?;
        let entries = posted.iter().filter_map(|one| one["entries"].as_array()).flatten();
        let costs = entries.filter(|entry| entry["account"] == "provider_cost");
        let cost: i64 = costs.filter_map(|entry| entry["debit"].as_i64()).sum();
        Ok((cost > 0).then_some(()))
    })
    .await?;
    Ok((record, id))
}

/// Has the day matched, and answers what it came to once that is done.
async fn matched(world: &World, date: &str) -> Result<Value> {
    let path = format!("{MATCHES}/{date}");
    let before = world.api.get(&path).await?.data()?["ran_at"].clone();
    let asked = world.api.post(MATCHES, json!({"date": date})).await?;
    ensure!(asked.status == 202 && asked.body["data"]["date"] == date, "{} {}", asked.status, asked.body);
    ran_since(world, date, &before).await
}

async fn ran_since(world: &World, date: &str, before: &Value) -> Result<Value> {
    let path = format!("{MATCHES}/{date}");
    until("a run over the day", SOON, async || {
        let day = world.api.get(&path).await?.data()?;
        Ok(Some(day).filter(|day| day["ran_at"].is_string() && day["ran_at"] != *before))
    })
    .await
}

/// All findings as call (or nothing), state, and differences in seconds and millionths, in order.
async fn findings(world: &World, query: &str) -> Result<Vec<(Value, String, i64, i64)>> {
    let found = world.api.list_all(&format!("{MATCHES}{query}")).await?;
    let one = |one: &Value| {
        let difference = &one["difference"];
        let micros = difference["amount"]["amount_micros"].as_i64().context("an amount")?;
        let seconds = difference["seconds"].as_i64().context("seconds")?;
        Ok((one["call_id"].clone(), text(one, "state").to_owned(), seconds, micros))
    };
    let mut found = found.iter().map(one).collect::<Result<Vec<_>>>()?;
    found.sort_by_key(|(call, state, ..)| (call.to_string(), state.clone()));
    Ok(found)
}

async fn with_prices(world: &World) -> Result<()> {
    world.take_number().await?;
    let prices = json!([{"component": "carrier", "unit": "second", "per": 60, "price": 12_000}]);
    let body = json!({"currency": "USD", "prices": prices}).to_string().into_bytes();
    let set = world.api.send("PUT", "/api/v1/billing/prices", &[], Some(body)).await?;
    ensure!(set.status == 200, "{} {}", set.status, set.body);
    Ok(())
}

async fn every_planted_difference(world: &World) -> Result<()> {
    with_prices(world).await?;
    let mut calls = Vec::new();
    for _ in 0..8 {
        calls.push(charged(world).await?);
    }
    let leg = |number: usize| calls[number].0.leg_id.clone();
    let extra = Uuid::from_u128(0x77).to_string();
    world.carrier.charges(|legs| {
        legs.retain(|one| one.leg_id != leg(0));
        let mut spare = legs[5].clone();
        (spare.leg_id, spare.session_id) = (extra.clone(), extra.clone());
        for one in legs.iter_mut() {
            match &one.leg_id {
                id if *id == leg(1) => one.shown = false,
                id if *id == leg(2) => one.micros[1] += 700,
                id if *id == leg(3) => one.billed_seconds = 6_000,
                _ => {}
            }
        }
        legs.push_back(spare);
    });
    let date = calls[0].0.started_at.date_naive().to_string();
    let day = matched(world, &date).await?;
    let count = |day: &Value, name: &str| day[name].as_u64().unwrap_or(u64::MAX);
    let counts = ["matched", "ours_only", "theirs_only", "differs", "open"].map(|name| count(&day, name));
    assert_eq!(counts, [4, 2, 1, 2, 0], "{day}");
    until("the findings to be shown", SOON, async || {
        Ok((world.api.list_all(MATCHES).await?.len() == 5).then_some(()))
    })
    .await?;
    let all = world.api.list_all(MATCHES).await?;
    let of = |number: usize| {
        let id = calls.get(number).map_or(Value::Null, |(_, id)| json!(id));
        all.iter().find(|one| one["call_id"] == id).cloned().context("a finding")
    };
    let state = |one: &Value| text(one, "state").to_owned();
    for number in [0, 1] {
        let one = of(number)?;
        assert_eq!((state(&one).as_str(), &one["carrier"]), ("ours_only", &Value::Null), "{one}");
        assert_eq!(one["difference"]["amount"], json!({"amount_micros": -4_800, "currency": "USD"}));
        assert_eq!(one["ledger"]["amount_micros"], 4_800);
    }
    let dearer = of(2)?;
    assert_eq!(state(&dearer), "differs");
    assert_eq!(
        (&dearer["difference"]["seconds"], &dearer["difference"]["amount"]["amount_micros"]),
        (&json!(0), &json!(700))
    );
    assert_eq!(
        (&dearer["ours"]["amount"], &dearer["carrier"]["amount"]["amount_micros"]),
        (&dearer["ledger"], &json!(5_500))
    );
    assert_eq!(dearer["carrier_leg_id"], leg(2));
    let longer = of(3)?;
    let ours = longer["ours"]["seconds"].as_i64().context("seconds")?;
    assert_eq!(
        (state(&longer).as_str(), longer["difference"]["seconds"].as_i64()),
        ("differs", Some(6_000 - ours))
    );
    let spare = of(99)?;
    assert_eq!((state(&spare).as_str(), &spare["carrier_leg_id"]), ("theirs_only", &json!(extra)));
    assert_eq!(spare["difference"]["amount"]["amount_micros"], 4_800);
    // ids and amounts, no numbers
    assert!(!json!(all).to_string().contains(&CALLER[1..]));

    let first = text(&of(0)?, "changed_at").to_owned();
    world.carrier.charges(|legs| {
        legs.iter_mut().for_each(|one| one.shown = true);
        legs.retain(|one| one.leg_id != extra);
    });
    let day = matched(world, &date).await?;
    let counts = ["matched", "ours_only", "theirs_only", "differs"].map(|name| count(&day, name));
    assert_eq!(counts, [5, 1, 0, 2], "{day}");
    until("what agrees now", SOON, async || {
        Ok((findings(world, "?state=matched").await?.len() == 2).then_some(()))
    })
    .await?;
    let agreeing = findings(world, "?state=matched").await?;
    assert!(agreeing.contains(&(json!(calls[1].1), "matched".to_owned(), 0, 0)), "{agreeing:?}");
    let still = world.api.list_all(&format!("{MATCHES}?state=ours_only")).await?;
    assert_eq!((still.len(), text(&still[0], "changed_at")), (1, first.as_str()), "listed once");

    let began = text(&still[0], "began_at");
    assert_eq!(findings(world, &format!("?from={began}&state=ours_only")).await?.len(), 1);
    assert_eq!(findings(world, &format!("?to={began}&state=ours_only")).await?.len(), 0);
    assert_eq!(world.api.list_in_pages(MATCHES, 2).await?.len(), 5);
    for (query, status) in [
        ("?state=odd", 422),
        ("?from=2026-05-02T00:00:00Z&to=2026-05-01T00:00:00Z", 422),
        ("/2026-13-01", 404),
        ("/2026-01-01", 200),
    ] {
        assert_eq!(world.api.get(&format!("{MATCHES}{query}")).await?.status, status, "{query}");
    }
    for (body, status) in [
        (json!({"date": "2999-01-01"}), 422),
        (json!({"date": "1999-01-01"}), 422),
        (json!({"date": "May"}), 422),
        (json!({}), 422),
    ] {
        assert_eq!(world.api.post(MATCHES, body.clone()).await?.status, status, "{body}");
    }
    let audit = world.api.list_all("/api/v1/audit/log?action=BILLING_MATCH_REQUESTED").await?;
    assert_eq!((audit.len(), &audit[0]["after"]["date"]), (2, &json!(date)), "{audit:?}");

    let other = world.api.post("/api/v1/auth/clients", json!({"name": "another"})).await?.data()?;
    let theirs = world.api.with_key(other["plain_key"].as_str());
    let refused = theirs.post(MATCHES, json!({"date": date})).await?;
    assert_eq!((refused.status, refused.code()), (403, "platform_only"), "{}", refused.body);
    assert!(theirs.list_all(MATCHES).await?.is_empty());
    assert!(theirs.get(&format!("{MATCHES}/{date}")).await?.data()?["ran_at"].is_null());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn every_planted_difference_is_found_and_none_is_invented() -> Result<()> {
    let world = World::start().await?;
    every_planted_difference(&world).await?;
    world.close().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn differences_are_found_alike_on_postgresql() -> Result<()> {
    let database = crate::cli::run::database().await;
    let world = World::with(|plan| {
        plan.options = plan.options.clone().set("READ_MODELS", &database);
    })
    .await?;
    every_planted_difference(&world).await?;
    world.close().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_a_kill_cuts_off_is_done_again_and_lists_everything_once() -> Result<()> {
    let mut world = World::start().await?;
    with_prices(&world).await?;
    let (record, id) = charged(&world).await?;
    world.carrier.charges(|legs| legs.clear());
    let date = record.started_at.date_naive().to_string();
    for _ in 0..3 {
        let before = world.api.get(&format!("{MATCHES}/{date}")).await?.data()?["ran_at"].clone();
        let searches = world.carrier.searches();
        let asked = world.api.post(MATCHES, json!({"date": date})).await?;
        ensure!(asked.status == 202, "{} {}", asked.status, asked.body);
        until("the run to begin", SOON, async || Ok((world.carrier.searches() > searches).then_some(())))
            .await?;
        world.node.kill()?;
        world.node.resume()?;
        let day = ran_since(&world, &date, &before).await?;
        assert_eq!((&day["ours_only"], &day["matched"]), (&json!(1), &json!(0)), "{day}");
    }
    let found = findings(&world, "").await?;
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!((&found[0].0, found[0].1.as_str(), found[0].3), (&json!(id), "ours_only", -4_800));
    let events = world.api.list_all("/api/v1/audit/events?type=billing_match.listed").await?;
    assert_eq!(events.len(), 1, "{events:?}");
    world.close().await?;
    Ok(())
}
