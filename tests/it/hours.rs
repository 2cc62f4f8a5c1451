//! Hours of menus by the time zone rules of today, with the clock set, and with an operator's own rules.

use std::fs;
use std::path::Path;

use adapters::clock::SystemClock;
use anyhow::{Context, Result, ensure};
use domain::envelope::Time;
use domain::ports::clock::Clock as _;
use domain::testing::zones::fixed_zone;
use domain::zones::Zones;
use serde_json::{Value, json};
use tests::client::Api;
use tests::faketime::WrongClock;
use tests::server::{Server, ServerOptions};

use crate::cli::run::voxledger;

const MENUS: &str = "/api/v1/ivr/menus";
const SESSIONS: &str = "/api/v1/ivr/sessions";
/// Half past nine in Vancouver, whose clocks were not put back in 2026; by older rules half past eight.
const MORNING: &str = "2026-11-10T16:30:00Z";
/// Half past five in the afternoon there.
const EVENING: &str = "2026-11-11T00:30:00Z";

fn menu(zone: &str) -> Value {
    let day = json!([{"from": "09:00", "to": "17:00"}]);
    json!({"name": "Office", "prompt": "Welcome.", "timeout_ms": 60_000, "items": [{"digit": "0", "label": "Bye", "action": "hangup"}],
        "hours": {"timezone": zone, "closed": {"action": "say", "target": "We are closed."},
            "weekly": {"mon": day, "tue": day, "wed": day, "thu": day, "fri": day}}})
}

async fn make(api: &Api, menu: Value) -> Result<String> {
    let made = api.post(MENUS, menu).await?;
    ensure!(made.status == 201, "{}", made.body);
    Ok(made.data()?["id"].as_str().context("an id")?.to_owned())
}

fn entered(events: &[Value]) -> Result<Value> {
    let fact = events.iter().find(|event| event["type"] == "ivr_session.menu_entered");
    Ok(fact.context("the menu was entered")?["data"].clone())
}

/// Whether a caller finds the menu open, the rules that were used, and where the session is.
async fn visit(api: &Api, menu: &str) -> Result<(bool, String, String)> {
    let started = api.post(SESSIONS, json!({"menu_id": menu})).await?;
    ensure!(started.status == 201, "{}", started.body);
    let session = started.header("location").context("a location")?.to_owned();
    let entered = entered(&api.list_all(&format!("{session}/events")).await?)?;
    let open = entered["open"].as_bool().context("open or not")?;
    ensure!((started.data()?["status"] == "active") == open, "{entered}");
    Ok((open, entered["zone_data"].as_str().unwrap_or_default().to_owned(), session))
}

/// Whether a caller would find it open at a moment, and the rules that were used.
async fn think(api: &Api, menu: &str, at: &str) -> Result<(bool, String)> {
    let thought = api.post(&format!("{MENUS}/{menu}/simulate"), json!({"at": at})).await?.data()?;
    let entered = entered(thought["steps"][0]["events"].as_array().context("events")?)?;
    let open = entered["open"].as_bool().context("open or not")?;
    Ok((open, entered["zone_data"].as_str().unwrap_or_default().to_owned()))
}

async fn zone_data(api: &Api) -> Result<String> {
    let version = api.get("/version").await?.body;
    Ok(version["zone_data"].as_str().with_context(|| version.to_string())?.to_owned())
}

/// How far a clock is to be set from the right time.
fn by(at: &str) -> Result<String> {
    let wanted: Time = at.parse()?;
    Ok(format!("{:+}s", (wanted - SystemClock.now()).num_seconds()))
}

