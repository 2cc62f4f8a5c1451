//! The console's overview over a long log: how long each of its charts takes to be asked for.
//!
//! `cargo bench -p tests --bench analytics [-- calls=1000000] [requests=1000] [paint] [data=FOLDER]`, after
//! `cargo build --release`; `paint` also loads the page in Chromium. What was made in `FOLDER` is kept there
//! and measured again the next time, as it is: making a million calls takes a quarter of an hour. Calls of
//! thirty days, a webhook attempt for each, a session in a menu for every fifth and a conversation for every
//! tenth are appended to a SQLite log; the node builds its views from it as it always does, and is asked over
//! HTTP what the console asks. Beside each chart stands the limit measured in the same run: an empty actix
//! handler under the same load. Load generator and node share the machine. Files go to the temporary folder:
//! some gigabytes for a million calls.

#![expect(clippy::unwrap_used, reason = "a bench that fails panics")]

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use adapters::clock::SystemClock;
use adapters::event_store::{SqliteEventStore, SqliteSettings};
use adapters::ids::RandomIds;
use chrono::TimeDelta;
use domain::call::report::LegRef;
use domain::call::terms::{Direction, EndReason, EndedBy, Fault};
use domain::call::{Answered, CallEvent, CostRecorded, DialAccepted, DialStarted, Ended, Queued, Received};
use domain::conversation::{
    AgentRef, Channel, ConversationEnded, ConversationEvent, ConversationStarted, EndedFor, Finish, Judge,
    MessageAdded, MessageKind, MessageRole, SentimentJudged, TurnCompleted,
};
use domain::envelope::{Metadata, NewEvent, Position, StreamId, Time, Version};
use domain::ids::{
    AgentId, CallId, ClientId, ConversationId, DeliveryId, EndpointId, IvrSessionId, MenuId, MessageId,
};
use domain::ivr::session::{
    EndCause, Heard, HeardFrom, MenuEntered, SessionEnded, SessionEvent, SessionStarted, SessionStatus,
    StepTaken, Via,
};
use domain::model::{ModelRef, Provider, Usage};
use domain::money::Money;
use domain::phone::Party;
use domain::ports::clock::Clock as _;
use domain::ports::event_store::{EventStore, Expected};
use domain::ports::ids::Ids as _;
use domain::testing::ids::sequential;
use domain::webhook::delivery::{
    Attempt, Cause, DeliveryAttempted, DeliveryEvent, DeliveryOf, ErrorClass, Then,
};
use domain::wire::DomainEvent;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tests::client::{Api, TEST_KEY};
use tests::load::{Load, Report, empty_handler, get, views_behind};
use tests::server::{Server, ServerOptions};

/// Over so many days the calls are spread.
const DAYS: i64 = 30;
/// Agents that talk, and endpoints that are told.
const AGENTS: u64 = 8;
const ENDPOINTS: u64 = 4;
/// Appends under way at the same time.
const WRITERS: u64 = 128;
/// How many requests are under way: a page's charts come together.
const CONNECTIONS: usize = 4;
/// How often a node at work is asked whether it is done, and for how long.
const POLL: Duration = Duration::from_millis(500);
const PATIENCE: Duration = Duration::from_secs(4 * 3_600);

fn main() {
    let wanted: Vec<_> = std::env::args().skip(1).collect();
    let number = |name: &str, otherwise: u64| {
        let given = wanted.iter().find_map(|arg| arg.strip_prefix(name)?.strip_prefix('='));
        given.map_or(otherwise, |n| n.parse().unwrap())
    };
    let (calls, requests) = (number("calls", 1_000_000), number("requests", 1_000) as usize);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let paint = wanted.iter().any(|arg| arg == "paint");
    let kept = wanted.iter().find_map(|arg| arg.strip_prefix("data=")).map(PathBuf::from);
    let passing = tempfile::tempdir().unwrap();
    let folder = kept.unwrap_or_else(|| passing.path().to_owned());
    runtime.block_on(run(&folder, calls, requests, paint));
}

