//! The checks of `doctor`. None of them leaves a change behind.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::time::Duration;

use adapters::clock::SystemClock;
use adapters::database::{
    Database, chain_in_words, newer_schema, role_exempt_from_row_security, role_that_can_alter_the_log,
};
use adapters::event_store::sqlite_library;
use chrono::TimeDelta;
use domain::call::CallEvent;
use domain::envelope::{Position, Recorded, Time};
use domain::ports::clock::Clock as _;
use domain::wire::DomainEvent as _;

use super::Finding;
use crate::stores::{self, Store, is_embedded, node_is_running};
use api_node::config::Config;
use api_node::open_log;

/// Free space in bytes below which a warning is due: a busy node writes some hundred megabytes a day.
const LITTLE_SPACE: u64 = 1 << 30;
/// Free space in bytes below which no node should start.
const NO_SPACE: u64 = 64 << 20;
/// A clock this far behind the newest event is wrong, or was.
const LONG_AGO: TimeDelta = TimeDelta::minutes(5);
/// A carrier's clock this far ahead is worth a warning.
const CLOCKS_DIFFER: TimeDelta = TimeDelta::seconds(2);
/// Limit for a carrier's clock behind ours; larger, since it includes the time a webhook travels.
const LONG_ON_THE_WAY: TimeDelta = TimeDelta::seconds(30);
/// Number of newest events read to compare clocks.
const NEWEST: usize = 500;
/// How long a node may take to answer that it is alive.
const ANSWER: Duration = Duration::from_secs(3);

pub(super) async fn examine(config: &Config, deep: bool) -> Vec<Finding> {
    let mut findings = Vec::new();
    findings.extend(data_dir(&config.storage.data_dir));
    let mut newest = Newest::default();
    if is_embedded(config) {
        findings.push(match sqlite_library().await {
            Ok(version) => Finding::ok("SQLite", version),
            Err(error) => Finding::fail("SQLite", error.to_string(), "build with a newer library"),
        });
    }
    match stores::log(config) {
        Ok(log) => {
            findings.push(match log.database {
                Some(_) => store("event store", &log).await,
                None => elsewhere(config, &log).await,
            });
            findings.extend(log_role(&log).await);
            newest = newest_event(config, &mut findings).await;
        }
        Err(error) => {
            findings.push(Finding::fail("event store", said(&error), "correct VOXLEDGER_EVENT_STORE"))
        }
    }
    if let Ok(seals) = stores::seals(config) {
        findings.push(store("seals", &seals).await);
    }
    if let Ok(work) = stores::work(config) {
        findings.push(store("work", &work).await);
    }
    match stores::views(config) {
        Ok(views) => {
            findings.push(store("read models", &views).await);
            findings.extend(row_security(&views).await);
        }
        Err(error) => {
            findings.push(Finding::fail("read models", said(&error), "correct VOXLEDGER_READ_MODELS"))
        }
    }
    if let Ok(keys) = stores::keys(config) {
        findings.push(store("keys", &keys).await);
    }
    findings.extend(super::pages::examine(config, deep).await);
    findings.extend(super::pages::others(config));
    findings.push(clock(SystemClock.now(), newest.recorded_at));
    findings.push(super::zones::examine(config, SystemClock.now()));
    findings.extend(newest.carrier_ahead.map(carrier_clock));
    findings.extend(telnyx(config));
    findings.extend(ultravox(config));
    findings.extend(super::models::examine(config).await);
    findings.extend(master_key(config));
    findings.push(port(config).await);
    findings
}

fn said(error: &anyhow::Error) -> String {
    chain_in_words(error.as_ref())
}

/// The folder itself, or its nearest existing parent.
fn nearest(folder: &Path) -> Option<PathBuf> {
    let folder = std::path::absolute(folder).ok()?;
    folder.ancestors().find(|folder| folder.exists()).map(Path::to_owned)
}

