//! History needs no trust in the disk: who writes the stores but has no key can change, cut or unseal nothing
//! unnoticed. What was done is named, and no node signs it.

use std::fs;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Executor as _};
use tests::client::Api;
use tests::server::{Server, ServerOptions};
use tests::until::{SOON, until};

use super::run::{Run, database, voxledger};
use super::verify::{change, copy, number, write};

/// Everything that was ever signed.
const UNSEAL: &str = "DELETE FROM seal_heads; DELETE FROM seal_tiles";

fn verify(node: &ServerOptions) -> Result<Run> {
    voxledger(&["audit", "verify"], node)
}

/// The node does not start, and says why and what to do.
fn is_refused(node: &ServerOptions, why: &str) -> Result<()> {
    let run = voxledger(&["serve"], node)?;
    ensure!(run.code == Some(1), "{run:#?}");
    for text in [why, "not the one that was sealed", "restore the newest backup", "audit accept-log"] {
        ensure!(run.err.contains(text), "no {text:?} in {run:#?}");
    }
    Ok(())
}

#[tokio::test]
async fn a_clean_stop_seals_the_last_event_and_leaves_its_head_in_the_log() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let node = ServerOptions::embedded(folder.path());
    let server = Server::start(&node)?;
    let api = Api::new(&server.base)?;
    for n in 0..20 {
        let number = json!({"number": format!("+1415555{n:04}"), "route": {"type": "agent"}});
        api.post("/api/v1/numbers", number).await?;
    }
    ensure!(server.terminate()?.success());
    let events = number(&folder.path().join("events.db"), "SELECT max(position) FROM events").await?;
    let sealed = number(&folder.path().join("events.seals.db"), "SELECT max(size) FROM seal_heads").await?;
    let kept = number(&folder.path().join("keys.db"), "SELECT size FROM kept_head").await?;
    ensure!((sealed, kept) == (events, events), "{sealed} of {events} are sealed, and {kept} kept");
    let anchor = "SELECT count(*) FROM events WHERE type = 'log.anchored' AND position = (SELECT max(position) FROM events)";
    ensure!(number(&folder.path().join("events.db"), anchor).await? == 1);
    let run = verify(&node)?.succeeded().says("nothing is wrong");
    ensure!(!run.out.contains("not sealed yet"), "{run:#?}");
    // where nothing happens nothing is written
    let server = Server::start(&node)?;
    ensure!(server.terminate()?.success());
    let again = number(&folder.path().join("events.db"), "SELECT max(position) FROM events").await?;
    ensure!(again == events, "a start and a stop wrote {} events", again - events);
    Ok(())
}

#[tokio::test]
async fn without_a_key_nobody_changes_cuts_or_unseals_history_unnoticed() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let data = folder.path().join("data");
    let node = ServerOptions::embedded(&data);
    let server = Server::start(&node)?;
    write(&server, 100, 40).await?;
    server.terminate()?;
    verify(&node)?.succeeded().says("nothing is wrong");
    let events = number(&data.join("events.db"), "SELECT max(position) FROM events").await?;

    const CHANGED: &str = "UPDATE events SET recorded_at = recorded_at + 1 WHERE position = 20";
    let cut = format!("DELETE FROM events WHERE position > {}", events - 10);
    let kept = format!("position {events}: kept_head: the log is not the one whose head");
    let missing = format!("positions {} to {events}: kept_head: the key store keeps a head", events - 9);
    /// What is done to each store, the faults that are found, and why no node starts.
    type Case<'a> = (&'a str, &'a [(&'a str, &'a str)], &'a [&'a str], Option<&'a str>);
    let cases: &[Case<'_>] = &[
        (
            "an event changed, all seals deleted",
            &[("events.db", CHANGED), ("events.seals.db", UNSEAL)],
            &[&kept, "positions 1 to"],
            Some("events were changed"),
        ),
        (
            "an event changed, the newest seals deleted",
            &[("events.db", CHANGED), ("events.seals.db", "DELETE FROM seal_heads WHERE size > 5")],
            &[&kept, "position 20: altered"],
            Some("events were changed"),
        ),
        (
            "the log cut, all seals deleted",
            &[("events.db", &cut), ("events.seals.db", UNSEAL)],
            &[&missing],
            Some("events are missing"),
        ),
        ("the log cut", &[("events.db", &cut)], &[&missing], Some("events are missing")),
        ("all seals deleted", &[("events.seals.db", UNSEAL)], &["positions 1 to"], None),
        (
            "hashes deleted",
            &[("events.seals.db", "DELETE FROM seal_tiles WHERE level = 0")],
            &["positions 1 to"],
            None,
        ),
        (
            "another head kept",
            &[("keys.db", "UPDATE kept_head SET size = size - 3")],
            &["kept_head: the head that the key store keeps was changed"],
            Some("its code does not fit"),
        ),
        (
            "the kept head deleted",
            &[("keys.db", "DELETE FROM kept_head"), ("events.db", CHANGED), ("events.seals.db", UNSEAL)],
            &["kept_head: the key store kept a head of the log, and that is gone"],
            Some("that is gone"),
        ),
        (
            "the kept head and its key deleted",
            &[
                ("keys.db", "DELETE FROM kept_head; DELETE FROM data_keys WHERE label = 'kept head'"),
                ("events.db", CHANGED),
                ("events.seals.db", UNSEAL),
            ],
            &["positions 1 to"],
            Some("its seals were deleted"),
        ),
        (
            "a head in the log changed",
            &[(
                "events.db",
                "UPDATE events SET payload = CAST(replace(payload, 'voxledger/log', 'voxledger/lag') AS BLOB) \
                 WHERE type = 'log.anchored'",
            )],
            &["position"],
            Some("events were changed"),
        ),
    ];
    for (n, (what, changes, faults, refused)) in cases.iter().enumerate() {
        let there = folder.path().join(n.to_string());
        let node = copy(&data, &there)?;
        for (file, sql) in *changes {
            change(&there.join(file), sql).await?;
        }
        // what is not sealed is a fault once it is older than sealing takes
        until("the faults", SOON, async || verify(&node)?.found(faults).map(Some))
            .await
            .with_context(|| (*what).to_owned())?;
        match refused {
            Some(why) => is_refused(&node, why).with_context(|| (*what).to_owned())?,
            None => {
                // the log is what was sealed: the tree is made again, and said so
                let server = Server::start(&node).with_context(|| (*what).to_owned())?;
                write(&server, 900, 3).await?;
                let printed = server.printed();
                ensure!(printed.contains("the tree is made again"), "{what}: {printed}");
                server.terminate()?;
                verify(&node)?.succeeded().says("nothing is wrong");
            }
        }
    }
    Ok(())
}