async fn run(folder: &Path, calls: u64, requests: usize, paint: bool) {
    std::fs::create_dir_all(folder).unwrap();
    let options = ServerOptions::embedded(folder)
        // it has no views yet, and must know every key before it listens
        .patient(PATIENCE)
        // one key asks for as much as the node gives
        .set("LIMITS_KEY_REQUESTS_PER_HOUR", "4294967295")
        .set("LIMITS_CLIENT_REQUESTS_PER_MINUTE", "4294967295");
    let note = folder.join("past.json");
    let past = match std::fs::read(&note) {
        Ok(bytes) => serde_json::from_slice(&bytes).unwrap(),
        Err(_) => {
            let past = begin(&options, calls).await;
            let begun = Instant::now();
            let events = fill(folder, past).await;
            println!("{events} events of {calls} calls over {DAYS} days appended in {:.1?}", begun.elapsed());
            std::fs::write(&note, serde_json::to_vec(&past).unwrap()).unwrap();
            past
        }
    };

    let server = Server::start(&options).unwrap();
    let begun = Instant::now();
    settled(&server, past).await;
    println!("all views of the node show {} calls after {:.1?}", past.calls, begun.elapsed());

    println!("{requests} requests each, {CONNECTIONS} at a time");
    let limit = show("limit: empty actix handler", &empty_handler().unwrap(), "/", requests, None).await;
    for (name, path) in asked(past) {
        show(&name, server.address(), &path, requests, Some(limit)).await;
    }
    if paint {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/console/run.py");
        let mut browser = std::process::Command::new("python3");
        let done = browser.args([script, "--paint", server.base.as_str(), TEST_KEY]).status().unwrap();
        assert!(done.success());
    }
}

/// The node makes its client, and the menu that callers walk.
async fn begin(options: &ServerOptions, calls: u64) -> Past {
    let first = Server::start(options).unwrap();
    let api = Api::new(&first.base).unwrap();
    let client = api.get("/api/v1/auth/me").await.unwrap().data().unwrap()["client"].clone();
    let client = client["id"].as_str().or(client.as_str()).unwrap().parse::<ClientId>().unwrap();
    let item = json!({"digit": "1", "label": "Hours", "action": "hangup"});
    let menu = json!({"name": "Main", "prompt": "For our hours, press 1.", "items": [item]});
    let menu = api.post("/api/v1/ivr/menus", menu).await.unwrap().data().unwrap();
    let menu = menu["id"].as_str().unwrap().parse().unwrap();
    first.terminate().unwrap();
    Past { client, menu, until: SystemClock.now(), calls }
}

/// What the console asks for: the overview's figures and charts by its windows, the last calls, a menu's drop-off.
fn asked(Past { menu, until: now, .. }: Past) -> Vec<(String, String)> {
    let windows = [("24 hours", 1, "hour"), ("7 days", 7, "day"), ("30 days", DAYS, "day")];
    let metrics = [
        "calls",
        "answered",
        "duration_ms_p50",
        "duration_ms_p95",
        "webhook_attempts",
        "webhook_failures",
        "conversations",
        "tokens",
        "cost",
    ];
    let mut asked = Vec::new();
    for (window, days, interval) in windows {
        let from = rfc3339(now - TimeDelta::days(days));
        asked.push((format!("figures, {window}"), format!("/api/v1/analytics/overview?from={from}")));
        for metric in metrics {
            let path =
                format!("/api/v1/analytics/timeseries?metric={metric}&interval={interval}&from={from}");
            asked.push((format!("{metric}, {window}"), path));
        }
    }
    let from = rfc3339(now - TimeDelta::days(DAYS));
    let hours = format!("/api/v1/analytics/timeseries?metric=duration_ms_p95&interval=hour&from={from}");
    asked.push(("duration_ms_p95, 30 days by hour".to_owned(), hours));
    asked
        .push(("a menu's drop-off, 30 days".to_owned(), format!("/api/v1/analytics/ivr/{menu}?from={from}")));
    asked.push(("the latest calls".to_owned(), "/api/v1/calls?limit=8".to_owned()));
    let live = "status=queued,dialing,ringing,in_progress,dial_unknown&limit=1&include_total=true";
    asked.push(("how many go on".to_owned(), format!("/api/v1/calls?{live}")));
    asked
}

fn rfc3339(at: Time) -> String {
    at.format("%Y-%m-%dT%H:00:00Z").to_string()
}

/// Asks for one thing again and again; answers the median, in milliseconds.
async fn show(what: &str, address: &str, path: &str, requests: usize, limit: Option<f64>) -> f64 {
    let requests = Arc::new(vec![get(path, TEST_KEY); requests]);
    let load = Load { address: address.to_owned(), connections: CONNECTIONS, rate: None, requests };
    let report: Report = load.run().await.unwrap();
    assert_eq!(report.failed, 0, "{path}");
    let (median, slow) = (report.latency_ms(0.5), report.latency_ms(0.99));
    let ratio = limit.map_or(String::new(), |limit| format!("{:>6.1} times the limit", median / limit));
    println!("{what:36} p50 {median:>7.2} ms  p99 {slow:>7.2} ms {ratio}");
    median
}

