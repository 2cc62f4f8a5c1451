//! `audit verify`: whatever is done to the database behind the node's back is found, and named.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, Row as _, SqliteConnection};
use tests::client::Api;
use tests::folders::copy_folder;
use tests::server::{Server, ServerOptions};
use tests::until::{SOON, until};

use super::run::{Run, database, voxledger};

/// Writes numbers and waits until what was written is sealed; answers the newest checkpoint.
pub(super) async fn write(server: &Server, from: u32, count: u32) -> Result<Value> {
    let api = Api::new(&server.base)?;
    let mut written = 0;
    for n in from..from + count {
        let number = json!({"number": format!("+1415555{n:04}"), "route": {"type": "agent"}});
        let answer = api.post("/api/v1/numbers", number).await?;
        written = answer.body["meta"]["position"].as_u64().context("a position")?;
    }
    until("a checkpoint", SOON, async || {
        let latest = api.get("/api/v1/audit/checkpoints/latest").await?.data()?;
        Ok((latest["tree_size"].as_u64() >= Some(written)).then_some(latest))
    })
    .await
}

pub(super) fn copy(from: &Path, to: &Path) -> Result<ServerOptions> {
    copy_folder(from, to)?;
    Ok(ServerOptions::embedded(to))
}

impl Run {
    /// Found something: each of these lines, and nothing that is not one of them but for what the count says.
    pub(super) fn found(self, lines: &[&str]) -> Result<()> {
        ensure!(self.code == Some(2), "{self:#?}");
        for line in lines {
            ensure!(self.out.lines().any(|told| told.starts_with(line)), "no {line:?} in {self:#?}");
        }
        Ok(())
    }
}

pub(super) async fn change(file: &Path, sql: &str) -> Result<()> {
    let mut database = SqliteConnection::connect(&format!("sqlite:{}", file.display())).await?;
    for trigger in [
        "events_are_never_changed",
        "events_are_never_deleted",
        "heads_are_never_changed",
        "heads_are_never_deleted",
    ] {
        database.execute(AssertSqlSafe(format!("DROP TRIGGER IF EXISTS {trigger}"))).await?;
    }
    database.execute(AssertSqlSafe(sql.to_owned())).await?;
    Ok(database.close().await?)
}

pub(super) async fn number(file: &Path, sql: &str) -> Result<i64> {
    let mut database = SqliteConnection::connect(&format!("sqlite:{}", file.display())).await?;
    let number = sqlx::query_scalar(AssertSqlSafe(sql.to_owned())).fetch_one(&mut database).await?;
    database.close().await?;
    Ok(number)
}

/// Without the constraints nothing is in the way any more.
const UNGUARDED: &str =
    "CREATE TABLE copy AS SELECT * FROM events; DROP TABLE events; ALTER TABLE copy RENAME TO events; ";