#[tokio::test]
async fn a_log_that_was_restored_alone_is_accepted_only_by_naming_what_is_lost() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let data = folder.path().join("data");
    let node = ServerOptions::embedded(&data);
    let server = Server::start(&node)?;
    write(&server, 100, 10).await?;
    server.terminate()?;
    copy(&data, &folder.path().join("earlier"))?;
    let server = Server::start(&node)?;
    write(&server, 200, 10).await?;
    server.terminate()?;
    let sealed = number(&data.join("events.seals.db"), "SELECT max(size) FROM seal_heads").await?;
    voxledger(&["audit", "accept-log"], &node)?.succeeded().says("nothing to accept");

    // the log alone comes from the backup, and the views, which would only be rebuilt, are taken away
    for file in fs::read_dir(&data)? {
        let file = file?.path();
        let name = file.file_name().and_then(|name| name.to_str()).unwrap_or_default().to_owned();
        if name.starts_with("events.db") || name.starts_with("views.db") {
            fs::remove_file(&file)?;
        }
    }
    for file in fs::read_dir(folder.path().join("earlier"))? {
        let file = file?;
        if file.file_name().to_string_lossy().starts_with("events.db") {
            fs::copy(file.path(), data.join(file.file_name()))?;
        }
    }
    let events = number(&data.join("events.db"), "SELECT max(position) FROM events").await?;
    is_refused(&node, &format!("{sealed} events were sealed, but the log has {events}"))?;
    let told = voxledger(&["audit", "accept-log"], &node)?;
    let command = format!("audit accept-log --events {events} --sealed {sealed}");
    ensure!(told.code == Some(2) && told.out.contains(&command), "{told:#?}");
    let (events_named, sealed_named) = (events.to_string(), sealed.to_string());
    let accept = |events: &str, sealed: &str| {
        voxledger(&["audit", "accept-log", "--events", events, "--sealed", sealed], &node)
    };
    accept(&sealed_named, &sealed_named)?.failed().complains("you named");
    accept(&events_named, &sealed_named)?.succeeded().says("the log is accepted");
    accept(&events_named, &sealed_named)?.failed().complains("nothing to accept");
    let accepted =
        format!("an operator accepted the log with {events} events, where {sealed} had been sealed");
    verify(&node)?.succeeded().says("nothing is wrong").says(&accepted);
    let aside = number(&data.join("events.seals.db"), "SELECT max(size) FROM superseded_heads").await?;
    ensure!(aside == sealed, "the old heads are evidence");
    let server = Server::start(&node)?;
    write(&server, 300, 5).await?;
    let api = Api::new(&server.base)?;
    let lines = api.list_all("/api/v1/audit/log?action=LOG_ACCEPTED").await?;
    ensure!(lines.len() == 1 && lines[0]["after"]["events"] == events, "{lines:?}");
    server.terminate()?;
    verify(&node)?.succeeded().says("nothing is wrong").says(&accepted);
    Ok(())
}

