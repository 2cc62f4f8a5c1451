//! Vendors' own SDKs use our fakes: what they cannot use is no fake of theirs.

use std::sync::Arc;
use std::time::Duration;

use adapters::clock::SystemClock;
use anyhow::{Context as _, Result};
use domain::ports::clock::Clock as _;
use fake_kurrentdb::FakeKurrentDb;
use simulator::fake_stripe::FakeStripe;
use simulator::fake_telnyx::{CalleeScript, FakeTelnyx, Step};
use tests::python;
use tests::world::{CARRIER_KEY, carrier_config};

#[tokio::test(flavor = "multi_thread")]
async fn telnyxs_sdk_dials_lists_bridges_and_fetches_at_the_simulated_carrier() -> Result<()> {
    let config = carrier_config("http://127.0.0.1:9/");
    let connection = config.connection_id.clone();
    let carrier = FakeTelnyx::start(config, Arc::new(SystemClock)).await?;
    carrier.set_usual_callee(CalleeScript::Answers { ring: Duration::ZERO, steps: vec![Step::Stay] });
    let (base, public_key) = (carrier.api_base().to_owned(), carrier.public_key_base64());
    let run = move || python::run("telnyx_calls.py", &[&base, CARRIER_KEY, &connection, &public_key]);
    let told = tokio::task::spawn_blocking(run).await??;
    assert_eq!(told.trim(), "ok");
    let ledger = carrier.shutdown().await;
    assert_eq!(ledger.commands_named("dial").count(), 45);
    assert_eq!(ledger.commands_named("bridge").filter(|bridge| bridge.status == 200).count(), 1);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn stripes_sdk_creates_reads_and_verifies_at_the_simulated_stripe_and_we_verify_what_it_signs()
-> Result<()> {
    let (key, secret) = ("sk_test_of_the_simulation", "whsec_of_the_simulation");
    let stripe = FakeStripe::start(key, secret, Arc::new(SystemClock))?;
    let session = "cs_test_1";
    let base = stripe.base.clone();
    let mut events = Vec::new();
    // what happens to the first session that the SDK creates
    let first = stripe.event("charge.refunded", serde_json::json!({"id": "ch_1", "object": "charge"}));
    for webhook in [first, stripe.refunded(session, 700), stripe.dispute(session, 700, "lost")] {
        let body = String::from_utf8(webhook.body)?;
        events.push(format!("{} {body}", webhook.signature));
    }
    let run = move || {
        let arguments: Vec<&str> =
            [&base, key, secret].into_iter().chain(events.iter().map(String::as_str)).collect();
        python::run("stripe_checkout.py", &arguments)
    };
    let printed = tokio::task::spawn_blocking(run).await??;
    let last = printed.lines().last().context("a last line")?.to_owned();
    let (types, header) = last.split_once(' ').context("types and a header")?;
    assert_eq!(types, "charge.refunded,charge.refunded,charge.dispute.closed");
    let now = SystemClock.now();
    let secrets = [secret.to_owned()];
    adapters::stripe::verify(Some(header.as_bytes()), b"signed by the SDK", &secrets, now)?;
    assert!(adapters::stripe::verify(Some(header.as_bytes()), b"another body", &secrets, now).is_err());
    assert_eq!(stripe.sessions(), 2);
    stripe.stop().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn kurrentdbs_python_client_appends_reads_and_follows_at_the_fake_database() -> Result<()> {
    let server = FakeKurrentDb::start().await?;
    let address = server.socket(0).context("an address")?.to_string();
    let run = move || python::run("kurrentdb_streams.py", &[&address]);
    let told = tokio::task::spawn_blocking(run).await??;
    assert_eq!(told.trim(), "ok");
    assert_eq!(server.log().records().len(), 10);
    Ok(())
}
