//! Whoever reads what a command prints may have read enough: `voxledger … | head -1`.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Stdio};

use adapters::testing::ports::free_port;
use anyhow::{Context as _, Result, ensure};
use serde_json::json;
use tests::client::Api;
use tests::server::{Server, ServerOptions, binary};
use tests::until::{SOON, until};

use super::run::{Run, voxledger};

/// Which ends of a command nobody reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unread {
    Output,
    All,
}

/// A pipe that nobody reads.
fn closed() -> Result<Stdio> {
    let (reader, writer) = std::io::pipe()?;
    drop(reader);
    Ok(writer.into())
}

fn command(arguments: &[&str], options: &ServerOptions, unread: Unread) -> Result<Command> {
    let mut command = Command::new(binary()?);
    command.args(arguments).stdin(Stdio::null()).stdout(closed()?);
    command.stderr(if unread == Unread::All { closed()? } else { Stdio::piped() });
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command.envs(options.env.iter().map(|(name, value)| (format!("VOXLEDGER_{name}"), value)));
    Ok(command)
}

fn unheard(arguments: &[&str], options: &ServerOptions, unread: Unread) -> Result<Run> {
    let output = command(arguments, options, unread)?.output()?;
    let err = String::from_utf8_lossy(&output.stderr).into_owned();
    Ok(Run { code: output.status.code(), out: String::new(), err })
}

/// Every command there is, as its help tells: `audit verify-export`.
fn every_command(of: &[&str], options: &ServerOptions, found: &mut BTreeSet<String>) -> Result<()> {
    let help = voxledger(&[of, &["--help"]].concat(), options)?.succeeded().out;
    let Some((_, listed)) = help.split_once("\nCommands:\n") else {
        found.insert(of.join(" "));
        return Ok(());
    };
    let names = listed.lines().take_while(|line| line.starts_with("  "));
    let names =
        names.filter(|line| !line.starts_with("   ")).filter_map(|line| line.split_whitespace().next());
    for name in names.filter(|name| *name != "help") {
        every_command(&[of, &[name]].concat(), options, found)?;
    }
    Ok(())
}

/// The log and its seals of a node that has stopped; the id of a number in it.
async fn written(data: &Path) -> Result<(ServerOptions, String, String)> {
    let node = ServerOptions::embedded(data);
    let server = Server::start(&node)?;
    let api = Api::new(&server.base)?;
    let mut id = String::new();
    for n in 0..3 {
        let number = json!({"number": format!("+1415555010{n}"), "route": {"type": "agent"}});
        let number = api.post("/api/v1/numbers", number).await?.data()?;
        number["id"].as_str().context("an id")?.clone_into(&mut id);
    }
    let head = api.list_all("/api/v1/audit/events?client_id=all").await?;
    let head = head.last().context("an event")?["position"].as_u64();
    let latest = until("a checkpoint", SOON, async || {
        let latest = api.get("/api/v1/audit/checkpoints/latest").await?.data()?;
        Ok((latest["tree_size"].as_u64() >= head).then_some(latest))
    })
    .await?;
    server.terminate()?;
    Ok((node, id, latest["key"].as_str().context("a key")?.to_owned()))
}