#[tokio::test]
async fn a_running_node_notices_a_changed_middle_and_says_so() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let node = ServerOptions::embedded(folder.path());
    let server = Server::start(&node)?;
    write(&server, 100, 40).await?;
    let api = Api::new(&server.base)?;
    let check = async || -> Result<(u16, Value)> {
        let ready = api.get("/readyz").await?;
        let checks = ready.body["checks"].as_array().context("checks")?.clone();
        let history = checks.into_iter().find(|check| check["name"] == "history").context("history")?;
        Ok((ready.status, history))
    };
    ensure!(check().await?.0 == 200);
    let file = folder.path().join("events.db");
    change(&file, "UPDATE events SET recorded_at = recorded_at + 1 WHERE position = 30").await?;
    until("the node to notice", SOON, async || {
        let (status, history) = check().await?;
        let told = history["detail"].as_str().unwrap_or_default().contains("positions 30 to 30 of the log");
        Ok((status == 503 && told).then_some(()))
    })
    .await?;
    let metrics = api.get("/metrics").await?.body;
    ensure!(metrics.as_str().is_some_and(|text| text.contains("voxledger_history_faults 1")), "{metrics}");
    until("the line in the log", SOON, async || {
        Ok(server.printed().contains("history is not what was sealed").then_some(()))
    })
    .await?;
    // calls are taken all the same
    write(&server, 200, 1).await?;
    change(&file, "UPDATE events SET recorded_at = recorded_at - 1 WHERE position = 30").await?;
    until("the fault to be mended", SOON, async || Ok((check().await?.0 == 200).then_some(()))).await?;
    server.terminate()?;
    Ok(())
}

#[tokio::test]
async fn on_postgresql_the_role_of_the_nodes_appends_and_changes_nothing() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let owner = database().await;
    let pool = sqlx::PgPool::connect(&owner).await?;
    let name: String = sqlx::query_scalar("SELECT current_database()::text").fetch_one(&pool).await?;
    let role = format!("node_{name}");
    // as the README has it; the test's own cluster asks for no passwords
    let superuser = sqlx::PgPool::connect(&owner.replacen("://voxledger@", "://postgres@", 1)).await?;
    superuser.execute(AssertSqlSafe(format!("CREATE ROLE {role} LOGIN"))).await?;
    let (views, keys, work) = (database().await, database().await, database().await);
    let as_owner =
        ServerOptions::postgres(folder.path(), &owner).set("READ_MODELS", &views).set("KEY_STORE", &keys);
    voxledger(&["migrate", "grant", &role], &as_owner)?.failed().complains("VOXLEDGER_WORK_STORE");
    let as_owner = as_owner.set("WORK_STORE", &work);
    voxledger(&["migrate", "up"], &as_owner)?.succeeded();
    let run = voxledger(&["doctor"], &as_owner)?;
    ensure!(run.out.contains("could change or delete events"), "{run:#?}");
    voxledger(&["migrate", "grant", &role], &as_owner)?.succeeded().says("can append to the log");

    let url = owner.replacen("://voxledger@", &format!("://{role}@"), 1);
    ensure!(url != owner, "{owner}");
    let node = as_owner.clone().set("EVENT_STORE", &url);
    let run = voxledger(&["doctor"], &node)?;
    ensure!(run.out.contains("it can append to the log, and change nothing of it"), "{run:#?}");
    let server = Server::start(&node)?;
    write(&server, 100, 10).await?;
    verify(&node)?.succeeded().says("nothing is wrong");
    let mine = sqlx::PgPool::connect(&url).await?;
    for sql in [
        "UPDATE events SET recorded_at = now() WHERE position = 3",
        "DELETE FROM events",
        "TRUNCATE events",
        "ALTER TABLE events DISABLE TRIGGER ALL",
        "DROP TABLE events",
        "DELETE FROM seal_heads",
        "UPDATE seal_heads SET note = ''",
        "DELETE FROM seal_tiles",
        "DROP TRIGGER events_are_never_changed ON events",
    ] {
        let refused = mine.execute(sql).await;
        let refused = refused.err().with_context(|| format!("{sql} was done"))?.to_string();
        ensure!(
            refused.contains("permission denied") || refused.contains("must be owner"),
            "{sql}: {refused}"
        );
    }
    ensure!(server.terminate()?.success());
    verify(&node)?.succeeded().says("nothing is wrong");
    // a second start finds the schema as it should be, and needs no right to change it
    let server = Server::start(&node)?;
    write(&server, 200, 1).await?;
    server.terminate()?;
    // who owns the log has no key either
    pool.execute("ALTER TABLE events DISABLE TRIGGER ALL; ALTER TABLE seal_heads DISABLE TRIGGER ALL")
        .await?;
    pool.execute("UPDATE events SET recorded_at = recorded_at + interval '1 second' WHERE position = 9")
        .await?;
    pool.execute("DELETE FROM seal_heads; DELETE FROM seal_tiles").await?;
    until("the faults", SOON, async || verify(&node)?.found(&["positions 1 to"]).map(Some)).await?;
    is_refused(&node, "events were changed")
}