#[tokio::test]
async fn whatever_is_done_to_the_database_is_found_and_named() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let data = folder.path().join("data");
    let node = ServerOptions::embedded(&data);
    let server = Server::start(&node)?;
    write(&server, 100, 40).await?;
    voxledger(&["audit", "verify"], &node)?.succeeded().says("nothing is wrong");
    write(&server, 200, 5).await?;
    server.terminate()?;
    let sealed = number(&data.join("events.seals.db"), "SELECT max(size) FROM seal_heads").await?;
    let sealed = sealed.unsigned_abs();
    voxledger(&["audit", "verify", "--views"], &node)?
        .succeeded()
        .says("nothing is wrong")
        .says("view numbers");

    let line = |at: u64, kind: &str| format!("position {at}: {kind}:");
    let log: &[(&str, String, Vec<String>)] = &[
        (
            "a payload",
            "UPDATE events SET payload = x'80' WHERE position = 41".into(),
            vec![line(41, "altered")],
        ),
        (
            "a bit of the metadata",
            "UPDATE events SET metadata = replace(metadata, ':', ': ') WHERE position = 42".into(),
            vec![line(42, "altered")],
        ),
        (
            "a date",
            "UPDATE events SET recorded_at = recorded_at + 1 WHERE position = 43".into(),
            vec![line(43, "altered")],
        ),
        (
            "a type",
            "UPDATE events SET type = 'number.removed' WHERE position = 44".into(),
            vec![line(44, "altered")],
        ),
        ("a schema", "UPDATE events SET schema = 2 WHERE position = 45".into(), vec![line(45, "altered")]),
        (
            "a client",
            "UPDATE events SET client_id = '00000000-0000-7000-8000-000000000001' WHERE position = 46".into(),
            vec![line(46, "altered")],
        ),
        (
            "an id",
            "UPDATE events SET id = '00000000-0000-7000-8000-000000000001' WHERE position = 47".into(),
            vec![line(47, "altered")],
        ),
        (
            "how an id is written",
            "UPDATE events SET id = upper(id) WHERE position = 48".into(),
            vec![line(48, "unreadable")],
        ),
        (
            "a stream",
            "UPDATE events SET stream = 'number-00000000-0000-7000-8000-000000000001' WHERE position = 49"
                .into(),
            vec![line(49, "altered")],
        ),
        (
            "a version",
            "UPDATE events SET version = 9 WHERE position = 50".into(),
            vec![line(50, "altered"), line(50, "version")],
        ),
        (
            "no stream",
            "UPDATE events SET stream = 'nobody' WHERE position = 51".into(),
            vec![line(51, "unreadable")],
        ),
        ("a row deleted", "DELETE FROM events WHERE position = 52".into(), vec![line(52, "missing")]),
        (
            "the first row",
            "UPDATE events SET recorded_at = 1 WHERE position = 1".into(),
            vec![line(1, "altered")],
        ),
        (
            "the end cut off",
            format!("DELETE FROM events WHERE position > {}", sealed - 3),
            vec![format!("positions {} to {sealed}: missing:", sealed - 2)],
        ),
        (
            "two rows swapped",
            "UPDATE events SET position = 1000000 WHERE position = 53; \
             UPDATE events SET position = 53 WHERE position = 55; \
             UPDATE events SET position = 55 WHERE position = 1000000"
                .into(),
            vec![line(53, "altered"), line(55, "altered")],
        ),
        (
            "a row inserted",
            "UPDATE events SET position = position + 1000000 WHERE position > 56; \
             UPDATE events SET position = position - 999999 WHERE position > 56; \
             INSERT INTO events SELECT 57, 'number-00000000-0000-7000-8000-000000000001', 1, \
             '00000000-0000-7000-8000-000000000001', type, schema, client_id, payload, metadata, recorded_at \
             FROM events WHERE position = 56"
                .into(),
            vec![format!("positions 57 to {sealed}: altered:")],
        ),
        (
            "a row at the end of a stream that is not its next",
            "INSERT INTO events SELECT (SELECT max(position) + 1 FROM events), stream, version + 7, \
             '00000000-0000-7000-8000-000000000001', type, schema, client_id, payload, metadata, recorded_at \
             FROM events WHERE position = 56"
                .into(),
            vec!["position".into()],
        ),
        (
            "an id twice",
            format!(
                "{UNGUARDED} UPDATE events SET id = (SELECT id FROM events WHERE position = 3) WHERE position = 58"
            ),
            vec![line(58, "altered"), line(58, "duplicate_id")],
        ),
    ];
    for (n, (what, sql, lines)) in log.iter().enumerate() {
        let node = copy(&data, &folder.path().join(format!("log {n}")))?;
        change(&folder.path().join(format!("log {n}/events.db")), sql).await?;
        let lines: Vec<_> = lines.iter().map(String::as_str).collect();
        voxledger(&["audit", "verify"], &node)?.found(&lines).with_context(|| (*what).to_owned())?;
    }

    let seals: &[(&str, &str, &str)] = &[
        (
            "a hash",
            "UPDATE seal_tiles SET hashes = CAST(zeroblob(32) || substr(hashes, 33) AS BLOB) WHERE level = 0",
            "position 1: tree:",
        ),
        (
            "a root",
            "UPDATE seal_heads SET root = zeroblob(32) WHERE size = (SELECT min(size) FROM seal_heads)",
            "position",
        ),
        ("a note", "UPDATE seal_heads SET note = replace(note, '— ', '— x')", "position"),
    ];
    for (n, (what, sql, line)) in seals.iter().enumerate() {
        let node = copy(&data, &folder.path().join(format!("seals {n}")))?;
        change(&folder.path().join(format!("seals {n}/events.seals.db")), sql).await?;
        voxledger(&["audit", "verify"], &node)?.found(&[line]).with_context(|| (*what).to_owned())?;
    }

    // a view
    let node = copy(&data, &folder.path().join("views"))?;
    change(&folder.path().join("views/views.db"), "UPDATE numbers SET doc = replace(doc, 'agent', 'reject')")
        .await?;
    voxledger(&["audit", "verify"], &node)?.succeeded();
    voxledger(&["audit", "verify", "--views"], &node)?.found(&["view: numbers is not what the log says"])?;
    Ok(())
}

