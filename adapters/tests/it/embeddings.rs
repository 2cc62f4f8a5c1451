//! Embeddings: the built-in ones, and those of servers that speak the providers' protocols, with their faults.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use adapters::embeddings::{EmbeddingOptions, EmbeddingService, HASHED_MODEL, hashed};
use adapters::llm::{Account, Accounts, LlmKey};
use adapters::webhooks::{Guard, SystemLookup};
use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use conformance::embeddings::Subject;
use conformance::fakes::clock::ManualClock;
use domain::ids::ClientId;
use domain::model::Provider;
use domain::ports::embeddings::{
    BadVector, EmbeddingFailure, EmbeddingModel, EmbeddingProvider, EmbeddingTask, Embeddings,
};
use domain::ports::llm::LlmFailure;
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use uuid::Uuid;

const CLIENT: ClientId = ClientId(Uuid::from_u128(1));
const KEY: &str = "secret-key";

/// What a server does once instead of answering well.
#[derive(Debug, Clone)]
enum Fault {
    Status(u16, Value),
    /// One vector too few.
    TooFew,
    /// One dimension too few.
    Short,
    /// A number beyond f32.
    Infinite,
    Zeros,
    /// Not JSON: `NaN` stands in it.
    NotANumber,
    SameIndexTwice,
    CutOff,
}

#[derive(Debug, Default)]
struct Server {
    faults: Mutex<Vec<Fault>>,
    /// Texts of each request that was answered well.
    asked: Mutex<Vec<Vec<String>>>,
    /// Bodies as they were sent.
    bodies: Mutex<Vec<Value>>,
}

/// A request: its path, headers by name in lower case, and body.
async fn read_request(socket: &mut TcpStream) -> Option<(String, BTreeMap<String, String>, Value)> {
    let (mut bytes, mut piece) = (Vec::new(), vec![0; 64 << 10]);
    loop {
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
            let mut lines = head.lines();
            let path = lines.next()?.split(' ').nth(1)?.to_owned();
            let headers: BTreeMap<String, String> = lines
                .filter_map(|line| line.split_once(": "))
                .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
                .collect();
            let length: usize = headers.get("content-length")?.parse().ok()?;
            if bytes.len() >= end + 4 + length {
                return Some((path, headers, serde_json::from_slice(&bytes[end + 4..]).ok()?));
            }
        }
        match socket.read(&mut piece).await.ok()? {
            0 => return None,
            read => bytes.extend_from_slice(&piece[..read]),
        }
    }
}

/// Vectors as the providers give them: shortened ones are not of length one.
fn raw(text: &str, dimensions: u16) -> Vec<f32> {
    hashed(text, dimensions).unwrap().values().iter().map(|value| value * 0.6).collect()
}

fn google(
    path: &str,
    headers: &BTreeMap<String, String>,
    body: &Value,
) -> Result<Vec<(String, u16)>, (u16, Value)> {
    let error = |status: u16, word: &str, message: &str| {
        Err((status, json!({"error": {"code": status, "status": word, "message": message}})))
    };
    if headers.get("x-goog-api-key").map(String::as_str) != Some(KEY) {
        return error(403, "PERMISSION_DENIED", "no key");
    }
    let Some(model) =
        path.strip_prefix("/v1beta/models/").and_then(|rest| rest.strip_suffix(":batchEmbedContents"))
    else {
        return error(404, "NOT_FOUND", "no such method");
    };
    if model != "gemini-embedding-001" {
        return error(404, "NOT_FOUND", "no such model");
    }
    let requests = body["requests"].as_array().cloned().unwrap_or_default();
    if requests.is_empty() || requests.len() > 100 {
        return error(400, "INVALID_ARGUMENT", "at most 100 requests can be in one batch");
    }
    let mut asked = Vec::new();
    for request in &requests {
        let task = request["taskType"].as_str().unwrap_or_default();
        let is_named = request["model"] == format!("models/{model}");
        if !is_named || !["RETRIEVAL_DOCUMENT", "RETRIEVAL_QUERY"].contains(&task) {
            return error(400, "INVALID_ARGUMENT", "model or taskType");
        }
        let text = request["content"]["parts"][0]["text"].as_str().unwrap_or_default();
        let dimensions = request["outputDimensionality"].as_u64().unwrap_or(3_072) as u16;
        asked.push((text.to_owned(), dimensions));
    }
    Ok(asked)
}

