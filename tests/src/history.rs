//! What the stores hold once the node is gone: read as an auditor would, through the adapters, not through the node.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use adapters::clock::SystemClock;
use adapters::database::Database;
use adapters::event_store::{EventLog, Target};
use adapters::ids::RandomIds;
use adapters::keys::{KeyVault, KeysDb, MasterKey};
use adapters::privacy::EncryptingEventStore;
use adapters::read_models::SqlViews;
use anyhow::{Context, Result, ensure};
use domain::envelope::{Position, Recorded, Version};
use domain::ports::event_store::EventStore;
use domain::ports::vault::Vault as _;
use domain::wire::readable;
use projections::agents::{AgentRow, Agents};
use projections::api_keys::{ApiKeyRow, ApiKeys};
use projections::audit_log::{AuditLog, AuditRow};
use projections::calls::{CallRow, Calls};
use projections::clients::{ClientRow, Clients};
use projections::conversations::{ConversationRow, Conversations, MessageRow, Messages};
use projections::ivr_menus::{IvrMenus, MenuRow};
use projections::ivr_sessions::{IvrSessions, SessionRow};
use projections::numbers::{NumberRow, Numbers};
use projections::runner::{self, Deps, Settings, projection_names, rebuild};
use projections::store::{Digest, ViewRows, ViewStore};
use projections::tools::{ToolRow, Tools};
use projections::transcripts::{LineRow, Transcripts};
use projections::users::{UserRow, Users};
use projections::view::View;
use projections::webhooks::{EndpointRow, Endpoints};
use serde_json::Value;
use uuid::Uuid;

use crate::server::ServerOptions;

const PAGE: usize = 5_000;
const CATCH_UP: Duration = Duration::from_secs(30);

#[derive(Debug)]
pub struct History {
    /// In the order of the log.
    pub events: Vec<Recorded>,
}

impl History {
    /// Reads the log of a node, which may be running.
    pub async fn read(options: &ServerOptions) -> Result<Self> {
        let log = EventLog::open_read_only(&log_of(options)?).await?;
        let (store, _) = opened(options, &log).await?;
        let events = all(&store).await;
        log.close().await;
        Ok(Self { events: events? })
    }

    /// The same with the very bytes that are stored: personal data stays sealed.
    pub async fn stored(options: &ServerOptions) -> Result<Self> {
        let log = EventLog::open_read_only(&log_of(options)?).await?;
        let events = all(&*log.store()).await;
        log.close().await;
        Ok(Self { events: events? })
    }

    /// Positions are 1, 2, 3 …; so are the versions of each stream; no event stands there twice.
    pub fn check_order(&self) -> Result<()> {
        let (mut versions, mut ids) = (HashMap::new(), HashSet::new());
        for (event, position) in self.events.iter().zip(1..) {
            ensure!(event.position == Position(position), "{} stands at {position}", event.position);
            let version: &mut u64 = versions.entry(&event.stream).or_default();
            *version += 1;
            let expected = Version(*version);
            ensure!(event.version == expected, "{} has {} at {expected}", event.stream, event.version);
            ensure!(ids.insert(event.id), "{} stands there twice", event.id);
        }
        Ok(())
    }

    /// The facts of every event of these types.
    pub fn facts<'a>(
        &'a self,
        types: &'a [&'a str],
    ) -> impl Iterator<Item = (&'a Recorded, Value)> + use<'a> {
        let wanted = self.events.iter().filter(|event| types.contains(&event.event_type.as_str()));
        wanted.filter_map(|event| Some((event, readable(&event.event_type, &event.payload).ok()?)))
    }

    /// How often each of the carrier's events was taken.
    #[must_use]
    pub fn carrier_events(&self) -> HashMap<String, usize> {
        let mut counts = HashMap::new();
        for (_, fact) in self.facts(&["call.carrier_event_received", "carrier_event.received"]) {
            *counts.entry(fact["event_id"].as_str().unwrap_or_default().to_owned()).or_default() += 1;
        }
        counts
    }

    /// The ids of all effects that events ask for, and the stream that asks.
    pub fn effects(&self) -> Result<HashMap<Uuid, String>> {
        const TYPES: &[&str] = &[
            "call.queued",
            "call.answer_requested",
            "call.reject_requested",
            "call.hangup_requested",
            "call.speech_requested",
            "call.transfer_requested",
            "call.dtmf_requested",
            "call.recording_requested",
        ];
        let mut effects = HashMap::new();
        for (event, fact) in self.facts(TYPES) {
            let id = fact["effect_id"].as_str().or(fact["command_id"].as_str()).context("no effect id")?;
            let stream = event.stream.to_string();
            let before = effects.insert(id.parse::<Uuid>()?, stream.clone());
            ensure!(before.is_none_or(|before| before == stream), "two streams ask for effect {id}");
        }
        Ok(effects)
    }
}

