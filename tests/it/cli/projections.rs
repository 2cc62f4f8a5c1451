//! `projections`, beside a running node.

use std::path::Path;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use sqlx::{Connection as _, Row as _};
use tests::client::Api;
use tests::server::{Server, ServerOptions};

use super::run::{database, voxledger};

const VIEWS: [&str; 21] = [
    "calls",
    "transcripts",
    "numbers",
    "clients",
    "api_keys",
    "users",
    "audit_log",
    "webhook_endpoints",
    "ivr_menus",
    "ivr_sessions",
    "agents",
    "tools",
    "conversations",
    "messages",
    "customers",
    "kb",
    "kb_documents",
    "memories",
    "credit_accounts",
    "credit_transactions",
    "billing_matches",
];

fn list(node: &ServerOptions) -> Result<Vec<Value>> {
    let printed = voxledger(&["projections", "list", "--json"], node)?.succeeded();
    Ok(serde_json::from_str(&printed.out)?)
}

async fn take_number(api: &Api, last: u32) -> Result<()> {
    let number = json!({"number": format!("+141555501{last:02}"), "route": {"type": "agent"}});
    assert_eq!(api.post("/api/v1/numbers", number).await?.status, 201);
    Ok(())
}

async fn both(data: &Path) -> [ServerOptions; 2] {
    [ServerOptions::embedded(data), ServerOptions::postgres(data, &database().await)]
}

#[tokio::test]
async fn every_view_is_rebuilt_while_the_node_goes_on_with_it() -> Result<()> {
    for (kind, data) in [(0, tempfile::tempdir()?), (1, tempfile::tempdir()?)] {
        let node = both(data.path()).await[kind].clone();
        let server = Server::start(&node)?;
        let api = Api::new(&server.base)?;
        take_number(&api, 1).await?;
        let before = list(&node)?;
        assert_eq!(before.iter().map(|view| view["name"].as_str().unwrap()).collect::<Vec<_>>(), VIEWS);

        voxledger(&["projections", "rebuild", "numbers"], &node)?.succeeded().says("numbers");
        // the running node goes on with the new rows
        take_number(&api, 2).await?;
        assert_eq!(api.list_all("/api/v1/numbers").await?.len(), 2);
        let all = voxledger(&["projections", "rebuild", "--all"], &node)?.succeeded();
        assert!(!all.out.contains("not what the log says"), "{}", all.out);
        take_number(&api, 3).await?;
        assert_eq!(api.list_all("/api/v1/numbers").await?.len(), 3);

        let after = list(&node)?;
        let generation = |views: &[Value], name| {
            views.iter().find(|view| view["name"] == name).map(|view| view["generation"].as_i64().unwrap())
        };
        assert_eq!((generation(&before, "calls"), generation(&after, "calls")), (Some(1), Some(2)));
        assert_eq!((generation(&before, "numbers"), generation(&after, "numbers")), (Some(1), Some(3)));
        assert!(after.iter().all(|view| view["owner"].is_string() && view["stall"].is_null()), "{after:?}");
        server.terminate()?;
    }
    Ok(())
}

#[tokio::test]
async fn rows_that_somebody_changed_are_found_and_put_right() -> Result<()> {
    let data = tempfile::tempdir()?;
    let node = ServerOptions::embedded(data.path());
    let server = Server::start(&node)?;
    take_number(&Api::new(&server.base)?, 1).await?;
    server.terminate()?;
    let file = format!("sqlite:{}", data.path().join("views.db").display());
    let mut views = sqlx::SqliteConnection::connect(&file).await?;
    sqlx::query("UPDATE clients SET doc = replace(doc, 'default', 'changed')").execute(&mut views).await?;
    let changed = sqlx::query("SELECT count(*) FROM clients WHERE doc LIKE '%changed%'");
    assert_eq!(changed.fetch_one(&mut views).await?.get::<i64, _>(0), 1, "the test changes something");

    let rebuilt = voxledger(&["projections", "rebuild", "clients"], &node)?.succeeded();
    rebuilt.says("the old rows of `clients` were not what the log says");
    let again = voxledger(&["projections", "rebuild", "clients"], &node)?.succeeded();
    assert!(!again.out.contains("not what the log says"), "{}", again.out);
    Ok(())
}

#[tokio::test]
async fn a_view_that_stands_still_is_listed_and_goes_on_after_a_skip() -> Result<()> {
    let data = tempfile::tempdir()?;
    let node = ServerOptions::embedded(data.path());
    let server = Server::start(&node)?;
    let api = Api::new(&server.base)?;
    take_number(&api, 1).await?;
    server.terminate()?;
    // an event of a version that nobody knows yet
    let file = format!("sqlite:{}", data.path().join("events.db").display());
    let mut log = sqlx::SqliteConnection::connect(&file).await?;
    let poison = "INSERT INTO events SELECT (SELECT max(position) + 1 FROM events), 'number-0197a000-0000-7000-8000-000000000001', 1, \
        '0197a000-0000-7000-8000-000000000002', type, 99, client_id, x'80', metadata, recorded_at \
        FROM events WHERE type = 'number.added'";
    assert_eq!(sqlx::query(poison).execute(&mut log).await?.rows_affected(), 1);
    log.close().await?;
    voxledger(&["projections", "rebuild", "numbers"], &node)?.failed().complains("cannot be read");

    let server = Server::start(&node)?;
    let stalled = || -> Result<Value> {
        Ok(list(&node)?.into_iter().find(|view| view["name"] == "numbers").context("no such view")?["stall"]
            .take())
    };
    let begun = std::time::Instant::now();
    while stalled()?.is_null() {
        assert!(begun.elapsed().as_secs() < 30, "the view does not stand still");
    }
    let position = stalled()?["position"].to_string();
    let other = (position.parse::<u64>()? - 1).to_string();
    voxledger(&["projections", "skip", "numbers", &other], &node)?.failed().complains("stands still at");
    voxledger(&["projections", "skip", "numbers", "999"], &node)?.failed().complains("there is no event");
    voxledger(&["projections", "skip", "nothing", &position], &node)?.failed().complains("there is no view");
    voxledger(&["projections", "skip", "numbers", &position], &node)?.succeeded();
    let begun = std::time::Instant::now();
    while !stalled()?.is_null() {
        assert!(begun.elapsed().as_secs() < 30, "the view still stands");
    }
    voxledger(&["projections", "rebuild", "numbers"], &node)?.succeeded();
    server.terminate()?;
    Ok(())
}

#[test]
fn without_stores_there_is_nothing_to_list_and_nothing_is_created() -> Result<()> {
    let data = tempfile::tempdir()?;
    let node = ServerOptions::embedded(data.path());
    voxledger(&["projections", "list"], &node)?.failed().complains("migrate up");
    assert_eq!(std::fs::read_dir(data.path())?.count(), 0);
    Ok(())
}
