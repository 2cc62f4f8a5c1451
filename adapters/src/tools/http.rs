//! Calls a tool over HTTP: bounded in time and memory, and never at a forbidden address.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use domain::conversation::ToolOutcome;
use domain::ports::tools::{MAX_RESULT, SchemaFault, ToolAnswer, ToolRunner, ToolUse};
use domain::webhook::headers::is_ours;
use domain::webhook::signing;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Client, Response, StatusCode, Url};
use serde_json::Value;

use super::schema::Schemas;
use crate::trace::{Peer, send};
use crate::webhooks::Guard;

/// The most characters of an unusable answer that the model sees.
const TOLD_OF_A_FAILURE: usize = 500;
/// Pause before the one retry of a request that certainly had no effect.
const PAUSE: Duration = Duration::from_millis(250);

/// Calls tools with one HTTP client for all. It follows no redirect and uses no proxy of the environment.
#[derive(Debug)]
pub struct HttpTools {
    http: Client,
    guard: Guard,
    schemas: Schemas,
}

impl HttpTools {
    /// A runner that calls tools wherever `guard` allows. Fails when TLS cannot be set up.
    pub fn new(guard: Guard) -> Result<Self, reqwest::Error> {
        let http = crate::http::client()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .dns_resolver(Arc::new(guard.clone()))
            .connect_timeout(Duration::from_secs(5))
            .tcp_nodelay(true)
            .pool_idle_timeout(Duration::from_secs(4))
            .user_agent(concat!("voxledger/", env!("CARGO_PKG_VERSION")))
            .build()?;
        Ok(Self { http, guard, schemas: Schemas::default() })
    }

    /// Calls the tool, with one retry where it certainly did nothing: there was no connection, or it answered 503.
    /// Both requests have the same ids.
    async fn ask(&self, tool: &ToolUse, url: Url, arguments: &Value) -> ToolAnswer {
        let first = self.ask_once(tool, url.clone(), arguments).await;
        let again = match &first {
            Ok(response) => response.status() == StatusCode::SERVICE_UNAVAILABLE,
            Err(error) => error.is_connect() && !error.is_timeout(),
        };
        let asked = if again {
            drop(first);
            tokio::time::sleep(PAUSE).await;
            self.ask_once(tool, url, arguments).await
        } else {
            first
        };
        match asked {
            Ok(response) => read(response).await,
            Err(error) if error.is_timeout() => timed_out(tool),
            Err(_) => failed(ToolOutcome::Failed, None, "the tool's server cannot be reached".to_owned()),
        }
    }

    async fn ask_once(
        &self,
        tool: &ToolUse,
        mut url: Url,
        arguments: &Value,
    ) -> Result<Response, reqwest::Error> {
        if tool.method.in_query() {
            let mut query = url.query_pairs_mut();
            for (name, value) in arguments.as_object().into_iter().flatten() {
                query.append_pair(name, &value.as_str().map_or_else(|| value.to_string(), str::to_owned));
            }
        }
        let method =
            reqwest::Method::from_bytes(tool.method.as_str().as_bytes()).unwrap_or(reqwest::Method::POST);
        let body = if tool.method.in_query() { String::new() } else { arguments.to_string() };
        let mut request = self.http.request(method, url).headers(headers(tool, body.as_bytes()));
        if !tool.method.in_query() {
            request = request.header(CONTENT_TYPE, "application/json").body(body);
        }
        send(request, Peer { name: "tool", template: None }).await
    }
}

/// The client's own headers, overridden by ours: for whom the tool is called, and the signature of `body`.
fn headers(tool: &ToolUse, body: &[u8]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let mut set = |name: &str, value: &str| {
        // validated when the tool was created
        if let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), HeaderValue::from_str(value)) {
            headers.insert(name, value);
        }
    };
    for (name, value) in &tool.headers {
        // a header given before we reserved its name must not pass for ours
        if !is_ours(&name.to_ascii_lowercase()) {
            set(name, value);
        }
    }
    set("idempotency-key", &tool.id.to_string());
    for (name, value) in tool.behalf.headers() {
        set(name, &value);
    }
    if !tool.secrets.is_empty() {
        let at = tool.now.timestamp();
        for (name, value) in signing::headers(&tool.secrets, &tool.message_id(), at, body) {
            set(name, &value);
        }
    }
    headers
}

fn failed(outcome: ToolOutcome, status: Option<u16>, content: String) -> ToolAnswer {
    ToolAnswer { outcome, status, content }
}

fn timed_out(tool: &ToolUse) -> ToolAnswer {
    let words = format!("the tool did not answer within {} ms", tool.timeout.as_millis());
    failed(ToolOutcome::TimedOut, None, words)
}

/// The tool's answer, if a model can use it: JSON or plain text, not too long, with a status of 2xx.
async fn read(mut response: Response) -> ToolAnswer {
    let status = response.status();
    let code = Some(status.as_u16());
    let kind = response.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    let kind = kind.unwrap_or_default().to_ascii_lowercase();
    let (mut body, mut long) = (Vec::new(), false);
    loop {
        match response.chunk().await {
            Ok(Some(chunk)) => body.extend_from_slice(&chunk),
            Ok(None) => break,
            Err(_) => return failed(ToolOutcome::Failed, code, "the tool's answer broke off".to_owned()),
        }
        if body.len() > MAX_RESULT {
            long = true;
            break;
        }
    }
    let text = String::from_utf8_lossy(&body).into_owned();
    if !status.is_success() {
        let told: String = text.chars().take(TOLD_OF_A_FAILURE).collect();
        let told = if kind.contains("html") { String::new() } else { told };
        return failed(ToolOutcome::Failed, code, format!("the tool answered {}: {told}", status.as_u16()));
    }
    if long {
        let words = format!("the tool's answer is longer than {} KiB", MAX_RESULT >> 10);
        return failed(ToolOutcome::Failed, code, words);
    }
    let is_html =
        kind.contains("html") || text.trim_start().to_ascii_lowercase().starts_with("<!doctype html");
    if is_html {
        return failed(ToolOutcome::Failed, code, "the tool answered a web page, not data".to_owned());
    }
    if kind.contains("json") && !text.trim().is_empty() && serde_json::from_str::<Value>(&text).is_err() {
        return failed(ToolOutcome::Failed, code, "the tool answered broken JSON".to_owned());
    }
    let content = if text.trim().is_empty() { "done, without an answer".to_owned() } else { text };
    ToolAnswer { outcome: ToolOutcome::Succeeded, status: code, content }
}

#[async_trait]
impl ToolRunner for HttpTools {
    async fn check_schema(&self, schema: &Value) -> Result<(), SchemaFault> {
        self.schemas.check_schema(schema).await
    }

    async fn run(&self, tool: &ToolUse) -> ToolAnswer {
        let arguments = match self.schemas.arguments(&tool.parameters, &tool.arguments).await {
            Ok(arguments) => arguments,
            Err(fault) => return failed(ToolOutcome::Refused, None, fault),
        };
        let Ok(url) = self.guard.url(&tool.url) else {
            return failed(ToolOutcome::Refused, None, "the tool's address may not be reached".to_owned());
        };
        let asking = self.ask(tool, url, &arguments);
        tokio::time::timeout(tool.timeout, asking).await.unwrap_or_else(|_| timed_out(tool))
    }
}