/// Waits until every view is where the log ends, and every call is counted.
async fn settled(server: &Server, past: Past) {
    let api = Api::new(&server.base).unwrap();
    let begun = Instant::now();
    let figures = format!("/api/v1/analytics/overview?from={}", rfc3339(past.from()));
    loop {
        let behind = views_behind(&api).await.unwrap();
        let figures = api.get(&figures).await.unwrap().data().unwrap();
        // a view says how far behind it is when it has begun
        if behind.unwrap_or(0.0) == 0.0 && figures["calls"]["total"] == past.calls {
            return;
        }
        assert!(begun.elapsed() < PATIENCE, "the views are {behind:?} events behind: {figures}");
        tokio::time::sleep(POLL).await;
    }
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Past {
    client: ClientId,
    menu: MenuId,
    until: Time,
    calls: u64,
}

impl Past {
    fn from(self) -> Time {
        self.until - TimeDelta::days(DAYS)
    }

    /// When the `n`th call began; the last one ended a while ago.
    fn at(self, n: u64) -> Time {
        let length = TimeDelta::days(DAYS) - TimeDelta::hours(1);
        let step = length.num_milliseconds() as u64 * n / self.calls.max(1);
        self.from() + TimeDelta::hours(1) + TimeDelta::milliseconds(step as i64) - TimeDelta::minutes(10)
    }

    fn event(self, event: &impl DomainEvent, at: Time) -> NewEvent {
        let id = RandomIds.next();
        NewEvent {
            id,
            event_type: event.event_type().to_owned(),
            schema: event.schema(),
            client_id: self.client,
            payload: event.encode(),
            metadata: Metadata::system("bench", id),
            recorded_at: at,
        }
    }

    fn events<E: DomainEvent>(self, events: impl IntoIterator<Item = E>, at: Time) -> Vec<NewEvent> {
        events.into_iter().map(|event| self.event(&event, at)).collect()
    }

    /// All that the `n`th call left in the log.
    fn streams(self, n: u64) -> Vec<(StreamId, Vec<NewEvent>)> {
        let at = self.at(n);
        let call = CallId(RandomIds.next());
        let mut streams = vec![(call.stream(), self.events(a_call(n, at), at))];
        let told = DeliveryId(RandomIds.next());
        streams.push((told.stream(), self.events([an_attempt(n, call, at)], at)));
        if n.is_multiple_of(5) {
            let session = IvrSessionId(RandomIds.next());
            streams.push((session.stream(), self.events(a_walk(n, session, self.menu, at), at)));
        }
        if n.is_multiple_of(10) {
            let talk = ConversationId(RandomIds.next());
            streams.push((talk.stream(), self.events(a_talk(n, at), at)));
        }
        streams
    }
}

/// Appends it all; answers how many events that was.
async fn fill(folder: &std::path::Path, past: Past) -> u64 {
    let path = folder.join("events.db");
    let store = Arc::new(SqliteEventStore::open(&path, &SqliteSettings::default()).await.unwrap());
    let mut tasks = tokio::task::JoinSet::new();
    for writer in 0..WRITERS {
        let store = store.clone();
        tasks.spawn(async move {
            let mut events = 0;
            for n in (writer..past.calls).step_by(WRITERS as usize) {
                for (stream, happened) in past.streams(n) {
                    events += happened.len() as u64;
                    store.append(&stream, Expected::NoStream, happened).await.unwrap();
                }
            }
            events
        });
    }
    let events = tasks.join_all().await.into_iter().sum();
    store.close().await;
    events
}

fn agent(n: u64) -> AgentId {
    AgentId(sequential(1 + n % AGENTS))
}

fn a_call(n: u64, at: Time) -> Vec<CallEvent> {
    let second = |seconds: u64| at + Duration::from_secs(seconds);
    let party = |n: u64| Party::new(&format!("+1202{n:07}"));
    let leg_id = RandomIds.next().to_string();
    let leg = LegRef { control_id: None, leg_id: leg_id.clone(), session_id: None, connection_id: None };
    let answered = !n.is_multiple_of(7);
    let mut events: Vec<CallEvent> = if n.is_multiple_of(3) {
        vec![
            Received {
                foreign: false,
                provider: "telnyx".to_owned(),
                leg,
                direction: Direction::Inbound,
                from: Some(party(5_000_000 + n % 1_000_000).into()),
                to: Some(party(1).into()),
                number_id: None,
                route: None,
                at,
                ring_until: at,
            }
            .into(),
        ]
    } else {
        let effect_id = RandomIds.next();
        vec![
            Queued {
                command_id: effect_id,
                to: party(5_000_000 + n % 1_000_000).into(),
                from: Some(party(1).into()),
                agent_id: Some(agent(n)),
                menu_id: None,
                metadata: domain::call::CallMetadata::new().into(),
                customer_id: None,
                max_duration_ms: 600_000,
                ring_timeout_ms: 30_000,
                record: false,
                runtime: domain::agent::AgentRuntime::Carrier,
                at,
            }
            .into(),
            DialStarted { effect_id, at, ring_until: second(30) }.into(),
            DialAccepted { effect_id, provider: "telnyx".to_owned(), leg, at }.into(),
        ]
    };
    let length = 5 + n * 7_919 % 595;
    if answered {
        events.push(Answered { at: second(4), ends_by: second(700) }.into());
    }
    let (reason, ended_by) = match (answered, n % 4) {
        (false, _) => (EndReason::NoAnswer, EndedBy::System),
        (true, 0) => (EndReason::AgentHangup, EndedBy::Agent),
        (true, 1) => (EndReason::ApiHangup, EndedBy::Operator),
        (true, _) => (EndReason::CallerHangup, EndedBy::Caller),
    };
    let at = second(4 + length);
    let (fault, provider_code, sip_code) = (Fault::None, Some("normal_clearing".to_owned()), Some(200));
    events.push(Ended { reason, ended_by, fault, connected: answered, provider_code, sip_code, at }.into());
    let cost = Money { amount_micros: 14_400, currency: "USD".to_owned() };
    events.push(CostRecorded { cost, leg_id, at }.into());
    events
}

fn an_attempt(n: u64, call: CallId, at: Time) -> DeliveryEvent {
    let failed = n.is_multiple_of(50);
    let of = DeliveryOf {
        endpoint: EndpointId(sequential(100 + n % ENDPOINTS)),
        event: RandomIds.next(),
        event_type: "call.ended".to_owned(),
        source: Position(1),
        subject: call.0,
    };
    let attempt = Attempt {
        began_at: at,
        latency_ms: 20 + n * 104_729 % 400,
        status: Some(if failed { 500 } else { 200 }),
        error: failed.then_some(ErrorClass::Status),
        detail: None,
        address: None,
        headers: std::collections::BTreeMap::new(),
        body: None,
    };
    DeliveryAttempted {
        of,
        number: 1,
        round: 1,
        cause: Cause::Due,
        attempt,
        then: Then::Succeeded,
        sent: None,
        at,
    }
    .into()
}

fn a_walk(n: u64, session: IvrSessionId, menu: MenuId, at: Time) -> Vec<SessionEvent> {
    let cause = RandomIds.next();
    let step = StepTaken {
        turn: 1,
        cause,
        menu,
        version: 1,
        heard: if n.is_multiple_of(15) { Heard::Silence } else { Heard::Matched },
        from: HeardFrom::Carrier,
        input: None,
        length: 1,
        matched: (!n.is_multiple_of(15)).then(|| "1".to_owned()),
        action: None,
        timer: None,
        elapsed_ms: 1_200,
        invalid: 0,
        silent: 0,
        at,
    };
    vec![
        SessionStarted { session, menu, call: None, external_id: None, cause, at }.into(),
        MenuEntered { menu, version: 1, via: Via::Start, stack: vec![menu], open: true, zone_data: None, at }
            .into(),
        step.into(),
        SessionEnded {
            status: SessionStatus::Completed,
            cause: EndCause::Menu,
            outcome: None,
            menu: Some(menu),
            farewell: None,
            order: None,
            end_reason: None,
            told_by: None,
            at,
        }
        .into(),
    ]
}

fn a_talk(n: u64, at: Time) -> Vec<ConversationEvent> {
    let who = AgentRef { id: agent(n / 10), version: Version(1) };
    let (asked, answered) = (MessageId(RandomIds.next()), MessageId(RandomIds.next()));
    let content = |text: &str| text.to_owned().into();
    vec![
        ConversationStarted {
            agent: Some(who),
            channel: Channel::Api,
            call: None,
            user: None,
            metadata: None,
            customer_id: None,
            at,
        }
        .into(),
        MessageAdded {
            id: asked,
            seq: 1,
            place: None,
            role: MessageRole::User,
            kind: MessageKind::Text,
            content: content("I would like to move my appointment."),
            line: None,
            at,
        }
        .into(),
        SentimentJudged { seq: 1, score_permille: (n % 2_000) as i16 - 1_000, by: Judge::Lexicon, at }.into(),
        TurnCompleted {
            turn: asked,
            id: answered,
            seq: 2,
            content: content("Of course. Which day suits you?"),
            by: ModelRef { provider: Provider::Scripted, model: "scripted-1".to_owned() },
            usage: Usage::counted(200 + n % 300, 20 + n % 60),
            latency_ms: 400,
            first_token_ms: Some(120),
            finish: Finish::Stop,
            passed_over: Vec::new(),
            retrieved: None,
            call: None,
            tell_at: None,
            at,
        }
        .into(),
        ConversationEnded { reason: EndedFor::Asked, at }.into(),
    ]
}