#[tokio::test]
async fn no_command_minds_that_nobody_reads_what_it_prints() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let (node, number, key) = written(&folder.path().join("data")).await?;
    let at = |name: &str| folder.path().join(name).display().to_string();
    let bundle = at("bundle");
    voxledger(&["audit", "export", &bundle], &node)?.succeeded();
    let spoilt = at("spoilt");
    let mut bytes = std::fs::read(&bundle)?;
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&spoilt, bytes)?;

    let mut covered = BTreeSet::from(["serve".to_owned(), "demo".to_owned()]);
    for unread in [Unread::Output, Unread::All] {
        let fresh = |name: &str| at(&format!("{name} {unread:?}"));
        let (backup, restored) = (fresh("backup"), fresh("restored"));
        let elsewhere = ServerOptions::embedded(Path::new(&restored));
        let [log, keys] = ["data/events.db", "data/keys.db"].map(|name| format!("sqlite:{}", at(name)));
        let [log_copy, keys_copy] = ["log", "keys"].map(|name| format!("sqlite:{}", fresh(name)));
        let (exported, verify) = (fresh("exported"), ["verify-export", "--key", key.as_str()]);
        let [verify, with, key] = verify;
        // how each ends where somebody reads, too
        for (options, arguments, code) in [
            (&node, &["--help"][..], 0),
            (&node, &["--version"], 0),
            (&node, &["audit", "--help"], 0),
            (&node, &["nonsense"], 2),
            (&node, &["openapi"], 0),
            (&node, &["doctor"], 0),
            (&node, &["doctor", "--prove-event-store", "mysql://x"], 1),
            (&node, &["simulate", "--settings"], 0),
            (&node, &["migrate", "status"], 0),
            (&node, &["migrate", "grant", "somebody"], 1),
            (&node, &["projections", "list"], 0),
            (&node, &["projections", "list", "--json"], 0),
            (&node, &["projections", "rebuild", "--all"], 0),
            (&node, &["projections", "skip", "calls", "1"], 1),
            (&node, &["audit", "key"], 0),
            (&node, &["audit", "verify", "--views"], 0),
            (&node, &["audit", "replay", &number], 0),
            (&node, &["audit", "replay", &number, "--json"], 0),
            (&node, &["audit", "export", &exported], 0),
            (&node, &["audit", verify, &bundle, with, key], 0),
            (&node, &["audit", verify, &bundle, with, key, "--json"], 0),
            (&node, &["audit", verify, &spoilt, with, key], 2),
            (&node, &["audit", verify, &spoilt, with, key, "--json"], 2),
            (&node, &["audit", verify, &exported, with, key], 0),
            (&node, &["audit", "accept-log"], 0),
            (&node, &["client", "create", "Acme"], 0),
            (&node, &["client", "create", "Acme", "--json"], 0),
            (&node, &["keys", "reset-owner"], 0),
            (&node, &["keys", "rotate"], 0),
            (&node, &["keys", "accept-older"], 0),
            (&node, &["keys", "copy", "--from", &keys, "--to", &keys_copy], 0),
            (&node, &["keys", "copy", "--from", &keys, "--to", &keys_copy], 1),
            (&node, &["log", "copy", "--from", &log, "--to", &log_copy, "--seals"], 0),
            (&node, &["log", "copy", "--from", &log, "--to", &log], 1),
            (&node, &["backup", &backup], 0),
            (&elsewhere, &["restore", &backup], 0),
            (&elsewhere, &["audit", "verify"], 0),
            (&elsewhere, &["migrate", "up"], 0),
            (&elsewhere, &["migrate", "down"], 0),
        ] {
            let run = unheard(arguments, options, unread)?;
            ensure!(run.code == Some(code), "{arguments:?}, {unread:?}: {run:#?}");
            ensure!(!run.err.contains("panicked"), "{arguments:?}: {run:#?}");
            covered.extend((1..=arguments.len().min(2)).map(|words| arguments[..words].join(" ")));
        }
    }
    let mut all = BTreeSet::new();
    every_command(&[], &node, &mut all)?;
    ensure!(all.len() > 20, "{all:?}");
    let left: Vec<_> = all.difference(&covered).collect();
    ensure!(left.is_empty(), "nobody tried {left:?}");
    Ok(())
}

#[test]
fn what_cannot_be_written_for_another_reason_is_a_failure_that_says_so() -> Result<()> {
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full")?;
    let mut command = command(&["openapi"], &ServerOptions::bare(), Unread::Output)?;
    let output = command.stdout(full).output()?;
    let err = String::from_utf8_lossy(&output.stderr).into_owned();
    Run { code: output.status.code(), out: String::new(), err }
        .failed()
        .complains("not everything could be printed: No space left on device");
    Ok(())
}

#[tokio::test]
async fn a_node_whose_output_nobody_reads_serves_all_the_same() -> Result<()> {
    let folder = tempfile::tempdir()?;
    for (arguments, unread) in [("serve", Unread::Output), ("serve", Unread::All), ("demo", Unread::All)] {
        let address = format!("127.0.0.1:{}", free_port()?);
        let node = ServerOptions::embedded(&folder.path().join(format!("{arguments} {unread:?}")));
        let node = node.set("BIND", &address);
        let mut process = command(&[arguments, "--bind", &address], &node, unread)?.spawn()?;
        let api = Api::new(&format!("http://{address}"))?;
        let serves = until("the node to be ready", 6 * SOON, async || {
            if let Some(status) = process.try_wait()? {
                anyhow::bail!("{arguments}, {unread:?}: it ended with {status}");
            }
            Ok(api.get("/readyz").await.is_ok_and(|answer| answer.status == 200).then_some(()))
        })
        .await;
        let stopped = Command::new("kill").args(["-INT", &process.id().to_string()]).status();
        let ended = process.wait()?;
        serves?;
        ensure!(stopped?.success() && ended.success(), "{arguments}, {unread:?}: {ended}");
    }
    Ok(())
}
