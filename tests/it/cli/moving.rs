//! The log, its seals and the keys, moved from one machine to servers.

mod killed;
mod memory;

use std::path::Path;

use adapters::database::Database;
use adapters::event_store::{EventLog, Target};
use anyhow::{Context as _, Result, ensure};
use domain::envelope::{Metadata, NewEvent, Position, Recorded, StreamId, Time};
use domain::ids::ClientId;
use domain::ports::event_store::Expected;
use domain::testing::ids::sequential;
use fake_kurrentdb::FakeKurrentDb;
use serde_json::{Value, json};
use tests::client::Api;
use tests::server::{Server, ServerOptions};
use tests::until::{SOON, until};
use uuid::Uuid;

use super::run::{Run, database, voxledger, with_key};

fn run(arguments: &[&str], options: &ServerOptions) -> Result<Run> {
    tokio::task::block_in_place(|| voxledger(arguments, options))
}

fn copy(from: &str, to: &str, more: &[&str]) -> Result<Run> {
    let arguments = ["log", "copy", "--from", from, "--to", to];
    run(&[&arguments, more].concat(), &with_key())
}

fn sqlite(path: &Path) -> String {
    format!("sqlite:{}", path.display())
}

/// Fills a log with so many events, 20 an append.
async fn fill(address: &str, from: u64, upto: u64) -> Result<()> {
    let log = EventLog::open(&address.parse()?).await?;
    let mut first = from;
    while first <= upto {
        let last = upto.min(first + 19);
        let events = (first..=last).map(|n| NewEvent {
            id: sequential(n),
            event_type: "call.noted".to_owned(),
            schema: 1,
            client_id: ClientId(Uuid::from_u128(1)),
            payload: n.to_be_bytes().repeat(20),
            metadata: Metadata::system("test", sequential(n)),
            recorded_at: Time::from_timestamp_micros(1_767_225_600_000_000 + n as i64).unwrap_or_default(),
        });
        let call = StreamId::new("call", sequential(first % 97));
        log.store().append(&call, Expected::Any, events.collect()).await?;
        first = last + 1;
    }
    log.close().await;
    Ok(())
}

async fn events(target: &Target) -> Result<Vec<Recorded>> {
    let log = EventLog::open_read_only(target).await?;
    let (store, mut events) = (log.store(), Vec::new());
    loop {
        let page = store.read_all(Position(events.len() as u64), 5_000).await?;
        if page.is_empty() {
            log.close().await;
            return Ok(events);
        }
        events.extend(page);
    }
}

