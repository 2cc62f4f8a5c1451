//! P12: a backup is one command beside a running node, and what is restored from it is whole.

use std::collections::HashSet;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use adapters::testing::postgres::Cluster;
use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use sqlx::{Connection as _, SqliteConnection};
use tests::client::Api;
use tests::folders::copy_folder;
use tests::history::History;
use tests::random::SeededRandom;
use tests::server::{Server, ServerOptions, binary};
use tests::until::{SOON, until};
use tests::world::World;

use crate::chaos::{callers, cast_callees, hostile};
use crate::cli::run::{Run, voxledger};
use crate::crash::address_of;
use crate::privacy::{ask, done};

const MOMENTS: u64 = 4;

fn run(arguments: &[&str], options: &ServerOptions) -> Result<Run> {
    tokio::task::block_in_place(|| voxledger(arguments, options))
}

fn backup(options: &ServerOptions, folder: &Path) -> Result<Run> {
    run(&["backup", &folder.display().to_string()], options)
}

fn restore(options: &ServerOptions, folder: &Path) -> Result<Run> {
    run(&["restore", &folder.display().to_string()], options)
}

fn manifest(folder: &Path) -> Result<Value> {
    Ok(serde_json::from_str(&fs::read_to_string(folder.join("manifest.json"))?)?)
}

/// Places calls until it is over; `acknowledged` holds the id of each as soon as the node has answered 201.
async fn dialler(api: &Api, acknowledged: &Mutex<Vec<String>>, over: &AtomicBool) {
    let mut order = 0;
    while !over.load(Ordering::Relaxed) {
        order += 1;
        let body = json!({"to": format!("+1202555017{}", order % 5), "ring_timeout_ms": 5000});
        let Ok(answer) = api.post("/api/v1/calls", body).await else { continue };
        if answer.status == 201
            && let Some(id) = answer.body["data"]["id"].as_str()
        {
            acknowledged.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push(id.to_owned());
        }
    }
}

/// What the node had acknowledged at a moment.
struct Acknowledged {
    calls: Vec<String>,
    webhooks: HashSet<String>,
}

