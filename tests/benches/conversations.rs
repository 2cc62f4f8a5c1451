//! Talking with agents: what the platform adds to a first token, how fast messages are kept, how fast they are listed.
//!
//! `cargo bench -p tests --bench conversations [-- tokens|saved|listed|long|small]`, after `cargo build --release`; `small`
//! only shows that it runs. The model's server, the clients and the node share the machine.

#![expect(clippy::unwrap_used, reason = "a bench that fails panics")]

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use adapters::event_store::{SqliteEventStore, SqliteSettings};
use chrono::{DateTime, TimeDelta, Utc};
use conformance::llm::Scene;
use domain::conversation::{
    Channel, ConversationEvent, ConversationStarted, MessageAdded, MessageKind, MessageRole,
};
use domain::envelope::{Actor, Metadata, NewEvent};
use domain::ids::{ClientId, ConversationId, MessageId};
use domain::ports::event_store::{EventStore, Expected};
use domain::wire::DomainEvent;
use futures::StreamExt as _;
use futures::stream;
use serde_json::{Value, json};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _};
use tests::client::Api;
use tests::llm_server::{Family, LlmServer, Pace};
use tests::server::{Server, ServerOptions};
use tests::sse::Stream;
use tests::until::until;
use uuid::Uuid;

/// How much is done.
#[derive(Debug, Clone, Copy)]
struct Size {
    /// Streams at the same time.
    streams: usize,
    /// Answers to each of them.
    turns: usize,
    /// Conversations to be listed.
    conversations: u128,
    /// Messages of the one that is long.
    messages: u128,
}

const WHOLE: Size = Size { streams: 200, turns: 10, conversations: 10_000, messages: 38_000 };
const SMALL: Size = Size { streams: 20, turns: 2, conversations: 200, messages: 3_000 };
/// The longest wait for what a node does by itself.
const PATIENCE: Duration = Duration::from_secs(120);
/// Messages in each conversation that is listed.
const MESSAGES: u128 = 20;

fn main() {
    let mut wanted: Vec<_> = std::env::args().skip(1).filter(|arg| !arg.starts_with('-')).collect();
    let size = if wanted.iter().any(|name| name == "small") { SMALL } else { WHOLE };
    wanted.retain(|name| name != "small");
    let wants = |part: &str| wanted.is_empty() || wanted.iter().any(|name| name == part);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        if wants("tokens") {
            tokens(size).await;
        }
        if wants("saved") {
            saved().await;
        }
        if wants("long") {
            long(size).await;
        }
        if wants("listed") {
            listed(size).await;
        }
    });
}

fn told(what: &str, mut waits: Vec<f64>) {
    waits.sort_by(f64::total_cmp);
    let at = |part: f64| waits[((waits.len() - 1) as f64 * part) as usize];
    let (half, most, nearly, all) = (at(0.5), at(0.9), at(0.99), at(1.0));
    println!(
        "{what}: {} times, p50 {half:.2} ms, p90 {most:.2} ms, p99 {nearly:.2} ms, max {all:.2} ms",
        waits.len()
    );
}

fn millis(since: Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1_000.0
}

/// From the model's first token on its way to the node until the client has it: beside clients that never pause and a
/// model that answers at once, which is as much as the machine does, and beside a model that speaks as models do.
async fn tokens(size: Size) {
    let pace = Pace { first: Duration::from_millis(200), next: Duration::from_millis(20) };
    for (how, pace, words) in
        [("as fast as it goes", Pace::default(), 4), ("50 tokens a second each", pace, 48)]
    {
        let model = LlmServer::paced(Family::OpenAi, pace).await.unwrap();
        let (waits, seconds) = forwarded(&model, size, words).await;
        told(&format!("first token forwarded, {} streams at once, {how}", size.streams), waits);
        let answers = (size.streams * size.turns) as f64 / seconds;
        println!("{answers:.0} answers a second, {:.0} tokens a second", answers * words as f64);
    }
    told("limit: the same bytes from the model to the client without the node", direct(size, pace).await);
}

