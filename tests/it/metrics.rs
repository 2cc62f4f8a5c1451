//! Metrics as Prometheus reads them: what is shown is declared, and says what it is.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write as _;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use domain::metrics::{Kind, METRICS};
use serde_json::{Value, json};
use simulator::fake_telnyx::{CallScript, CalleeScript, Step};
use tests::receiver::{Answers, Receiver};
use tests::until::{SOON, until};
use tests::webhook::OUR_NUMBER;
use tests::world::World;

use crate::ivr::{item, make};
use crate::style;

const CALLER: &str = "+12025550171";
const CALLEE: &str = "+12025550172";

/// A node after calls in and out, menus, an agent, webhooks, refusals and failures.
async fn after_a_day() -> Result<(World, String)> {
    let world =
        World::with(|plan| plan.options = plan.options.clone().set("WEBHOOKS_ALLOW_PRIVATE", "true")).await?;
    let receiver = Receiver::start(|_| Answers::Status(500, "")).await?;
    let endpoint = json!({"url": format!("{}/hook", receiver.url), "events": ["*"]});
    world.api.post("/api/v1/webhooks", endpoint).await?.data()?;
    let agent = json!({"name": "Reception", "provider": "scripted", "greeting": "Good morning."});
    let agent = world.api.post("/api/v1/agents", agent).await?.data()?;
    let route = json!({"type": "agent", "id": agent["id"]});
    world.api.post("/api/v1/numbers", json!({"number": OUR_NUMBER, "route": route})).await?.data()?;
    let talk = CallScript::new(CALLER, OUR_NUMBER)
        .then(Step::HearOut)
        .then(Step::Say("My name is Ada.".to_owned()))
        .then(Step::HearOut)
        .then(Step::HangUp);
    world.carrier.place_call(talk).await.ended().await.context("the carrier stopped")?;

    let items = [item("1", "hangup", Value::Null)];
    let menu = make(&world, json!({"name": "Main", "prompt": "Press 1.", "items": items})).await?;
    let steps = vec![Step::HearOut, Step::Press("1".to_owned()), Step::HearOut];
    let ring = std::time::Duration::ZERO;
    world.carrier.set_callee(CALLEE, CalleeScript::Answers { ring, steps });
    let order = json!({"to": CALLEE, "ivr_menu_id": menu});
    let placed = world.api.post("/api/v1/calls", order).await?.data()?;
    let id = placed["id"].as_str().context("an id")?.to_owned();
    world.call_when(&id, |call| call["status"] == "ended").await?;
    world.api.get(&format!("/api/v1/calls/{id}/events")).await?;
    world.api.get("/nowhere").await?;
    world.api.with_key(None).get("/api/v1/calls").await?;
    until("a delivery to be tried", SOON, async || Ok((receiver.count() > 0).then_some(()))).await?;
    // some are measured once a second
    let text = until("what is measured now and then", SOON, async || {
        let text = world.api.with_key(None).get("/metrics").await?.body;
        let text = text.as_str().context("text")?.to_owned();
        let answered = text.contains("voxledger_ivr_answer_seconds_count 0");
        Ok((text.contains("voxledger_projection_position{") && !answered).then_some(text))
    })
    .await?;
    Ok((world, text))
}

