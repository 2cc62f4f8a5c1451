//! Vendors' own SDKs use our fakes: what they cannot use is no fake of theirs.

use std::sync::Arc;
use std::time::Duration;

use adapters::clock::SystemClock;
use anyhow::{Context as _, Result};
use fake_kurrentdb::FakeKurrentDb;
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
async fn kurrentdbs_python_client_appends_reads_and_follows_at_the_fake_database() -> Result<()> {
    let server = FakeKurrentDb::start().await?;
    let address = server.socket(0).context("an address")?.to_string();
    let run = move || python::run("kurrentdb_streams.py", &[&address]);
    let told = tokio::task::spawn_blocking(run).await??;
    assert_eq!(told.trim(), "ok");
    assert_eq!(server.log().records().len(), 10);
    Ok(())
}
