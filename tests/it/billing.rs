//! Credit and costs: prices, what calls cost, statements, prepaid calls, and purchases at a simulated Stripe.

use std::sync::Arc;
use std::time::Duration;

use adapters::clock::SystemClock;
use anyhow::{Context, Result, ensure};
use futures::StreamExt as _;
use serde_json::{Value, json};
use simulator::fake_stripe::{FakeStripe, StripeWebhook};
use simulator::fake_telnyx::{CalleeScript, Step};
use tests::client::{Answer, Api};
use tests::until::{SOON, until};
use tests::webhook::{Leg, rfc3339, unix_now};
use tests::world::World;

use crate::customers::text;

const STRIPE_KEY: &str = "sk_test_of_the_simulation";
const STRIPE_SECRET: &str = "whsec_of_the_simulation";
const TRANSACTIONS: &str = "/api/v1/billing/transactions";
const STRIPE: &str = "/api/v1/webhooks/stripe";

/// A node that sells credit at a simulated Stripe.
pub async fn with_stripe() -> Result<(World, FakeStripe)> {
    let stripe = FakeStripe::start(STRIPE_KEY, STRIPE_SECRET, Arc::new(SystemClock))?;
    let base = stripe.base.clone();
    let world = World::with(|plan| {
        let options = plan.options.clone();
        plan.options = options
            .set("STRIPE_API_BASE", &base)
            .set("STRIPE_API_KEY", STRIPE_KEY)
            .set("STRIPE_WEBHOOK_SECRET", &format!("whsec_old,{STRIPE_SECRET}"))
            .set("LIMITS_CLIENT_REQUESTS_PER_MINUTE", "1000000")
            .set("LIMITS_KEY_REQUESTS_PER_HOUR", "10000000");
    })
    .await?;
    Ok((world, stripe))
}

fn dollars(amount_micros: i64) -> Value {
    json!({"amount_micros": amount_micros, "currency": "USD"})
}

/// Starts a purchase; answers its id and the provider's session.
pub async fn buy(api: &Api, stripe: &FakeStripe, amount_micros: i64) -> Result<(String, String)> {
    let body = json!({
        "amount": dollars(amount_micros), "success_url": "https://app.example.com/done",
        "cancel_url": "https://app.example.com/billing",
    });
    let made = api.post("/api/v1/billing/checkouts", body).await?;
    ensure!(made.status == 201, "{} {}", made.status, made.body);
    let checkout = made.data()?;
    ensure!(checkout["status"] == "open" && text(&checkout, "url").starts_with("http"), "{checkout}");
    let id = text(&checkout, "id").to_owned();
    let session = stripe.session_of(&id).context("a session")?;
    Ok((id, session))
}

async fn deliver(world: &World, webhook: &StripeWebhook) -> Result<Answer> {
    let headers = [("stripe-signature", webhook.signature.as_str())];
    world.api.with_key(None).send("POST", STRIPE, &headers, Some(webhook.body.clone())).await
}

async fn delivered(world: &World, webhook: &StripeWebhook) -> Result<()> {
    let answer = deliver(world, webhook).await?;
    ensure!(answer.status == 200, "{} {}", answer.status, answer.body);
    Ok(())
}

pub async fn price(api: &Api, prices: Value) -> Result<()> {
    let body = json!({"currency": "USD", "prices": prices}).to_string().into_bytes();
    let set = api.send("PUT", "/api/v1/billing/prices", &[], Some(body)).await?;
    ensure!(set.status == 200, "{} {}", set.status, set.body);
    Ok(())
}

async fn client_id(api: &Api) -> Result<String> {
    Ok(text(&api.get("/api/v1/auth/me").await?.data()?, "client").to_owned())
}

async fn grant(api: &Api, amount_micros: i64, reason: &str) -> Result<Value> {
    let body =
        json!({"client_id": client_id(api).await?, "amount": dollars(amount_micros), "reason": reason});
    let made = api.post("/api/v1/billing/grants", body).await?;
    ensure!(made.status == 201, "{} {}", made.status, made.body);
    made.data()
}

/// Available and held credit.
async fn balance(api: &Api) -> Result<(i64, i64)> {
    let balance = api.get("/api/v1/billing/balance").await?.data()?;
    Ok((balance["available"].as_i64().context("available")?, balance["held"].as_i64().context("held")?))
}

