//! `kill -9` twenty times while calls are charged and credit is bought: every purchase is credited once, every call is
//! charged once, and the ledger adds up.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use simulator::fake_stripe::{FakeStripe, StripeWebhook};
use tests::client::Api;
use tests::random::SeededRandom;
use tests::until::until;
use tests::webhook::{Leg, rfc3339, unix_now};

use crate::billing::{amounts, balance_is, price, with_stripe};
use crate::customers::text;

const KILLS: u64 = 20;
const CALLERS: u64 = 4;
const CALLS: u64 = 160;
const BUYERS: u64 = 2;
const PURCHASES: u64 = 24;
const LONG: Duration = Duration::from_secs(240);
const TRANSACTIONS: &str = "/api/v1/billing/transactions";

/// Inbound calls of ninety seconds by the carrier's clock, each webhook sent until the node takes it, and once more.
async fn call(api: &Api, part: u64, done: &AtomicU64) -> Result<()> {
    for number in (0..CALLS).filter(|number| number % CALLERS == part) {
        let mut leg = Leg::inbound(1_000 + number);
        let now = unix_now();
        let (begun, answered, ended) = (rfc3339(now - 100), rfc3339(now - 95), rfc3339(now - 5));
        for event in [leg.initiated(&begun), leg.answered(&answered), leg.hangup(&ended)] {
            for _ in 0..2 {
                until("the webhook to be taken", LONG, async || {
                    Ok(api.webhook(&event).await.is_ok_and(|answer| answer.status == 200).then_some(()))
                })
                .await?;
            }
        }
        done.fetch_add(1, Ordering::Relaxed);
    }
    Ok(())
}

async fn deliver(api: &Api, webhook: &StripeWebhook) -> Result<()> {
    let headers = [("stripe-signature", webhook.signature.as_str())];
    let stripe = api.with_key(None);
    until("Stripe's webhook to be taken", LONG, async || {
        let sent = stripe.send("POST", "/api/v1/webhooks/stripe", &headers, Some(webhook.body.clone())).await;
        Ok(sent.is_ok_and(|answer| answer.status == 200).then_some(()))
    })
    .await
}

/// Purchases of twenty dollars. What Stripe tells comes twice and in any order; of every third purchase five dollars are
/// refunded, every fourth is never paid. Answers what is credited in all.
async fn buy(api: &Api, stripe: &FakeStripe, part: u64) -> Result<i64> {
    let (mut random, mut credited) = (SeededRandom::new(part + 1), 0);
    for number in (0..PURCHASES).filter(|number| number % BUYERS == part) {
        let body = json!({
            "amount": {"amount_micros": 20_000_000, "currency": "USD"},
            "success_url": "https://app.example.com/done", "cancel_url": "https://app.example.com/billing",
        });
        let key = format!("purchase-{number}");
        let checkout = until("a page to pay on", LONG, async || {
            let sent = api.post_once("/api/v1/billing/checkouts", &key, &body).await;
            let made = sent.ok().filter(|answer| answer.status == 201).map(|answer| answer.data());
            made.transpose()
        })
        .await?;
        let session = stripe.session_of(text(&checkout, "id")).context("a session")?;
        let mut told = match number % 4 {
            0 => vec![stripe.expired(&session)],
            _ => vec![stripe.complete(&session, "paid")],
        };
        if number % 4 != 0 {
            credited += 20_000_000;
            if number % 3 == 0 {
                told.push(stripe.refunded(&session, 500));
                credited -= 5_000_000;
            }
        }
        told.extend(told.clone());
        for last in (1..told.len()).rev() {
            told.swap(last, random.roll(0..last as u64 + 1) as usize);
        }
        for webhook in &told {
            deliver(api, webhook).await?;
        }
    }
    Ok(credited)
}

/// Every transaction balances; the sums of all entries by account, credits less debits.
fn sums(transactions: &[Value]) -> Result<BTreeMap<&str, i64>> {
    let mut sums: BTreeMap<&str, i64> = BTreeMap::new();
    for one in transactions {
        let entries = one["entries"].as_array().context("entries")?;
        let side = |entry: &Value, side: &str| entry[side].as_i64().unwrap_or(0);
        let net: i64 = entries.iter().map(|entry| side(entry, "credit") - side(entry, "debit")).sum();
        ensure!(net == 0, "{one}");
        for entry in entries {
            *sums.entry(text(entry, "account")).or_default() += side(entry, "credit") - side(entry, "debit");
        }
    }
    Ok(sums)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn killed_twenty_times_every_purchase_is_credited_and_every_call_charged_once() -> Result<()> {
    let (mut world, stripe) = with_stripe().await?;
    world.take_number().await?;
    price(
        &world.api,
        json!([
            {"component": "carrier", "unit": "second", "per": 60, "price": 12_000, "increment": 60},
            {"component": "platform", "unit": "request", "price": 1_000},
        ]),
    )
    .await?;
    let done = AtomicU64::new(0);
    let (api, node) = (world.api.clone(), &mut world.node);
    let callers = futures::future::try_join_all((0..CALLERS).map(|part| call(&api, part, &done)));
    let buyers = futures::future::try_join_all((0..BUYERS).map(|part| buy(&api, &stripe, part)));
    let killer = async {
        for kill in 1..=KILLS {
            let enough = kill * CALLS / (KILLS + 2);
            let far = async || Ok((done.load(Ordering::Relaxed) >= enough).then_some(()));
            until("calls to be under way", LONG, far).await?;
            tokio::task::block_in_place(|| {
                node.kill()?;
                node.resume()
            })?;
        }
        anyhow::Ok(())
    };
    let (called, bought, killed) = tokio::join!(callers, buyers, killer);
    called?;
    killed?;
    let bought: i64 = bought?.into_iter().sum();

    // two begun minutes and the fee of each call
    let spent = CALLS as i64 * 25_000;
    balance_is(&world.api, (bought - spent, 0)).await?;
    let all = world.api.list_all(TRANSACTIONS).await?;
    let sums = sums(&all)?;
    let refunds = sums["refunds"];
    assert_eq!((sums["available"], sums["payments"]), (bought - spent, -bought - refunds), "{sums:?}");
    assert_eq!(sums["revenue:carrier"] + sums["revenue:platform"], spent, "{sums:?}");
    assert_eq!(amounts(&all), bought - spent);
    let of = |kind: &str| all.iter().filter(|one| one["kind"] == kind).count() as u64;
    let refunded = (0..PURCHASES).filter(|number| number % 4 != 0 && number % 3 == 0).count() as u64;
    assert_eq!((of("usage"), of("purchase"), of("refund")), (CALLS, PURCHASES * 3 / 4, refunded));
    assert_eq!((of("correction"), of("hold")), (0, 0));
    let mut calls: Vec<&str> =
        all.iter().filter(|one| one["kind"] == "usage").map(|one| text(&one["source"], "id")).collect();
    calls.sort_unstable();
    calls.dedup();
    assert_eq!(calls.len() as u64, CALLS, "each call is charged once");
    world.close().await?;
    stripe.stop().await;
    Ok(())
}
