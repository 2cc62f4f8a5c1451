//! `migrate`, `doctor`, `client create` and `keys reset-owner`.

use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use sqlx::{Connection as _, Executor as _, PgConnection, SqliteConnection};
use tests::client::Api;
use tests::server::{Server, ServerOptions};

use super::run::{Run, database, voxledger};

fn lines_with<'a>(text: &'a str, word: &str) -> Vec<&'a str> {
    text.lines().filter(|line| line.contains(word)).collect()
}

fn is_empty(folder: &Path) -> Result<bool> {
    Ok(!folder.exists() || std::fs::read_dir(folder)?.next().is_none())
}

#[test]
fn the_schema_goes_up_and_down_and_looking_at_it_creates_nothing() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let data = folder.path().join("data");
    let node = ServerOptions::embedded(&data);
    let status = voxledger(&["migrate", "status"], &node)?.succeeded();
    let steps = lines_with(&status.out, "to do").len();
    assert!(steps > 2, "{}", status.out);
    assert!(is_empty(&data)?);
    let up = voxledger(&["migrate", "up"], &node)?.succeeded();
    assert_eq!(lines_with(&up.out, "done").len(), steps, "{}", up.out);
    voxledger(&["migrate", "up"], &node)?.succeeded();

    for left in (0..steps).rev() {
        let down = voxledger(&["migrate", "down"], &node)?.succeeded();
        let done = lines_with(&down.out, "done");
        assert_eq!(done.len(), left, "a step at a time: {}", down.out);
        assert!(done.first().is_none_or(|step| step.starts_with(" log")), "the log goes last: {}", down.out);
    }
    Ok(())
}

fn down_to_the_last(node: &ServerOptions) -> Result<Run> {
    let mut down = voxledger(&["migrate", "down"], node)?;
    while down.code == Some(0) {
        down = voxledger(&["migrate", "down"], node)?;
    }
    Ok(down)
}

/// How many events a refusal to take the log's schema back counts: a node may or may not have written of its own
/// upkeep before it was stopped.
fn events_that_stay(refused: &Run) -> Result<String> {
    let counted = refused.err.split_once("there are ").and_then(|(_, rest)| rest.split_once(" events"));
    let (count, _) = counted.with_context(|| format!("the log is not what stays: {refused:#?}"))?;
    ensure!(count.parse::<u64>().is_ok_and(|count| count > 0), "no events in {refused:#?}");
    Ok(count.to_owned())
}

async fn lose_the_keys(node: &ServerOptions) -> Result<()> {
    match node.env.get("EVENT_STORE") {
        Some(url) => {
            let mut database = PgConnection::connect(url).await?;
            database.execute("DELETE FROM data_keys").await?;
        }
        None => {
            let folder = node.env.get("DATA_DIR").context("a data folder")?;
            let mut database = SqliteConnection::connect(&format!("sqlite:{folder}/keys.db")).await?;
            database.execute("DELETE FROM data_keys").await?;
        }
    }
    Ok(())
}

#[tokio::test]
async fn the_schema_of_keys_or_of_a_log_with_events_is_not_taken_back() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let url = database().await;
    for node in [ServerOptions::embedded(folder.path()), ServerOptions::postgres(folder.path(), &url)] {
        let server = Server::start(&node)?;
        if !node.env.contains_key("EVENT_STORE") {
            voxledger(&["migrate", "down"], &node)?.failed().complains("stop it first");
        }
        server.terminate()?;
        // the views go first, step by step, and whatever else can be had again
        down_to_the_last(&node)?.failed().complains("encryption keys");
        lose_the_keys(&node).await?;
        let events = events_that_stay(&down_to_the_last(&node)?.failed())?;
        // without keys and seals nothing says that it is what it was: that is for an operator to say
        voxledger(&["serve"], &node)?.failed().complains("its seals were deleted");
        voxledger(&["migrate", "up"], &node)?.succeeded();
        voxledger(&["audit", "accept-log", "--events", &events, "--sealed", "0"], &node)?.succeeded();
        // and the views come back from it
        let server = Server::start(&node)?;
        assert_eq!(Api::new(&server.base)?.get("/api/v1/calls").await?.status, 200);
    }
    Ok(())
}

#[test]
fn the_doctor_is_content_with_a_good_node_and_creates_nothing() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let data = folder.path().join("data");
    let node = ServerOptions::embedded(&data);
    voxledger(&["doctor"], &node)?.succeeded().says("0 to put right").says("will be created");
    assert!(is_empty(&data)?);
    let server = Server::start(&node)?;
    let there = node.clone().set("BIND", server.address());
    let found = voxledger(&["doctor"], &there)?.succeeded();
    found.says("is up to date").says(&format!("runs at {}", server.address())).says(" events");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_doctor_warns_of_a_role_that_row_security_does_not_hold() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let url = database().await;
    let doctor = |url: &str| voxledger(&["doctor"], &ServerOptions::postgres(folder.path(), url));
    doctor(&url)?.succeeded().says("the server keeps clients apart");
    let superuser = url.replacen("voxledger@", "postgres@", 1);
    doctor(&superuser)?.succeeded().says("role postgres is a superuser").says("OWNER TO voxledger");
    Ok(())
}