/// Rebuilds every view from the log and compares: what the node left behind must be the same, row by row,
/// once the last events it had no time for are applied, too. The node must have stopped. Answers with how
/// many rows each view has.
pub async fn check_views(options: &ServerOptions) -> Result<BTreeMap<&'static str, u64>> {
    let log = EventLog::open_read_only(&log_of(options)?).await?;
    let (private, vault) = opened(options, &log).await?;
    let views = SqlViews::open(&views_of(options)?).await?;
    let views = Arc::new(views.with_blind_index(vault.secret("blind index").await?));
    let head = log.store().head().await?;
    let deps = Deps {
        log: Arc::new(private.redacted()),
        views: views.clone(),
        clock: Arc::new(SystemClock),
        owner: "auditor".to_owned(),
    };
    let runner = runner::start(deps.clone(), Settings::default());
    let caught_up = runner.progress().wait_for(head, CATCH_UP).await;
    runner.stop().await;
    for name in projection_names() {
        let at = views.checkpoint(name).await?.position;
        ensure!(caught_up && at == head, "{name} has come to {at}, the log to {head}");
    }
    let before = digests(&views).await?;
    for name in projection_names() {
        let report = rebuild(&deps, &Settings::default(), name, &mut |_| {}).await?;
        ensure!(report.difference.is_equal(), "{name} differs from its rebuild: {:?}", report.difference);
    }
    let after = digests(&views).await?;
    ensure!(before == after, "views differ from their rebuild: {before:?}, rebuilt {after:?}");
    log.close().await;
    Ok(before.into_iter().map(|(name, digest)| (name, digest.rows)).collect())
}

async fn digests(views: &SqlViews) -> Result<BTreeMap<&'static str, Digest>> {
    let active = async |name| anyhow::Ok(views.checkpoint(name).await?.generation);
    let calls = ViewRows::<CallRow>::digest(views, active(Calls::NAME).await?).await?;
    let lines = ViewRows::<LineRow>::digest(views, active(Transcripts::NAME).await?).await?;
    let numbers = ViewRows::<NumberRow>::digest(views, active(Numbers::NAME).await?).await?;
    let clients = ViewRows::<ClientRow>::digest(views, active(Clients::NAME).await?).await?;
    let keys = ViewRows::<ApiKeyRow>::digest(views, active(ApiKeys::NAME).await?).await?;
    let users = ViewRows::<UserRow>::digest(views, active(Users::NAME).await?).await?;
    let menus = ViewRows::<MenuRow>::digest(views, active(IvrMenus::NAME).await?).await?;
    let sessions = ViewRows::<SessionRow>::digest(views, active(IvrSessions::NAME).await?).await?;
    let audit = ViewRows::<AuditRow>::digest(views, active(AuditLog::NAME).await?).await?;
    let endpoints = ViewRows::<EndpointRow>::digest(views, active(Endpoints::NAME).await?).await?;
    let agents = ViewRows::<AgentRow>::digest(views, active(Agents::NAME).await?).await?;
    let tools = ViewRows::<ToolRow>::digest(views, active(Tools::NAME).await?).await?;
    let talks = ViewRows::<ConversationRow>::digest(views, active(Conversations::NAME).await?).await?;
    let messages = ViewRows::<MessageRow>::digest(views, active(Messages::NAME).await?).await?;
    Ok(BTreeMap::from([
        (Agents::NAME, agents),
        (Tools::NAME, tools),
        (Conversations::NAME, talks),
        (Messages::NAME, messages),
        (Endpoints::NAME, endpoints),
        (Calls::NAME, calls),
        (Transcripts::NAME, lines),
        (Numbers::NAME, numbers),
        (Clients::NAME, clients),
        (ApiKeys::NAME, keys),
        (Users::NAME, users),
        (AuditLog::NAME, audit),
        (IvrMenus::NAME, menus),
        (IvrSessions::NAME, sessions),
    ]))
}

/// The log with what is personal in it, by the node's own keys.
async fn all(store: &dyn EventStore) -> Result<Vec<Recorded>> {
    let mut events: Vec<Recorded> = Vec::new();
    loop {
        let after = events.last().map_or(Position::START, |last| last.position);
        let page = store.read_all(after, PAGE).await?;
        if page.is_empty() {
            return Ok(events);
        }
        events.extend(page);
    }
}

async fn opened(options: &ServerOptions, log: &EventLog) -> Result<(EncryptingEventStore, KeyVault)> {
    let keys = match options.env.get("KEY_STORE").or(options.env.get("READ_MODELS")) {
        Some(address) => address.parse().map_err(|error| anyhow::anyhow!("{error}"))?,
        None => Database::Sqlite(data_dir(options)?.join("keys.db")),
    };
    let master = match options.env.get("MASTER_KEY") {
        Some(text) => MasterKey::from_base64(text).context("a master key")?,
        None => MasterKey::read(&data_dir(options)?.join("master.key"))?,
    };
    let keys = KeysDb::open(&keys).await?;
    let vault = KeyVault::new(keys, master, Arc::new(SystemClock), Arc::new(RandomIds));
    Ok((EncryptingEventStore::new(log.store(), vault.subject_keys(CATCH_UP)), vault))
}

fn log_of(options: &ServerOptions) -> Result<Target> {
    match options.env.get("EVENT_STORE") {
        Some(address) => Ok(address.parse()?),
        None => Ok(Target::sqlite(data_dir(options)?.join("events.db"))),
    }
}

fn views_of(options: &ServerOptions) -> Result<Database> {
    match options.env.get("READ_MODELS") {
        Some(address) => address.parse().map_err(|error| anyhow::anyhow!("{error}")),
        None => Ok(Database::Sqlite(data_dir(options)?.join("views.db"))),
    }
}

fn data_dir(options: &ServerOptions) -> Result<&Path> {
    options.env.get("DATA_DIR").map(Path::new).context("the node has no folder")
}