fn openai(
    path: &str,
    headers: &BTreeMap<String, String>,
    body: &Value,
) -> Result<Vec<(String, u16)>, (u16, Value)> {
    let error = |status: u16, code: &str| {
        Err((status, json!({"error": {"code": code, "message": "no", "type": code}})))
    };
    if path != "/v1/embeddings" {
        return error(404, "unknown_url");
    }
    if headers.get("authorization").map(String::as_str) != Some("Bearer secret-key") {
        return error(401, "invalid_api_key");
    }
    let input = body["input"].as_array().cloned().unwrap_or_default();
    let texts: Vec<&str> = input.iter().filter_map(Value::as_str).collect();
    if texts.is_empty() || texts.len() > 2_048 || texts.iter().any(|text| text.is_empty()) {
        return error(400, "invalid_request_error");
    }
    // a compatible server's model has one length
    let dimensions = body["dimensions"].as_u64().unwrap_or(768) as u16;
    Ok(texts.into_iter().map(|text| (text.to_owned(), dimensions)).collect())
}

fn answer(server: &Server, path: &str, headers: &BTreeMap<String, String>, body: &Value) -> (u16, String) {
    server.bodies.lock().push(body.clone());
    let is_google = path.starts_with("/v1beta");
    let asked = if is_google { google(path, headers, body) } else { openai(path, headers, body) };
    let asked = match asked {
        Ok(asked) => asked,
        Err((status, error)) => return (status, error.to_string()),
    };
    let fault = server.faults.lock().pop();
    if let Some(Fault::Status(status, error)) = &fault {
        return (*status, error.to_string());
    }
    let mut vectors: Vec<Vec<Value>> = asked
        .iter()
        .map(|(text, dimensions)| raw(text, *dimensions).into_iter().map(|value| json!(value)).collect())
        .collect();
    match &fault {
        Some(Fault::TooFew) => drop(vectors.pop()),
        Some(Fault::Short) => drop(vectors[0].pop()),
        Some(Fault::Infinite) => vectors[0][1] = json!(1e39),
        Some(Fault::Zeros) => vectors[0].iter_mut().for_each(|value| *value = json!(0.0)),
        _ => {}
    }
    if fault.is_none() {
        server.asked.lock().push(asked.into_iter().map(|(text, _)| text).collect());
    }
    let answer = if is_google {
        let embeddings: Vec<_> = vectors.iter().map(|values| json!({"values": values})).collect();
        json!({"embeddings": embeddings})
    } else {
        let encode = |values: &Vec<Value>| match body["encoding_format"].as_str() {
            Some("base64") => {
                let bytes: Vec<u8> =
                    values.iter().flat_map(|value| (value.as_f64().unwrap() as f32).to_le_bytes()).collect();
                json!(BASE64.encode(bytes))
            }
            _ => json!(values),
        };
        let index = |n: usize| if matches!(fault, Some(Fault::SameIndexTwice)) { 0 } else { n };
        let mut data: Vec<_> = vectors
            .iter()
            .enumerate()
            .map(|(n, values)| json!({"object": "embedding", "index": index(n), "embedding": encode(values)}))
            .collect();
        // the order is not promised
        data.reverse();
        json!({"object": "list", "data": data, "usage": {"prompt_tokens": 4, "total_tokens": 4}})
    };
    let mut text = answer.to_string();
    match fault {
        Some(Fault::NotANumber) => text = text.replacen("0.", "NaN, 0.", 1),
        Some(Fault::CutOff) => text.truncate(text.len() / 2),
        _ => {}
    }
    (200, text)
}

async fn start(server: Arc<Server>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let server = server.clone();
            tokio::spawn(async move {
                let Some((path, headers, body)) = read_request(&mut socket).await else { return };
                let (status, text) = answer(&server, &path, &headers, &body);
                let head = format!(
                    "HTTP/1.1 {status} x\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
                    text.len()
                );
                let _ = socket.write_all(format!("{head}{text}").as_bytes()).await;
            });
        }
    });
    base
}

#[derive(Debug)]
struct Own(Vec<Account>);