/// A node's log and keys moved to servers; `event_store` is where the log goes, all else goes to PostgreSQL.
async fn moves_to(event_store: &str, postgres: &str) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let data = folder.path().join("data");
    let node = ServerOptions::embedded(&data);
    let from = sqlite(&data.join("events.db"));
    let server = tokio::task::block_in_place(|| Server::start(&node))?;
    let api = Api::new(&server.base)?;
    let mut order = Value::Null;
    let mut answers = Vec::new();
    for n in 0..5 {
        order = json!({"number": format!("+1415555010{n}"), "route": {"type": "agent"}});
        answers.push(api.post_once("/api/v1/numbers", &format!("order-{n}"), &order).await?.data()?);
    }
    let last = answers.last().context("an answer")?.clone();

    // beside the node: all there is, and more to come
    let beside = copy(&from, event_store, &[])?;
    ensure!(beside.code == Some(3), "{beside:#?}");
    beside.says("run the same command again");
    let keys = sqlite(&data.join("keys.db"));
    let too_early = run(&["keys", "copy", "--from", &keys, "--to", postgres], &with_key())?;
    too_early.failed().complains("a node uses this key store");
    order["number"] = json!("+14155550199");
    let late = api.post_once("/api/v1/numbers", "a-late-order", &order).await?.data()?;
    tokio::task::block_in_place(|| server.terminate())?;

    let to_seals = if event_store == postgres { vec![] } else { vec!["--to-seals", postgres] };
    let whole = copy(&from, event_store, &[&["--seals"], to_seals.as_slice()].concat())?.succeeded();
    let whole = whole.says("both logs have the root").says("signed heads carried over");
    ensure!(!whole.out.contains(" 0 were there already"), "it went on: {}", whole.out);
    let moved = run(&["keys", "copy", "--from", &keys, "--to", postgres], &with_key())?;
    moved.succeeded().says("answers under idempotency keys");

    let elsewhere = folder.path().join("elsewhere");
    let moved = ServerOptions::embedded(&elsewhere)
        .set("EVENT_STORE", event_store)
        .set("READ_MODELS", postgres)
        .set("WORK_STORE", postgres)
        .set("KEY_STORE", postgres)
        .set("MASTER_KEY_FILE", &data.join("master.key").display().to_string());
    run(&["audit", "verify"], &moved)?.succeeded().says("nothing is wrong");
    let server = tokio::task::block_in_place(|| Server::start(&moved))?;
    let api = Api::new(&server.base)?;
    // views are made again from the log, and open with the keys that moved
    until("the views", 3 * SOON, async || {
        let numbers = api.list_all("/api/v1/numbers").await?;
        Ok((numbers.len() == 6 && numbers.iter().any(|number| number["id"] == late["id"])).then_some(()))
    })
    .await?;
    // what was answered before the move is not done again after it
    let first = json!({"number": "+14155550104", "route": {"type": "agent"}});
    let again = api.post_once("/api/v1/numbers", "order-4", &first).await?;
    ensure!(again.data()?["id"] == last["id"]);
    let more = json!({"number": "+14155550177", "route": {"type": "reject"}});
    api.post("/api/v1/numbers", more).await?.data()?;
    tokio::task::block_in_place(|| server.terminate())?;
    run(&["audit", "verify"], &moved)?.succeeded().says("nothing is wrong");

    // the way back is refused: the copy has gone on
    let back = copy(&from, event_store, &[])?;
    ensure!(back.code == Some(2), "{back:#?}");
    back.complains("is no beginning of the source").complains("nothing was written");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_moves_from_sqlite_to_postgresql_with_everything_it_knows() -> Result<()> {
    let postgres = database().await;
    moves_to(&postgres, &postgres).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_moves_from_sqlite_to_kurrentdb_and_postgresql_with_everything_it_knows() -> Result<()> {
    let server = FakeKurrentDb::start().await?;
    moves_to(&server.address(), &database().await).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_place_that_holds_something_else_and_an_address_that_leads_nowhere_are_told() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let [one, other, empty] =
        ["one.db", "other.db", "empty.db"].map(|name| sqlite(&folder.path().join(name)));
    fill(&one, 1, 100).await?;
    fill(&other, 501, 550).await?;
    let before = events(&other.parse()?).await?;
    let refused = copy(&one, &other, &[])?;
    ensure!(refused.code == Some(2), "{refused:#?}");
    refused.complains("event 1 of the target is not that of the source").complains("name an empty place");
    ensure!(events(&other.parse()?).await? == before);

    copy(&one, &one, &[])?.failed().complains("source and target are the same log");
    copy("mysql://x", &empty, &[])?.failed().complains("--from cannot be used").complains("kurrentdb://");
    copy(&one, "events.db", &[])?.failed().complains("--to cannot be used").complains("sqlite:PATH");
    copy(&sqlite(&folder.path().join("nowhere.db")), &empty, &[])?
        .failed()
        .complains("cannot open the source")
        .complains("check that it and its folder exist");
    let nobody = format!("127.0.0.1:{}", adapters::testing::ports::free_port()?);
    for away in [
        format!("postgres://ops:s3cret@{nobody}/log"),
        format!("kurrentdb://ops:s3cret@{nobody}?tls=false&gossipTimeout=100"),
    ] {
        let failed = copy(&one, &away, &[])?.failed().complains("cannot open the target");
        let failed = failed.complains(&nobody);
        ensure!(!failed.err.contains("s3cret"), "{failed:#?}");
    }
    // a node that has the target open is not written over
    let held = EventLog::open(&other.parse()?).await?;
    copy(&one, &other, &[])?.failed().complains("already open for writing in another process");
    held.close().await;
    // where the seals of KurrentDB are is for the operator to say
    let server = FakeKurrentDb::start().await?;
    copy(&one, &server.address(), &["--seals"])?.failed().complains("--to-seals");
    // nothing printed on standard output is an error, progress is on standard error
    let done = copy(&one, &empty, &[])?.succeeded().complains("copying: 100 of 100 events");
    ensure!(!done.out.contains("copying:"), "{done:#?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_was_changed_since_it_was_sealed_does_not_get_its_seal() -> Result<()> {
    use sqlx::{ConnectOptions as _, Executor as _};
    let folder = tempfile::tempdir()?;
    let data = folder.path().join("data");
    let node = ServerOptions::embedded(&data);
    let server = tokio::task::block_in_place(|| Server::start(&node))?;
    let api = Api::new(&server.base)?;
    for n in 0..5 {
        let number = json!({"number": format!("+1415555010{n}"), "route": {"type": "agent"}});
        api.post("/api/v1/numbers", number).await?.data()?;
    }
    tokio::task::block_in_place(|| server.terminate())?;
    let path = data.join("events.db");
    let mut tool = sqlx::sqlite::SqliteConnectOptions::new().filename(&path).connect().await?;
    tool.execute(
        "DROP TRIGGER events_are_never_changed; UPDATE events SET recorded_at = recorded_at + 1 WHERE position = 3",
    )
    .await?;
    drop(tool);
    let target = sqlite(&folder.path().join("copy.db"));
    let refused = copy(&sqlite(&path), &target, &["--seals"])?;
    ensure!(refused.code == Some(2), "{refused:#?}");
    refused.says("both logs have the root").complains("events were changed").complains("audit verify");
    let seals =
        adapters::seals::SealsDb::open(&Database::Sqlite(folder.path().join("copy.seals.db"))).await?;
    ensure!(domain::ports::seals::SealStore::latest(&seals).await?.is_none());
    Ok(())
}