/// How long each first token took, in milliseconds; how long it all took, in seconds.
async fn forwarded(model: &LlmServer, size: Size, words: usize) -> (Vec<f64>, f64) {
    let sent = first_tokens(model, words);
    let data = tempfile::tempdir().unwrap();
    let options = ServerOptions::embedded(data.path())
        .set("OPENAI_API_BASE", &model.base)
        .set("OPENAI_API_KEY", "sk-bench")
        .set("LIMITS_CLIENT_REQUESTS_PER_MINUTE", "1000000")
        .set("LIMITS_KEY_REQUESTS_PER_HOUR", "10000000")
        .set("CONVERSATIONS_MODEL_SENTIMENT", "false");
    let server = Server::start(&options).unwrap();
    let api = Api::new(&server.base).unwrap();
    let talk = async |n: usize| {
        let (mut waits, mut path) = (Vec::new(), "/api/v1/conversation".to_owned());
        for turn in 0..size.turns {
            let name = format!("stream-{n}-{turn}.");
            let field = if turn == 0 { "message" } else { "content" };
            let mut stream = Stream::of(api.open_post(&path, &[], &json!({ field: name })).await.unwrap());
            let mut first = true;
            while let Some(event) = stream.next().await.unwrap() {
                if std::mem::take(&mut first) {
                    assert_eq!(event.data["content"], name);
                    let since = sent.lock().unwrap()[&name];
                    waits.push(millis(since));
                }
                if event.name == "done" {
                    let id = event.data["conversation_id"].as_str().unwrap();
                    path = format!("/api/v1/conversations/{id}/messages");
                }
            }
        }
        waits
    };
    let began = Instant::now();
    let waits: Vec<Vec<f64>> = futures::future::join_all((0..size.streams).map(talk)).await;
    let took = began.elapsed().as_secs_f64();
    server.terminate().unwrap();
    (waits.concat(), took)
}

/// Lets the model say first what it was told, then other words; notes when each first word is on its way.
fn first_tokens(model: &LlmServer, words: usize) -> Arc<Mutex<HashMap<String, Instant>>> {
    model.answer_by(move |asked| {
        let said =
            asked.body["messages"].as_array().and_then(|all| all.last()).map(|last| last["content"].clone());
        let name = said.and_then(|said| said.as_str().map(str::to_owned)).unwrap_or_default();
        let mut says = vec![" and so on"; words];
        says[0] = &name;
        Scene::says(&says)
    });
    let sent: Arc<Mutex<HashMap<String, Instant>>> = Arc::default();
    let sending = sent.clone();
    model.watch(move |piece| {
        let text = std::str::from_utf8(piece).unwrap();
        let Some(at) = text.find("stream-") else { return };
        let name = &text[at..];
        let name = name[..=name.find('.').unwrap()].to_owned();
        sending.lock().unwrap().insert(name, Instant::now());
    });
    sent
}

/// The same load on this machine with nobody between the model and those who listen.
async fn direct(size: Size, pace: Pace) -> Vec<f64> {
    let words = 48;
    let model = LlmServer::paced(Family::OpenAi, pace).await.unwrap();
    let sent = first_tokens(&model, words);
    let http = reqwest::Client::new();
    let listen = async |n: usize| {
        let mut waits = Vec::new();
        for turn in 0..size.turns {
            let name = format!("stream-{n}-{turn}.");
            let asked = json!({"model": "gpt-4o-mini", "stream": true,
                "messages": [{"role": "user", "content": name}]});
            let mut answer =
                http.post(format!("{}/chat/completions", model.base)).json(&asked).send().await.unwrap();
            let (mut first, mut heard) = (true, String::new());
            while let Some(bytes) = answer.chunk().await.unwrap() {
                if !first {
                    continue;
                }
                heard.push_str(std::str::from_utf8(&bytes).unwrap());
                if heard.contains(&name) {
                    first = false;
                    let since = sent.lock().unwrap()[&name];
                    waits.push(millis(since));
                }
            }
        }
        waits
    };
    futures::future::join_all((0..size.streams).map(listen)).await.concat()
}

