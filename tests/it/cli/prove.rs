//! `voxledger doctor --prove-event-store`: every engine is proven beside what it holds, and a broken promise is told.

use std::fs;

use adapters::event_store::{EventLog, Target};
use anyhow::{Context as _, Result, ensure};
use domain::envelope::{Metadata, NewEvent, Position, StreamId, Time};
use domain::ids::ClientId;
use domain::ports::event_store::Expected;
use domain::testing::ids::sequential;
use fake_kurrentdb::{AppendFault, FakeKurrentDb, Settings};
use serde_json::Value;
use sqlx::{AssertSqlSafe, ConnectOptions as _, Executor as _};

use super::run::{Run, database, voxledger, with_key};

fn prove(address: &str, more: &[&str]) -> Result<Run> {
    let arguments = ["doctor", "--prove-event-store", address];
    tokio::task::block_in_place(|| voxledger(&[&arguments, more].concat(), &with_key()))
}

/// One event in the store, which must still be there, and alone, afterwards.
async fn with_an_event(address: &str) -> Result<Target> {
    let target: Target = address.parse()?;
    let log = EventLog::open(&target).await?;
    let event = NewEvent {
        id: sequential(1),
        event_type: "call.noted".to_owned(),
        schema: 1,
        client_id: ClientId(sequential(2)),
        payload: vec![7],
        metadata: Metadata::system("test", sequential(3)),
        recorded_at: Time::from_timestamp(1_767_225_600, 0).context("a time")?,
    };
    log.store().append(&StreamId::new("call", sequential(4)), Expected::NoStream, vec![event]).await?;
    log.close().await;
    Ok(target)
}

async fn is_untouched(target: &Target) -> Result<()> {
    let log = EventLog::open_read_only(target).await?;
    let events = log.store().read_all(Position::START, 10).await?;
    log.close().await;
    ensure!(events.len() == 1 && events[0].id == sequential(1), "{events:?}");
    Ok(())
}

fn all_held(run: &Run) -> Result<()> {
    let held = run.out.lines().filter(|line| line.starts_with("held ")).count();
    let cases = conformance::event_store::CASES.len();
    ensure!(held == cases && run.out.contains(&format!("{cases} of {cases} promises are held")), "{run:#?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sqlite_place_is_proven_in_a_folder_that_is_gone_afterwards() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("events.db");
    let address = format!("sqlite:{}", path.display());
    // also where there is no file yet: none is made
    all_held(&prove(&address, &[])?.succeeded())?;
    ensure!(fs::read_dir(folder.path())?.count() == 0);
    let target = with_an_event(&address).await?;
    let node = EventLog::open(&target).await?;
    all_held(&prove(&address, &[])?.succeeded().complains("removed at the end"))?;
    node.close().await;
    is_untouched(&target).await?;
    let left: Vec<_> = fs::read_dir(folder.path())?.map(|file| file.map(|file| file.file_name())).collect();
    ensure!(left.len() <= 4, "{left:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_postgresql_server_is_proven_in_a_schema_that_is_dropped() -> Result<()> {
    let address = database().await;
    let target = with_an_event(&address).await?;
    let run = prove(&address, &["--json"])?.succeeded();
    let told: Value = serde_json::from_str(&run.out)?;
    let cases = conformance::event_store::CASES.len();
    ensure!(told["held"] == cases && told["broken"] == 0 && told["left"].is_null(), "{told}");
    ensure!(told["promises"].as_array().context("a list")?.len() == cases, "{told}");
    ensure!(told["promises"][0]["name"] == "a_stale_expectation_is_a_conflict", "{told}");
    is_untouched(&target).await?;
    let mut tool = address.parse::<sqlx::postgres::PgConnectOptions>()?.connect().await?;
    let ours = "SELECT count(*) FROM pg_namespace WHERE nspname LIKE 'voxledger%'";
    ensure!(sqlx::query_scalar::<_, i64>(ours).fetch_one(&mut tool).await? == 0);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kurrentdb_server_is_proven_under_a_prefix_that_is_named() -> Result<()> {
    let server = FakeKurrentDb::start().await?;
    let target = with_an_event(&server.address()).await?;
    let run = prove(&server.address(), &[])?.succeeded().says("streams that begin with voxledger_prove_");
    all_held(&run)?;
    is_untouched(&target).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_promise_is_told_with_what_was_seen_and_by_the_exit_code() -> Result<()> {
    let server = FakeKurrentDb::start().await?;
    // a server that refuses what it should store
    server.faults().next_appends([AppendFault::AccessDenied]);
    let run = prove(&server.address(), &[])?;
    ensure!(run.code == Some(2), "{run:#?}");
    let broken: Vec<_> = run.out.lines().filter(|line| line.starts_with("BROKEN ")).collect();
    ensure!(broken.len() == 1, "{run:#?}");
    let cases = conformance::event_store::CASES.len();
    let run = run.says("denies access").says(&format!("{} of {cases} promises are held", cases - 1));
    ensure!(!run.err.contains("panicked"), "{run:#?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_reached_or_used_is_told_with_what_to_do() -> Result<()> {
    prove("mysql://x", &[])?.failed().complains("sqlite:PATH").complains("kurrentdb://");
    prove("sqlite:/no/such/folder/events.db", &[])?.failed().complains("name a place that exists");
    let nobody = format!("127.0.0.1:{}", adapters::testing::ports::free_port()?);
    for away in [
        format!("postgres://ops:s3cret@{nobody}/log"),
        format!("kurrentdb://ops:s3cret@{nobody}?tls=false&gossipTimeout=100"),
        format!("kurrentdb+discover://ops:s3cret@{nobody}?tls=false&gossipTimeout=100"),
    ] {
        let failed = prove(&away, &[])?.failed().complains("cannot").complains(&nobody);
        ensure!(!failed.err.contains("s3cret") && !failed.err.contains("panicked"), "{failed:#?}");
    }
    let narrow = database().await;
    let options = narrow.parse::<sqlx::postgres::PgConnectOptions>()?;
    let name = options.get_database().context("a database")?.to_owned();
    let mut owner = options.connect().await?;
    owner.execute(AssertSqlSafe(format!("REVOKE CREATE ON DATABASE {name} FROM voxledger"))).await?;
    prove(&narrow, &[])?.failed().complains("the role needs CREATE on the database").complains("grant it");
    let login = Some(("ops".to_owned(), "right".to_owned()));
    let guarded = FakeKurrentDb::start_with(Settings { login, ..Settings::default() }).await?;
    let place = guarded.socket(0).context("a socket")?;
    let failed = prove(&format!("kurrentdb://ops:wrong@{place}?tls=false"), &[])?.failed();
    failed.complains("denies access; check user and rights");
    let old = Settings { version: "22.10.5".to_owned(), ..Settings::default() };
    let old = FakeKurrentDb::start_with(old).await?;
    prove(&old.address(), &[])?.failed().complains("24.10 or newer");
    let json = prove(&old.address(), &["--json"])?.failed();
    ensure!(json.out.is_empty(), "{json:#?}");
    let alone = tokio::task::block_in_place(|| voxledger(&["doctor", "--json"], &with_key()))?;
    ensure!(alone.code == Some(2) && alone.err.contains("--prove-event-store"), "{alone:#?}");
    Ok(())
}