#[test]
fn the_doctor_names_what_is_wrong_and_fails() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let node = ServerOptions::embedded(folder.path());
    let doctor = |name: &str, value: &str| voxledger(&["doctor"], &node.clone().set(name, value));
    doctor("TELNYX_PUBLIC_KEY", "c2hvcnQ=")?.failed().says("VOXLEDGER_TELNYX_PUBLIC_KEY");
    doctor("TELNYX_API_KEY", "KEY1")?.failed().says("VOXLEDGER_TELNYX_CONNECTION_ID");
    doctor("READ_MODELS", "postgres://nobody@127.0.0.1:1/none")?.failed().says("cannot look at the views");
    doctor("NONSENSE", "1")?.failed().says("unknown environment variable VOXLEDGER_NONSENSE");
    let taken = std::net::TcpListener::bind("127.0.0.1:0")?;
    doctor("BIND", &taken.local_addr()?.to_string())?.failed().says("cannot listen on");
    std::fs::write(folder.path().join("file"), "")?;
    let below = folder.path().join("file/data").display().to_string();
    doctor("DATA_DIR", &below)?.failed().says("VOXLEDGER_DATA_DIR");
    Ok(())
}

#[tokio::test]
async fn a_new_client_has_a_key_that_opens_nothing_of_the_others() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let node = ServerOptions::embedded(folder.path());
    let server = Server::start(&node)?;
    let number = serde_json::json!({"number": "+14155550150", "route": {"type": "agent"}});
    assert_eq!(Api::new(&server.base)?.post("/api/v1/numbers", number).await?.status, 201);
    voxledger(&["client", "create", "Acme"], &node)?.failed().complains("stop the node");
    server.terminate()?;

    let created = voxledger(&["client", "create", "Acme", "--json"], &node)?.succeeded();
    let created: Value = serde_json::from_str(&created.out)?;
    let key = created["plain_key"].as_str().unwrap_or_default();
    voxledger(&["client", "create", " "], &node)?.failed().complains("1 to 200 characters");
    let server = Server::start(&node)?;
    let theirs = Api::new(&server.base)?.with_key(Some(key));
    assert!(theirs.list_all("/api/v1/numbers").await?.is_empty());
    let client = created["id"].as_str().unwrap_or_default();
    voxledger(&["audit", "replay", client], &node)?.succeeded().says("name=Acme");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn on_a_server_a_client_is_created_beside_the_node() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let url = database().await;
    let node = ServerOptions::postgres(folder.path(), &url);
    let server = Server::start(&node)?;
    let created = voxledger(&["client", "create", "Acme", "--json"], &node)?.succeeded();
    let created: Value = serde_json::from_str(&created.out)?;
    let key = created["plain_key"].as_str().unwrap_or_default();
    let theirs = Api::new(&server.base)?.with_key(Some(key));
    // the node hears of it from the log, in its own time
    let begun = std::time::Instant::now();
    while theirs.get("/api/v1/numbers").await?.status != 200 {
        assert!(begun.elapsed().as_secs() < 30, "the key is still unknown");
    }
    Ok(())
}

/// The owner key a node printed.
fn printed_key(printed: &str) -> Option<&str> {
    let line = printed.lines().find(|line| line.starts_with("owner API key"))?;
    line.split_whitespace().find(|word| word.starts_with("vx_"))
}

async fn opens(server: &Server, key: &str) -> Result<bool> {
    Ok(Api::new(&server.base)?.with_key(Some(key)).get("/api/v1/auth/me").await?.status == 200)
}

fn without_key(folder: &Path) -> ServerOptions {
    let mut node = ServerOptions::embedded(folder);
    node.env.remove("BOOTSTRAP_KEY");
    node
}

#[tokio::test]
async fn a_first_start_on_a_taken_address_keeps_the_owner_key_for_the_next() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let node = without_key(folder.path());
    let taken = std::net::TcpListener::bind("127.0.0.1:0")?;
    let address = taken.local_addr()?.to_string();
    let refused = voxledger(&["serve", "--bind", &address], &node)?.failed().complains("--bind");
    assert_eq!(printed_key(&refused.out), None);
    let server = Server::start(&node)?;
    let printed = server.printed();
    assert!(opens(&server, printed_key(&printed).context("an owner key")?).await?);
    Ok(())
}

#[tokio::test]
async fn whoever_lost_every_owner_key_makes_another_from_the_command_line() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let node = without_key(folder.path());
    let reset = ["keys", "reset-owner"];
    voxledger(&reset, &node)?.failed().complains("voxledger serve");
    let server = Server::start(&node)?;
    let first = printed_key(&server.printed()).context("an owner key")?.to_owned();
    voxledger(&reset, &node)?.failed().complains("stop the node");
    server.terminate()?;

    let made = voxledger(&[&reset[..], &["--json"]].concat(), &node)?.succeeded();
    let made: Value = serde_json::from_str(&made.out)?;
    let second = made["plain_key"].as_str().context("a key")?;
    voxledger(&[&reset[..], &["--client", "cli_7zzzzzzzzzzzzzzzzzzzzzzzzz"]].concat(), &node)?
        .failed()
        .complains("no client cli_7zzzzzzzzzzzzzzzzzzzzzzzzz");
    let server = Server::start(&node)?;
    assert_eq!(printed_key(&server.printed()), None, "shown once");
    let api = Api::new(&server.base)?.with_key(Some(second));
    let me = api.get("/api/v1/auth/me").await?.data()?;
    assert_eq!((&me["platform"], &me["api_key"]["id"]), (&Value::Bool(true), &made["key_id"]));
    assert!(opens(&server, &first).await?, "the one before stays until somebody revokes it");
    Ok(())
}