/// A client that says a hundred things, to the scripted model: each is answered, and both are kept.
async fn saved() {
    let data = tempfile::tempdir().unwrap();
    let options = ServerOptions::embedded(data.path())
        .set("LIMITS_CLIENT_REQUESTS_PER_MINUTE", "1000000")
        .set("LIMITS_KEY_REQUESTS_PER_HOUR", "10000000");
    let server = Server::start(&options).unwrap();
    let api = Api::new(&server.base).unwrap();
    let say = async |message: String| {
        let answer = api.post("/api/v1/conversation", json!({ "message": message })).await.unwrap();
        answer.data().unwrap()["conversation_id"].as_str().unwrap().to_owned()
    };
    let id = say("warm".to_owned()).await;
    let path = format!("/api/v1/conversations/{id}/messages");
    for round in 0..3 {
        let began = Instant::now();
        for n in 0..100 {
            api.post(&path, json!({"content": format!("message {n}")})).await.unwrap().data().unwrap();
        }
        let one = millis(began);
        let began = Instant::now();
        stream::iter(0..100)
            .map(|n| say(format!("message {n}")))
            .buffer_unordered(20)
            .collect::<Vec<_>>()
            .await;
        let many = millis(began);
        println!(
            "100 messages and their answers, round {round}: one after the other {one:.0} ms, 20 at once {many:.0} ms"
        );
    }
    server.terminate().unwrap();
}

fn at(n: u128) -> DateTime<Utc> {
    DateTime::from_timestamp(1_767_225_600, 0).unwrap() + TimeDelta::milliseconds(n as i64)
}

/// The `n`th conversation, of so many messages.
fn events(client: ClientId, n: u128, messages: u128) -> Vec<NewEvent> {
    let id = |k: u128| Uuid::from_u128((n << 32) | k | (7 << 76) | (2 << 62));
    let started = ConversationStarted {
        agent: None,
        channel: Channel::Api,
        call: None,
        user: Some(format!("user-{n}").into()),
        metadata: None,
        customer_id: None,
        at: at(n * 1_000),
    };
    let mut facts: Vec<ConversationEvent> = vec![started.into()];
    facts.extend((1..=messages).map(|seq| {
        let role = if seq % 2 == 1 { MessageRole::User } else { MessageRole::Assistant };
        let content = format!("message {seq} of conversation {n}: can I move my booking to Tuesday?").into();
        let (id, kind, at) = (MessageId(id(seq)), MessageKind::Text, at(n * 1_000 + seq));
        MessageAdded { id, seq: seq as u32, place: None, role, kind, content, line: None, at }.into()
    }));
    let event = |(k, fact): (u128, &ConversationEvent)| NewEvent {
        id: id(1_000_000 + k),
        event_type: fact.event_type().to_owned(),
        schema: fact.schema(),
        client_id: client,
        payload: fact.encode(),
        metadata: Metadata {
            correlation_id: id(0),
            causation_id: None,
            actor: Actor::System("bench".to_owned()),
            request_id: None,
            traceparent: None,
            command_id: None,
            node: None,
        },
        recorded_at: at(n * 1_000 + k),
    };
    (0..).zip(&facts).map(event).collect()
}

fn stream_of(n: u128) -> ConversationId {
    ConversationId(Uuid::from_u128(n << 32 | (7 << 76) | (2 << 62)))
}

/// The first message in a long conversation after a start: read from its beginning, and from a snapshot.
async fn long(size: Size) {
    let data = tempfile::tempdir().unwrap();
    let options = ServerOptions::embedded(data.path());
    let server = Server::start(&options).unwrap();
    let me = Api::new(&server.base).unwrap().get("/api/v1/auth/me").await.unwrap().data().unwrap();
    let client: ClientId = me["client"]["id"].as_str().or(me["client"].as_str()).unwrap().parse().unwrap();
    server.terminate().unwrap();
    let path = data.path().join("events.db");
    let log = SqliteEventStore::open(&path, &SqliteSettings::default()).await.unwrap();
    let (id, mut expected) = (stream_of(1), Expected::NoStream);
    for page in events(client, 1, size.messages).chunks(500) {
        let appended = log.append(&id.stream(), expected, page.to_vec()).await.unwrap();
        expected = Expected::Exact(appended.version);
    }
    log.close().await;
    drop(log);
    let work = SqliteConnectOptions::new().filename(data.path().join("events.work.db"));
    for (round, read) in ["from its beginning", "from a snapshot", "from a snapshot"].iter().enumerate() {
        let server = Server::start(&options).unwrap();
        let api = Api::new(&server.base).unwrap();
        until("the views to follow", PATIENCE, async || {
            let shown = api.get(&format!("/api/v1/conversations/{id}")).await?.body;
            Ok((shown["data"]["message_count"].as_u64() >= Some(size.messages as u64)).then_some(()))
        })
        .await
        .unwrap();
        let began = Instant::now();
        let message = json!({"message": "and on Wednesday?", "conversation_id": id.to_string()});
        api.post("/api/v1/conversation", message).await.unwrap().data().unwrap();
        println!("a message in a conversation of {}, read {read}: {:.1} ms", size.messages, millis(began));
        if round == 0 {
            until("the snapshot", PATIENCE, async || {
                let mut work = work.connect().await?;
                let kept = "SELECT count(*) FROM work_snapshots";
                let kept: i64 = sqlx::query_scalar(kept).fetch_one(&mut work).await?;
                work.close().await?;
                Ok((kept > 0).then_some(()))
            })
            .await
            .unwrap();
        }
        server.terminate().unwrap();
    }
}