fn data_dir(folder: &Path) -> Vec<Finding> {
    const WHAT: &str = "data folder";
    let shown = folder.display();
    let advice = "give the node a folder it may write to: VOXLEDGER_DATA_DIR";
    let Some(existing) = nearest(folder) else {
        return vec![Finding::fail(WHAT, format!("{shown} cannot be created"), advice)];
    };
    let probe = tempfile::tempfile_in(&existing);
    let mut findings = vec![match probe {
        Err(error) => {
            Finding::fail(WHAT, format!("{} cannot be written: {error}", existing.display()), advice)
        }
        Ok(_) if !folder.is_dir() => Finding::ok(WHAT, format!("{shown} will be created")),
        Ok(_) => Finding::ok(WHAT, format!("{shown} can be written")),
    }];
    findings.push(match fs4::available_space(&existing) {
        Ok(space) => disk(space),
        Err(error) => Finding::warn("disk", format!("free space is unknown: {error}"), ""),
    });
    findings
}

fn disk(space: u64) -> Finding {
    let found = format!("{} MiB free", space >> 20);
    match space {
        ..NO_SPACE => Finding::fail("disk", found, "make room: without it nothing more is acknowledged"),
        NO_SPACE..LITTLE_SPACE => Finding::warn("disk", found, "make room before it runs out"),
        _ => Finding::ok("disk", found),
    }
}

async fn store(what: &'static str, store: &Store) -> Finding {
    let migrations = match store.migrations().await {
        Ok(migrations) => migrations,
        Err(error) => {
            let advice = match &store.database {
                Some(Database::Sqlite(_)) => "see the message; what is damaged is told below".to_owned(),
                _ => "is the server up, the address right?".to_owned(),
            };
            return Finding::fail(what, said(&error), advice);
        }
    };
    let shown = &store.shown;
    let steps = migrations.iter().filter(|step| step.known).count();
    match migrations.iter().filter(|step| step.known && step.applied).count() {
        _ if migrations.iter().any(|step| !step.known) => Finding::fail(
            what,
            format!("{shown} has the schema of a newer version"),
            newer_schema(&migrations).unwrap_or_default(),
        ),
        0 => Finding::ok(what, format!("{shown} is empty; the first start makes the schema")),
        done if done < steps => Finding::warn(
            what,
            format!("{shown} has {done} of {steps} steps of the schema"),
            "the next start brings it up to date, or `voxledger migrate up`",
        ),
        _ => Finding::ok(what, format!("{shown} is up to date")),
    }
}

/// Whether the server separates clients by row-level security. Another check reports a server that cannot be reached.
async fn row_security(views: &Store) -> Option<Finding> {
    const WHAT: &str = "row security";
    let database = views.database.as_ref()?;
    if matches!(database, Database::Sqlite(_)) {
        return None;
    }
    Some(match role_exempt_from_row_security(database).await.ok()? {
        None => Finding::ok(WHAT, "the server keeps clients apart"),
        Some(role) => Finding::warn(
            WHAT,
            format!("role {role} is a superuser or has BYPASSRLS; only the queries keep clients apart"),
            "let the node connect as an ordinary role that owns its database: CREATE ROLE voxledger LOGIN \
             PASSWORD '…'; ALTER DATABASE … OWNER TO voxledger; and in it, for tables that are there already, \
             ALTER TABLE … OWNER TO voxledger",
        ),
    })
}

/// Whether the node's role could change the log. Another check reports a server that cannot be reached, or
/// has no log yet.
async fn log_role(log: &Store) -> Option<Finding> {
    const WHAT: &str = "log role";
    let database = log.database.as_ref()?;
    if matches!(database, Database::Sqlite(_)) {
        return None;
    }
    Some(match role_that_can_alter_the_log(database).await.ok()? {
        None => Finding::ok(WHAT, "it can append to the log, and change nothing of it"),
        Some(role) => Finding::warn(
            WHAT,
            format!("role {role} could change or delete events and signed heads"),
            "let another role own the log, and the nodes connect as one that `voxledger migrate grant ROLE` let \
             append: see `Roles` in the README",
        ),
    })
}

/// Checks a log whose schema is not ours: only whether it opens.
async fn elsewhere(config: &Config, store: &Store) -> Finding {
    match open_log(config, true).await {
        Ok(log) => {
            log.close().await;
            Finding::ok("event store", format!("{} answers", store.shown))
        }
        Err(error) => Finding::fail("event store", said(&error), "correct VOXLEDGER_EVENT_STORE"),
    }
}

/// What the newest events tell about clocks.
#[derive(Default)]
struct Newest {
    /// When the last event was recorded.
    recorded_at: Option<Time>,
    /// How far the carrier's clock was ahead of the node's, by the webhook with the shortest delay.
    carrier_ahead: Option<TimeDelta>,
}