/// A folder of one zone in which the clocks of Vancouver stay put back.
fn newer_rules(folder: &Path) -> Result<()> {
    fs::create_dir_all(folder.join("America"))?;
    fs::write(folder.join("+VERSION"), "2099a\n")?;
    Ok(fs::write(folder.join("America/Vancouver"), fixed_zone("<-08>8"))?)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_menu_in_vancouver_opens_and_closes_by_its_new_time() -> Result<()> {
    let clock = WrongClock::new()?;
    clock.set(&by(MORNING)?)?;
    let folder = tempfile::tempdir()?;
    let server = Server::start(&clock.of(ServerOptions::embedded(folder.path())))?;
    let api = Api::new(&server.base)?;
    let menu = make(&api, menu("America/Vancouver")).await?;
    let rules = zone_data(&api).await?;
    assert_eq!(rules, Zones::bundled_release().to_string());
    let (open, by_rules, _) = visit(&api, &menu).await?;
    assert_eq!((open, &by_rules), (true, &rules), "at half past nine");
    clock.set(&by(EVENING)?)?;
    let (open, by_rules, _) = visit(&api, &menu).await?;
    assert_eq!((open, &by_rules), (false, &rules), "at half past five in the afternoon");
    for (at, wanted) in [
        ("2026-11-10T15:59:59Z", false),
        ("2026-11-10T16:00:00Z", true),
        ("2026-11-10T23:59:59Z", true),
        ("2026-11-11T00:00:00Z", false),
    ] {
        assert_eq!(think(&api, &menu, at).await?.0, wanted, "{at}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn newer_rules_in_a_folder_decide_after_a_restart_and_change_nothing_that_was_decided() -> Result<()> {
    let clock = WrongClock::new()?;
    clock.set(&by(MORNING)?)?;
    let (folder, zones) = (tempfile::tempdir()?, tempfile::tempdir()?);
    newer_rules(zones.path())?;
    let node = clock.of(ServerOptions::embedded(folder.path()));
    let server = Server::start(&node)?;
    let api = Api::new(&server.base)?;
    let menu = make(&api, menu("America/Vancouver")).await?;
    let (open, bundled, before) = visit(&api, &menu).await?;
    assert!(open);
    ensure!(server.terminate()?.success());

    let node = node.set("ZONEINFO", &zones.path().display().to_string());
    let server = Server::start(&node)?;
    let api = Api::new(&server.base)?;
    assert_eq!(zone_data(&api).await?, "2099a");
    clock.set(&by(MORNING)?)?;
    let (open, rules, _) = visit(&api, &menu).await?;
    assert_eq!((open, rules.as_str()), (false, "2099a"), "by its rules it is half past eight");
    assert_eq!(think(&api, &menu, "2026-11-10T17:00:00Z").await?, (true, "2099a".to_owned()));
    // a caller who was let in stays in, and the record says by which rules
    let session = api.get(&before).await?.data()?;
    assert_eq!((&session["status"], &session["prompt"]), (&json!("active"), &json!("Welcome.")));
    let entered = entered(&api.list_all(&format!("{before}/events")).await?)?;
    assert_eq!((&entered["open"], &entered["zone_data"]), (&json!(true), &json!(bundled)));
    // zones the folder lacks are those of the program
    let elsewhere = make(&api, self::menu("Europe/Berlin")).await?;
    assert_eq!(think(&api, &elsewhere, "2026-11-10T08:00:00Z").await?, (true, bundled));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_holiday_is_closed_from_midnight_whatever_the_evening_before() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let server = Server::start(&ServerOptions::embedded(folder.path()))?;
    let api = Api::new(&server.base)?;
    let mut night = menu("America/Vancouver");
    night["hours"]["weekly"] =
        json!({"thu": [{"from": "20:00", "to": "04:00"}], "fri": [{"from": "20:00", "to": "04:00"}]});
    night["hours"]["overrides"] = json!([{"date": "2026-12-25"}]);
    let night = make(&api, night).await?;
    // 2026-12-24 is a Thursday; midnight there is 07:00 UTC
    for (at, wanted) in [
        ("2026-12-18T08:00:00Z", true),
        ("2026-12-25T06:59:59Z", true),
        ("2026-12-25T07:00:00Z", false),
        ("2026-12-25T10:59:59Z", false),
        ("2026-12-26T03:00:00Z", false),
        ("2026-12-26T08:00:00Z", false),
    ] {
        assert_eq!(think(&api, &night, at).await?.0, wanted, "{at}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_name_of_a_zone_is_a_name_and_never_a_path() -> Result<()> {
    let (folder, zones) = (tempfile::tempdir()?, tempfile::tempdir()?);
    newer_rules(zones.path())?;
    fs::write(folder.path().join("Outside"), fixed_zone("UTC0"))?;
    let node = ServerOptions::embedded(folder.path()).set("ZONEINFO", &zones.path().display().to_string());
    let server = Server::start(&node)?;
    let api = Api::new(&server.base)?;
    let outside = folder.path().join("Outside").display().to_string();
    let relative = format!("../{}/Outside", folder.path().file_name().context("a name")?.display());
    for zone in [
        "",
        "Etc/Unknown",
        "../../etc/passwd",
        "America/../America/Vancouver",
        "+VERSION",
        &outside,
        &relative,
    ] {
        let refused = api.post(MENUS, menu(zone)).await?;
        let fault = &refused.body["errors"][0];
        assert_eq!((refused.status, &fault["field"]), (422, &json!("hours.timezone")), "{zone}");
    }
    let refused = api.post(MENUS, menu("america/vancouver")).await?;
    assert_eq!(refused.body["errors"][0]["detail"], "must be written America/Vancouver");
    make(&api, menu("Asia/Calcutta")).await?;
    Ok(())
}

#[test]
fn the_doctor_names_the_rules_and_a_broken_folder_keeps_a_node_from_starting() -> Result<()> {
    let (folder, zones) = (tempfile::tempdir()?, tempfile::tempdir()?);
    let node = ServerOptions::embedded(folder.path());
    let bundled = Zones::bundled_release().to_string();
    voxledger(&["doctor"], &node)?.succeeded().says(&format!("IANA {bundled}, bundled with the program"));
    let node = node.set("ZONEINFO", &zones.path().display().to_string());
    let complaint = "does not say which IANA release it is";
    voxledger(&["doctor"], &node)?.failed().says(complaint).says("VOXLEDGER_ZONEINFO");
    voxledger(&["serve"], &node)?.failed().complains(complaint);
    newer_rules(zones.path())?;
    voxledger(&["doctor"], &node)?.succeeded().says("IANA 2099a, from");
    fs::write(zones.path().join("America/Vancouver"), "")?;
    let complaint = "the file of America/Vancouver is not a time zone";
    voxledger(&["doctor"], &node)?.failed().says(complaint);
    voxledger(&["serve"], &node)?.failed().complains(complaint);
    // older ones are not used, and need not be whole
    fs::write(zones.path().join("+VERSION"), "2025b\n")?;
    voxledger(&["doctor"], &node)?.succeeded().says(&bundled).says("has 2025b");
    Ok(())
}