/// The name of the metric that a line of the exposition is of.
fn metric_of<'a>(line: &'a str, types: &BTreeMap<&str, &str>) -> &'a str {
    let series = line.split(['{', ' ']).next().unwrap_or_default();
    let stem = ["_bucket", "_sum", "_count"].iter().find_map(|end| series.strip_suffix(end));
    stem.filter(|stem| types.get(stem) == Some(&"histogram")).unwrap_or(series)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_series_a_node_shows_is_declared_with_its_kind_its_sentence_and_its_labels() -> Result<()> {
    let (world, text) = after_a_day().await?;
    let comments = |word: &str| -> BTreeMap<&str, &str> {
        let start = format!("# {word} ");
        text.lines().filter_map(|line| line.strip_prefix(&start)?.split_once(' ')).collect()
    };
    let (helps, types) = (comments("HELP"), comments("TYPE"));
    let mut seen = BTreeSet::new();
    for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let name = metric_of(line, &types);
        let declared = METRICS.iter().find(|metric| metric.name == name);
        let declared = declared.with_context(|| format!("nobody declared {line}"))?;
        let kind = match declared.kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram(_) => "histogram",
        };
        ensure!(types.get(name) == Some(&kind), "{name} is shown as {:?}, not as {kind}", types.get(name));
        ensure!(helps.get(name) == Some(&declared.help), "{name}: {:?}", helps.get(name));
        let labels = line.split_once('{').map_or("", |(_, rest)| rest);
        let labels = labels.rsplit_once('}').map_or("", |(labels, _)| labels);
        for pair in labels.split("\",").filter(|pair| !pair.is_empty()) {
            let (label, value) = pair.split_once("=\"").context("a label")?;
            // whatever is about one client, call or number is not for everybody to see
            let id = value.rsplit('_').next().is_some_and(|end| end.trim_end_matches('"').len() > 20);
            let number = value.trim_start_matches('+').starts_with("1202555");
            ensure!(!id && !number, "{line} tells of somebody");
            let known = declared.labels.iter().any(|one| one.name == label) || label == "le";
            ensure!(known, "{name} has a label {label} that nobody declared");
        }
        seen.insert(name);
    }
    for name in [
        "voxledger_build_info",
        "voxledger_calls_active",
        "voxledger_turn_seconds",
        "voxledger_turn_first_token_seconds",
        "voxledger_carrier_request_seconds",
        "process_cpu_seconds_total",
        "process_resident_memory_bytes",
        "process_open_fds",
        "process_start_time_seconds",
    ] {
        ensure!(seen.contains(name), "{name} is not shown:\n{text}");
    }
    let value = |series: &str| -> Result<f64> {
        let line = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        Ok(line.with_context(|| format!("no {series}"))?.parse()?)
    };
    assert_eq!(value("voxledger_calls_active")?, 0.0);
    let ended = METRICS.iter().find(|metric| metric.name == "voxledger_calls_ended_total").context("ends")?;
    let mut calls = 0.0;
    for reason in (ended.labels[0].known)() {
        calls += value(&format!("voxledger_calls_ended_total{{reason=\"{reason}\"}}"))?;
    }
    assert_eq!(calls, 2.0);
    assert!(value("voxledger_turn_seconds_count")? >= 1.0);
    let dialled = r#"voxledger_carrier_requests_total{provider="telnyx",operation="dial",status="2xx"}"#;
    assert_eq!(value(dialled)?, 1.0);
    assert_eq!(value(&dialled.replace("2xx", "5xx"))?, 0.0);
    let calls = r#"voxledger_http_requests_total{group="calls",method="POST",status="2xx"}"#;
    assert_eq!(value(calls)?, 1.0);
    assert!(value("process_resident_memory_bytes")? > 1e6 && value("process_cpu_seconds_total")? > 0.0);
    assert!(value("process_start_time_seconds")? > 1.7e9);
    world.close().await?;
    Ok(())
}

/// Prometheus' own linter: its package is installed by `tests/run`.
#[tokio::test(flavor = "multi_thread")]
async fn prometheus_own_linter_finds_nothing() -> Result<()> {
    let (world, text) = after_a_day().await?;
    let mut linter = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .context("promtool is missing: install the package `prometheus`")?;
    linter.stdin.take().context("a pipe")?.write_all(text.as_bytes())?;
    let said = linter.wait_with_output()?;
    let words = [said.stdout, said.stderr].concat();
    ensure!(said.status.success() && words.is_empty(), "promtool: {}", String::from_utf8_lossy(&words));
    world.close().await?;
    Ok(())
}

/// What no journey comes by is found in the source: names stand in `domain::metrics` alone.
#[test]
fn whoever_measures_takes_the_name_from_where_it_is_declared() -> Result<()> {
    let mut found = Vec::new();
    for path in style::sources_of(&["actors", "adapters", "api", "projections"])? {
        let source = fs::read_to_string(&path)?;
        for way in ["counter!(", "gauge!(", "histogram!("] {
            let made_up = source.split(way).skip(1).any(|rest| rest.trim_start().starts_with('"'));
            if made_up && !path.ends_with("meters/mod.rs") {
                found.push(format!("{way} in {}", path.display()));
            }
        }
    }
    assert!(found.is_empty(), "{found:#?}");
    Ok(())
}