pub async fn balance_is(api: &Api, expected: (i64, i64)) -> Result<()> {
    let mut last = (0, 0);
    let reached = until("the balance", SOON, async || {
        last = balance(api).await?;
        Ok((last == expected).then_some(()))
    });
    reached.await.with_context(|| format!("{last:?}, not {expected:?}"))
}

pub fn amounts(transactions: &[Value]) -> i64 {
    transactions.iter().filter_map(|one| one["amount"]["amount_micros"].as_i64()).sum()
}

/// A call of 90 seconds by the carrier's clock, over at once; its id.
async fn call(world: &World, leg: &mut Leg) -> Result<String> {
    let now = unix_now();
    let (begun, answered, ended) = (rfc3339(now - 100), rfc3339(now - 95), rfc3339(now - 5));
    for event in [leg.initiated(&begun), leg.answered(&answered), leg.hangup(&ended)] {
        assert_eq!(world.api.webhook(&event).await?.status, 200);
    }
    Ok(text(&world.call_of_leg(&leg.control_id()).await?, "id").to_owned())
}

fn cost_event(leg: &mut Leg, total: &str) -> Value {
    let at = rfc3339(unix_now());
    leg.event("call.cost", &at, json!({"total_cost": total, "cost_parts": [{"call_part": "call-control", "cost": total, "currency": "USD"}]}))
}