impl Newest {
    fn of(events: &[Recorded]) -> Self {
        let ahead = |event: &Recorded| {
            let fact = CallEvent::decode(&event.event_type, event.schema, &event.payload).ok()?;
            let CallEvent::CarrierEventReceived(receipt) = fact else { return None };
            Some(receipt.occurred_at - event.recorded_at)
        };
        let of_calls = events.iter().filter(|event| event.event_type == "call.carrier_event_received");
        Self {
            recorded_at: events.last().map(|event| event.recorded_at),
            carrier_ahead: of_calls.filter_map(ahead).max(),
        }
    }
}

/// Reads the newest events. Opening the log also checks its database.
async fn newest_event(config: &Config, findings: &mut Vec<Finding>) -> Newest {
    let none = Newest::default();
    const WHAT: &str = "history";
    let Ok(log) = stores::log(config) else { return none };
    let migrated = log.database.is_some()
        && log.migrations().await.is_ok_and(|steps| steps.iter().any(|step| step.applied));
    if !migrated {
        return none;
    }
    let opened = match open_log(config, true).await {
        Ok(opened) => opened,
        Err(error) => {
            findings.push(Finding::fail(WHAT, said(&error), "see the message"));
            return none;
        }
    };
    let store = opened.store();
    let read = async {
        let head = store.head().await?;
        store
            .read_all(Position(head.0.saturating_sub(NEWEST as u64)), NEWEST)
            .await
            .map(|events| (head, events))
    };
    let (finding, newest) = match read.await {
        Ok((head, events)) => (Finding::ok(WHAT, format!("{head} events")), Newest::of(&events)),
        Err(error) => (Finding::fail(WHAT, error.to_string(), "restore the log from a backup"), none),
    };
    opened.close().await;
    findings.push(finding);
    newest
}

fn clock(now: Time, newest: Option<Time>) -> Finding {
    let advice = "set the machine's clock, and keep it by NTP: webhooks older than 5 minutes are refused";
    let shown = projections::edge::format_time(now);
    let built_after = chrono::DateTime::from_timestamp(1_767_225_600, 0).unwrap_or_default(); // 2026-01-01
    match newest {
        _ if now < built_after => Finding::fail("clock", format!("{shown} is long over"), advice),
        Some(newest) if newest > now + LONG_AGO => {
            Finding::fail("clock", format!("{shown} is before the last event"), advice)
        }
        _ => Finding::ok("clock", shown),
    }
}

fn carrier_clock(ahead: TimeDelta) -> Finding {
    let advice =
        "one of the two clocks is wrong: keep the machine's by NTP; beyond 5 minutes webhooks are refused";
    let seconds = ahead.as_seconds_f64();
    match ahead {
        ahead if ahead > CLOCKS_DIFFER => {
            Finding::warn("carrier's clock", format!("{seconds:.1} s ahead of this machine's"), advice)
        }
        ahead if ahead < -LONG_ON_THE_WAY => Finding::warn(
            "carrier's clock",
            format!("{:.1} s behind this machine's, or its webhooks take that long", -seconds),
            advice,
        ),
        _ => Finding::ok("carrier's clock", "agrees with this machine's"),
    }
}

fn telnyx(config: &Config) -> Vec<Finding> {
    let telnyx = &config.telnyx;
    let mut findings = vec![match telnyx.public_key {
        Some(_) => Finding::ok("telnyx webhooks", "are verified"),
        None => Finding::warn(
            "telnyx webhooks",
            "are not taken",
            "set VOXLEDGER_TELNYX_PUBLIC_KEY (Mission Control, API keys), or try `voxledger demo`",
        ),
    }];
    let what = "telnyx commands";
    findings.push(match (&telnyx.api_key, &telnyx.connection_id) {
        (Some(_), Some(_)) => Finding::ok(what, format!("go to {}", telnyx.api_base.as_str())),
        (None, None) => Finding::warn(
            what,
            "calls can be neither answered nor placed",
            "set VOXLEDGER_TELNYX_API_KEY and VOXLEDGER_TELNYX_CONNECTION_ID",
        ),
        (Some(_), None) => {
            Finding::fail(what, "an API key without its application", "set VOXLEDGER_TELNYX_CONNECTION_ID")
        }
        (None, Some(_)) => {
            Finding::fail(what, "an application without its API key", "set VOXLEDGER_TELNYX_API_KEY")
        }
    });
    findings
}