/// Pages of many conversations, and of what was said in them.
async fn listed(size: Size) {
    let data = tempfile::tempdir().unwrap();
    let options = ServerOptions::embedded(data.path())
        .set("LIMITS_CLIENT_REQUESTS_PER_MINUTE", "1000000")
        .set("LIMITS_KEY_REQUESTS_PER_HOUR", "10000000");
    let server = Server::start(&options).unwrap();
    let me = Api::new(&server.base).unwrap().get("/api/v1/auth/me").await.unwrap().data().unwrap();
    let client: ClientId = me["client"]["id"].as_str().or(me["client"].as_str()).unwrap().parse().unwrap();
    server.terminate().unwrap();
    let path = data.path().join("events.db");
    let log = Arc::new(SqliteEventStore::open(&path, &SqliteSettings::default()).await.unwrap());
    let began = Instant::now();
    let append = async |n: u128| {
        log.append(&stream_of(n).stream(), Expected::NoStream, events(client, n, MESSAGES)).await.unwrap();
    };
    stream::iter(1..=size.conversations).map(append).buffer_unordered(64).collect::<Vec<_>>().await;
    println!(
        "{} events appended in {:.1} s",
        size.conversations * (MESSAGES + 1),
        began.elapsed().as_secs_f64()
    );
    log.close().await;
    drop(log);
    let server = Server::start(&options).unwrap();
    let api = Api::new(&server.base).unwrap();
    let began = Instant::now();
    loop {
        let page = api.get("/api/v1/conversations?limit=1&include_total=true").await.unwrap();
        let last: Value = page.body["data"][0].clone();
        if page.body["meta"]["total"] == json!(size.conversations) && last["message_count"] == json!(MESSAGES)
        {
            break;
        }
        tokio::task::yield_now().await;
    }
    // the view of messages follows by itself; what was appended last is among the newest
    let newest = api.get("/api/v1/conversations?limit=100").await.unwrap();
    for one in newest.body["data"].as_array().unwrap() {
        let path = format!("/api/v1/conversations/{}/messages", one["id"].as_str().unwrap());
        while api.get(&path).await.unwrap().body["data"].as_array().unwrap().len() as u128 != MESSAGES {
            tokio::task::yield_now().await;
        }
    }
    println!("views caught up {:.1} s after the start", began.elapsed().as_secs_f64());
    let (mut lists, mut reads, mut cursor, mut ids) = (Vec::new(), Vec::new(), String::new(), Vec::new());
    loop {
        let began = Instant::now();
        let page = api.get(&format!("/api/v1/conversations?limit=50{cursor}")).await.unwrap();
        lists.push(millis(began));
        ids.extend(
            page.body["data"].as_array().unwrap().iter().map(|one| one["id"].as_str().unwrap().to_owned()),
        );
        match page.body["meta"]["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(ids.len() as u128, size.conversations);
    for id in ids.iter().step_by(10) {
        let began = Instant::now();
        let page = api.get(&format!("/api/v1/conversations/{id}/messages")).await.unwrap();
        reads.push(millis(began));
        assert_eq!(page.body["data"].as_array().unwrap().len() as u128, MESSAGES);
    }
    told(&format!("a page of 50 conversations of {}", size.conversations), lists);
    told("the 20 messages of one", reads);
    server.terminate().unwrap();
}