#[tokio::test]
async fn a_bit_flipped_in_the_file_itself_is_found_and_named() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let node = ServerOptions::embedded(folder.path());
    let server = Server::start(&node)?;
    write(&server, 100, 10).await?;
    server.terminate()?;
    let file = folder.path().join("events.db");
    let mut database = SqliteConnection::connect(&format!("sqlite:{}", file.display())).await?;
    let row =
        sqlx::query("SELECT position, payload || metadata FROM events WHERE type = 'number.added' LIMIT 1")
            .fetch_one(&mut database)
            .await?;
    let (position, stored): (i64, Vec<u8>) = (row.get(0), row.get(1));
    database.close().await?;
    let mut bytes = fs::read(&file)?;
    // a page that was split may still hold an old copy beside the one that counts
    let places: Vec<_> =
        (0..bytes.len() - stored.len()).filter(|at| bytes[*at..].starts_with(&stored)).collect();
    ensure!(!places.is_empty(), "not in the file");
    places.iter().for_each(|at| bytes[at + stored.len() / 3] ^= 1);
    fs::write(&file, bytes)?;
    voxledger(&["audit", "verify"], &node)?.found(&[&format!("position {position}: altered:")])
}

#[tokio::test]
async fn who_rewrites_and_signs_again_is_found_by_a_checkpoint_kept_elsewhere() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let data = folder.path().join("data");
    let node = ServerOptions::embedded(&data);
    let server = Server::start(&node)?;
    write(&server, 100, 5).await?;
    server.terminate()?;
    copy(&data, &folder.path().join("earlier"))?;
    let server = Server::start(&node)?;
    let latest = write(&server, 200, 5).await?;
    server.terminate()?;
    let kept = folder.path().join("kept");
    fs::write(&kept, latest["note"].as_str().context("a note")?)?;
    let kept = kept.display().to_string();
    let key = latest["key"].as_str().context("a key")?;
    let verify =
        |node: &ServerOptions, more: &[&str]| voxledger(&[&["audit", "verify"], more].concat(), node);
    verify(&node, &["--key", key, "--checkpoint", &kept])?.succeeded().says("nothing is wrong");

    // the same key, the same beginning, another history
    let rewritten = copy(&folder.path().join("earlier"), &folder.path().join("rewritten"))?;
    let server = Server::start(&rewritten)?;
    write(&server, 300, 20).await?;
    server.terminate()?;
    verify(&rewritten, &[])?.succeeded().says("nothing is wrong");
    let size = latest["tree_size"].as_u64().context("a size")?;
    verify(&rewritten, &["--checkpoint", &kept])?.found(&[&format!("position {size}: checkpoint:")])?;
    let earlier = ServerOptions::embedded(&folder.path().join("earlier"));
    let run = verify(&earlier, &["--checkpoint", &kept])?;
    ensure!(run.code == Some(2) && run.out.contains("you kept a checkpoint of"), "{run:#?}");

    // another log's key and checkpoint
    let strange = ServerOptions::embedded(&folder.path().join("strange"));
    let server = Server::start(&strange)?;
    let other = write(&server, 100, 1).await?;
    server.terminate()?;
    let printed = voxledger(&["audit", "key"], &strange)?.succeeded();
    ensure!(printed.out.trim() == other["key"].as_str().context("a key")?);
    let run = verify(&node, &["--key", printed.out.trim()])?;
    ensure!(run.code == Some(2) && run.out.contains("signature: the head of"), "{run:#?}");
    verify(&strange, &["--checkpoint", &kept])?.failed().complains("it is about another log");
    verify(&node, &["--key", "nonsense+x"])?.failed().complains("a verifier key is");
    fs::write(folder.path().join("kept"), "hello\n")?;
    verify(&node, &["--checkpoint", &kept])?.failed().complains("not a signed checkpoint");
    Ok(())
}

#[tokio::test]
async fn a_log_in_postgresql_is_checked_beside_its_node() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let url = database().await;
    let node = ServerOptions::postgres(folder.path(), &url);
    let server = Server::start(&node)?;
    write(&server, 100, 20).await?;
    voxledger(&["audit", "verify", "--views"], &node)?.succeeded().says("nothing is wrong");
    let pool = sqlx::PgPool::connect(&url).await?;
    pool.execute("ALTER TABLE events DISABLE TRIGGER ALL").await?;
    pool.execute("UPDATE events SET recorded_at = recorded_at + interval '1 second' WHERE position = 20")
        .await?;
    pool.execute("DELETE FROM events WHERE position = 22").await?;
    voxledger(&["audit", "verify"], &node)?.found(&["position 20: altered:", "position 22: missing:"])
}

#[test]
fn without_seals_there_is_nothing_to_check_and_nothing_is_created() -> Result<()> {
    let data = tempfile::tempdir()?;
    let node = ServerOptions::embedded(data.path());
    voxledger(&["audit", "verify"], &node)?.failed().complains("no up-to-date schema");
    ensure!(fs::read_dir(data.path())?.count() == 0);
    Ok(())
}