#[async_trait]
impl Accounts for Own {
    async fn of(&self, _: ClientId) -> Result<Vec<Account>, LlmFailure> {
        Ok(self.0.clone())
    }
}

struct World {
    server: Arc<Server>,
    service: EmbeddingService,
    model: EmbeddingModel,
    clock: Arc<ManualClock>,
}

impl Subject for World {
    fn embeddings(&self) -> &dyn Embeddings {
        &self.service
    }

    fn model(&self) -> EmbeddingModel {
        self.model.clone()
    }
}

impl World {
    async fn embed(
        &self,
        texts: &[&str],
    ) -> Result<Vec<domain::ports::embeddings::Embedding>, EmbeddingFailure> {
        let texts: Vec<String> = texts.iter().map(|text| (*text).to_owned()).collect();
        self.service.embed(CLIENT, &self.model, EmbeddingTask::Document, &texts).await
    }

    fn will(&self, fault: Fault) {
        self.server.faults.lock().push(fault);
    }
}

async fn world(model: EmbeddingModel, options: EmbeddingOptions) -> World {
    let server = Arc::new(Server::default());
    let base = start(server.clone()).await;
    let account = |provider, path: &str| Account {
        provider,
        key: LlmKey::new(KEY),
        base: format!("{base}{path}"),
        own: false,
        default_model: None,
    };
    let accounts = Own(vec![
        account(Provider::Google, "/v1beta"),
        account(Provider::Openai, "/v1"),
        account(Provider::OpenaiCompatible, "/v1"),
    ]);
    let clock = Arc::new(ManualClock::default());
    let guard = Guard::new(false, Arc::new(SystemLookup));
    let service = EmbeddingService::new(options, Arc::new(accounts), guard, clock.clone()).unwrap();
    World { server, service, model, clock }
}

fn google_model() -> EmbeddingModel {
    EmbeddingModel::new(EmbeddingProvider::Google, "gemini-embedding-001", 256)
}

mod built_in {
    use super::*;

    async fn fresh() -> World {
        world(EmbeddingModel::new(EmbeddingProvider::Hashed, HASHED_MODEL, 512), EmbeddingOptions::default())
            .await
    }

    conformance::embeddings_suite!(super::fresh);
}

mod google_protocol {
    use super::*;

    async fn fresh() -> World {
        world(google_model(), EmbeddingOptions::default()).await
    }

    conformance::embeddings_suite!(super::fresh);
}

mod openai_protocol {
    use super::*;

    async fn fresh() -> World {
        let model = EmbeddingModel::new(EmbeddingProvider::Openai, "text-embedding-3-small", 512);
        world(model, EmbeddingOptions::default()).await
    }

    conformance::embeddings_suite!(super::fresh);
}

mod compatible_protocol {
    use super::*;

    async fn fresh() -> World {
        let model = EmbeddingModel::new(EmbeddingProvider::OpenaiCompatible, "any", 768);
        world(model, EmbeddingOptions::default()).await
    }

    conformance::embeddings_suite!(super::fresh);
}

#[tokio::test]
async fn a_text_is_asked_for_once_and_in_batches_of_a_hundred() {
    let world = world(google_model(), EmbeddingOptions::default()).await;
    let texts: Vec<String> = (0..230).map(|n| format!("text {}", n % 215)).collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    world.embed(&texts).await.unwrap();
    world.embed(&texts[..50]).await.unwrap();
    let asked = world.server.asked.lock().clone();
    assert_eq!(asked.iter().map(Vec::len).collect::<Vec<_>>(), [100, 100, 15]);
    // a query is another vector than a document
    let query = vec![texts[0].to_owned()];
    world.service.embed(CLIENT, &world.model, EmbeddingTask::Query, &query).await.unwrap();
    let last = world.server.bodies.lock().last().cloned().unwrap();
    assert_eq!(last["requests"][0]["taskType"], "RETRIEVAL_QUERY");
}

