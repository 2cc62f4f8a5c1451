//! A simulated Ultravox: agents and calls over its API, and signed webhooks of what happens to calls.
//!
//! Nothing happens by itself: who plays with it joins, ends and bills the calls, and sends their webhooks as often and in
//! whatever order it likes. Traps make its next requests fail as the real one may.

mod agents;
mod calls;
mod traps;

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, TcpListener};
use std::sync::Arc;

use actix_web::dev::ServerHandle;
use actix_web::http::StatusCode;
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use adapters::ultravox::{SIGNATURE_HEADER, TIMESTAMP_HEADER, sign};
use anyhow::Context as _;
use domain::ports::clock::Clock;
use parking_lot::Mutex;
use serde_json::{Value, json};
use uuid::Uuid;

pub use traps::{Operation, Trap};

/// Items on a page, however many are asked for: lists of tests have several pages.
const PAGE: usize = 3;

/// A webhook of the simulation: where it goes, the body, and the headers that sign it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UltravoxWebhook {
    pub url: String,
    pub body: Vec<u8>,
    pub timestamp: String,
    /// One for each secret, separated by commas.
    pub signature: String,
}

impl UltravoxWebhook {
    /// The headers of the request.
    #[must_use]
    pub fn headers(&self) -> [(&'static str, &str); 2] {
        [(SIGNATURE_HEADER, &self.signature), (TIMESTAMP_HEADER, &self.timestamp)]
    }
}

#[derive(Debug, Default)]
struct Inner {
    /// Account of each key.
    keys: BTreeMap<String, String>,
    /// Agents of all accounts: account and object.
    agents: BTreeMap<String, (String, Value)>,
    calls: BTreeMap<String, (String, Value)>,
    /// What was said on calls, in order.
    said: Vec<(String, Value)>,
    /// What was sent to calls, in order.
    messages: Vec<(String, Value)>,
    asked: BTreeMap<Operation, usize>,
    traps: Vec<(Operation, Trap)>,
    ids: u128,
}

#[derive(Debug)]
struct Served {
    base: String,
    clock: Arc<dyn Clock>,
    inner: Mutex<Inner>,
}

/// A simulated Ultravox on this machine.
#[derive(Debug)]
pub struct FakeUltravox {
    /// Base URL of its API.
    pub base: String,
    served: Arc<Served>,
    server: ServerHandle,
}

impl FakeUltravox {
    /// Starts it, without any account. Fails when no port is free.
    pub fn start(clock: Arc<dyn Clock>) -> anyhow::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("cannot listen on 127.0.0.1")?;
        let base = format!("http://{}", listener.local_addr()?);
        let served = Arc::new(Served { base: base.clone(), clock, inner: Mutex::default() });
        let data = web::Data::from(served.clone());
        let server = HttpServer::new(move || {
            App::new()
                .app_data(data.clone())
                .configure(agents::routes)
                .configure(calls::routes)
                .default_service(web::to(|| async { failure(StatusCode::NOT_FOUND, "Not found.") }))
        });
        let server = server.workers(1).disable_signals().listen(listener)?.run();
        let handle = server.handle();
        tokio::spawn(server);
        Ok(Self { base, served, server: handle })
    }

    /// Takes requests with `key` for `account` from now on; an account may have several keys.
    pub fn add_key(&self, account: &str, key: &str) {
        self.served.inner.lock().keys.insert(key.to_owned(), account.to_owned());
    }

    /// Refuses requests with `key` from now on.
    pub fn revoke_key(&self, key: &str) {
        self.served.inner.lock().keys.remove(key);
    }

    /// Has the next request of this kind fall into a trap.
    pub fn trap(&self, operation: Operation, trap: Trap) {
        self.served.inner.lock().traps.push((operation, trap));
    }

    /// How many requests of this kind there were, those in traps included.
    #[must_use]
    pub fn asked(&self, operation: Operation) -> usize {
        self.served.inner.lock().asked.get(&operation).copied().unwrap_or(0)
    }

    /// The agents of an account.
    #[must_use]
    pub fn agents(&self, account: &str) -> Vec<Value> {
        of(&self.served.inner.lock().agents, account)
    }

    /// Somebody edits an agent in Ultravox's own console.
    pub fn edit_agent(&self, id: &str, change: impl FnOnce(&mut Value)) {
        if let Some((_, agent)) = self.served.inner.lock().agents.get_mut(id) {
            change(agent);
        }
    }

    /// The calls of an account.
    #[must_use]
    pub fn calls(&self, account: &str) -> Vec<Value> {
        of(&self.served.inner.lock().calls, account)
    }

    /// Somebody at the other end is connected.
    pub fn join(&self, call: &str) {
        let now = self.served.now();
        self.served.change(call, |call| call["joined"] = json!(now));
    }

    /// The call is over; `reason` is Ultravox's own, such as `hangup`.
    pub fn end(&self, call: &str, reason: &str) {
        let now = self.served.now();
        self.served.change(call, |call| {
            call["ended"] = json!(now);
            call["endReason"] = json!(reason);
        });
    }

    /// The bill is final: a duration such as `48s`, and a status such as `BILLED`.
    pub fn bill(&self, call: &str, duration: &str, status: &str) {
        self.served.change(call, |call| {
            call["billedDuration"] = json!(duration);
            call["billingStatus"] = json!(format!("BILLING_STATUS_{status}"));
        });
    }

    /// What was sent to a call, oldest first.
    #[must_use]
    pub fn messages(&self, call: &str) -> Vec<Value> {
        let inner = self.served.inner.lock();
        inner.messages.iter().filter(|(of, _)| of == call).map(|(_, message)| message.clone()).collect()
    }