/// Only looked at where it is set up: agents need no voice runtime.
fn ultravox(config: &Config) -> Option<Finding> {
    let what = "ultravox";
    match (&config.ultravox.api_key, &config.ultravox.webhook_secret) {
        (Some(_), _) => {
            Some(Finding::ok(what, format!("agents and calls go to {}", config.ultravox.api_base.as_str())))
        }
        (None, Some(_)) => Some(Finding::fail(
            what,
            "a webhook secret without its account",
            "set VOXLEDGER_ULTRAVOX_API_KEY",
        )),
        (None, None) => None,
    }
}

/// Checks who may read the file with the master key.
fn master_key(config: &Config) -> Option<Finding> {
    use std::os::unix::fs::PermissionsExt as _;
    const WHAT: &str = "master key";
    let own = config.storage.master_key_file();
    let file = match &config.keys.master_key_file {
        Some(file) => file,
        // created on the first start
        None if config.keys.master_key.is_some() || !own.exists() => return None,
        None => &own,
    };
    let shown = file.display();
    Some(match fs::metadata(file) {
        Err(error) => Finding::fail(WHAT, format!("{shown}: {error}"), "correct VOXLEDGER_MASTER_KEY_FILE"),
        Ok(meta) if meta.permissions().mode() & 0o077 != 0 => {
            Finding::fail(WHAT, format!("{shown} can be read by others"), format!("chmod 600 {shown}"))
        }
        Ok(_) => Finding::ok(WHAT, format!("{shown} is its owner's alone")),
    })
}

/// Checks that the address is free, or used by a node of ours.
async fn port(config: &Config) -> Finding {
    let bind = config.http.bind;
    let running = is_embedded(config) && node_is_running(config);
    if TcpListener::bind(bind).is_ok() {
        return if running {
            Finding::warn(
                "node",
                format!("runs on these stores, and not at {bind}"),
                "is its --bind another?",
            )
        } else {
            Finding::ok("node", format!("does not run; {bind} is free"))
        };
    }
    if is_voxledger(&format!("http://{bind}/version")).await {
        Finding::ok("node", format!("runs at {bind}"))
    } else {
        Finding::fail("node", format!("cannot listen on {bind}"), "set VOXLEDGER_BIND, or stop what is there")
    }
}

async fn is_voxledger(url: &str) -> bool {
    let Ok(http) = adapters::http::client().timeout(ANSWER).no_proxy().build() else { return false };
    let Ok(response) = http.get(url).send().await else { return false };
    let version = response.json::<serde_json::Value>().await.unwrap_or_default();
    version["data"]["name"] == "voxledger" || version["name"] == "voxledger"
}

#[cfg(test)]
mod tests {
    use super::super::State;
    use super::*;

    #[test]
    fn a_disk_that_is_nearly_full_is_said_in_time() {
        let states = [10 << 20, 500 << 20, 5 << 30].map(|space| disk(space).state);
        assert_eq!(states, [State::Fail, State::Warn, State::Ok]);
    }

    #[test]
    fn a_carriers_clock_that_differs_is_worth_a_word() {
        let state = |seconds| carrier_clock(TimeDelta::seconds(seconds)).state;
        assert_eq!([-31, -5, 0, 2].map(state), [State::Warn, State::Ok, State::Ok, State::Ok]);
        assert_eq!(state(10), State::Warn);
        assert!(carrier_clock(TimeDelta::seconds(10)).found.contains("10.0 s ahead"));
    }

    #[test]
    fn a_clock_before_the_last_event_is_wrong() {
        let now: Time = chrono::DateTime::from_timestamp(1_780_000_000, 0).unwrap();
        assert_eq!(clock(now, None).state, State::Ok);
        assert_eq!(clock(now, Some(now + TimeDelta::seconds(30))).state, State::Ok);
        assert_eq!(clock(now, Some(now + TimeDelta::hours(1))).state, State::Fail);
        assert_eq!(clock(Time::UNIX_EPOCH, None).state, State::Fail);
    }
}