async fn costs_add_up(world: &World) -> Result<()> {
    world.take_number().await?;
    price(
        &world.api,
        json!([
            {"component": "carrier", "unit": "second", "per": 60, "price": 12_000, "increment": 60},
            {"component": "carrier", "unit": "cost", "per": 100, "price": 150},
            {"component": "platform", "unit": "request", "price": 1_000},
        ]),
    )
    .await?;
    let mut leg = Leg::inbound(1);
    let id = call(world, &mut leg).await?;
    // two begun minutes and the fee
    let rated = world.call_when(&id, |call| !call["cost"]["total"].is_null()).await?;
    assert_eq!(rated["cost"]["total"], dollars(25_000), "{rated}");
    let path = format!("/api/v1/calls/{id}");
    let tag = world.api.get(&path).await?.header("etag").context("etag")?.to_owned();
    // the carrier's own charge comes late, and twice
    let cost = cost_event(&mut leg, "0.0100");
    for _ in 0..2 {
        assert_eq!(world.api.webhook(&cost).await?.status, 200);
    }
    let rated = world.call_when(&id, |call| call["cost"]["total"]["amount_micros"] == 16_000).await?;
    // the cost changes without an event of the call: whoever has the old state is not told that it is current
    let known = [("if-none-match", tag.as_str())];
    assert_eq!(world.api.send("GET", &path, &known, None).await?.status, 200);
    let items = rated["cost"]["items"].as_array().context("items")?;
    let sum: i64 = items.iter().filter_map(|item| item["amount"]["amount_micros"].as_i64()).sum();
    assert_eq!((sum, items.len()), (16_000, 2), "{rated}");
    assert_eq!((&items[0]["unit"], &items[0]["quantity"]), (&json!("cost"), &json!(10_000)));

    let path = format!("{TRANSACTIONS}?call_id={id}&order=asc");
    let of_call = world.api.list_all(&path).await?;
    let kinds: Vec<_> = of_call.iter().map(|one| text(one, "kind")).collect();
    assert_eq!((kinds, amounts(&of_call)), (vec!["usage", "correction"], -16_000));
    assert_eq!(of_call[1]["corrects"], of_call[0]["id"]);

    grant(&world.api, 5_000_000, "=HYPERLINK(\"x\")").await?;
    balance_is(&world.api, (4_984_000, 0)).await?;
    let all = world.api.list_in_pages(TRANSACTIONS, 2).await?;
    assert_eq!((all.len(), amounts(&all)), (3, 4_984_000));
    for one in &all {
        let side = |side: &str| {
            let entries = one["entries"].as_array().into_iter().flatten();
            entries.filter_map(|entry| entry[side].as_i64()).sum::<i64>()
        };
        assert_eq!(side("debit"), side("credit"), "{one}");
    }
    let usage = world.api.get("/api/v1/billing/usage?group_by=component").await?.data()?;
    let parts: Vec<_> = usage
        .as_array()
        .context("parts")?
        .iter()
        .map(|part| (text(part, "component"), &part["amount"]))
        .collect();
    assert_eq!(parts, [("carrier", &dollars(15_000)), ("platform", &dollars(1_000))]);
    for by in ["day", "agent"] {
        let usage = world.api.get(&format!("/api/v1/billing/usage?group_by={by}")).await?.data()?;
        assert_eq!((&usage[0]["amount"], &usage[0]["calls"]), (&dollars(16_000), &json!(1)), "{by}");
    }

    let month = &rfc3339(unix_now())[..7];
    let path = format!("/api/v1/billing/statements/{month}");
    let statement = world.api.get(&path).await?.data()?;
    assert_eq!((&statement["opening"], &statement["closing"]), (&dollars(0), &dollars(4_984_000)));
    assert_eq!(statement["transactions"], 3);
    let page = world.api.send("GET", &path, &[("accept", "text/html")], None).await?;
    let page = String::from_utf8(page.bytes.to_vec())?;
    assert!(page.contains("4.984000 USD") && page.contains("<h1>"), "{page}");
    let csv = world.api.send("GET", &path, &[("accept", "text/csv")], None).await?;
    let csv = String::from_utf8(csv.bytes.to_vec())?;
    let lines: Vec<_> = csv.lines().collect();
    assert_eq!(lines.len(), 4, "{csv}");
    let sum: i64 = lines[1..].iter().filter_map(|line| line.split(',').nth(3)?.parse::<i64>().ok()).sum();
    assert_eq!(sum, 4_984_000);
    assert!(csv.contains("'=HYPERLINK"), "{csv}");
    let elsewhere = world.api.get(&format!("{path}?timezone=Asia/Kathmandu")).await?.data()?;
    assert!(text(&elsewhere, "from").ends_with("18:15:00.000000Z"), "{elsewhere}");
    for (path, status) in [
        ("/api/v1/billing/statements/2026-13", 404),
        ("/api/v1/billing/statements/2026-05?timezone=Mars/Base", 422),
        ("/api/v1/billing/usage?group_by=colour", 422),
        ("/api/v1/billing/transactions?kind=gift", 422),
    ] {
        assert_eq!(world.api.get(path).await?.status, status, "{path}");
    }
    let audit = world.api.list_all("/api/v1/audit/log?action=CREDITS_GRANTED").await?;
    assert_eq!(audit.len(), 1, "{audit:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_costs_the_sum_of_its_items_and_a_statement_that_of_its_transactions() -> Result<()> {
    let world = World::start().await?;
    costs_add_up(&world).await?;
    world.close().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn transactions_leave_as_cloud_events_page_by_page() -> Result<()> {
    let world = World::start().await?;
    for reason in ["one", "two", "three"] {
        grant(&world.api, 1_000_000, reason).await?;
    }
    let all = world.api.list_all(&format!("{TRANSACTIONS}?order=asc")).await?;
    let (mut next, mut events) = (Some(format!("{TRANSACTIONS}?order=asc&limit=2")), Vec::new());
    while let Some(path) = next {
        let accept = [("accept", "application/cloudevents-batch+json")];
        let answer = world.api.send("GET", &path, &accept, None).await?;
        assert_eq!(answer.status, 200, "{}", answer.body);
        assert_eq!(answer.header("content-type"), Some("application/cloudevents-batch+json"));
        events.extend(answer.body.as_array().context("a batch")?.clone());
        let link = answer.header("link").map(|link| link.trim_end_matches("; rel=\"next\"").to_owned());
        next = link.map(|link| link.trim_matches(['<', '>']).to_owned());
    }
    assert_eq!(events.len(), 3);
    for (event, transaction) in events.iter().zip(&all) {
        assert_eq!(
            (&event["specversion"], &event["type"]),
            (&json!("1.0"), &json!("voxledger.ledger.grant"))
        );
        assert_eq!((&event["id"], &event["time"]), (&transaction["id"], &transaction["at"]));
        assert_eq!(&event["data"], transaction);
    }
    world.close().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn costs_add_up_alike_on_postgresql() -> Result<()> {
    let database = crate::cli::run::database().await;
    let world = World::with(|plan| {
        plan.options = plan.options.clone().set("READ_MODELS", &database);
    })
    .await?;
    costs_add_up(&world).await?;
    world.close().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_prepaid_client_places_as_many_calls_as_its_credit_covers() -> Result<()> {
    let (world, stripe) = with_stripe().await?;
    price(&world.api, json!([{"component": "carrier", "unit": "second", "per": 60, "price": 50_000}]))
        .await?;
    let client = format!("/api/v1/auth/clients/{}", client_id(&world.api).await?);
    let terms = json!({"prepaid": true, "low_at": 500_000});
    let changed = world.api.patch(&client, None, terms).await?.data()?;
    assert_eq!((&changed["prepaid"], &changed["low_at"]), (&json!(true), &json!(500_000)));
    let stays = CalleeScript::Answers { ring: Duration::ZERO, steps: vec![Step::Stay] };
    world.carrier.set_usual_callee(stays);
    let order = json!({"to": "+12025550123"});
    let refused = world.api.post("/api/v1/calls", order.clone()).await?;
    assert_eq!((refused.status, refused.code()), (402, "insufficient_credits"), "{}", refused.body);

    // two minutes of a call cost 100 000: enough for ten
    let (_, session) = buy(&world.api, &stripe, 1_000_000).await?;
    delivered(&world, &stripe.complete(&session, "paid")).await?;
    balance_is(&world.api, (1_000_000, 0)).await?;
    let placed = futures::stream::iter(0..500).map(|_| world.api.post("/api/v1/calls", order.clone()));
    let answers: Vec<Result<Answer>> = placed.buffer_unordered(32).collect().await;
    let (mut made, mut refused) = (Vec::new(), 0);
    for answer in answers {
        let answer = answer?;
        match answer.status {
            201 => made.push(text(&answer.data()?, "id").to_owned()),
            402 => refused += 1,
            other => anyhow::bail!("{other} {}", answer.body),
        }
    }
    assert_eq!((made.len(), refused), (10, 490));
    balance_is(&world.api, (0, 1_000_000)).await?;
    for id in &made {
        world.api.post(&format!("/api/v1/calls/{id}/hangup"), json!({})).await?;
    }
    for id in &made {
        world.call_when(id, |call| !call["ended_at"].is_null()).await?;
    }
    until("all holds to be given back", SOON, async || {
        let (_, held) = balance(&world.api).await?;
        Ok((held == 0).then_some(()))
    })
    .await?;
    let all = world.api.list_all(TRANSACTIONS).await?;
    let (available, _) = balance(&world.api).await?;
    assert_eq!(amounts(&all), available);
    world.close().await?;
    stripe.stop().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn purchases_are_credited_once_in_whatever_order_and_however_often_stripe_tells() -> Result<()> {
    let (world, stripe) = with_stripe().await?;
    let (paid, paid_session) = buy(&world.api, &stripe, 50_000_000).await?;
    let (late, late_session) = buy(&world.api, &stripe, 20_000_000).await?;
    let (lost, lost_session) = buy(&world.api, &stripe, 10_000_000).await?;
    let (old, old_session) = buy(&world.api, &stripe, 5_000_000).await?;
    let story = [
        stripe.complete(&paid_session, "paid"),
        stripe.refunded(&paid_session, 1_000),
        stripe.refunded(&paid_session, 1_500),
        stripe.dispute(&paid_session, 2_000, "needs_response"),
        stripe.dispute(&paid_session, 2_000, "won"),
        stripe.complete(&late_session, "unpaid"),
        stripe.delayed(&late_session, true),
        stripe.dispute(&late_session, 2_000, "needs_response"),
        stripe.dispute(&late_session, 2_000, "lost"),
        stripe.complete(&lost_session, "unpaid"),
        stripe.delayed(&lost_session, false),
        stripe.expired(&old_session),
        stripe.event("customer.created", json!({"id": "cus_1", "object": "customer"})),
    ];
    for order in [[12, 3, 1, 8, 0, 5, 4, 6, 2, 7, 9, 10, 11], [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]] {
        let sent = futures::stream::iter(order).map(|at| delivered(&world, &story[at]));
        let sent: Vec<Result<()>> = sent.buffer_unordered(4).collect().await;
        sent.into_iter().collect::<Result<()>>()?;
    }
    // 50 less 15 refunded; 20 less 20 lost
    balance_is(&world.api, (35_000_000, 0)).await?;
    let purchases = world.api.list_all(&format!("{TRANSACTIONS}?kind=purchase")).await?;
    assert_eq!((purchases.len(), amounts(&purchases)), (2, 70_000_000));
    for (id, status) in [(&paid, "paid"), (&late, "paid"), (&lost, "failed"), (&old, "expired")] {
        let path = format!("/api/v1/billing/checkouts/{id}");
        assert_eq!(world.api.get(&path).await?.data()?["status"], status);
    }
    let events = world.api.list_all(&format!("/api/v1/billing/checkouts/{paid}/events")).await?;
    let types: Vec<_> = events.iter().map(|event| text(event, "type")).collect();
    assert_eq!(types, ["checkout.requested", "checkout.opened", "checkout.paid"]);
    world.close().await?;
    stripe.stop().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payment_that_does_not_fit_is_flagged_and_one_that_is_not_signed_is_refused() -> Result<()> {
    let (world, stripe) = with_stripe().await?;
    let (checkout, session) = buy(&world.api, &stripe, 50_000_000).await?;
    let good = stripe.complete(&session, "paid");
    let forged = StripeWebhook { signature: good.signature.replace("v1=", "v0="), ..good.clone() };
    let other_body = StripeWebhook { body: [&good.body[..], b" "].concat(), ..good.clone() };
    let stale = StripeWebhook {
        signature: adapters::stripe::sign(STRIPE_SECRET, unix_now() - 400, &good.body),
        ..good.clone()
    };
    let unsigned =
        [(forged, "signature_invalid"), (other_body, "signature_invalid"), (stale, "signature_stale")];
    for (webhook, code) in unsigned {
        let answer = deliver(&world, &webhook).await?;
        assert_eq!((answer.status, answer.code()), (401, code));
    }
    let nothing = world.api.with_key(None).send("POST", STRIPE, &[], Some(good.body.clone())).await?;
    assert_eq!((nothing.status, nothing.code()), (401, "signature_missing"));

    let object = |change: fn(&mut Value)| -> Result<Value> {
        let event: Value = serde_json::from_slice(&good.body)?;
        let mut object = event["data"]["object"].clone();
        change(&mut object);
        Ok(object)
    };
    let completed = "checkout.session.completed";
    let wrong = [
        object(|session| session["amount_total"] = json!(4_999))?,
        object(|session| session["currency"] = json!("eur"))?,
        object(|session| session["client_reference_id"] = json!("cli_01h455vb4pex5vsknk084sn02q"))?,
        object(|session| session["metadata"]["checkout_id"] = json!("chk_01h455vb4pex5vsknk084sn02q"))?,
        object(|session| session["metadata"] = json!({}))?,
    ];
    for object in wrong {
        delivered(&world, &stripe.event(completed, object)).await?;
    }
    assert_eq!(balance(&world.api).await?, (0, 0));
    let path = format!("/api/v1/billing/checkouts/{checkout}");
    let flagged = world.api.get(&path).await?.data()?;
    assert_eq!(
        (&flagged["status"], &flagged["mismatches"]),
        (&json!("mismatched"), &json!(["amount", "currency", "client"]))
    );

    // the right one still counts, and no more than was paid is taken back
    delivered(&world, &good).await?;
    delivered(&world, &stripe.refunded(&session, 5_001)).await?;
    balance_is(&world.api, (0, 0)).await?;
    let flagged = world.api.get(&path).await?.data()?;
    assert_eq!(flagged["status"], "paid");
    assert!(flagged["mismatches"].to_string().contains("reversed_too_much"), "{flagged}");
    world.close().await?;
    stripe.stop().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payment_in_another_currency_than_the_credit_is_flagged_and_not_asked_for_again() -> Result<()> {
    let (world, stripe) = with_stripe().await?;
    // the account gets its currency between the request and the payment
    let (checkout, session) = buy(&world.api, &stripe, 50_000_000).await?;
    let amount = json!({"amount_micros": 7_000_000, "currency": "EUR"});
    let grant = json!({"client_id": client_id(&world.api).await?, "amount": amount, "reason": "x"});
    assert_eq!(world.api.post("/api/v1/billing/grants", grant).await?.status, 201);
    let paid = stripe.complete(&session, "paid");
    for _ in 0..2 {
        delivered(&world, &paid).await?;
    }
    let flagged = world.api.get(&format!("/api/v1/billing/checkouts/{checkout}")).await?.data()?;
    assert_eq!((&flagged["status"], &flagged["mismatches"]), (&json!("mismatched"), &json!(["account"])));
    assert_eq!(balance(&world.api).await?, (7_000_000, 0));
    world.close().await?;
    stripe.stop().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_platform_sets_prices_and_grants_and_bad_amounts_are_refused() -> Result<()> {
    let world = World::start().await?;
    let made = world.api.post("/api/v1/auth/clients", json!({"name": "Example Travel"})).await?.data()?;
    let (tenant, own) = (world.api.with_key(made["plain_key"].as_str()), text(&made, "id").to_owned());
    let grant_to = |id: &str, amount: Value| json!({"client_id": id, "amount": amount, "reason": "x"});
    let grants = "/api/v1/billing/grants";
    assert_eq!(tenant.post(grants, grant_to(&own, dollars(1))).await?.status, 403);
    for (amount, status) in [
        (dollars(0), 422),
        (dollars(-5), 422),
        (json!({"amount_micros": 5, "currency": "XXX"}), 422),
        (json!({"amount_micros": 1.5, "currency": "USD"}), 422),
        (dollars(7_000_000), 201),
        (json!({"amount_micros": 5, "currency": "EUR"}), 422),
        (dollars(i64::MAX), 422),
    ] {
        let answer = world.api.post(grants, grant_to(&own, amount.clone())).await?;
        assert_eq!(answer.status, status, "{amount}: {}", answer.body);
    }
    assert_eq!(balance(&tenant).await?, (7_000_000, 0));
    assert_eq!(balance(&world.api).await?, (0, 0));
    assert_eq!(world.api.list_all(TRANSACTIONS).await?, Vec::<Value>::new());

    let put = async |api: &Api, body: Value| {
        api.send("PUT", "/api/v1/billing/prices", &[], Some(body.to_string().into_bytes())).await
    };
    let list = |more: Value| {
        let mut body = json!({"currency": "USD", "prices": [{"component": "llm", "unit": "input_token", "per": 1_000_000, "price": 150_000}]});
        if let (Some(body), Value::Object(more)) = (body.as_object_mut(), more) {
            body.extend(more);
        }
        body
    };
    assert_eq!(put(&tenant, list(json!({}))).await?.status, 403);
    for bad in [
        json!({"effective_from": "2020-01-01T00:00:00Z"}),
        json!({"currency": "usd"}),
        json!({"client_id": "cli_01h455vb4pex5vsknk084sn02q"}),
        json!({"prices": [{"component": "llm", "unit": "input_token", "price": -1}]}),
        json!({"prices": [{"component": "tea", "unit": "second", "price": 1}]}),
    ] {
        assert_eq!(put(&world.api, list(bad.clone())).await?.status, 422, "{bad}");
    }
    assert_eq!(put(&world.api, list(json!({}))).await?.status, 200);
    assert_eq!(put(&world.api, list(json!({"client_id": own, "prices": []}))).await?.status, 200);
    let seen = tenant.get("/api/v1/billing/prices").await?.data()?;
    assert_eq!(seen.as_array().map(Vec::len), Some(2), "{seen}");
    let other = format!("/api/v1/billing/prices?client_id={}", client_id(&world.api).await?);
    assert_eq!(tenant.get(&other).await?.status, 404);

    let sold = json!({"amount": dollars(5_000_000), "success_url": "https://a.example", "cancel_url": "https://a.example"});
    let unsold = world.api.post("/api/v1/billing/checkouts", sold).await?;
    assert_eq!((unsold.status, unsold.code()), (503, "payments_not_configured"));
    world.close().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_node_charges_every_call_once() -> Result<()> {
    let mut world = World::start().await?;
    world.take_number().await?;
    price(&world.api, json!([{"component": "platform", "unit": "request", "price": 1_000}])).await?;
    for round in 0..5 {
        for leg in 0..4 {
            call(&world, &mut Leg::inbound(10 + round * 4 + leg)).await?;
        }
        world.node.kill()?;
        world.node.resume()?;
    }
    until("twenty charges", SOON, async || {
        let all = world.api.list_all(&format!("{TRANSACTIONS}?kind=usage")).await?;
        Ok((all.len() >= 20).then_some(()))
    })
    .await?;
    let all = world.api.list_all(TRANSACTIONS).await?;
    assert_eq!((all.len(), amounts(&all)), (20, -20_000));
    balance_is(&world.api, (-20_000, 0)).await?;
    world.close().await?;
    Ok(())
}