    /// Something is said on a call, or a tool is used: the role is `USER`, `AGENT`, `TOOL_CALL` or `TOOL_RESULT`.
    pub fn say(&self, call: &str, role: &str, text: &str) {
        let mut inner = self.served.inner.lock();
        let index = inner.said.iter().filter(|(of, _)| of == call).count();
        let message = json!({
            "role": format!("MESSAGE_ROLE_{role}"), "text": text, "medium": "MESSAGE_MEDIUM_VOICE",
            "callStageId": format!("stage-of-{call}"), "callStageMessageIndex": index,
            "wallClockTimespan": {"start": format!("{index}.250s"), "end": format!("{index}.900s")},
        });
        inner.said.push((call.to_owned(), message));
    }

    /// Somebody calls there, without any node having asked for it. Answers the call's id.
    pub fn incoming(&self, account: &str) -> String {
        self.served.create_call(account, None, json!({"medium": {"twilio": {}}}))
    }

    /// A webhook that shows the call as it is now, signed now with the secrets of its callbacks.
    #[must_use]
    pub fn webhook(&self, event: &str, call: &str) -> UltravoxWebhook {
        let shown =
            self.served.inner.lock().calls.get(call).map(|(_, call)| call.clone()).unwrap_or_default();
        let hook = shown["callbacks"]["ended"].clone();
        let secrets = hook["secrets"].as_array().cloned().unwrap_or_default();
        let secrets: Vec<&str> = secrets.iter().filter_map(Value::as_str).collect();
        let body = json!({"event": event, "call": shown}).to_string().into_bytes();
        self.signed(hook["url"].as_str().unwrap_or_default(), body, &secrets)
    }

    /// Any body for any address, signed now with these secrets.
    #[must_use]
    pub fn signed(&self, url: &str, body: Vec<u8>, secrets: &[&str]) -> UltravoxWebhook {
        let timestamp = self.served.now();
        let signatures: Vec<String> = secrets.iter().map(|secret| sign(secret, &timestamp, &body)).collect();
        UltravoxWebhook { url: url.to_owned(), body, signature: signatures.join(","), timestamp }
    }

    /// Stops it at once.
    pub async fn stop(self) {
        self.server.stop(false).await;
    }
}

fn of(all: &BTreeMap<String, (String, Value)>, account: &str) -> Vec<Value> {
    all.values().filter(|(of, _)| of == account).map(|(_, value)| value.clone()).collect()
}

impl Served {
    fn now(&self) -> String {
        self.clock.now().to_rfc3339_opts(chrono::SecondsFormat::Micros, false)
    }

    fn next_id(inner: &mut Inner) -> String {
        inner.ids += 1;
        Uuid::from_u128(0x7d1f_0f6e_5d0b_4a9e_9c55_0000_0000_0000 + inner.ids).to_string()
    }

    fn change(&self, call: &str, change: impl FnOnce(&mut Value)) {
        if let Some((_, call)) = self.inner.lock().calls.get_mut(call) {
            change(call);
        }
    }

    /// The account of a request, unless it falls into a trap or has no right key.
    fn begin(&self, request: &HttpRequest, operation: Operation) -> Result<Begun, Box<HttpResponse>> {
        let key = request.headers().get("x-api-key").and_then(|value| value.to_str().ok());
        let mut inner = self.inner.lock();
        *inner.asked.entry(operation).or_default() += 1;
        let account = key.and_then(|key| inner.keys.get(key)).cloned();
        let account = account.ok_or_else(|| Box::new(failure(StatusCode::FORBIDDEN, "Invalid API key.")))?;
        let trapped = inner.traps.iter().position(|(of, _)| *of == operation);
        match trapped.map(|at| inner.traps.remove(at).1) {
            Some(Trap::Refuse { status, retry_after }) => {
                Err(Box::new(traps::refusal(status, retry_after.as_deref())))
            }
            Some(Trap::LoseAnswer) => Ok(Begun { account, lost: Some(StatusCode::BAD_GATEWAY) }),
            Some(Trap::LoseAnswerTo503) => Ok(Begun { account, lost: Some(StatusCode::SERVICE_UNAVAILABLE) }),
            None => Ok(Begun { account, lost: None }),
        }
    }

    fn page(&self, path: &str, query: &[(String, String)], all: Vec<Value>) -> HttpResponse {
        let from: usize = named(query, "cursor").and_then(|text| text.parse().ok()).unwrap_or(0);
        let asked = named(query, "pageSize").and_then(|text| text.parse().ok()).unwrap_or(PAGE);
        let (total, until) = (all.len(), (from + asked.min(PAGE)).min(all.len()));
        let next = (until < total).then(|| format!("{}{path}?cursor={until}&pageSize={asked}", self.base));
        let results: Vec<Value> = all.into_iter().skip(from).take(until.saturating_sub(from)).collect();
        HttpResponse::Ok().json(json!({"next": next, "previous": null, "results": results, "total": total}))
    }
}

/// A request that may go on.
struct Begun {
    account: String,
    /// What a proxy answers after it was carried out, because the answer is lost.
    lost: Option<StatusCode>,
}

impl Begun {
    fn answer(&self, response: HttpResponse) -> HttpResponse {
        match self.lost {
            Some(status) => HttpResponse::build(status).body("<html>no gateway</html>"),
            None => response,
        }
    }
}

fn named<'a>(query: &'a [(String, String)], name: &str) -> Option<&'a str> {
    query.iter().find(|(of, _)| of == name).map(|(_, value)| value.as_str())
}

fn failure(status: StatusCode, detail: &str) -> HttpResponse {
    HttpResponse::build(status).json(json!({"detail": detail}))
}