/// Restores into a folder of its own, starts a node there and looks at it from all sides.
async fn restored_is_whole(taken: &Path, before: &Acknowledged) -> Result<u64> {
    let folder = tempfile::tempdir()?;
    let options = ServerOptions::embedded(&folder.path().join("data"));
    restore(&options, taken)?.succeeded().says("restored the log");
    let head = manifest(taken)?["log"]["head"].as_u64().context("a head")?;
    let history = History::read(&options).await?;
    history.check_order()?;
    ensure!(history.events.len() as u64 == head, "{} events of {head}", history.events.len());
    let events = history.carrier_events();
    let lost = before.webhooks.iter().find(|id| !events.contains_key(*id));
    ensure!(lost.is_none(), "the webhook {lost:?} was acknowledged before the backup and is not in it");

    let server = tokio::task::block_in_place(|| Server::start(&options))?;
    let api = Api::new(&server.base)?;
    // it heals: the views come from the log
    let there: HashSet<String> = until("the views", SOON, async || {
        let calls = api.list_all("/api/v1/calls").await?;
        let there =
            calls.iter().filter_map(|call| Some(call["id"].as_str()?.to_owned())).collect::<HashSet<_>>();
        Ok(before.calls.iter().all(|id| there.contains(id)).then_some(there))
    })
    .await
    .context("a call that was acknowledged before the backup is gone")?;
    ensure!(there.len() >= before.calls.len());
    // and goes on
    let number = json!({"number": "+14155550150", "route": {"type": "reject"}});
    let written = api.post("/api/v1/numbers", number).await?;
    ensure!(written.status == 201, "{}", written.body);
    let position = written.body["meta"]["position"].as_u64().context("a position")?;
    ensure!(position > head, "{position} after {head}");
    let status = tokio::task::block_in_place(|| server.terminate())?;
    ensure!(status.success(), "the restored node ended with {status}");
    run(&["audit", "verify", "--views"], &options)?.succeeded().says("nothing is wrong");
    Ok(head)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn backups_at_random_moments_under_load_hold_all_that_was_acknowledged_before() -> Result<()> {
    let seed = 20_261_129;
    let world = World::with(|plan| hostile(&mut plan.carrier, seed)).await?;
    world.take_number().await?;
    cast_callees(&world.carrier);
    let backups = tempfile::tempdir()?;
    let (over, acknowledged) = (AtomicBool::new(false), Mutex::new(Vec::new()));
    let taking = async {
        let (mut dice, mut taken) = (SeededRandom::new(seed), Vec::new());
        for moment in 0..MOMENTS {
            let more = world.carrier.ledger().totals.accepted + dice.roll(20..300);
            until("load", Duration::from_secs(60), async || {
                Ok((world.carrier.ledger().totals.accepted >= more).then_some(()))
            })
            .await?;
            let calls = acknowledged.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone();
            let ledger = world.carrier.ledger();
            let good = ledger.webhooks.iter().filter(|hook| hook.status == Some(200));
            let webhooks = good.map(|hook| hook.event_id.to_string()).collect();
            let folder = backups.path().join(moment.to_string());
            backup(&world.node.options, &folder)?.succeeded().says("IT HOLDS THE MASTER KEY");
            taken.push((folder, Acknowledged { calls, webhooks }));
        }
        anyhow::Ok(taken)
    };
    let taking = async {
        let taken = taking.await;
        over.store(true, Ordering::Relaxed);
        taken
    };
    let (taken, (), ()) = tokio::join!(
        taking,
        callers(&world.carrier, seed, &over),
        dialler(&world.api, &acknowledged, &over),
    );
    let taken = taken?;
    world.close().await?;
    let mut heads = Vec::new();
    for (folder, before) in &taken {
        let head = restored_is_whole(folder, before).await;
        heads.push(head.with_context(|| format!("seed {seed}, {}", folder.display()))?);
    }
    ensure!(heads.is_sorted() && taken.iter().any(|(_, before)| !before.calls.is_empty()), "{heads:?}");
    println!("heads of the backups: {heads:?}");
    Ok(())
}

/// A node with some history, and its folder; it runs.
async fn with_history(data: &Path, count: u32) -> Result<(ServerOptions, Server)> {
    let options = ServerOptions::embedded(data);
    let server = tokio::task::block_in_place(|| Server::start(&options))?;
    let api = Api::new(&server.base)?;
    for n in 0..count {
        let number = json!({"number": format!("+1415555{n:04}"), "route": {"type": "reject"}});
        ensure!(api.post("/api/v1/numbers", number).await?.status == 201);
    }
    Ok((options, server))
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_clean_stop_the_files_alone_hold_everything() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let data = folder.path().join("data");
    let (_, server) = with_history(&data, 30).await?;
    let status = tokio::task::block_in_place(|| server.terminate())?;
    ensure!(status.success(), "{status}");
    let alone = folder.path().join("alone");
    fs::create_dir(&alone)?;
    let mut stores = 0;
    for file in fs::read_dir(&data)? {
        let file = file?;
        let name = file.file_name().to_string_lossy().into_owned();
        if name.ends_with("-wal") {
            ensure!(file.metadata()?.len() == 0, "{name} is not empty");
        } else if name.ends_with(".db") || name == "master.key" {
            stores += u32::from(name.ends_with(".db"));
            fs::copy(file.path(), alone.join(&name))?;
        }
    }
    ensure!(stores >= 4, "{stores} stores");
    let options = ServerOptions::embedded(&alone);
    let mut log = SqliteConnection::connect(&format!("sqlite:{}", alone.join("events.db").display())).await?;
    let events: i64 = sqlx::query_scalar("SELECT count(*) FROM events").fetch_one(&mut log).await?;
    log.close().await?;
    ensure!(events >= 32, "{events} events of 32");
    let server = tokio::task::block_in_place(|| Server::start(&options))?;
    ensure!(Api::new(&server.base)?.list_all("/api/v1/numbers").await?.len() == 30);
    Ok(())
}

fn flip_a_bit(file: &Path) -> Result<()> {
    let mut bytes = fs::read(file)?;
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    Ok(fs::write(file, bytes)?)
}

fn copy_all(from: &Path, to: &Path) -> Result<PathBuf> {
    copy_folder(from, to)?;
    Ok(to.to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_whole_or_not_safe_is_refused_with_what_to_do() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let data = folder.path().join("data");
    let (node, server) = with_history(&data, 5).await?;
    let taken = folder.path().join("taken");
    backup(&node, &taken)?.succeeded().says("IT HOLDS THE MASTER KEY").says("views and work are not in it");
    ensure!(fs::metadata(&taken)?.permissions().mode() & 0o777 == 0o700);
    for file in fs::read_dir(&taken)? {
        let file = file?;
        ensure!(file.metadata()?.permissions().mode() & 0o777 == 0o600, "{:?}", file.file_name());
    }
    backup(&node, &taken)?.failed().complains("holds a backup").complains("name a new folder");
    restore(&node, &taken)?.failed().complains("a node uses these stores");
    tokio::task::block_in_place(|| server.terminate())?;
    restore(&node, &taken)?.failed().complains("there are stores already").complains("--replace");

    let fresh = |name: &str| ServerOptions::embedded(&folder.path().join(name));
    // a backup that was interrupted, and files that are not as they were
    let cut = copy_all(&taken, &folder.path().join("cut"))?;
    fs::remove_file(cut.join("manifest.json"))?;
    restore(&fresh("a"), &cut)?.failed().complains("no whole backup");
    for file in ["events.db", "events.seals.db", "keys.db", "master.key"] {
        let damaged = copy_all(&taken, &folder.path().join(format!("damaged {file}")))?;
        flip_a_bit(&damaged.join(file))?;
        restore(&fresh("a"), &damaged)?.failed().complains(file).complains("take another");
    }
    ensure!(!folder.path().join("a").exists(), "nothing was touched");

    // the master key kept apart
    let apart = folder.path().join("apart");
    run(&["backup", "--without-master-key", &apart.display().to_string()], &node)?
        .succeeded()
        .says("IT DOES NOT HOLD THE MASTER KEY");
    ensure!(!apart.join("master.key").exists());
    restore(&fresh("b"), &apart)?.failed().complains("there is none here").complains("VOXLEDGER_MASTER_KEY");
    let other = fresh("b").set("MASTER_KEY", tests::installation::MASTER_KEY);
    restore(&other, &apart)?.failed().complains("need");
    let key = fs::read_to_string(data.join("master.key"))?;
    restore(&fresh("b").set("MASTER_KEY", key.trim()), &apart)?.succeeded();

    // cut off in the middle: no node starts, and the same command goes on
    let half = fresh("half");
    let half_data = folder.path().join("half");
    fs::create_dir(&half_data)?;
    fs::copy(taken.join("events.db"), half_data.join("events.db"))?;
    fs::write(half_data.join("restore.unfinished"), half_data.join("events.db").display().to_string())?;
    run(&["serve"], &half)?.failed().complains("was cut off").complains("voxledger restore");
    restore(&half, &taken)?.succeeded().says("begins anew");

    // in place of stores that are there: they are moved, and it is said where to
    let replaced = run(&["restore", "--replace", &taken.display().to_string()], &node)?.succeeded();
    let replaced = replaced.says("moved").says("replaced-");
    ensure!(replaced.out.matches("moved ").count() >= 4, "{replaced:?}");
    let server = tokio::task::block_in_place(|| Server::start(&node))?;
    ensure!(Api::new(&server.base)?.list_all("/api/v1/numbers").await?.len() == 5);
    Ok(())
}

/// Starts `backup` and kills it once `file` is there.
fn killed_at(options: &ServerOptions, folder: &Path, file: &str) -> Result<()> {
    let mut command = Command::new(binary()?);
    command.arg("backup").arg(folder).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.env_clear().envs(options.env.iter().map(|(name, value)| (format!("VOXLEDGER_{name}"), value)));
    let mut child = command.spawn()?;
    while !folder.join(file).exists() && child.try_wait()?.is_none() {
        std::hint::spin_loop();
    }
    child.kill()?;
    child.wait()?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_that_is_killed_is_never_taken_for_one() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let (node, server) = with_history(&folder.path().join("data"), 40).await?;
    let mut cut = 0;
    for file in ["events.seals.db", "events.db", "keys.db", "master.key", "manifest.json.partial"] {
        let taken = folder.path().join(file);
        tokio::task::block_in_place(|| killed_at(&node, &taken, file))?;
        let target = ServerOptions::embedded(&folder.path().join(format!("restored {file}")));
        if taken.join("manifest.json").exists() {
            restore(&target, &taken)?.succeeded();
        } else {
            cut += 1;
            restore(&target, &taken)?.failed().complains("no whole backup");
            backup(&node, &taken)?.failed().complains("interrupted backup");
        }
    }
    ensure!(cut >= 2, "{cut} were killed in time");
    // and the node never noticed
    ensure!(Api::new(&server.base)?.get("/readyz").await?.status == 200);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_during_a_backup_is_said_and_leaves_nothing_behind() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let (node, _server) = with_history(&folder.path().join("data"), 40).await?;
    let taken = folder.path().join("taken");
    // no file beyond 24 blocks of 1 KiB, as if the disk were full then
    let limited = "trap '' XFSZ; ulimit -f 24; exec \"$0\" backup \"$1\"";
    let mut command = Command::new("bash");
    command.args(["-c", limited]).arg(binary()?).arg(&taken).stdin(Stdio::null());
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command.envs(node.env.iter().map(|(name, value)| (format!("VOXLEDGER_{name}"), value)));
    let output = tokio::task::block_in_place(|| command.output())?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    ensure!(!output.status.success() && said.contains("make room") && said.contains("cannot copy"), "{said}");
    ensure!(!said.contains("code:"), "{said}");
    ensure!(!taken.exists(), "what was written is removed");
    backup(&node, &taken)?.succeeded();
    Ok(())
}

/// The backup `log` with the keys of the older one `keys`.
fn with_older_keys(log: &Path, keys: &Path, to: &Path) -> Result<PathBuf> {
    let mixed = copy_all(log, to)?;
    fs::copy(keys.join("keys.db"), mixed.join("keys.db"))?;
    let (mut text, older) = (manifest(log)?, manifest(keys)?);
    let entry = |manifest: &Value| {
        let files = manifest["files"].as_array().cloned().unwrap_or_default();
        files.into_iter().find(|file| file["name"] == "keys.db")
    };
    let older = entry(&older).context("keys in the manifest")?;
    for file in text["files"].as_array_mut().into_iter().flatten().filter(|file| file["name"] == "keys.db") {
        *file = older.clone();
    }
    fs::write(mixed.join("manifest.json"), text.to_string())?;
    Ok(mixed)
}

#[tokio::test(flavor = "multi_thread")]
async fn who_was_erased_after_the_keys_were_copied_stays_erased() -> Result<()> {
    const PERSON: &str = "+12025550111";
    let world = World::start().await?;
    world.take_number().await?;
    let script = simulator::fake_telnyx::CallScript::new(PERSON, tests::webhook::OUR_NUMBER)
        .talks(["my name is Rosalind"]);
    let handle = world.carrier.place_call(script).await;
    let control_id = handle.control_id.clone();
    handle.ended().await.context("the carrier stopped")?;
    let call = world.call_of_leg(&control_id).await?["id"].as_str().context("an id")?.to_owned();
    let folder = tempfile::tempdir()?;
    let (before, after) = (folder.path().join("before"), folder.path().join("after"));
    backup(&world.node.options, &before)?.succeeded();
    let job = ask(&world.api, "erase", json!({"phone": PERSON})).await?;
    done(&world.api, &job).await?;
    backup(&world.node.options, &after)?.succeeded();
    world.close().await?;

    let from = async |taken: &Path, name: &str, says: Option<&str>| -> Result<String> {
        let options = ServerOptions::embedded(&folder.path().join(name));
        let run = restore(&options, taken)?.succeeded();
        ensure!(run.out.contains("erasures applied again") == says.is_some(), "{run:?}");
        ensure!(says.is_none_or(|says| run.out.contains(says)), "{run:?}");
        let server = tokio::task::block_in_place(|| Server::start(&options))?;
        let api = Api::new(&server.base)?;
        until("the call", SOON, async || {
            let answer = api.get(&format!("/api/v1/calls/{call}")).await?;
            Ok((answer.status == 200)
                .then(|| answer.body["data"]["from"].as_str().unwrap_or_default().to_owned()))
        })
        .await
    };
    ensure!(from(&before, "as before", None).await? == PERSON, "not erased then");
    ensure!(from(&after, "as after", None).await? == "[erased]");
    let mixed = with_older_keys(&after, &before, &folder.path().join("mixed"))?;
    ensure!(from(&mixed, "as mixed", Some("keys of persons destroyed")).await? == "[erased]");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_on_postgresql_is_backed_up_and_restored_into_an_empty_database() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let cluster = tokio::task::block_in_place(Cluster::shared);
    let url = address_of(&cluster.database().await)?;
    let options = |name: &str, url: &str| {
        let options = ServerOptions::postgres(&folder.path().join(name), url);
        options.set("MASTER_KEY", tests::installation::MASTER_KEY)
    };
    let node = options("data", &url);
    let server = tokio::task::block_in_place(|| Server::start(&node))?;
    let api = Api::new(&server.base)?;
    for n in 0..12 {
        let number = json!({"number": format!("+1415555{n:04}"), "route": {"type": "reject"}});
        ensure!(api.post("/api/v1/numbers", number).await?.status == 201);
    }
    let taken = folder.path().join("taken");
    backup(&node, &taken)?.succeeded().says("IT DOES NOT HOLD THE MASTER KEY").says("VOXLEDGER_MASTER_KEY");
    restore(&node, &taken)?.failed().complains("a node uses these stores");
    restore(&options("elsewhere", &url), &taken)?.failed().complains("create an empty database");
    // without the client programs it says what to run
    let bare = folder.path().join("bare");
    let nowhere = Command::new(binary()?)
        .arg("backup")
        .arg(&bare)
        .env_clear()
        .env("PATH", folder.path())
        .envs(node.env.iter().map(|(name, value)| (format!("VOXLEDGER_{name}"), value)))
        .output()?;
    let said = String::from_utf8_lossy(&nowhere.stderr).into_owned();
    ensure!(!nowhere.status.success() && said.contains("pg_dump --format=custom"), "{said}");
    ensure!(said.contains("--exclude-table=calls") && !said.contains("--exclude-table=events"), "{said}");
    ensure!(!bare.exists());
    tokio::task::block_in_place(|| server.terminate())?;

    let other = options("other", &address_of(&cluster.database().await)?);
    restore(&other, &taken)?.succeeded().says("restored the log");
    let server = tokio::task::block_in_place(|| Server::start(&other))?;
    let numbers = until("the views", SOON, async || {
        let numbers = Api::new(&server.base)?.list_all("/api/v1/numbers").await?;
        Ok((numbers.len() == 12).then_some(numbers))
    });
    numbers.await?;
    tokio::task::block_in_place(|| server.terminate())?;
    run(&["audit", "verify", "--views"], &other)?.succeeded().says("nothing is wrong");
    Ok(())
}