#[tokio::test]
async fn an_answer_that_is_wrong_is_refused_and_says_whether_to_try_again() {
    for (provider, model) in [
        (EmbeddingProvider::Google, "gemini-embedding-001"),
        (EmbeddingProvider::Openai, "text-embedding-3-small"),
    ] {
        let world = world(EmbeddingModel::new(provider, model, 64), EmbeddingOptions::default()).await;
        let refused = async |fault: Fault, text: &str| {
            world.will(fault);
            world.embed(&[text, "another"]).await.unwrap_err()
        };
        let failure = refused(Fault::TooFew, "a").await;
        assert!(matches!(failure, EmbeddingFailure::Count { wanted: 2, got: 1 }), "{failure:?}");
        assert!(failure.is_worth_retrying());
        let failure = refused(Fault::Short, "b").await;
        assert_eq!(failure, BadVector::Dimensions { wanted: 64, got: 63 }.into());
        assert!(!failure.is_worth_retrying());
        assert_eq!(refused(Fault::Infinite, "c").await, BadVector::NotFinite.into());
        assert_eq!(refused(Fault::Zeros, "d").await, BadVector::Zero.into());
        let failure = refused(Fault::CutOff, "e").await;
        assert!(matches!(failure, EmbeddingFailure::Provider(LlmFailure::Protocol(_))), "{failure:?}");
        if provider == EmbeddingProvider::Google {
            let failure = refused(Fault::NotANumber, "f").await;
            assert!(matches!(failure, EmbeddingFailure::Provider(LlmFailure::Protocol(_))), "{failure:?}");
        } else {
            let failure = refused(Fault::SameIndexTwice, "f").await;
            assert!(matches!(failure, EmbeddingFailure::Provider(LlmFailure::Protocol(_))), "{failure:?}");
        }
        // nothing of a refused answer was kept
        assert_eq!(world.embed(&["a", "another"]).await.unwrap().len(), 2);
    }
}

#[tokio::test]
async fn a_provider_that_turns_requests_away_is_left_alone_for_a_while() {
    let world = world(google_model(), EmbeddingOptions::default()).await;
    let bad = json!({"error": {"code": 400, "status": "INVALID_ARGUMENT", "message": "no"}});
    world.will(Fault::Status(400, bad));
    let failure = world.embed(&["a"]).await.unwrap_err();
    assert!(matches!(failure, EmbeddingFailure::Provider(LlmFailure::BadRequest(_))), "{failure:?}");
    assert!(!failure.is_worth_retrying());
    let busy = json!({"error": {"code": 429, "status": "RESOURCE_EXHAUSTED", "message": "slow down",
        "details": [{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "40s"}]}});
    world.will(Fault::Status(429, busy));
    let failure = world.embed(&["a"]).await.unwrap_err();
    assert!(failure.is_worth_retrying());
    assert_eq!(failure.retry_after(), Some(Duration::from_secs(40)));
    let asked = world.server.bodies.lock().len();
    assert!(world.embed(&["a"]).await.unwrap_err().is_worth_retrying());
    assert_eq!(world.server.bodies.lock().len(), asked, "it asked not to be asked");
    world.clock.advance(Duration::from_secs(41));
    world.embed(&["a"]).await.unwrap();
}

#[tokio::test]
async fn a_client_that_used_up_its_budget_waits() {
    let options = EmbeddingOptions { texts_per_minute: 60, ..EmbeddingOptions::default() };
    let world = world(google_model(), options).await;
    let texts: Vec<String> = (0..60).map(|n| format!("text {n}")).collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    world.embed(&texts).await.unwrap();
    let failure = world.embed(&["one more"]).await.unwrap_err();
    assert_eq!(failure.retry_after(), Some(Duration::from_secs(1)));
    // what was embedded before costs nothing
    world.embed(&texts[..1]).await.unwrap();
}

#[tokio::test]
async fn who_has_no_account_is_told() {
    let guard = Guard::new(false, Arc::new(SystemLookup));
    let accounts = Arc::new(Own(vec![]));
    let service =
        EmbeddingService::new(EmbeddingOptions::default(), accounts, guard, Arc::new(ManualClock::default()))
            .unwrap();
    let failure =
        service.embed(CLIENT, &google_model(), EmbeddingTask::Query, &["a".to_owned()]).await.unwrap_err();
    assert_eq!(failure, EmbeddingFailure::NotConfigured(EmbeddingProvider::Google));
    assert!(failure.to_string().contains("VOXLEDGER_EMBEDDINGS_PROVIDER"));
}
